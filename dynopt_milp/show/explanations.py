"""Explanations, alternatives and trade-offs as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynopt_milp.io.labelled import one_of
from dynopt_milp.problem.solution import Status
from dynopt_milp.show.solutions import EXPLANATION, fraction, show_facts
from dynopt_milp.why.explanation import Explanation
from dynopt_milp.why.frontier import TradeOff
from dynopt_milp.why.instruments import BASIS_POINT, QUESTIONS, InstrumentLine
from dynopt_milp.why.near_optimal import Alternatives
from dynopt_milp.why.price import Price

NAMED = {"new": "after the buffer"}
"""What portfolios are called, where not by their names."""
ASKED = {
    "not_traded": "not traded", "one_more": "one more", "one_less": "one less", "at_rounded": "rounded",
}  # fmt: skip
"""What the questions about an instrument are called."""
IN_POINTS = (
    "Prices are basis points of capital a year (1/100 %) in the objective, against the optimum before the buffer."
)
COLUMN = 9
"""Letters of a portfolio in a table."""
MANY = 1000


def show_explanation(
    found: Explanation, console: Console, known: Mapping[str, Any] | None = None, only: Sequence[str] = ()
) -> None:  # fmt: skip
    """Print an explanation: portfolios, prices of instruments, what binds, and where greedy went.

    Parameters
    ----------
    found : Explanation
    console : Console
    known : mapping, optional
        What else is known: ``date``, ``capital``, ``base_currency``, ``preset``.
    only : sequence of str
        Instruments; where some are given they alone are told of, with what the others would do.

    Raises
    ------
    UnknownNameError
        If one is not among the instruments.
    """
    names = found.problem.instruments
    for name in only:
        one_of(name, names, "only")
    best = found.optimum
    facts = [(name, str(known[name])) for name in ("date", "preset") if known and name in known]
    facts += [("not proved", line) for line in found.not_proved]
    facts += [
        ("optimum", f"{best.status.value} ({EXPLANATION[best.status]})"),
        ("objective", f"{best.objective:.6g}, with λ = {found.problem.cost_multiplier:g}"),
        ("questions", f"{found.solves} solved in {found.seconds:.2f} s"),
    ]
    traded = {line.instrument: line.new - line.held for line in found.prices if line.new != line.held}
    facts.append(("trades", moved(traded, len(names)) if traded else "none"))
    if found.greedy is not None:
        facts.append(("greedy", found.greedy.words))
    show_facts(facts, (), console)
    console.print()
    if only:
        _show_instruments([line for line in found.prices if line.instrument in only], console)
        _show_changes([line for line in found.prices if line.instrument in only], console)
        return
    _show_portfolios(found, console)
    _show_instruments(list(found.prices), console)
    apart = [one for one in found.prices if one.optimised != one.rounded]
    if apart:
        console.print("\nNot at their rounded targets:")
    for one in apart:
        console.print(f"{one.instrument}, {one.optimised}: {one.words}", markup=False, highlight=False)
    if found.binding:
        console.print(f"\nWhat binds, in basis points; all limits and rules together: {price_text(found.together)}.")
        table = _table(("limit or rule", "price", "one more", "of", "without it"))
        for bound in found.binding:
            more = "" if bound.one_more is None else price_text(bound.one_more)
            table.add_row(Text(bound.words), price_text(bound.price), more, bound.unit, Text(moved(bound.changes)))
        console.print(table)


def _show_portfolios(found: Explanation, console: Console) -> None:
    """A row a portfolio; what none of them has has no column."""
    margins, broken = any(line.margin is not None for line in found.lines), any(line.broken for line in found.lines)
    holding = any(line.holding_cost for line in found.lines)
    some = ("of holding",) * holding + ("risk",) + ("margin",) * margins + ("may not be held",) * broken
    table = _table(("portfolio", "objective", "tracking error", "cost of trades", *some))
    for line in found.lines:
        further = [f"{line.holding_cost:.5%}"] * holding + [f"{line.risk:.3%}"]
        further += ["" if line.margin is None else f"{line.margin:.2%}"] * margins
        table.add_row(
            NAMED.get(line.name, line.name), "" if line.objective is None else f"{line.objective:.6f}",
            f"{line.tracking_error:.4%}", f"{line.cost:.5%}", *further, *[Text(line.broken)] * broken,
        )  # fmt: skip
    console.print(table)


def _show_instruments(lines: Sequence[InstrumentLine], console: Console) -> None:
    """A row an instrument, with its prices."""
    console.print(f"\n{IN_POINTS}", highlight=False)
    buffered = any(one.new != one.optimised for one in lines)
    table = _table(("instrument", "target", "held", "optimised", *("new",) * buffered, *ASKED.values()))
    for one in lines:
        table.add_row(
            Text(one.instrument), fraction(one.target), f"{one.held}", f"{one.optimised}", *[f"{one.new}"] * buffered,
            *(price_text(one.prices[question]) for question in QUESTIONS),
        )  # fmt: skip
    console.print(table)
    for why in forbidden_words(lines):
        console.print(f"– {why}", markup=False, highlight=False)


def _show_changes(lines: Sequence[InstrumentLine], console: Console) -> None:
    """Why each is where it is, and what the others do where it is forced elsewhere."""
    for one in lines:
        console.print(f"\n{one.instrument}, {one.optimised}: {one.words}", markup=False, highlight=False)
        for question, changes in one.changes.items():
            others = moved(changes, 8) if changes else "nothing else moves"
            console.print(f"{ASKED[question]:<12} {others}", markup=False, highlight=False)


def forbidden_words(lines: Sequence[InstrumentLine]) -> list[str]:
    """Why there is no such portfolio, where there is none: the reason, and of which prices it is the reason."""
    found: dict[str, list[str]] = {}
    for line in lines:
        for question, price in line.prices.items():
            if price.forbidden:
                found.setdefault(price.forbidden, []).append(f"{line.instrument} {ASKED[question]}")
    return [f"{why}: {', '.join(where)}" for why, where in found.items()]


def show_alternatives(found: Alternatives, console: Console) -> None:
    """Print a pool of portfolios: how many there are, what they agree on, and where the best of them differ."""
    names = found.problem.instruments
    differing = [str(name) for name in found.differing.index]
    agreed = {str(name): int(number) for name, number in found.agreed.items() if number}
    facts = [
        (
            "objective",
            f"{found.optimum.objective:.6g}, {best_words(found)}, with λ = {found.problem.cost_multiplier:g}",
        ),
        ("portfolios", pool_words(found)),
        ("agree on", f"{len(found.agreed)} of {len(names)} positions" + (f": {held_words(agreed)}" if agreed else "")),
        ("time", f"{found.seconds:.2f} s, {found.nodes:,} nodes"),
    ]
    show_facts(facts, (), console)
    heads = ("worse by, bp", "tracking error", *differing)
    width = max(map(len, heads))
    shown = min(len(found), max((console.width - width - 2) // COLUMN, 1))
    console.print()
    table = _table(("portfolio", *(f"{row + 1}" for row in range(shown))))
    table.add_row("worse by, bp", *(points(found.objectives[row] - found.objectives[0]) for row in range(shown)))
    table.add_row("tracking error", *(f"{found.tracking_errors[row]:.3%}" for row in range(shown)))
    for name in differing:
        place = names.index(name)
        table.add_row(Text(name), *(f"{found.contracts[row, place]}" for row in range(shown)))
    console.print(table)
    if len(found) > shown:
        console.print(f"The first {shown} of {len(found)} portfolios; --json and --html have more.")


def show_trade_off(found: TradeOff, console: Console) -> None:
    """Print the frontier: a row a portfolio, from the cheapest to the closest."""
    show_facts(frontier_facts(found), (), console)
    console.print()
    table = _table(("", "cost", "tracking error", "from λ", "to λ", "proved", "trades"))
    for place, row in enumerate(found.points.to_dict("records")):
        table.add_row(
            "today" if place == found.today else "", f"{row['cost']:.5%}", f"{row['tracking_error']:.4%}",
            lambda_text(row["lambda_from"]), lambda_text(row["lambda_to"]), "yes" if row["proved"] else "no",
            Text(trades_of(found, place, 3)),
        )  # fmt: skip
    console.print(table)


def frontier_facts(found: TradeOff) -> list[tuple[str, str]]:
    """What is to be known of a frontier: how whole it is, where today's λ is, and what half of its cost would give."""
    frame = found.points
    today = frame.iloc[found.today]
    facts = [
        ("frontier", frontier_words(found)),
        ("cost", "of trades, and of holding until the next rebalance where that is counted; without λ"),
        ("today", f"λ = {found.problem.cost_multiplier:g}: cost {today['cost']:.5%}, tracking error "
                  f"{today['tracking_error']:.4%}"),
    ]  # fmt: skip
    cheaper = frame[frame["cost"] <= today["cost"] / 2]
    if len(cheaper) and today["cost"] > 0:
        half = cheaper.iloc[-1]
        facts.append(("half the cost", f"cost {half['cost']:.5%}, tracking error {half['tracking_error']:.4%}"))
    if found.held is not None:
        facts.append(("held", f"cost {found.held.cost:.5%}, tracking error {found.held.tracking_error:.4%}"))
    return facts


