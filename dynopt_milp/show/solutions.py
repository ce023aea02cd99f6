"""Solutions as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, Status, StoppedBy
from dynopt_milp.rules.used import RuleUse
from dynopt_milp.trades.outcome import Rebalance

HUNDREDTH = 0.005
"""Contracts; a smaller target would be printed as 0.00."""
EXPLANATION = {
    Status.OPTIMAL: "proven: no portfolio is better by more than the gap",
    Status.FEASIBLE: "an answer, not proven to be the best",
    Status.NO_SOLUTION: "no portfolio was found, nor proved not to exist",
    Status.INFEASIBLE: "limits, rules and constraints leave no portfolio",
}
RULES = {
    "book": "book, the rounded share of the way to the optimised portfolio",
    "edge": "edge, the cheapest trade to within the buffer around the optimised portfolio",
    "deadband": "deadband, the buffer is part of the optimisation",
    "none": "none, all the way to the optimised portfolio",
}


def show_solution(solution: Solution, console: Console) -> None:
    """Print a solution: what is known of it, then target, held and new positions."""
    facts = [
        ("status", f"{solution.status.value} ({EXPLANATION[solution.status]})"),
        ("stopped by", solution.stopped_by.value),
        ("objective", f"{solution.objective:.6g}"),
    ]
    if solution.stopped_by is StoppedBy.HEURISTIC:
        facts.append(("lower bound", "none; this optimizer proves nothing"))
    else:
        facts += [("lower bound", f"{solution.lower_bound:.6g}"), ("gap", _share(solution.gap))]
    if solution.contracts is not None:
        facts += [
            ("tracking error", f"{solution.tracking_error:.4%} of capital a year"),
            ("cost penalty", f"{solution.cost_penalty:.6g}"),
            *([("holding", f"{solution.holding_penalty:.6g}, penalty")] if solution.holding_penalty else []),
            ("contracts", f"{_total(solution.positions)} held, {_total(solution.trades)} traded"),
        ]
    facts += [
        ("optimizer", f"{solution.optimizer}, {solution.formulation}, {solution.solver}"),
        ("time", f"{solution.seconds:.2f} s" + (f", {solution.nodes:,} nodes" if solution.nodes else "")),
    ]
    if solution.conflict is not None:
        facts += [("conflict", member) for member in solution.conflict.members]
        facts += [("remedy", str(remedy)) for remedy in solution.conflict.remedies] or [
            ("remedy", solution.conflict.remedy)
        ]
    show_facts(facts, solution.notes, console)
    if solution.contracts is not None:
        _show_positions(solution.problem, solution.positions, solution.trades, console)


def show_rebalance(result: Rebalance, console: Console, made_from: Mapping[str, Any] | None = None) -> None:
    """Print the trades of a rebalance.

    Parameters
    ----------
    result : Rebalance
    console : Console
    made_from : mapping, optional
        What else is known: ``date``, ``capital``, ``base_currency``, and ``notes`` that were shown already.
    """
    known, problem = made_from or {}, result.problem
    capital = known.get("capital", problem.capital)
    currency = known.get("base_currency")
    rule = result.buffer_rule or "none"
    ends = "from held to the unrounded portfolio" if rule == "deadband" else "from held to the optimised portfolio"
    risk, back = result.risk, result.held_back
    facts = [("date", str(known.get("date", f"{result.time:%Y-%m-%d}")))]
    if capital is not None:
        facts.append(("capital", f"{capital:,.0f}" + (f" {currency}" if currency else "")))
    if "preset" in known:
        facts.append(("settings", str(known["preset"])))
    facts += [
        ("optimisation", f"{result.status.value} ({EXPLANATION[result.status]})"),
        ("stopped by", result.stopped_by.value),
        ("rule", f"{RULES[rule]}" + (f"; buffer {result.buffer:.4%} of capital a year" if result.buffer_rule else "")),
        ("distance", f"{result.distance:.4%} of capital a year, {ends}"),
    ]
    if result.adjustment_factor is not None:
        facts.append(("adjustment", f"{result.adjustment_factor:.1%} of the way"))
    facts += [
        ("held back", f"{_total(back)} contracts, by the buffer"),
        ("tracking error", f"{result.tracking_error_before:.4%} of capital a year before, "
                           f"{result.tracking_error:.4%} after trading"),
        ("risk", f"{risk['held']:.4%} of capital a year held, {risk['new']:.4%} new, {risk['wanted']:.4%} wanted"),
        ("cost of trades", f"{result.cost:.6%} of capital" + _in_money(result.cost, capital)),
        ("notional", f"{result.notional.abs().sum():.2f} times capital, gross"),
        *(
            []
            if result.margin is None
            else [("margin", f"{result.margin:.2%} of capital{_in_money(result.margin, capital)}")]
        ),
        *(("rule", _rule_use(use)) for use in result.rules_used),
        ("optimizer", f"{result.optimised.optimizer}, {result.optimised.solver}"),
        ("time", f"{result.seconds:.2f} s"),
    ]  # fmt: skip
    said = known.get("notes", ())
    show_facts(facts, tuple(note for note in result.optimised.notes if note not in said), console)
    further: dict[str, list[str]] = {}
    if (back != 0).any():
        further["before\nbuffer"] = [f"{number}" for number in result.optimised.positions]
        further["held\nback"] = [f"{number:+d}" if number else "" for number in back]
    if capital is not None:
        further["notional"] = [f"{value:,.0f}" if value else "" for value in result.notional * capital]
        further["cost"] = [f"{value:,.2f}" if value else "" for value in result.costs * capital]
    _show_positions(problem, result.positions, result.trades, console, trades_only=True, further=further)


def _rule_use(use: RuleUse) -> str:
    """What is used of a bound, and the bound."""
    return f"{use.rule}: {use.used:,.6g} of at {'least' if use.at_least else 'most'} {use.limit:,.6g}"


def show_facts(facts: list[tuple[str, str]], notes: tuple[str, ...], console: Console) -> None:
    """Print what is known, a line each: its name, and what it is."""
    for name, text in [*facts, *(("note", note) for note in notes)]:
        console.print(f"{name:<15}{text}", markup=False, highlight=False)


def _show_positions(
    problem: Problem, positions: pd.Series, trades: pd.Series, console: Console, *, trades_only: bool = False,
    further: Mapping[str, list[str]] | None = None,
) -> None:  # fmt: skip
    """What is wanted, held, traded or optimised, a row an instrument; ``further`` columns by their heads."""
    columns = further or {}
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("instrument", overflow="fold")
    for name in ("target", "held", "trade", "new", *columns):
        table.add_column(name, justify="right", no_wrap=True)
    held = problem.previous_positions
    shown = 0
    for place, name in enumerate(problem.instruments):
        trade, hold, target = int(trades.iloc[place]), int(positions.iloc[place]), problem.optimal_positions[place]
        if trade == 0 and hold == 0 and held[place] == 0 and target == 0:
            continue
        shown += 1
        table.add_row(
            Text(name), fraction(target), f"{int(held[place])}", f"{trade:+d}" if trade else "", f"{hold}",
            *(texts[place] for texts in columns.values()),
        )  # fmt: skip
    console.print()
    if shown:
        console.print(table)
    left = len(problem.instruments) - shown
    if trades_only and not (trades != 0).any():
        console.print("No trades.")
    elif left:
        word = "instrument" if left == 1 else "instruments"
        console.print(f"{left} more {word} with nothing wanted, held or traded.")


def fraction(target: float) -> str:
    """Hundredths of a contract; what is less than that in one digit, so that nothing wanted looks like zero."""
    return f"{target:.2f}" if target == 0 or abs(target) >= HUNDREDTH else f"{target:.0e}"


def _total(contracts: Any) -> int:
    return int(np.abs(contracts.to_numpy()).sum())


def _in_money(share: float, capital: float | None) -> str:
    return "" if capital is None else f": {share * capital:,.2f} of {capital:,.0f}"


def _share(gap: float) -> str:
    return f"{gap:.2g}" if np.isfinite(gap) else "unknown"
