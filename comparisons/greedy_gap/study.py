"""The grid of the study, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dynopt_milp.data import Market
from dynopt_milp.gap import GapGrid, run_gap_study
from dynopt_milp.gap.study import REBALANCES
from dynopt_milp.gap.summary import count_differences
from dynopt_milp.io.colours import COLOURS
from dynopt_milp.show.pictures import save_picture

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT, RUNS = FOLDER / "results.csv", FOLDER / "environment.txt", FOLDER / "runs"
INSTRUMENTS, WORST, PICTURE = FOLDER / "instruments.csv", FOLDER / "worst.csv", FOLDER / "gap.png"
# 5 capitals × 5 multipliers × 4 sizes along the path of greedy, and all instruments along that of exact too.
CAPITALS = (50_000.0, 100_000.0, 250_000.0, 1_000_000.0, 5_000_000.0)
COST_MULTIPLIERS = (0.0, 10.0, 25.0, 50.0, 100.0)
SIZES = (4, 10, 20)
START, END = "2005-01-01", "2019-12-31"
# A rebalance that takes longer is kept with its bound and enters no mean.
TIME_LIMIT = 20.0


def grids(market: Market) -> list[GapGrid]:
    """The parts of the study, the cheap ones first."""
    everything = len(market.instruments)
    common = {"capitals": CAPITALS, "cost_multipliers": COST_MULTIPLIERS, "start": START, "end": END}
    return [
        GapGrid(**common, sizes=(*SIZES, everything), paths=("greedy",)),  # type: ignore[arg-type]
        GapGrid(**common, sizes=(everything,), paths=("exact",)),  # type: ignore[arg-type]
    ]


def run(
    market: Market, parts: list[GapGrid], folder: Path = RUNS, *, workers: int, show_progress: bool
) -> pd.DataFrame:
    """Run what is missing of the parts, each in a folder named after its path; a line for each combination."""
    summaries = [
        run_gap_study(
            market, grid, folder / "-".join(grid.paths), workers=workers, time_limit=TIME_LIMIT,
            show_progress=show_progress,
        )
        for grid in parts
    ]  # fmt: skip
    return pd.concat(summaries, ignore_index=True)


def gap_table(results: pd.DataFrame) -> str:
    """Mean gap along greedy's path, and in how many rebalances greedy is optimal, as Markdown."""
    along = results[results["path"] == "greedy"]
    multipliers = sorted(along["cost_multiplier"].unique())
    lines = ["| instruments | capital | " + " | ".join(f"λ = {value:g}" for value in multipliers) + " |"]
    lines.append("|---|---|" + "---|" * len(multipliers))
    for (size, capital), group in along.groupby(["size", "capital"]):
        cells = group.set_index("cost_multiplier").loc[multipliers]
        texts = [
            f"{_percent(mean)} · {_percent(optimal)}"
            for mean, optimal in zip(cells["mean_gap"], cells["greedy_optimal"], strict=True)
        ]
        lines.append(f"| {size} | ${capital:,.0f} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def consequence_table(results: pd.DataFrame, cost_multipliers: tuple[float, ...] = (10.0, 50.0)) -> str:
    """What all instruments came to along both paths, as Markdown: greedy → exact."""
    names = ("avg_tracking_error", "realised_tracking_error", "annual_cost", "sharpe_ratio")
    heads = ("expected tracking error", "realised", "cost a year", "Sharpe ratio, net")
    everything = results[results["size"] == results["size"].max()]
    lines = ["| λ | capital | " + " | ".join(heads) + " |", "|---|---|---|---|---|---|"]
    for multiplier in cost_multipliers:
        for capital, group in everything[everything["cost_multiplier"] == multiplier].groupby("capital"):
            paths = group.set_index("path")
            pairs = [(paths.loc["greedy", name], paths.loc["exact", name]) for name in names]
            texts = [f"{one:.1%} → {other:.1%}" for one, other in pairs[:2]]
            texts += [f"{pairs[2][0]:.2%} → {pairs[2][1]:.2%}", f"{pairs[3][0]:.2f} → {pairs[3][1]:.2f}"]
            lines.append(f"| {multiplier:g} | ${capital:,.0f} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _percent(share: float) -> str:
    """A tenth of a point below ten per cent, whole points above."""
    return f"{100 * share:,.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


def instruments(folder: Path = RUNS, *, cost_multiplier: float = 50.0) -> pd.DataFrame:
    """Where greedy and exact differ along greedy's path, all instruments; a line for each."""
    rows = _rows(folder, ["size", "greedy_positions", "exact_positions"], cost_multiplier)
    rows = rows[rows["size"] == rows["size"].max()]
    return pd.DataFrame(count_differences(zip(rows["greedy_positions"], rows["exact_positions"], strict=True)))


def worst(folder: Path = RUNS, *, cost_multiplier: float = 50.0) -> pd.DataFrame:
    """The rebalance with the largest gap of every combination along greedy's path, with its portfolios."""
    columns = [
        "size", "capital", "date", "held_positions", "greedy_positions", "exact_positions", "greedy_objective",
        "exact_objective", "greedy_tracking_error", "exact_tracking_error", "greedy_cost", "exact_cost",
    ]  # fmt: skip
    rows = _rows(folder, columns, cost_multiplier)
    rows = rows.assign(gap=rows["greedy_objective"] / rows["exact_objective"] - 1)
    return rows.loc[rows.groupby(["size", "capital"])["gap"].idxmax()]


def _rows(folder: Path, columns: list[str], cost_multiplier: float) -> pd.DataFrame:
    """Proved rebalances along greedy's path."""
    chosen = [("cost_multiplier", "==", cost_multiplier), ("status", "==", "optimal")]
    return pd.read_parquet(folder / "greedy" / REBALANCES, columns=columns, filters=chosen)


def picture(results: pd.DataFrame, path: Path = PICTURE) -> None:
    """Mean gap against capital, a panel for each size and a line for each multiplier."""
    from matplotlib.figure import Figure

    along = results[results["path"] == "greedy"]
    sizes = sorted(along["size"].unique())
    rows = -(-len(sizes) // 2)
    figure = Figure(figsize=(7.5, 0.6 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    for panel, size in zip(panels.flat, sizes, strict=False):
        lines = along[along["size"] == size].groupby("cost_multiplier")
        for colour, (multiplier, group) in zip(COLOURS, lines, strict=False):
            gap = 100 * group["mean_gap"]
            panel.plot(group["capital"], gap, color=colour, marker="o", markersize=4, label=f"λ = {multiplier:g}")
        panel.set_title(f"{size} instruments", loc="left", fontsize="medium")
        panel.set_xscale("log")
        panel.set_yscale("symlog", linthresh=1.0)  # percent; a mean can be zero
        panel.xaxis.set_major_formatter(
            lambda amount, _: f"${amount / 1000:g}k" if amount < 1e6 else f"${amount / 1e6:g}m"
        )
        panel.yaxis.set_major_formatter(lambda percent, _: f"{percent:,g} %")
        panel.grid(alpha=0.3)
    for panel in panels.flat[len(sizes) :]:
        panel.set_visible(False)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle("Objective of greedy above the optimum, mean, by capital", x=0.01, ha="left", fontsize="medium")
    save_picture(figure, path)
