"""Greedy-gap studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynopt_milp.commands.app import (
    LIMIT_HIT,
    Also,
    AsJson,
    Gap,
    TimeLimit,
    VerifyShare,
    app,
    comma_separated,
    guarded,
    print_json,
)
from dynopt_milp.commands.limit_options import OneSide, SameSide, chosen_limits
from dynopt_milp.commands.market_options import (
    DEFAULT_CAPITAL,
    BaseCurrency,
    Capitals,
    CorrelationSpan,
    CostMultipliers,
    DataFolder,
    End,
    ForecastName,
    HoldingCost,
    Instruments,
    InstrumentsTable,
    Notes,
    OnSuspect,
    PresetName,
    RiskTarget,
    Seed,
    SeveralBufferRules,
    SeveralFrequencies,
    Shrinkage,
    Start,
    WeightName,
    chosen_market,
    chosen_preset,
    chosen_strategy,
)
from dynopt_milp.commands.panels import of_output, of_study
from dynopt_milp.commands.rule_options import MarginBudget, MaxHoldings, MaxRisk, MinOrder, RulesFile, chosen_rules
from dynopt_milp.errors import InputError
from dynopt_milp.io.records import records
from dynopt_milp.problem.book import BOOK_RISK_TARGET
from dynopt_milp.show.backtests import show_market, show_named_notes, show_notes
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.strategy.presets import BOOK, preset_words


@app.command()
def gap(
    *,
    capital: Capitals = f"{DEFAULT_CAPITAL:.0f}",
    preset: PresetName = None,
    cost_multiplier: CostMultipliers = None,
    frequency: SeveralFrequencies = "weekly",
    holding_cost: HoldingCost = None,
    data: DataFolder = None,
    instruments_table: InstrumentsTable = None,
    start: Start = None,
    end: End = None,
    instruments: Instruments = None,
    base_currency: BaseCurrency = "USD",
    on_suspect: OnSuspect = "freeze",
    seed: Seed = 1,
    forecasts: ForecastName = "trend",
    weights: WeightName = "risk-parity",
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    correlation_span: CorrelationSpan = None,
    shrinkage: Shrinkage = None,
    same_side: SameSide = None,
    one_side: OneSide = False,
    rules: RulesFile = None,
    margin: MarginBudget = None,
    max_risk: MaxRisk = None,
    max_holdings: MaxHoldings = None,
    min_order: MinOrder = None,
    also: Also = "",
    gap_to_prove: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    verify_share: VerifyShare = 0.0,
    buffer_rule: SeveralBufferRules = None,
    sizes: Annotated[str, of_study(metavar="N,M,...", help="Numbers of instruments.", show_default="all of them")] = "",
    path: Annotated[str, of_study(metavar="A,B,...", help="Whose positions are held: greedy, exact.")] = "greedy,exact",
    subset_seed: Annotated[int, of_study(help="Of the order in which smaller sizes take instruments.")] = 1,
    workers: Annotated[int, of_study(min=1, help="Processes.")] = 1,
    cluster: Annotated[str | None, of_study(metavar="ADDRESS", help="Dask scheduler, instead of workers.")] = None,
    out: Annotated[Path, of_output(metavar="FOLDER", help="Keep the results there; the same command again goes on.")],
    notes: Notes = False,
    as_json: AsJson = False,
) -> None:
    """How far from the best greedy lands, on every rebalance of a grid."""

    def run() -> int:
        from dynopt_milp.gap import GapGrid, run_gap_study

        house = chosen_rules(rules, margin=margin, max_risk=max_risk, max_holdings=max_holdings, min_order=min_order)
        aims = chosen_preset(preset, BOOK.name, span=correlation_span, shrinkage=shrinkage, holding_cost=holding_cost)
        market = chosen_market(
            data, instruments, base_currency, seed, instruments_table, on_suspect=on_suspect, end=end
        )
        console = Console(highlight=False, stderr=as_json)
        grid = GapGrid(
            capitals=_numbers(capital, "capital"),
            cost_multipliers=None if cost_multiplier is None else _numbers(cost_multiplier, "cost_multiplier"),
            buffer_rules=None if buffer_rule is None else comma_separated(buffer_rule),
            frequencies=comma_separated(frequency),
            sizes=[_whole(size) for size in _numbers(sizes, "sizes")],
            paths=comma_separated(path),
            start=start,
            end=end,
            seed=subset_seed,
        ).of(aims)
        grid.cells(market)  # what is wrong is said before anything is shown
        show_market(market, console)
        said = show_named_notes(market, min(grid.capitals), console, end)
        if notes:
            show_notes(market, console)
        summary = run_gap_study(
            market,
            grid,
            out,
            chosen_strategy(forecasts, weights, risk_target, aims),
            preset=aims,
            workers=workers,
            cluster=cluster,
            also=comma_separated(also),
            limits=chosen_limits(one_side=bool(one_side), same_side=same_side),
            rules=house or None,
            verify_share=verify_share,
            gap=gap_to_prove,
            time_limit=time_limit,
            show_progress=Console(stderr=True).is_terminal,
        )
        of_cells = {name: summary[name].unique() for name in ("cost_multiplier", "buffer_rule")}
        several = [name for name, values in of_cells.items() if len(values) > 1]
        one = {name: values[0] for name, values in of_cells.items()}
        one["buffer_rule"] = None if one["buffer_rule"] == "none" else one["buffer_rule"]
        said_of = {"preset": aims.name} | aims.settings() | one
        words = preset_words({name: value for name, value in said_of.items() if name not in several})
        if as_json:
            print_json({"notes": said, "preset": words, "cells": records(summary)})
        else:
            console.print()
            console.print(Text(words), soft_wrap=True)
            _show(summary, console)
            if summary["num_not_proved"].sum():
                console.print(
                    "\nopen: not proved within the time limit; they enter no mean, see most_gap in summary.csv"
                )
            if without := int(summary.get("num_without_greedy", pd.Series(dtype=float)).sum()):
                console.print(f"\nno gap: on {without} rebalances greedy ended at a portfolio that breaks a rule")
            if verify_share:
                asked, proved = (int(summary[name].sum()) for name in ("proofs_asked", "proofs_verified"))
                console.print(f"\nproofs: {proved} of {asked} optima verified in exact arithmetic")
            if summary["failed"].sum():
                console.print("\nfailed: without an optimum; the column reason in rebalances.parquet says why")
            console.print(f"\nkept in {out}: rebalances.parquet, summary.csv")
        return LIMIT_HIT if summary["num_not_proved"].sum() or summary["failed"].sum() else 0

    guarded(run)


def _show(summary: pd.DataFrame, console: Console) -> None:
    """The cells as a table; what all have in common is said once above it."""
    from dynopt_milp.gap.rows import CELL_HEADS
    from dynopt_milp.gap.summary import cell_text, further_optimizers, in_common

    varying, common = in_common(summary)
    console.print(
        f"Greedy's objective over the optimum, from the same held positions{f' ({common})' if common else ''}:\n"
    )
    table = Table(box=None, pad_edge=False, header_style="")
    for name in varying:
        table.add_column(CELL_HEADS[name], justify="right" if is_numeric_dtype(summary[name]) else "left")
    for head in ("count", "open", "failed", "greedy\noptimal", "worse by\nmean", "sign\nrule", "worse by\nmost"):
        table.add_column(head, justify="right")
    others = further_optimizers(summary)
    for name in others:
        table.add_column(f"{name}\nmean", justify="right")
        table.add_column(f"{name}\nfailed", justify="right")
    for line in summary.to_dict("records"):
        shares = ("greedy_optimal", "mean_gap", "mean_sign_gap", "largest_gap")
        table.add_row(
            *(cell_text(line[name]) for name in varying), str(line["rebalances"]), str(line["num_not_proved"]),
            str(line["failed"]), *(_share(line[name]) for name in shares),
            *(text for name in others for text in (_share(line[f"mean_{name}_gap"]), str(line[f"{name}_failed"]))),
        )  # fmt: skip
    console.print(table)


def _share(value: object) -> str:
    return "–" if not isinstance(value, float) or value != value else f"{value:.1%}"


def _numbers(text: str, field: str) -> list[float]:
    try:
        return [float(part) for part in comma_separated(text)]
    except ValueError:
        raise InputError(f"expected numbers with commas between, found {text!r}", field=field) from None


def _whole(number: float) -> int:
    if number % 1 != 0:  # of nan and inf too
        raise InputError(f"expected whole numbers, found {number:g}", field="sizes")
    return int(number)
