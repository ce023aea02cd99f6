"""Proofs of an attacked problem: what the checker confirms has to be true of every portfolio that is known.

A proof is of the covariance Σ̂ = R'R that it states, so that values are those of R here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np

from dynopt_milp import Problem, Solution
from dynopt_milp.errors import ProofError
from dynopt_milp.proof import Proof, Verified, accepted, proofs_of
from tests.attack.exact import ExactValues, Portfolio
from tests.attack.keeping import AGAIN
from tests.proof_checker.enumerated import tracking_error

GAP = 1e-6
SOLVE_SECONDS, PROVE_SECONDS, EVERY = 0.3, 1.0, 1000


def proved(problem: Problem, solution: Solution, alive: Callable[[], None]) -> tuple[Proof, Verified] | str:
    """The proof of a solution that claims something, and what the checker says of it; or why there is none.

    ``alive`` is called now and then while the proof is checked: a hundred thousand leaves take a minute.

    Raises
    ------
    Refused
        If the checker refuses what the prover wrote: a violation.
    """

    def watched(lines: Iterator[str]) -> Iterator[str]:
        for number, line in enumerate(lines):
            if number % EVERY == 0:
                alive()
            yield line

    try:
        proofs = proofs_of(problem, solution.contracts, GAP, PROVE_SECONDS)
        return accepted(proofs, lambda proof: proof.verify(watched))
    except ProofError as error:
        return str(error)


def wrong_with(problem: Problem, proof: Proof, found: Verified, known: Iterable[Portfolio]) -> list[str]:
    """All that is not true, in words: of the portfolio, and of its interval against portfolios that are known."""
    values, factor = ExactValues(problem), json.loads(proof.lines[0])["factors"][0]
    near = [portfolio for portfolio in _around(known) if _is_admitted(problem, values, portfolio)]
    if found.positions is None:
        return [f"{list(portfolio)} keeps limits and rules" for portfolio in near[:1]]
    assert found.lower is not None
    assert found.upper is not None
    own = tuple(found.positions.values())
    said = []
    if not _is_admitted(problem, values, own, AGAIN):
        said.append("its portfolio breaks a limit or a rule")
    low, high = _value(problem, values, factor, own)
    if not low <= found.upper <= high * (1 + Fraction(1, 10**30)):
        said.append(f"its value is {float(found.upper)!r}; it is {float(high)!r}")
    for portfolio in near:
        if _value(problem, values, factor, portfolio)[1] < found.lower:
            said.append(f"{list(portfolio)} is worth less than {float(found.lower)!r}")
            break
    return said


def _around(known: Iterable[Portfolio]) -> set[Portfolio]:
    """They, and those with one contract more or less of one instrument."""
    found = set()
    for portfolio in known:
        found.add(portfolio)
        for place in range(len(portfolio)):
            for step in (-1, 1):
                found.add((*portfolio[:place], portfolio[place] + step, *portfolio[place + 1 :]))
    return found


def _is_admitted(problem: Problem, values: ExactValues, portfolio: Portfolio, times: int = 0) -> bool:
    point = np.array(portfolio, dtype=np.float64)
    inside = bool((point >= problem.lower).all() and (point <= problem.upper).all())
    return inside and values.is_one_sided(portfolio) and not values.rules.broken(portfolio, times)


def _value(
    problem: Problem, values: ExactValues, factor: list[list[float]], portfolio: Portfolio
) -> tuple[Fraction, Fraction]:  # fmt: skip
    """‖RU(τ − k)‖ and the cost, enclosed."""
    (low, high), (least, most) = tracking_error(problem, factor, portfolio), values.paid(portfolio)
    unit = 1 << values.digits
    return low + Fraction(least, unit), high + Fraction(most, unit)
