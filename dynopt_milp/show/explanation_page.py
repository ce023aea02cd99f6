"""An explanation, alternatives and a trade-off as one page of HTML, which opens without a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynopt_milp.pages.charts import Line, line_chart
from dynopt_milp.pages.page import render, write_page
from dynopt_milp.problem.solution import Status
from dynopt_milp.show.explanations import (
    ASKED,
    IN_POINTS,
    NAMED,
    best_words,
    forbidden_words,
    frontier_facts,
    frontier_words,
    lambda_text,
    moved,
    points,
    pool_words,
    price_text,
    trades_of,
)
from dynopt_milp.show.solutions import fraction
from dynopt_milp.why.explanation import Explanation
from dynopt_milp.why.frontier import TradeOff
from dynopt_milp.why.instruments import BASIS_POINT, InstrumentLine
from dynopt_milp.why.near_optimal import Alternatives
from dynopt_milp.why.price import Price

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_ROWS, MOST_COLUMNS = 100, 40
"""Of the grid of alternatives; what is beyond is counted."""
TENTH_OF_A_PER_CENT = 0.001
FULL = 0.95
"""The price that fills its bar: this quantile of all of them. The length is the square root of the price."""


def write_explanation(
    path: str | Path, explanation: Explanation | None = None, *, trade_off: TradeOff | None = None,
    alternatives: Alternatives | None = None, known: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write a page of what is given: the trades first, then portfolios, instruments, frontier and alternatives.

    Parameters
    ----------
    path : path
        Of the file.
    explanation : Explanation, optional
    trade_off : TradeOff, optional
    alternatives : Alternatives, optional
    known : mapping, optional
        What else is known: ``date``, ``base_currency``, ``preset``, ``notes``, ``left_out`` (why a part is missing).

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    about = dict(known or {})
    return write_page(
        path,
        render(
            "show/explanation.html.j2",
            date=str(about.get("date", "")),
            preset=str(about.get("preset", "")),
            notes=[str(note) for note in about.get("notes", ())],
            currency=str(about.get("base_currency", "")),
            title=_title(explanation, trade_off, alternatives),
            left_out=[str(line) for line in about.get("left_out", ())],
            why=None if explanation is None else _explanation(explanation),
            frontier=None if trade_off is None else _frontier(trade_off),
            pool=None if alternatives is None else _pool(alternatives),
            in_points=IN_POINTS,
        ),
    )


def _title(explanation: Explanation | None, frontier: TradeOff | None, pool: Alternatives | None) -> str:
    if explanation is not None or (frontier is not None and pool is not None):
        return "Why this portfolio"
    return "What less cost would take" if frontier is not None else "Alternatives" if pool is not None else "Nothing"


def _explanation(found: Explanation) -> dict[str, Any]:
    best, problem = found.optimum, found.problem
    full = _full(found)
    rows = [_instrument(line, full) for line in found.prices]
    capital = problem.capital
    costs = problem.trading_costs(np.array([line.new for line in found.prices], dtype=np.float64))
    trades = [
        _trade(line, None if capital is None else float(cost) * capital)
        for line, cost in zip(found.prices, costs, strict=True) if line.new != line.held or line.optimised != line.held
    ]  # fmt: skip
    largest = max((line.objective for line in found.lines if line.objective is not None), default=0.0) or 1.0
    portfolios = [
        {
            "name": NAMED.get(line.name, line.name), "objective": line.objective, "tracking_error": line.tracking_error,
            "cost": line.cost, "holding": line.holding_cost, "risk": line.risk, "margin": line.margin,
            "broken": line.broken,
            "tracked": 100 * line.tracking_error / largest,
            "paid": 0.0 if line.objective is None else 100 * max(line.objective - line.tracking_error, 0.0) / largest,
        }
        for line in found.lines
    ]  # fmt: skip
    binding = [
        {
            "words": one.words, "price": price_text(one.price), "one_more": "" if one.one_more is None else
            price_text(one.one_more), "unit": one.unit, "changes": moved(one.changes), "value": _sort(one.price),
        }
        for one in found.binding
    ]  # fmt: skip
    number = sum(line.new != line.held for line in found.prices)
    back = sum(line.new != line.optimised for line in found.prices)
    return {
        "answer": _answer(found, number), "trades": trades, "back": back, "buffered": found.rebalance is not None,
        "money": capital is not None, "capital": capital, "portfolios": portfolios, "asked": list(ASKED.values()),
        "rows": rows, "binding": binding, "together": price_text(found.together), "proved": best.status.value,
        "objective": f"{best.objective:.6f}", "not_proved": found.not_proved,
        "solves": found.solves, "seconds": f"{found.seconds:.2f}", "multiplier": f"{problem.cost_multiplier:g}",
        "holding": any(line.holding_cost for line in found.lines), "forbidden": forbidden_words(found.prices),
        "margins": any(line.margin is not None for line in found.lines),
        "broken": any(line.broken for line in found.lines),
        "greedy": None if found.greedy is None else {
            "words": found.greedy.words,
            "steps": [
                (place, name, f"{by:+d}", f"{value:.6f}", place <= found.greedy.parts)
                for place, (name, by, value) in enumerate(found.greedy.steps, 1)
            ],
        },
    }  # fmt: skip


def _answer(found: Explanation, number: int) -> str:
    """The page in a sentence."""
    lines = {line.name: line for line in found.lines}
    after = lines.get("new", lines["optimised"])
    what = {0: "No trades", 1: "One trade"}.get(number, f"{number} trades")
    answer = f"{what}: the portfolio then tracks the targets to {after.tracking_error:.2%} of capital a year"
    held = lines["held"]
    answer += f", instead of {held.tracking_error:.2%}" if number else ""
    if number:
        answer += f", for {after.cost:.3%} of capital"
    greedy, best = lines.get("greedy"), found.optimum
    if greedy is not None and greedy.objective is not None and best.objective:
        worse = greedy.objective / best.objective - 1
        name = "the optimum" if best.status is Status.OPTIMAL else "the best that is known"
        answer += f"; greedy's objective is {worse:.1%} above {name}" if worse > 0 else f"; greedy finds {name}, too"
    return answer + "."


def _trade(line: InstrumentLine, cost: float | None) -> dict[str, Any]:
    before = f"the buffer holds {line.optimised - line.new:+d} back; the optimum, {line.optimised}: "
    return {
        "name": line.instrument, "target": fraction(line.target), "held": line.held, "trade": line.new - line.held,
        "new": line.new, "back": line.optimised - line.new,
        "words": (before if line.new != line.optimised else "") + line.words,
        "cost": "" if cost is None or line.new == line.held else f"{cost:,.2f}",
    }  # fmt: skip


def _instrument(line: InstrumentLine, full: float) -> dict[str, Any]:
    return {
        "name": line.instrument, "target": fraction(line.target), "exact": line.target, "held": line.held,
        "optimised": line.optimised, "new": line.new, "tracking": _shown(line.tracking_share),
        "risk": _shown(line.risk_share),
        "words": line.words,
        "prices": [
            {
                "text": price_text(price), "value": _sort(price), "title": price.forbidden or _between(price),
                "width": 0.0 if price.value is None else 100 * min(math.sqrt(price.value / full), 1.0),
            }
            for price in line.prices.values()
        ],
    }  # fmt: skip


def _shown(share: float) -> float:
    """A share without the sign of what is printed as zero."""
    return 0.0 if abs(share) < TENTH_OF_A_PER_CENT / 2 else share


def _full(found: Explanation) -> float:
    """The price that fills its bar."""
    known = [price.value for line in found.prices for price in line.prices.values() if price.value]
    return float(np.quantile(known, FULL)) if known else 1.0


def _between(price: Price) -> str:
    """Between what a price lies, for the pointer."""
    if price.value is None or price.high is None:
        return "not found in time" if price.value is None else ""
    return f"between {points(price.low)} and {points(price.high)}"


def _sort(price: Price) -> float:
    """What a column of prices is sorted by: what does not exist comes last."""
    return 1e9 if price.value is None else price.value / BASIS_POINT


def _frontier(found: TradeOff) -> dict[str, Any]:
    frame = found.points
    rows = [
        {
            "today": place == found.today, "cost": f"{row['cost']:.5%}", "tracking": f"{row['tracking_error']:.4%}",
            "from": lambda_text(row["lambda_from"]), "to": lambda_text(row["lambda_to"]),
            "proved": "yes" if row["proved"] else "no",
            "trades": trades_of(found, place),
        }
        for place, row in enumerate(frame.to_dict("records"))
    ]  # fmt: skip
    facts = [(name, text) for name, text in frontier_facts(found) if name != "frontier"]
    return {"words": frontier_words(found), "facts": facts, "rows": rows, "chart": _chart(found)}


def _chart(found: TradeOff) -> Markup:
    """Tracking error against cost; dots are portfolios."""
    frame = found.points
    lines = [Line("frontier", frame["cost"].tolist(), frame["tracking_error"].tolist())]
    now = frame.iloc[found.today]
    lines.append(Line("today's λ", [float(now["cost"])], [float(now["tracking_error"])]))
    if found.held is not None:
        lines.append(Line("held", [found.held.cost], [found.held.tracking_error]))
    return line_chart(
        lines, label="Tracking error against cost: the frontier, the portfolio of today's λ, and what is held",
        y_title="tracking error, % of capital a year", x_title="cost, % of capital", percent=True, dots=True,
        from_zero=True,
    )  # fmt: skip


def _pool(found: Alternatives) -> dict[str, Any]:
    names = list(found.differing.index)
    shown = names[:MOST_COLUMNS]
    places = [found.problem.instruments.index(name) for name in shown]
    first = found.contracts[0] if len(found) else None
    rows = [
        {
            "number": row + 1, "worse": points(found.objectives[row] - found.objectives[0]),
            "tracking": f"{found.tracking_errors[row]:.4%}", "cost": f"{found.penalties[row]:.5%}",
            "cells": [
                (int(found.contracts[row, place]), 0 if first is None else int(np.sign(
                    found.contracts[row, place] - first[place]))) for place in places
            ],
        }
        for row in range(min(len(found), MOST_ROWS))
    ]  # fmt: skip
    agreed = found.agreed
    return {
        "words": pool_words(found), "best": best_words(found), "heads": shown, "rows": rows,
        "left": (len(found) - len(rows), len(names) - len(shown)),
        "agreed": [(str(name), int(number)) for name, number in agreed.items() if number],
        "zero": int((agreed == 0).sum()), "count": len(found),
    }  # fmt: skip
