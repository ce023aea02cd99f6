"""Which house rules bind at a rebalance, and what they cost in the objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dynopt_milp.errors import DynoptError
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, Status
from dynopt_milp.rules.used import rule_names
from dynopt_milp.solvers.solving import solve

PRICES, KEPT = "rules_binding", "rules_kept"
"""The fields of an entry: the price of each rule that binds, None where it is not known, and names of the others."""
SHARE_PRICED = 4
"""Of the days on which several rules bind, one in so many is solved again for the price of each, if not all are."""


def prices_of_rules(
    problem: Problem, best: Solution, buffer: float, *, each: bool, gap: float, time_limit: float | None
) -> tuple[float, dict[str, float | None], list[str]] | None:
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
        Whether to solve again for the price of each where several bind; else it is known where one binds alone.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`.

    Returns
    -------
    cost : float
        The optimum less that without any rule, share of capital, not negative.
    prices : dict
        Likewise, of the rules that bind, by name; None where it was not asked for.
    kept : list of str
        The names of the others.
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
    prices: dict[str, float | None] = {}
    for place in binding:
        alone = cost if len(binding) == 1 else None
        if alone is None and each:
            other = without({place})
            alone = None if other is None else max(best.objective - other.objective, 0.0)
        prices[names[place]] = alone
    return cost, prices, [name for name in names if name not in prices]


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
        binding: Mapping[str, float | None] = entry.get(PRICES) or {}
        for name in (*binding, *entry.get(KEPT, ())):
            of_rule = found.setdefault(name, {"rebalances": 0, "binding": 0, "prices": []})
            of_rule["rebalances"] += 1
            of_rule["binding"] += name in binding
            if binding.get(name) is not None:
                of_rule["prices"].append(binding[name])
    for of_rule in found.values():
        prices = of_rule.pop("prices")
        of_rule["priced"] = len(prices)
        of_rule["mean_price"] = sum(prices) / len(prices) if prices else None
        of_rule["largest_price"] = max(prices, default=None)
    return dict(sorted(found.items(), key=lambda of_one: (-of_one[1]["binding"], of_one[0])))
