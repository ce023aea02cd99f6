"""Which rules: each with a limit that binds, as it is relative to what a portfolio without it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from dynopt_milp import Problem, rules
from dynopt_milp.rules import Rule
from formulations import FloatArray

SHARE = 0.8
WIDE_SHARE = 0.9
COUNT_SHARE = 0.6
LEAST_HOLDINGS = 3
FEW_ORDERS = 4
LARGEST_HELD = 4
MARGIN_PER_RISK = 0.35
"""Margin of a contract, of its annual standard deviation: about six days of two standard deviations."""
SIZE = 3
"""Contracts: of the least position and the least order."""

Maker = Callable[[Problem, FloatArray], Rule]
"""From a problem and a portfolio, shape (n,), in the order of its instruments, to a rule that it is likely to break."""


def _gross(problem: Problem, held: FloatArray) -> Rule:
    return rules.gross(SHARE * float(np.abs(held) @ problem.weight_per_contract))


def _risk_of(problem: Problem, held: FloatArray) -> float:
    return float(np.linalg.norm(problem.program().factor @ held))


def _risk(problem: Problem, held: FloatArray) -> Rule:
    return rules.risk(SHARE * _risk_of(problem, held))


def _wide_risk(problem: Problem, held: FloatArray) -> Rule:
    return rules.risk(WIDE_SHARE * _risk_of(problem, held))


def _fewer_holdings(_: Problem, held: FloatArray) -> Rule:
    return rules.max_holdings(max(LEAST_HOLDINGS, int(COUNT_SHARE * np.count_nonzero(held))))


def _few_orders(_: Problem, __: FloatArray) -> Rule:
    return rules.max_orders(FEW_ORDERS)


FIVE: dict[str, tuple[Maker, ...]] = {
    "margin": (_gross,),
    "risk": (_risk,),
    "both": (_gross, _wide_risk),
    "holdings": (_fewer_holdings,),
    "orders": (_few_orders,),
}
"""Gross notional at 80 % of the free optimum's, risk at 80 %, both at 80 and 90 %, 60 % of its holdings, 4 orders."""


def _margin(problem: Problem, held: FloatArray) -> Rule:
    each = MARGIN_PER_RISK * _deviation(problem)
    return rules.margin(problem.labelled(each), SHARE * float(each @ np.abs(held)))


def _exposure(problem: Problem, held: FloatArray) -> Rule:
    """Beta to the portfolio of equal risk."""
    equal = 1 / np.sqrt(np.diag(problem.covariance))
    market = problem.covariance @ equal
    beta = problem.weight_per_contract * market / (equal @ market)
    return rules.exposure(problem.labelled(beta), *_nearer(float(beta @ held)))


def _net(problem: Problem, held: FloatArray) -> Rule:
    return rules.net(*_nearer(float(problem.weight_per_contract @ held)))


def _traded(problem: Problem, held: FloatArray) -> FloatArray:
    return np.asarray(problem.weight_per_contract * np.abs(held - problem.previous_positions))


def _turnover(problem: Problem, held: FloatArray) -> Rule:
    return rules.turnover(SHARE * float(_traded(problem, held).sum()))


def _cost(problem: Problem, held: FloatArray) -> Rule:
    return rules.cost(SHARE * float(problem.cost_in_weight_terms @ _traded(problem, held)))


def _group_net(problem: Problem, held: FloatArray) -> Rule:
    names, chosen = _every_other(problem)
    return rules.group(names, *_nearer(float((problem.weight_per_contract * held)[chosen].sum())))


def _group_gross(problem: Problem, held: FloatArray) -> Rule:
    names, chosen = _every_other(problem)
    used = float((problem.weight_per_contract * np.abs(held))[chosen].sum())
    return rules.group(names, upper=SHARE * used, of="gross")


def _group_contracts(problem: Problem, held: FloatArray) -> Rule:
    names, chosen = _every_other(problem)
    return rules.group(names, *_nearer(float(held[chosen].sum())), of="contracts")


def _group_margin(problem: Problem, held: FloatArray) -> Rule:
    names, chosen = _every_other(problem)
    each = MARGIN_PER_RISK * _deviation(problem)
    used = float((each * np.abs(held))[chosen].sum())
    return rules.group(names, upper=SHARE * used, of="margin", per_contract=problem.labelled(each))


