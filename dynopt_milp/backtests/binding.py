"""Which house rules bind at a rebalance, and what they cost in the objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dynopt_milp.errors import DynoptError
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, Status
from dynopt_milp.rules.used import rule_names
from dynopt_milp.solvers.solving import solve

PRICES = "rules"
"""The field of an entry: what each rule of the day cost; see :func:`prices_of_rules`."""


def prices_of_rules(
    problem: Problem, best: Solution, buffer: float, *, each: bool, gap: float, time_limit: float | None
) -> tuple[float, dict[str, float | None]] | None:
    """What the rules of a rebalance cost together, and each by itself.

    A rule *binds* if the optimum without any rule breaks it. Its price is the optimum less the optimum without it;
    where it binds alone that is the optimum without any.

    Parameters
    ----------
    problem : Problem
        With rules.
    best : Solution
        Its proved optimum, of any formulation.
    buffer : float
        That of the formulation, where it has one.
    each : bool
        Whether to solve again for the price of each where several bind.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`.

    Returns
    -------
    cost : float
        The optimum less that without any rule, share of capital, not negative.
    prices : dict
        By the name of the rule, likewise: 0 where it does not bind, None where it does and its price was not asked for.
    None
        Where the optimum, or that without rules, is not proved.
    """
    if best.status is not Status.OPTIMAL:
        return None

    def without(places: set[int]) -> Solution | None:
        kept = [rule for place, rule in enumerate(problem.rules) if place not in places]
        try:
            found = solve(
                problem.replace(rules=kept), formulation=best.formulation, buffer=buffer, gap=gap,
                time_limit=time_limit, start=best.positions,
            )  # fmt: skip
        except DynoptError:  # where nothing but rules bounds positions
            return None
        return found if found.status is Status.OPTIMAL else None

    free = without(set(range(len(problem.rules))))
    if free is None:
        return None
    binding, names = problem.broken_rules(free.positions), rule_names(problem.rules)
    cost = max(best.objective - free.objective, 0.0) if binding else 0.0
    prices: dict[str, float | None] = dict.fromkeys(names, 0.0)
    for place in binding:
        alone = cost if len(binding) == 1 else None
        if alone is None and each:
            other = without({place})
            alone = None if other is None else max(best.objective - other.objective, 0.0)
        prices[names[place]] = alone
    return cost, prices


def rules_in_figures(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """How often each rule bound, and its prices.

    Returns
    -------
    dict
        By rule, those first that bound most often: at how many ``rebalances`` it was asked and measured, at how many of
        them it was ``binding``, at how many of these its price is known (``priced``), ``mean_price`` and
        ``largest_price`` of them, shares of capital.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        for name, price in (entry.get(PRICES) or {}).items():
            of_rule = found.setdefault(name, {"rebalances": 0, "binding": 0, "prices": []})
            of_rule["rebalances"] += 1
            if price != 0:
                of_rule["binding"] += 1
                of_rule["prices"] += [] if price is None else [price]
    for of_rule in found.values():
        prices = of_rule.pop("prices")
        of_rule["priced"] = len(prices)
        of_rule["mean_price"] = sum(prices) / len(prices) if prices else None
        of_rule["largest_price"] = max(prices, default=None)
    return dict(sorted(found.items(), key=lambda of_one: (-of_one[1]["binding"], of_one[0])))
