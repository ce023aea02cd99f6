"""What is wrong with a claim, decided in exact arithmetic against every portfolio that is known."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dynopt_milp import Problem, Solution
from tests.attack.exact import EDGE, ExactValues, Portfolio, Question
from tests.attack.keeping import AGAIN
from tests.attack.known import Known, best_known, clipped

# An objective is the exact value to this part of it (of value + buffer, which are apart by a difference), where the
# problem's notes do not say that the covariance was repaired.
OBJECTIVE = Fraction(1, 10**9)
# The gap is a quotient of two floats: it is the exact one to a few units in the last place.
GAP_ROUND_OFF = Fraction(1, 2**50)
# What is added to a rule where the covariance has a direction of negative variance, as floats of a singular one often
# do: along it tracking errors are nothing, however far, where no limit and no cost holds a portfolio.
INDEFINITE = ", indefinite"
LATE = 2.0  # seconds past a time limit


@dataclass(frozen=True)
class Claim:
    """An answer as something that can be wrong.

    ``objective`` and ``lower_bound`` are None where nothing is said of them; ``within`` is how many contracts from the
    target a portfolio may be for the claim to be about it.
    """

    label: str
    status: str
    contracts: Portfolio | None
    gap: float
    objective: float | None = None
    lower_bound: float | None = None
    seconds: float = 0.0
    time_limit: float | None = None
    within: float = math.inf

    @classmethod
    def of(cls, label: str, solution: Solution, gap: float, seconds: float, time_limit: float | None) -> Claim:
        """What a solution claims."""
        contracts = solution.contracts
        return cls(
            label, solution.status.value, None if contracts is None else tuple(int(x) for x in contracts), gap,
            solution.objective, solution.lower_bound, seconds, time_limit, said_within(solution.notes),
        )  # fmt: skip

    def __str__(self) -> str:
        return (
            f"{self.label}: {self.status} {list(self.contracts) if self.contracts else self.contracts}, objective "
            f"{self.objective!r}, lower bound {self.lower_bound!r}, gap {self.gap!r}, {self.seconds:.2f} s"
        )


def said_within(notes: tuple[str, ...]) -> float:
    """How far from the target portfolios were looked at, where notes say that it was not everywhere."""
    found = [re.search(r"more than ([\d,]+) contracts from the target were not looked at", note) for note in notes]
    return min((float(one[1].replace(",", "")) for one in found if one), default=math.inf)


@dataclass(frozen=True)
class Violation:
    """A claim that does not hold: which rule, whose claim and how it is known."""

    rule: str
    claim: Claim
    text: str


class Referee:
    """Judges the claims that are made of a question about a problem."""

    def __init__(self, problem: Problem, question: Question) -> None:
        self.problem, self.question = problem, question
        self.values = ExactValues(problem)

    def known(self, claims: list[Claim], planted: list[Portfolio], within: float = math.inf) -> Known:
        """The best portfolio there is so near the target, as far as is known."""
        problem = self.problem
        lower, upper = problem.lower, problem.upper
        least, most = np.ceil(problem.optimal_positions - within), np.floor(problem.optimal_positions + within)
        near_lower = np.where(np.isinf(lower), np.minimum(least, upper), lower)
        near_upper = np.where(np.isinf(upper), np.maximum(most, lower), upper)
        centres = [claim.contracts for claim in claims if claim.contracts is not None and self._is_inside(claim)]
        start = [problem.optimal_positions, problem.previous_positions, [0.0] * self.values.size]
        return best_known(self.values, near_lower, near_upper, self.question, [*centres, *start, *planted])

    def judge(self, claims: list[Claim], planted: list[Portfolio] | None = None) -> list[Violation]:
        """All that is wrong with the claims."""
        known = {within: self.known(claims, planted or [], within) for within in {claim.within for claim in claims}}
        return [violation for claim in claims for violation in self._wrong(claim, known[claim.within])]

    def _is_below(self, bound: float, value: int) -> bool:
        return bound <= 0 or (math.isfinite(bound) and self.values.floor(bound) <= value)

    def _is_inside(self, claim: Claim) -> bool:
        assert claim.contracts is not None
        return clipped(claim.contracts, self.problem.lower, self.problem.upper) == claim.contracts

    def _wrong(self, claim: Claim, known: Known) -> list[Violation]:
        found = []

        def say(rule: str, text: str) -> None:
            if rule in ("bound", "optimal", "infeasible", "edge", "rule") and not values.is_semidefinite:
                rule += INDEFINITE
            found.append(Violation(rule, claim, text))

        values = self.values
        best = "" if known.best is None else f"{list(known.best)} has the exact value {values.text(known.least)}"
        if claim.time_limit is not None and claim.seconds > claim.time_limit + LATE:
            say("time", f"{claim.seconds:.2f} s with a time limit of {claim.time_limit:g} s")
        if claim.status == "infeasible" and known.best is not None:
            say("infeasible", best)
        bound = claim.lower_bound
        if bound is not None and known.best is not None and not self._is_below(bound, known.least):
            say("bound", f"{best}, less than the lower bound {bound!r}")
        if claim.contracts is None:
            if claim.status in ("optimal", "feasible"):
                say("limits", "an answer without contracts")
            return found
        if not self._is_inside(claim):
            say("limits", "the answer lies outside the limits")
            return found
        if not values.is_one_sided(claim.contracts):
            say("side", "an underlying is held with opposite signs")
            return found
        if broken := values.rules.broken(claim.contracts, AGAIN):
            say("rule", f"the answer breaks {broken}")
            return found
        own = self._own_value(claim.contracts)
        if own is None:
            say("edge", self._outside(claim.contracts))
            return found
        low, high = own
        about = f"the answer has the exact value {values.text(low)}"
        if claim.status == "optimal" and known.best is not None:
            least = low * (1 - Fraction(claim.gap) - GAP_ROUND_OFF)
            if known.least < least:
                say("optimal", f"{about}, {best}, less by {float(1 - Fraction(known.least, low)):.3g} of it")
        if claim.objective is not None and not any("was set to zero" in note for note in self.problem.notes):
            lost = OBJECTIVE * (
                high + (values.ceil(self.question.buffer) if self.question.formulation == "deadband" else 0)
            )
            if not low - lost <= values.ceil(claim.objective) or not values.floor(claim.objective) <= high + lost:
                say("objective", f"{about}, stated {claim.objective!r}")
        return found

    def _outside(self, contracts: Portfolio) -> str:
        if not self.question.edge:
            return "the answer is above the cap"
        low = self.values.tracking_error(contracts)[0]
        beyond = Fraction(low, self.values.ceil(self.question.buffer)) - 1
        return f"the exact tracking error is {self.values.text(low)}, {float(beyond):.3g} of the buffer beyond it"

    def _own_value(self, contracts: Portfolio) -> tuple[int, int] | None:
        """The exact value of an answer, which may lie on the edge of a buffer to round-off."""
        if self.question.edge:
            if not self.values.is_within(contracts, Fraction(self.question.buffer) * EDGE):
                return None
            return self.values.paid(contracts)
        return self.values.value(contracts, self.question, AGAIN)
