"""Why this portfolio: prices, alternatives and trade-offs of a rebalance."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from dynopt_milp.commands.app import (
    LIMIT_HIT,
    AsJson,
    Gap,
    TimeLimit,
    app,
    comma_separated,
    guarded,
    print_json,
    print_notes,
)
from dynopt_milp.commands.deciding import decided
from dynopt_milp.commands.market_options import BufferFraction, BufferRule
from dynopt_milp.commands.panels import of_optimizer, of_output
from dynopt_milp.commands.problem_options import Asked, takes_a_rebalance
from dynopt_milp.errors import DynoptError
from dynopt_milp.io.labelled import one_of
from dynopt_milp.problem.problem import Problem
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_time_limit
from dynopt_milp.why.explaining import explain as explained
from dynopt_milp.why.explanation import Explanation
from dynopt_milp.why.frontier import TradeOff
from dynopt_milp.why.frontier import trade_off as frontier_of
from dynopt_milp.why.near_optimal import Alternatives
from dynopt_milp.why.near_optimal import alternatives as pool_of

Answered = TypeVar("Answered", Alternatives, TradeOff)
Page = Annotated[
    Path | None, of_output("--html", metavar="FILE", help="Write one page of HTML, which opens without a network.")
]
ON_PAGE = 100
"""Alternatives on a page of an explanation, and within how much."""
WITHIN = 0.01
OF_OPTIMUM, OF_PRICES = 0.4, 0.7
"""Of the time that is left: for the optimum, and for prices where there is a page to write, too."""


@app.command()
@takes_a_rebalance
def explain(
    asked: Asked,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    buffer_rule: BufferRule = None,
    buffer_fraction: BufferFraction = None,
    only: Annotated[
        str, of_output("--only", metavar="A,B", help="Tell of these instruments alone, and what the others would do.")
    ] = "",
    html: Page = None,
    as_json: AsJson = False,
) -> None:
    """Why this portfolio: what every other position would cost, what binds, and where greedy went.

    Of everything that rebalance takes, and of a day of a finished backtest (its folder, and --date).
    """

    def run() -> int:
        from dynopt_milp.show.explanations import show_explanation

        names = comma_separated(only)
        clock = Clock(check_time_limit(time_limit))
        source = asked.source(buffer_rule, buffer_fraction, of_runs=True)
        result, known = decided(source, "exact", gap, clock.share(OF_OPTIMUM), as_json=as_json)
        for name in names:
            one_of(name, result.problem.instruments, "only")
        console = Console(highlight=False, stderr=as_json)
        show = Console(stderr=True).is_terminal
        of_prices = OF_PRICES if html is not None else 1.0
        found = explained(
            result.problem, result, gap=gap, time_limit=clock.share(of_prices), show_progress=show
        )  # fmt: skip
        if html is not None:
            from dynopt_milp.show.explanation_page import write_explanation

            known["left_out"] = []
            beside = _beside(result.problem, found, clock, known["left_out"], show_progress=show)
            write_explanation(html, found, **beside, known=known)
        if as_json:
            print_json(_about(known) | found.to_dict())
        else:
            show_explanation(found, console, known, names)
            _say_written(html)
        return LIMIT_HIT if found.not_proved else 0

    guarded(run)


@app.command()
@takes_a_rebalance
def alternatives(
    asked: Asked,
    within: Annotated[
        float,
        of_optimizer(metavar="SHARE", help="How much worse than the optimum, a share of it; inf: any."),
    ] = WITHIN,
    most: Annotated[int, of_optimizer(help="How many portfolios at most, the best ones.")] = 1000,
    apart: Annotated[int, of_optimizer(help="How many contracts each is away from every better one.")] = 1,
    time_limit: TimeLimit = None,
    html: Page = None,
    as_json: AsJson = False,
) -> None:
    """Which portfolios are as good, or nearly: all of them, proved complete."""

    def run() -> int:
        from dynopt_milp.show.explanations import show_alternatives

        ask = partial(pool_of, within=within, most=most, apart=apart, time_limit=time_limit)
        found = _answered(asked, ask, show_alternatives, "alternatives", html, as_json=as_json)
        return 0 if found.complete else LIMIT_HIT

    guarded(run)


@app.command("trade-off")
@takes_a_rebalance
def trade_off(
    asked: Asked,
    complete: Annotated[
        bool, of_optimizer("--complete", help="The portfolios between those that are best for some λ, too.")
    ] = False,
    time_limit: TimeLimit = None,
    html: Page = None,
    as_json: AsJson = False,
) -> None:
    """What less cost would take: the exact frontier of tracking error against cost."""

    def run() -> int:
        from dynopt_milp.show.explanations import show_trade_off

        ask = partial(frontier_of, complete=complete, time_limit=time_limit)
        found = _answered(asked, ask, show_trade_off, "trade_off", html, as_json=as_json)
        return 0 if found.finished and bool(found.points["proved"].all()) else LIMIT_HIT

    guarded(run)


def _beside(
    problem: Problem, found: Explanation, clock: Clock, left_out: list[str], *, show_progress: bool
) -> dict[str, Any]:  # fmt: skip
    """Frontier and alternatives for the page, as far as they can be had; why not is added to ``left_out``."""
    beside: dict[str, Any] = {}
    if found.greedy is None:
        left_out.append("No frontier and no alternatives: they are of another objective than the deadband's.")
        return beside
    try:
        beside["trade_off"] = frontier_of(problem, time_limit=clock.share(0.5), show_progress=show_progress)
    except DynoptError as error:
        left_out.append(f"No frontier: {error}")
    try:
        beside["alternatives"] = pool_of(
            problem, WITHIN, ON_PAGE, time_limit=clock.share(1.0), show_progress=show_progress
        )  # fmt: skip
    except DynoptError as error:
        left_out.append(f"No alternatives: {error}")
    return beside


class Clock:
    """A time limit that several steps share; None is no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds

    def share(self, part: float) -> float | None:
        """A part of what is left."""
        return None if self._until is None else part * max(self._until - time.monotonic(), 0.0)


def _answered(
    asked: Asked, ask: Callable[..., Answered], show: Callable[[Answered, Console], None], section: str,
    html: Path | None, *, as_json: bool,
) -> Answered:  # fmt: skip
    """Ask about the problem, write the page, which has one section, and print what was found."""
    problem, known = asked.source(of_runs=True).read(Console(highlight=False, stderr=as_json))
    print_notes(known["notes"])
    found = ask(problem, show_progress=Console(stderr=True).is_terminal)
    if html is not None:
        from dynopt_milp.show.explanation_page import write_explanation

        write_explanation(html, known=known, **{section: found})  # type: ignore[arg-type]  # the section's own kind
    if as_json:
        print_json(_about(known) | found.to_dict())
    else:
        show(found, Console(highlight=False))
        _say_written(html)
    return found


def _about(known: dict[str, Any]) -> dict[str, Any]:
    """What the JSON has beside what was found."""
    return {name: known[name] for name in ("date", "base_currency", "preset", "notes") if name in known}


def _say_written(path: Path | None) -> None:
    if path is not None:
        typer.echo(f"\nwritten: {path}")