def _risk_of_group(problem: Problem, held: FloatArray) -> Rule:
    names, chosen = _every_other(problem)
    return rules.risk(SHARE * _risk_of(problem, np.where(chosen, held, 0.0)), names=names)


def _tracking_error(problem: Problem, held: FloatArray) -> Rule:
    return rules.tracking_error(WIDE_SHARE * problem.program().tracking_error(held))


def _fewer_orders(problem: Problem, held: FloatArray) -> Rule:
    return rules.max_orders(int(COUNT_SHARE * np.count_nonzero(held != problem.previous_positions)))


def _one_of(problem: Problem, held: FloatArray) -> Rule:
    """The four largest positions by risk."""
    by_risk = pd.Series(np.abs(held) * _deviation(problem), index=problem.instruments).sort_index()
    return rules.one_of(by_risk.nlargest(LARGEST_HELD).index)


def _lot(problem: Problem, _: FloatArray) -> Rule:
    """Pairs of contracts where an even number is held before, so that it may stay."""
    return rules.lot(_some(problem, problem.previous_positions % 2 == 0, 2))


def _min_position(problem: Problem, _: FloatArray) -> Rule:
    """Where what is held before keeps it."""
    before = np.abs(problem.previous_positions)
    return rules.min_position(_some(problem, (before == 0) | (before >= SIZE), SIZE))


def _min_order(_: Problem, __: FloatArray) -> Rule:
    return rules.min_order(SIZE)


def _max_order(problem: Problem, held: FloatArray) -> Rule:
    largest = float(np.abs(held - problem.previous_positions).max())
    return rules.max_order(max(1, int(COUNT_SHARE * largest)))


SINGLE: dict[str, Maker] = {
    "margin": _margin,
    "exposure": _exposure,
    "gross": _gross,
    "net": _net,
    "turnover": _turnover,
    "cost": _cost,
    "group": _group_gross,
    "risk": _risk,
    "tracking_error": _tracking_error,
    "max_holdings": _fewer_holdings,
    "max_orders": _fewer_orders,
    "one_of": _one_of,
    "lot": _lot,
    "min_position": _min_position,
    "min_order": _min_order,
    "max_order": _max_order,
}
"""Each function of `dynopt_milp.rules`, by name."""

VARIANTS: dict[str, Maker] = {
    "group_net": _group_net,
    "group_contracts": _group_contracts,
    "group_margin": _group_margin,
    "risk_of_group": _risk_of_group,
}
"""What else some of them can be."""

PAIRS = tuple(combinations(SINGLE, 2))


def made(makers: Iterable[Maker], problem: Problem, solved: Callable[[Problem], FloatArray | None]) -> Problem:
    """The problem with these rules, each limit relative to what the best portfolio with those before it uses.

    Parameters
    ----------
    makers : iterable of callable
    problem : Problem
        Without rules.
    solved : callable
        From a problem to its best portfolio, None if there is none: limits are then relative to that before it.
    """
    ruled, held = problem, solved(problem)
    assert held is not None
    for place, maker in enumerate(makers):
        if place:
            best = solved(ruled)
            held = held if best is None else best
        ruled = problem.replace(rules=[*ruled.rules, maker(problem, held)])
    return ruled


def _deviation(problem: Problem) -> FloatArray:
    """Annual standard deviation of one contract, share of capital, shape (n,)."""
    return np.asarray(problem.weight_per_contract * np.sqrt(np.diag(problem.covariance)))


def _nearer(used: float) -> tuple[float | None, float | None]:
    """A lower or an upper bound that is nearer to zero than what is used."""
    return (None, SHARE * used) if used > 0 else (SHARE * used, None)


def _every_other(problem: Problem) -> tuple[list[str], np.ndarray]:
    """Every other instrument by name, and where they are."""
    names = sorted(problem.instruments)[::2]
    return names, np.isin(problem.instruments, names)


def _some(problem: Problem, chosen: np.ndarray, contracts: int) -> dict[str, int]:
    return {name: contracts for name, some in zip(problem.instruments, chosen, strict=True) if some}
