"""Whether a portfolio meets what is required beside the box: sides, rules, and the user's constraints, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from dynopt_milp.errors import InputError
from dynopt_milp.solvers.scip.thread import run_in_scip_thread
from dynopt_milp.solvers.task import Constraints
from formulations import FloatArray, IntegerArray, TrackingProgram

if TYPE_CHECKING:
    import cvxpy as cp

# A constraint is met if it is violated by no more than this part of its size. Solvers meet constraints to about
# 1e-9 relative; a margin budget of $100,000 is kept to a tenth of a cent.
TOLERANCE = 1e-8
# What float64 loses in a sum of terms that cancel, relative to their size.
SUM_ROUND_OFF = 1e-13


class ConstraintCheck:
    """Evaluates sides of underlyings, rules and the user's constraints at one portfolio after another.

    Parameters
    ----------
    constraints : callable or None
        The user's function; None admits everything.
    program : TrackingProgram
        Of its underlyings none may be held with opposite signs, and it has the rules.

    Attributes
    ----------
    decidable : bool
        False if the constraints bring variables of their own: then only a solver can tell.
    """

    def __init__(self, constraints: Constraints | None, program: TrackingProgram) -> None:
        self._program = program
        self._constraints: list[Any] = []
        self._offset: FloatArray | float = 0.0
        self.decidable = True
        self._chosen: tuple[cp.Parameter, cp.Problem] | None = None
        if constraints is None:
            return
        import cvxpy as cp

        self._positions = cp.Variable(program.size)
        self._constraints = user_constraints(constraints, self._positions)
        own = {self._positions.id}
        self.decidable = all(variable.id in own for item in self._constraints for variable in item.variables())

    def shifted(self, offset: FloatArray) -> ConstraintCheck:
        """The same check of portfolios k' = k − offset, shape (n,): of the constraints as the user wrote them."""
        other = copy(self)
        other._offset = self._offset + offset
        return other

    def keeps(self, positions: FloatArray | IntegerArray) -> bool:
        """Whether the portfolio keeps sides and rules, whatever the constraints."""
        point = np.asarray(positions, dtype=np.float64) + self._offset
        return bool(self._program.one_sided(point)) and bool(self._program.keeps_rules(point))

    def admits(self, positions: FloatArray | IntegerArray) -> bool:
        """Whether the portfolio keeps sides and rules and meets all constraints; False where that is not decidable."""
        point = np.asarray(positions, dtype=np.float64) + self._offset
        if not self.keeps(positions):
            return False
        if not self._constraints:
            return True
        if not self.decidable:
            return False
        self._positions.value = point
        return all_met(self._constraints)

    def settles(self, positions: FloatArray | IntegerArray) -> bool:
        """As :meth:`admits`, but where constraints bring variables of their own a solver looks for values of those.

        It may overlook some, and takes hundredths of a second.
        """
        if self.decidable or not self.keeps(positions):
            return self.admits(positions)
        import cvxpy as cp

        if self._chosen is None:
            point = cp.Parameter(self._program.size)
            kept = [*self._constraints, self._positions == point]
            self._chosen = point, cp.Problem(cp.Minimize(0.0), kept)
        point, problem = self._chosen
        point.value = np.asarray(positions, dtype=np.float64) + self._offset
        try:
            with np.errstate(invalid="ignore"):  # cvxpy bounds expressions by interval arithmetic: nothing × no limit
                run_in_scip_thread(lambda: problem.solve(solver="SCIP")).result()
        except Exception:  # every solver raises its own kinds
            return False
        if problem.status not in ("optimal", "optimal_inaccurate"):
            return False
        for variable in problem.variables():
            if variable.attributes["boolean"] or variable.attributes["integer"]:
                variable.value = np.round(variable.value)
        self._positions.value = point.value
        return all_met(self._constraints)


def user_constraints(constraints: Constraints, positions: cp.Expression) -> list[Any]:
    """Call the user's function and check what comes back.

    Raises
    ------
    InputError
        If the function fails, or what it returns is not a list of convex cvxpy constraints.
    """
    import cvxpy as cp

    try:
        found = constraints(positions)
    except Exception as error:  # it is the user's function
        raise InputError(
            f"the function raised {type(error).__name__}: {error}; positions are a cvxpy expression in the order of "
            "problem.instruments, picked by number, and pandas objects need .to_numpy()",
            field="constraints",
        ) from error
    if isinstance(found, cp.Constraint):
        found = [found]
    if not isinstance(found, Sequence):
        raise InputError(f"expected a list of cvxpy constraints, found {type(found).__name__}", field="constraints")
    for item in found:
        if not isinstance(item, cp.Constraint):
            raise InputError(f"expected cvxpy constraints, found {item!r}", field="constraints")
        if not item.is_dcp():
            raise InputError(f"expected convex constraints (cvxpy's DCP rules), found {item}", field="constraints")
        if any(np.isnan(_dense(constant.value)).any() for constant in item.constants()):
            raise InputError(f"a constant in it is not a number: {item}", field="constraints")
    return list(found)


def all_met(constraints: list[Any]) -> bool:
    """Whether constraints hold at the values their variables have now."""
    for item in constraints:
        values = [np.abs(np.asarray(argument.value, dtype=np.float64)).max(initial=0.0) for argument in item.args]
        terms = [np.abs(_dense(constant.value)).max(initial=0.0) for constant in item.constants()]
        leaves = [np.abs(variable.value).max(initial=0.0) for variable in item.variables()]
        size = TOLERANCE * max(values, default=0.0) + SUM_ROUND_OFF * max(terms, default=1.0) * max(leaves, default=1.0)
        with np.errstate(all="ignore"):  # cvxpy's projections divide by norms that can be zero
            violation = np.max(item.violation(), initial=0.0)
        if not violation <= size:
            return False
    return True


def _dense(value: Any) -> FloatArray:
    return np.asarray(value.toarray() if hasattr(value, "toarray") else value, dtype=np.float64)
