"""Greedy-gap studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dynopt_milp.backtest_tables import show_market, show_notes
from dynopt_milp.commands.app import LIMIT_HIT, AsJson, TimeLimit, app, guarded, print_json
from dynopt_milp.commands.market_options import (
    DEFAULT_SPAN,
    BaseCurrency,
    CorrelationSpan,
    DataFolder,
    End,
    ForecastName,
    Instruments,
    Notes,
    RiskTarget,
    Seed,
    Shrinkage,
    Start,
    WeightName,
    chosen_market,
    chosen_strategy,
)
from dynopt_milp.errors import InputError
from dynopt_milp.rebalance import BOOK_RISK_TARGET
from dynopt_milp.solve import DEFAULT_GAP

Listed = "Several with commas between."


@app.command()
def gap(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the study is kept; the same command again goes on.")
    ],
    data: DataFolder = None,
    start: Start = None,
    end: End = None,
    capital: Annotated[str, typer.Option(metavar="X,Y,...", help=f"Base currency. {Listed}")] = "250000",
    multiplier: Annotated[str, typer.Option(metavar="X,Y,...", help=f"Cost multipliers. {Listed}")] = "50",
    buffer_rule: Annotated[str, typer.Option(metavar="A,...", help=f"book or none. {Listed}")] = "book",
    rebalance: Annotated[str, typer.Option(metavar="A,...", help=f"daily, weekly, monthly. {Listed}")] = "weekly",
    sizes: Annotated[str, typer.Option(metavar="N,M,...", help=f"Numbers of instruments. Default: all. {Listed}")] = "",
    path: Annotated[
        str, typer.Option(metavar="A,...", help=f"Whose positions are held: greedy, exact. {Listed}")
    ] = "greedy,exact",
    subset_seed: Annotated[int, typer.Option(help="Of the order in which smaller sizes take instruments.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler, instead of workers.")] = None,
    instruments: Instruments = None,
    forecasts: ForecastName = "trend",
    weights: WeightName = "risk-parity",
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    correlation_span: CorrelationSpan = DEFAULT_SPAN,
    shrinkage: Shrinkage = 0.0,
    base_currency: BaseCurrency = "USD",
    gap_to_prove: Annotated[float, typer.Option("--gap", help="Relative gap to prove.")] = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    seed: Seed = 1,
    notes: Notes = False,
    as_json: AsJson = False,
) -> None:
    """How far from the best greedy lands, on every rebalance of a grid."""

    def run() -> int:
        from dynopt_milp.gap import GapGrid, run_gap_study

        market = chosen_market(data, instruments, base_currency, seed)
        console = Console(highlight=False, stderr=as_json)
        grid = GapGrid(
            capitals=_numbers(capital, "capital"),
            cost_multipliers=_numbers(multiplier, "multiplier"),
            buffer_rules=_texts(buffer_rule),
            frequencies=_texts(rebalance),
            sizes=[_whole(size) for size in _numbers(sizes, "sizes")],
            paths=_texts(path),
            start=start,
            end=end,
            seed=subset_seed,
        )
        grid.cells(market)  # what is wrong is said before anything is shown
        show_market(market, console)
        if notes:
            show_notes(market, console)
        summary = run_gap_study(
            market,
            grid,
            out,
            chosen_strategy(forecasts, weights, risk_target, correlation_span, shrinkage),
            workers=workers,
            cluster=cluster,
            gap=gap_to_prove,
            time_limit=time_limit,
            show_progress=Console(stderr=True).is_terminal,
        )
        if as_json:
            print_json({"cells": summary.astype(object).where(summary.notna(), None).to_dict("records")})
        else:
            console.print()
            _show(summary.to_dict("records"), console)
            if summary["not_proved"].sum():
                console.print(
                    "\nopen: not proved within the time limit; they enter no mean, see most_gap in summary.csv"
                )
            console.print(f"\nkept in {out}: rebalances.parquet, summary.csv")
        return LIMIT_HIT if summary["not_proved"].sum() or summary["failed"].sum() else 0

    guarded(run)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a finished study.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: report.html in the folder.")] = None,
) -> None:
    """A greedy-gap study as one HTML page that opens without a network."""

    def run() -> int:
        from dynopt_milp.gap import write_report

        typer.echo(f"written: {write_report(folder, out)}")
        return 0

    guarded(run)


def _show(lines: list[dict[Any, Any]], console: Console) -> None:
    """The cells as a table; what all have in common is said once above it."""
    heads = {
        "capital": "capital", "cost_multiplier": "λ", "buffer_rule": "buffer", "frequency": "rebalance",
        "size": "n", "path": "path",
    }  # fmt: skip
    varying = [name for name in heads if len({line[name] for line in lines}) > 1]
    common = ", ".join(f"{heads[name]} {_value(lines[0][name])}" for name in heads if name not in varying)
    console.print(
        f"Greedy's objective over the optimum, from the same held positions{f' ({common})' if common else ''}:\n"
    )
    table = Table(box=None, pad_edge=False, header_style="")
    for name in varying:
        table.add_column(heads[name], justify="left" if isinstance(lines[0][name], str) else "right")
    for head in ("count", "open", "greedy\noptimal", "worse by\nmean", "sign\nrule", "worse by\nmost"):
        table.add_column(head, justify="right")
    for line in lines:
        shares = ("greedy_optimal", "mean_gap", "mean_sign_gap", "largest_gap")
        table.add_row(
            *(_value(line[name]) for name in varying), str(line["rebalances"]), str(line["not_proved"]),
            *(_share(line[name]) for name in shares),
        )  # fmt: skip
    console.print(table)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,.15g}"


def _share(value: object) -> str:
    return "–" if not isinstance(value, float) or value != value else f"{value:.1%}"


def _texts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str, field: str) -> list[float]:
    try:
        return [float(part) for part in _texts(text)]
    except ValueError:
        raise InputError(f"wants numbers with commas between, found {text!r}", field=field) from None


def _whole(number: float) -> int:
    if number != int(number):
        raise InputError(f"wants whole numbers, found {number:g}", field="sizes")
    return int(number)