def trades_of(found: TradeOff, place: int, most: int = MANY) -> str:
    """The trades to a portfolio of the frontier, in words."""
    by = found.contracts[place] - found.problem.previous_positions.astype(np.int64)
    order = found.problem.order()
    traded = {found.problem.instruments[one]: int(by[one]) for one in order if by[one]}
    return moved(traded, most) if traded else "none"


def pool_words(found: Alternatives) -> str:
    """How many portfolios there are, and whether that is proved."""
    proved = found.optimum.status is Status.OPTIMAL or found.complete
    best = "the optimum" if proved else "the best that is known"
    number = f"{len(found)} {'portfolio' if len(found) == 1 else 'portfolios'}"
    within = "" if np.isinf(found.within) else f" within {100 * found.within:g} % of {best}"
    apart = f", {found.apart} contracts apart" if found.apart > 1 else ""
    if found.more:
        of_more = f"the {len(found)} best of more{within}{apart}"
        return f"{of_more}; proved to be the best" if found.complete else f"{of_more}; {_so_far(found)}"
    return f"{number}{within}{apart}; {'proved complete' if found.complete else _so_far(found)}"


def _so_far(found: Alternatives) -> str:
    return f"proved complete below an objective of {found.searched_to:.6g} only ({found.stopped_by})"


def best_words(found: Alternatives) -> str:
    """Whether the best is proved to be it."""
    proved = found.optimum.status is Status.OPTIMAL or found.complete
    return "the optimum" if proved else f"the best that is known, none is below {found.optimum.lower_bound:.6g}"


def held_words(held: Mapping[str, int]) -> str:
    """Positions in words."""
    return ", ".join(f"{name} {number}" for name, number in held.items())


def frontier_words(found: TradeOff) -> str:
    """How many portfolios the frontier has, and whether it is whole."""
    supported, proved = int(found.points["supported"].sum()), int(found.points["proved"].sum())
    between = len(found.points) - supported
    words = f"{supported} portfolios that are best for some λ" + (f", {between} between them" if between else "")
    if not found.finished:
        return f"{words}, as far as is known: the time limit came first, and others may be between them"
    return words + ("" if proved == len(found.points) else f"; {proved} of {len(found.points)} proved to the gap")


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
    words = ("trades", "may not be held", "of", "without it", heads[0])
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(
            Text(head), justify="left" if head in words else "right", overflow="fold", no_wrap=head not in words
        )
    return table
