"""Run the study: ``python -m comparisons.static_vs_dynamic PRICE_FOLDER [CAPITAL]``; interrupt and go on at will."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from comparisons.static_vs_dynamic.study import (
    CAPITALS,
    ENVIRONMENT,
    OPTIMIZERS,
    PICTURE,
    RESULTS,
    Runs,
    environment_of_runs,
    run,
    table,
    to_csv,
)  # fmt: skip
from dynopt_milp.data import read_market
from dynopt_milp.errors import BacktestInterrupted, DynoptError
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.show.backtests import show_backtests
from dynopt_milp.show.pictures import draw_backtests


def main(arguments: list[str]) -> int:
    """Run what has not been run, print the tables; write the results once all capitals are done."""
    console, progress = Console(), Console(stderr=True)
    if not arguments:
        progress.print("usage: python -m comparisons.static_vs_dynamic PRICE_FOLDER [CAPITAL ...]")
        return 2
    runs: Runs = {}
    try:
        market = read_market(Path(arguments[0]))
        capitals = [float(text) for text in arguments[1:]] or list(CAPITALS)
        for capital in capitals:
            progress.print(f"${capital:,.0f}", highlight=False)
            runs |= run(market, capital, show_progress=progress.is_terminal)
    except BacktestInterrupted as stop:
        progress.print(str(stop), highlight=False)
        return 130
    except (DynoptError, ValueError) as error:
        progress.print(f"error: {error}", highlight=False)
        return 2
    for capital in capitals:
        console.print(f"\n${capital:,.0f}", highlight=False)
        show_backtests({optimizer: runs[capital, optimizer] for optimizer in OPTIMIZERS}, console)
    if set(CAPITALS) <= set(capitals):
        write_atomically(RESULTS, to_csv(table(runs)))
        write_atomically(ENVIRONMENT, environment_of_runs(runs))
        draw_backtests({f"${capital:,.0f}, {optimizer}": found for (capital, optimizer), found in runs.items()
                        if optimizer in ("greedy", "exact")}, PICTURE,
                       title="Trend following on 42 futures, weekly, net of costs")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
