"""Explanations, alternatives and trade-offs as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynopt_milp.show.solutions import EXPLANATION, fraction, show_facts
from dynopt_milp.why.explanation import Explanation
from dynopt_milp.why.frontier import TradeOff
from dynopt_milp.why.instruments import BASIS_POINT, QUESTIONS
from dynopt_milp.why.near_optimal import Alternatives
from dynopt_milp.why.price import Price

NAMED = {
    "unrounded": "unrounded", "rounded": "rounded", "held": "held", "greedy": "greedy", "optimised": "optimised",
    "new": "after the buffer",
}  # fmt: skip
"""What portfolios are called."""
ASKED = {
    "not_traded": "not traded", "one_more": "one more", "one_less": "one less", "at_rounded": "rounded",
}  # fmt: skip
"""What the questions about an instrument are called."""
IN_POINTS = (
    "Prices are basis points of capital a year (1/100 %) in the objective, against the optimum before the buffer."
)
TOLD = 0.1
"""Contracts: instruments that are not held and whose target is smaller have no line."""
MOST_SHOWN = 20
"""Portfolios of a pool in a table."""


def show_explanation(found: Explanation, console: Console, known: Mapping[str, Any] | None = None) -> None:
    """Print an explanation: portfolios, prices of instruments, what binds, and where greedy went.

    Parameters
    ----------
    found : Explanation
    console : Console
    known : mapping, optional
        What else is known: ``date``, ``capital``, ``base_currency``, ``preset``.
    """
    best = found.optimum
    facts = [(name, str(known[name])) for name in ("date", "preset") if known and name in known]
    facts += [
        ("optimum", f"{best.status.value} ({EXPLANATION[best.status]})"),
        ("objective", f"{best.objective:.6g}"),
        ("questions", f"{found.solves} solved in {found.seconds:.2f} s"),
    ]
    if found.greedy is not None:
        facts.append(("greedy", found.greedy.words))
    facts += [("not proved", line) for line in found.not_proved]
    show_facts(facts, (), console)
    console.print()
    margins, broken = any(line.margin is not None for line in found.lines), any(line.broken for line in found.lines)
    some = ("margin",) * margins + ("may not be held",) * broken
    table = _table(("portfolio", "objective", "tracking error", "cost of trades", "risk", *some))
    for line in found.lines:
        further = ["" if line.margin is None else f"{line.margin:.2%}"] * margins + [Text(line.broken)] * broken
        table.add_row(
            NAMED.get(line.name, line.name), "" if line.objective is None else f"{line.objective:.6f}",
            f"{line.tracking_error:.4%}", f"{line.cost:.5%}", f"{line.risk:.3%}", *further,
        )  # fmt: skip
    console.print(table)
    console.print(f"\n{IN_POINTS}", highlight=False)
    table = _table(("instrument", "target", "held", "optimised", *ASKED.values()))
    told = [one for one in found.prices if one.held or one.optimised or one.rounded or abs(one.target) >= TOLD]
    for one in told:
        table.add_row(
            Text(one.instrument), fraction(one.target), f"{one.held}", f"{one.optimised}",
            *(price_text(one.prices[question]) for question in QUESTIONS),
        )  # fmt: skip
    console.print(table)
    if left := len(found.prices) - len(told):
        console.print(f"{left} more with a target below a tenth of a contract, not held: --json and --html have them.")
    apart = [one for one in told if one.optimised != one.rounded]
    if apart:
        console.print("\nNot at their rounded targets:")
    for one in apart:
        console.print(f"{one.instrument}, {one.optimised}: {one.words}", markup=False, highlight=False)
    if found.binding:
        console.print(f"\nWhat binds; all limits and rules together cost {price_text(found.together)}.")
        table = _table(("limit or rule", "price", "one more", "of", "without it"))
        for bound in found.binding:
            more = "" if bound.one_more is None else price_text(bound.one_more)
            table.add_row(Text(bound.words), price_text(bound.price), more, bound.unit, Text(moved(bound.changes)))
        console.print(table)


def show_alternatives(found: Alternatives, console: Console) -> None:
    """Print a pool of portfolios: how many there are, what they agree on, and where the best of them differ."""
    differing = list(found.differing.index)
    facts = [
        ("objective", f"{found.optimum.objective:.6g}, the best"),
        ("portfolios", pool_words(found)),
        ("agree on", f"{len(found.agreed)} of {len(found.problem.instruments)} positions"),
        ("time", f"{found.seconds:.2f} s, {found.nodes:,} nodes"),
    ]
    show_facts(facts, (), console)
    console.print()
    table = _table(("portfolio", "worse by", "tracking error", *map(str, differing[:MOST_SHOWN])))
    places = [found.problem.instruments.index(name) for name in differing[:MOST_SHOWN]]
    for row in range(min(len(found), MOST_SHOWN)):
        worse = found.objectives[row] - found.objectives[0]
        table.add_row(
            f"{row + 1}", points(worse), f"{found.tracking_errors[row]:.4%}",
            *(f"{found.contracts[row, place]}" for place in places),
        )  # fmt: skip
    console.print(table)
    if len(found) > MOST_SHOWN or len(differing) > MOST_SHOWN:
        console.print(f"The first {MOST_SHOWN} portfolios and instruments; --json and --html have all.")


def show_trade_off(found: TradeOff, console: Console) -> None:
    """Print the frontier: a row a portfolio, from the cheapest to the closest."""
    show_facts([("frontier", frontier_words(found))], (), console)
    console.print()
    table = _table(("", "cost", "tracking error", "from λ", "to λ", "proved", "contracts"))
    for place, row in enumerate(found.points.to_dict("records")):
        table.add_row(
            "today" if place == found.today else "", f"{row['cost']:.5%}", f"{row['tracking_error']:.4%}",
            lambda_text(row["lambda_from"]), lambda_text(row["lambda_to"]), "yes" if row["proved"] else "no",
            f"{int(np.abs(found.contracts[place]).sum())}",
        )  # fmt: skip
    console.print(table)


def pool_words(found: Alternatives) -> str:
    """How many portfolios there are, and whether that is proved."""
    within = "the best" if np.isinf(found.within) else f"within {100 * found.within:g} % of the optimum"
    count = f"{len(found)} {within}"
    if found.more:
        count += ", and there are more"
    if found.apart > 1:
        count += f", {found.apart} contracts apart"
    return count + ("; proved complete" if found.complete else f"; complete below {found.searched_to:.6g} only")


def frontier_words(found: TradeOff) -> str:
    """How many portfolios the frontier has, and whether it is whole."""
    supported = int(found.points["supported"].sum())
    between = len(found.points) - supported
    words = f"{supported} portfolios that are best for some λ" + (f", {between} between them" if between else "")
    return words + ("" if found.finished else "; the time limit came first")


def lambda_text(number: float) -> str:
    """An end of an interval of λ."""
    if np.isnan(number):
        return ""
    return "∞" if np.isinf(number) else f"{number:.4g}"


def price_text(price: Price) -> str:
    """A price in basis points; ``–`` where there is no such portfolio, ``?`` where it is not known."""
    if price.value is None:
        return "–" if price.forbidden else "?"
    return points(price.value)


def points(value: float) -> str:
    """Basis points, three digits."""
    scaled = value / BASIS_POINT
    return "0" if value == 0 else f"{scaled:.1f}" if scaled >= 100 else f"{scaled:.3g}"


def moved(changes: Mapping[str, int], most: int = 4) -> str:
    """Contracts by instrument in words: the first of them, and how many more."""
    words = [f"{name} {by:+d}" for name, by in list(changes.items())[:most]]
    return ", ".join(words) + (f" and {len(changes) - most} more" if len(changes) > most else "")


def _table(heads: tuple[str, ...]) -> Table:
    """A table whose first column, and those of words, are on the left."""
    words = ("why", "may not be held", "of", "without it", heads[0])
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, justify="left" if head in words else "right", overflow="fold", no_wrap=head not in words)
    return table
