"""What every formulation is: a value for whole positions, and the same thing as a cvxpy model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from formulations.arrays import FloatArray
from formulations.choices import Choices
from formulations.exact_norm import UNIT_ROUND_OFF
from formulations.pricing import FINE, Price, exact_price, price
from formulations.program import ProgramError, TrackingProgram
from formulations.rule_model import rule_constraints
from formulations.search_form import SearchForm

if TYPE_CHECKING:  # cvxpy loads every solver it finds; who only evaluates does not need it
    import cvxpy as cp

# The value that the best known portfolio has after `normalised`. Solvers compare with absolute tolerances of about
# 1e-6, which swallow objectives of 1e-4 and say "optimal" (comparisons/naive_model).
NORMAL_VALUE = 100.0


class Priced(NamedTuple):
    """The value of a portfolio, and between what the exact value lies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A formulation in cvxpy: minimise ``objective`` over ``positions`` subject to ``constraints``."""

    positions: cp.Variable
    objective: cp.Expression
    constraints: list[Any]

    def problem(self, *extra: Any) -> cp.Problem:
        """The cvxpy problem, with further constraints if there are any."""
        import cvxpy as cp

        return cp.Problem(cp.Minimize(self.objective), [*self.constraints, *extra])


@dataclass(frozen=True, slots=True, eq=False)
class Formulation(ABC):
    """An integer program whose value depends on a portfolio's tracking error and its cost (`separable_cost`) alone.

    Parameters
    ----------
    program : TrackingProgram
        The data.
    """

    program: TrackingProgram
    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        # A class that combines in its own way has another value: it does not inherit the search form of this one.
        if "combine" in cls.__dict__ and "search_form" not in cls.__dict__:
            cls.search_form = Formulation.search_form  # type: ignore[method-assign]

    @abstractmethod
    def combine(self, tracking_error: FloatArray, cost: FloatArray) -> FloatArray:
        """The value of portfolios from their tracking errors and costs; +inf where inadmissible."""

    @abstractmethod
    def model(self, *, integer: bool = True) -> Model:
        """The formulation in cvxpy; with ``integer=False`` its continuous relaxation."""

    @property
    def search_form(self) -> SearchForm | None:
        """How the branch and bound may search it; None, the default, leaves it to solvers that are given the model."""
        return None

    @property
    def is_sum(self) -> bool:
        """Whether the value is tracking error + cost: what the greedy search is defined for."""
        form = self.search_form
        return form is not None and form.buffer == 0 and not form.edge

    @abstractmethod
    def tracking_radius(self, value: float) -> float:
        """The largest tracking error that a portfolio of at most this value can have."""

    def cost_budget(self, value: float) -> float:
        """The largest cost that a portfolio of at most this value can have."""
        return value

    def norm_parts(self) -> tuple[FloatArray, FloatArray]:
        """L, shape (m, n), and d ≥ 0, shape (n,), with F'F = L'L + diag(d), as the model writes the tracking error."""
        return self.program.factor, np.zeros(self.program.size)

    @abstractmethod
    def normalised(self, value: float) -> tuple[Formulation, float]:
        """The same program in units where ``value > 0`` becomes 100, and the factor its value was multiplied by."""

    def shifted(self, offset: ArrayLike) -> Self:
        """The same formulation in k' = k − offset (whole contracts, shape (n,)): no value changes."""
        return replace(self, program=self.program.shifted(offset))

    def values(self, portfolios: ArrayLike) -> FloatArray:
        """The value of each row of ``portfolios``, shape (N, n); +inf where inadmissible. The box is not looked at."""
        return self.combine(self.program.tracking_errors(portfolios), self.program.separable_costs(portfolios))

    def value(self, positions: ArrayLike) -> float:
        """The value of one portfolio, shape (n,), in float64, as searches compare them; what counts is `priced`."""
        error, cost = self.program.tracking_error(positions), self.program.separable_cost(positions)
        return float(self.combine(error, cost))  # type: ignore[arg-type]  # numpy takes numbers as it takes arrays

    def bounds(self, portfolios: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Values of rows of ``portfolios``, shape (N, n), and the ends between which the exact ones lie, in float64."""
        found = price(self.program, np.asarray(portfolios, dtype=np.float64))
        return self.combine(found.tracking_error, found.cost), *self._ends(found)

    def priced(self, positions: ArrayLike) -> Priced:
        """The value of one portfolio, shape (n,), as accurately as its claims need: what every answer is worth."""
        point = np.asarray(positions, dtype=np.float64)
        found = price(self.program, point)
        low, high = self._ends(found)
        value = float(self.combine(found.tracking_error, found.cost))
        if low < high and not high - low <= FINE * low:  # where the edge is between them, high is infinite
            form = self.search_form
            if form is not None and form.buffer > 0 and not form.edge:
                found = exact_price(self.program, point, form.buffer)
                value = found.tracking_error + found.cost
                doubt = found.error + found.cost_error + 4 * UNIT_ROUND_OFF * value
                return Priced(value, max(value - doubt, 0.0), value + doubt)
            found = exact_price(self.program, point)
            low, high = self._ends(found)
            value = float(self.combine(found.tracking_error, found.cost))
        return Priced(min(max(value, float(low)), float(high)), float(low), float(high))

    def _ends(self, found: Price) -> tuple[FloatArray, FloatArray]:
        """The least and the largest value that a price admits: values rise with tracking error and cost."""
        error, cost = found.tracking_error, found.cost
        least = error - found.error
        low = self.combine(least * (least > 0), cost - found.cost_error)
        high = self.combine(error + found.error, cost + found.cost_error)
        return low * (1 - 4 * UNIT_ROUND_OFF), high * (1 + 4 * UNIT_ROUND_OFF)

    def _distance(self, factor: FloatArray, positions: cp.Variable) -> cp.Expression:
        """‖F(k − τ)‖₂ in cvxpy, with this F or another of as many columns."""
        import cvxpy as cp

        if not len(factor):  # no risk at all, and not every version of cvxpy multiplies with nothing
            return cp.Constant(0.0)
        return cp.norm(factor @ positions - factor @ self.program.target, 2)

    def _cost(self, positions: cp.Variable, integer: bool) -> tuple[cp.Expression, list[Any]]:
        """The cost of positions, the constraints that it needs, and the program's rules.

        A table, or a cost of orders, becomes a choice among its points (`choices`), and so does what rules say that is
        not convex (`rule_model`).

        Raises
        ------
        ProgramError
            If a rule, or a cost of orders, needs limits that a position does not have.
        """
        import cvxpy as cp

        program = self.program
        choices = Choices(program, positions, integer)
        cost = program.cost @ cp.abs(positions - program.previous)
        if program.holding is not None and program.holding.any():
            cost = cost + program.holding @ cp.abs(positions - program.zero)
        for place in np.flatnonzero(program.listed):
            choice = choices.of(int(place), "orders")
            cost = cost + choice.costs @ choice.chosen
        rules = rule_constraints(program, positions, choices)
        return cost, [*choices.constraints, *rules]

    def _variable(self, integer: bool) -> tuple[cp.Variable, list[Any]]:
        """The positions, the box they lie in, and the side of each underlying.

        With z = 1 an underlying is not short, with z = 0 not long: (1 − z)·lowerᵢ ≤ kᵢ ≤ z·upperᵢ, counted from the
        position that has no side.

        Raises
        ------
        ProgramError
            If an underlying has a position without limits.
        """
        import cvxpy as cp

        program = self.program
        k = cp.Variable(program.size, name="positions", integer=integer)
        above, below = np.isfinite(program.lower), np.isfinite(program.upper)
        box: list[Any] = []
        if above.any():
            box.append(k[above] >= program.lower[above])
        if below.any():
            box.append(k[below] <= program.upper[below])
        for members in program.underlyings():
            if not (above & below)[members].all():
                raise ProgramError("underlying", "needs limits for the side of", int(members[0]))
            zero = program.zero[members]
            least, most = program.lower[members] - zero, program.upper[members] - zero
            away, long = k[members] - zero, cp.Variable(boolean=integer, nonneg=not integer)
            box += [away <= long * np.maximum(most, 0.0) + np.minimum(most, 0.0) * (1 - long), long <= 1]
            box.append(away >= (1 - long) * np.minimum(least, 0.0) + long * np.maximum(least, 0.0))
        return k, box
