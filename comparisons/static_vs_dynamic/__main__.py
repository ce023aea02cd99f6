"""Run the study: ``python -m comparisons.static_vs_dynamic PRICE_FOLDER [CAPITAL ...]``; interrupt at will."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.runner import run_study, study_parser
from comparisons.static_vs_dynamic.study import (
    CAPITALS,
    ENVIRONMENT,
    OPTIMIZERS,
    PICTURE,
    RESULTS,
    Runs,
    run,
    seconds_of_exact,
    table,
)
from comparisons.stored import save
from dynopt_milp.data import read_market
from dynopt_milp.show.backtests import show_backtests
from dynopt_milp.show.pictures import draw_backtests


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Run what has not been run, print the tables; keep the results once all capitals are done."""
    market = read_market(options.folder)
    capitals = options.capitals or list(CAPITALS)
    runs: Runs = {}
    for capital in capitals:
        progress.print(f"${capital:,.0f}")
        runs |= run(market, capital, show_progress=progress.is_terminal)
    for capital in capitals:
        output.print(f"\n${capital:,.0f}")
        show_backtests({optimizer: runs[capital, optimizer] for optimizer in OPTIMIZERS}, output)
    if set(CAPITALS) <= set(capitals):
        save(table(runs), RESULTS)
        write_environment(ENVIRONMENT, "one thread a run", *seconds_of_exact(runs))
        draw_backtests({f"${capital:,.0f}, {optimizer}": found for (capital, optimizer), found in runs.items()
                        if optimizer in ("greedy", "exact")}, PICTURE)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("static_vs_dynamic", "What each way of holding whole contracts earns and costs.")
    parser.add_argument("capitals", type=float, nargs="*", metavar="CAPITAL", help="default: those of the study")
    return run_study(parser, study, arguments)


if __name__ == "__main__":
    sys.exit(main())
