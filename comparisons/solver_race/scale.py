"""How long branch and bound takes as the universe grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from comparisons.solver_race.study import CALLS, DIGITS, FOLDER, REFERENCE, SHORT, WARM_UPS
from comparisons.stored import load, save, with_row
from comparisons.universe import synthetic_problem
from dynopt_milp import Problem, Solution, solve
from dynopt_milp.io.colours import COLOURS
from dynopt_milp.show.pictures import save_picture

RESULTS, PICTURE = FOLDER / "scale.csv", FOLDER / "scale.png"
SWEEP_COLUMNS = ("n", "capital", "cost_multiplier", "seed", "seconds", "nodes", "status", "gap")
KEY = ["n", "capital", "cost_multiplier", "seed"]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Which universes.

    Attributes
    ----------
    sizes : tuple of int
        From small to large.
    cost_multipliers, capitals : tuple of float
    seeds : tuple of int
    time_limit : float
        Seconds.
    only : tuple of (int, float)
        Sizes that are solved with one cost multiplier only, and which.
    """

    sizes: tuple[int, ...]
    cost_multipliers: tuple[float, ...]
    capitals: tuple[float, ...]
    seeds: tuple[int, ...]
    time_limit: float
    only: tuple[tuple[int, float], ...] = ()

    def cases(self) -> Iterator[tuple[int, float, float]]:
        """Size, capital and cost multiplier."""
        only = dict(self.only)
        for size in self.sizes:
            for cost_multiplier in self.cost_multipliers:
                if only.get(size, cost_multiplier) == cost_multiplier:
                    for capital in self.capitals:
                        yield size, capital, cost_multiplier


FULL = Sweep(
    (10, 20, 40, 60, 100, 150, 200, 300), (0.0, 10.0, 50.0), (100_000.0, 1_000_000.0), tuple(range(10)), 120.0,
    ((300, 50.0),),
)  # fmt: skip
QUICK_SWEEP = Sweep((10, 20), (0.0, 50.0), (100_000.0,), (0, 1), 5.0)


def sweep(plan: Sweep = FULL, path: Path = RESULTS, advance: Callable[[str], None] = lambda _: None) -> pd.DataFrame:
    """Solve what is not in the file yet, and keep each row as soon as it is there.

    Where nothing was proved at one size, larger ones with the same capital and cost multiplier are left out. Short
    calls are repeated, and the fastest of three counts.
    """
    rows = load(path, SWEEP_COLUMNS)
    done = set(rows[KEY].itertuples(index=False, name=None))
    hopeless: set[tuple[float, float]] = set()
    warm = False
    for size, capital, cost_multiplier in plan.cases():
        if (capital, cost_multiplier) in hopeless:
            for _ in plan.seeds:
                advance(f"n = {size}, left out")
            continue
        for seed in plan.seeds:
            if (size, capital, cost_multiplier, seed) not in done:
                if not warm:
                    for arguments in WARM_UPS:
                        solve(synthetic_problem(*arguments), REFERENCE, time_limit=SHORT)
                    warm = True
                problem = synthetic_problem(size, capital, cost_multiplier, seed)
                seconds, solution = _timed(problem, plan.time_limit)
                rows = with_row(rows, {
                    "n": size, "capital": capital, "cost_multiplier": cost_multiplier, "seed": seed,
                    "seconds": seconds, "nodes": solution.nodes, "status": solution.status.value, "gap": solution.gap,
                })  # fmt: skip
                save(rows, path, DIGITS)
            advance(f"n = {size}")
        here = rows[(rows[KEY[:3]] == [size, capital, cost_multiplier]).all(axis=1)]
        if not (here["status"] == "optimal").any():
            hopeless.add((capital, cost_multiplier))
    return rows


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Median and longest time, how many were proved of how many, and the widest gap left."""
    grouped = rows.assign(proved=rows["status"] == "optimal").groupby(["cost_multiplier", "capital", "n"])
    return grouped.agg(
        median_seconds=("seconds", "median"), max_seconds=("seconds", "max"), median_nodes=("nodes", "median"),
        proved=("proved", "sum"), of=("proved", "size"), widest_gap=("gap", "max"),
    ).reset_index()  # fmt: skip


def picture(rows: pd.DataFrame, path: Path = PICTURE) -> None:
    """Seconds against the number of instruments: every solve, and the medians; open where nothing was proved."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    multipliers, capitals = sorted(set(rows["cost_multiplier"])), sorted(set(rows["capital"]))
    for place, multiplier in enumerate(multipliers):
        for which, capital in enumerate(capitals):
            mine = rows[(rows["cost_multiplier"] == multiplier) & (rows["capital"] == capital)]
            if mine.empty:
                continue
            colour, style = COLOURS[place % len(COLOURS)], ("-", "--", ":")[which % 3]
            faces = [colour if status == "optimal" else "none" for status in mine["status"]]
            axes.scatter(mine["n"], mine["seconds"], s=10, facecolors=faces, edgecolors=colour, linewidths=0.7)
            median = mine.groupby("n")["seconds"].median()
            axes.plot(median.index, median, color=colour, linestyle=style,
                      label=f"λ = {multiplier:g}, ${capital / 1000:,.0f}k")  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted(set(rows["n"]))
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    decades = np.log10(rows["seconds"])
    axes.set_ylim(10 ** np.floor(decades.min()), 10 ** np.ceil(decades.max()))
    axes.set_xlabel("instruments")
    axes.set_ylabel("seconds")
    axes.set_title("Branch and bound, seconds to the proven optimum; open: not proved", loc="left", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    save_picture(figure, path)


def _timed(problem: Problem, time_limit: float) -> tuple[float, Solution]:
    best: tuple[float, Solution] | None = None
    for _ in range(CALLS):
        began = time.perf_counter()
        solution = solve(problem, REFERENCE, time_limit=time_limit)
        seconds = time.perf_counter() - began
        if best is None or seconds < best[0]:
            best = seconds, solution
        if seconds > SHORT:
            break
    assert best is not None
    return best
