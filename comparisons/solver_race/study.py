"""The race: every instance by every racer, what they claim, how long they take and whether it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comparisons.solver_race.claim import LICENCE, OPTIMAL, Claim
from comparisons.solver_race.instances import Grid, Instance
from comparisons.solver_race.racers import Racer
from comparisons.stored import load, save, with_row
from comparisons.universe import synthetic_problem
from dynopt_milp import Problem
from dynopt_milp.io.colours import COLOURS
from dynopt_milp.show.pictures import save_picture
from dynopt_milp.solvers.settings import DEFAULT_GAP

FOLDER = Path(__file__).parent
RESULTS, PICTURE, ENVIRONMENT = FOLDER / "results.csv", FOLDER / "race.png", FOLDER / "environment.txt"
QUICK = FOLDER / "runs"
FULL_GRID = Grid(
    capitals=(100_000.0, 250_000.0, 1_000_000.0),
    cost_multipliers=(50.0, 10.0, 0.0),
    starts=("2012-06-01", "2018-06-01"),
    weeks=1,
    sizes=(100,),
    seeds=(0,),
)
QUICK_GRID = Grid((250_000.0,), (0.0, 50.0), ("2018-06-01",), 1, (12, 20), (0,))
TIME_LIMIT, QUICK_TIME_LIMIT = 10.0, 5.0
REFERENCE = "branch_and_bound"
DIGITS = 12
"""Significant digits of the results."""
CALLS = 3
SHORT = 5.0
"""Seconds: a longer call is not repeated."""
WARM_UPS = ((20, 250_000.0, 50.0, 10_001), (20, 250_000.0, 0.0, 10_001))
SOLVERS = ("numba", "gurobipy", "cplex", "coptpy", "matplotlib")
MEASURED = (
    "instance", "held", "racer", "size", "capital", "cost_multiplier", "seconds", "claimed", "objective",
    "lower_bound", "nodes",
)  # fmt: skip
JUDGED = ("best_known", "proved", "correct")

Advance = Callable[[str], None]


def race(
    instances: Iterable[Instance],
    racers: Sequence[Racer],
    *,
    time_limit: float = TIME_LIMIT,
    path: Path = RESULTS,
    advance: Advance = lambda _: None,
) -> pd.DataFrame:
    """Solve what is not in the file yet, and keep each row as soon as it is there.

    Rows of an instance from which something else was held belong to another problem and are solved again.

    Parameters
    ----------
    instances : iterable of Instance
    racers : sequence of Racer
    time_limit : float
        Seconds of each call.
    path : Path
        The results.
    advance : callable
        Told of each instance that is done.

    Returns
    -------
    DataFrame
        All rows of the file, judged.
    """
    rows = load(path, MEASURED)
    warm: set[str] = set()
    for instance in instances:
        stale = (rows["instance"] == instance.name) & (rows["held"] != instance.held)
        rows = rows[~stale]
        done = set(rows.loc[rows["instance"] == instance.name, "racer"])
        for racer in racers:
            if racer.name in done:
                continue
            if racer.name not in warm:
                warm_up(racer)
                warm.add(racer.name)
            claim = measured(racer, instance.problem, time_limit)
            rows = with_row(rows, _row(instance, racer.name, claim))
            save(judged(rows), path, DIGITS)
        advance(instance.name)
    return judged(rows)


def warm_up(racer: Racer) -> None:
    """Let it compile and load what it needs, on problems that are not raced."""
    for arguments in WARM_UPS:
        racer.run(synthetic_problem(*arguments), SHORT)


def measured(racer: Racer, problem: Problem, time_limit: float) -> Claim:
    """One call; of an optimizer of this package the fastest of three, if they are short."""
    claim = racer.run(problem, time_limit)
    for _ in range(CALLS - 1 if racer.own else 0):
        if claim.seconds > SHORT:
            break
        claim = min(claim, racer.run(problem, time_limit), key=lambda found: found.seconds)
    return claim


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ``best_known`` (of all racers' objectives), ``proved`` (claimed optimal) and ``correct``.

    A claim is correct if it says optimal and its objective, recomputed, is the best known one but for the gap.
    """
    best = rows.groupby("instance")["objective"].transform("min")
    proved = rows["claimed"] == OPTIMAL
    return rows.assign(
        best_known=best, proved=proved, correct=proved & (rows["objective"] <= best * (1 + DEFAULT_GAP))
    )  # a missing objective is not below anything


def table(results: pd.DataFrame) -> pd.DataFrame:
    """One row for each family, λ and racer.

    ``count`` leaves out what a licence did not allow (``no_licence``); ``times`` is the geometric mean of its seconds
    over those of branch and bound on the same instances; ``proved``, ``correct`` and ``best`` are shares of the count:
    claimed optimal, claimed so and true, and found the best known portfolio whatever was claimed.
    """
    results = judged(results)
    results = results.assign(family=[family(name) for name in results["instance"]])
    reference = results[results["racer"] == REFERENCE].set_index("instance")["seconds"]
    order = list(dict.fromkeys(results["family"]))
    rows = []
    for (kind, cost_multiplier, racer), group in results.groupby(["family", "cost_multiplier", "racer"], sort=False):
        ran = group[group["claimed"] != LICENCE]
        ratio = np.log(ran["seconds"].to_numpy() / reference.reindex(ran["instance"]).to_numpy(dtype=float))
        known = ratio[np.isfinite(ratio)]
        rows.append({
            "family": kind, "cost_multiplier": cost_multiplier, "racer": racer, "count": len(ran),
            "no_licence": len(group) - len(ran), "median_seconds": ran["seconds"].median(),
            "times": float(np.exp(known.mean())) if known.size else np.nan,
            "proved": ran["proved"].mean(), "correct": ran["correct"].mean(),
            "best": (ran["objective"] <= ran["best_known"] * (1 + DEFAULT_GAP)).mean(),
        })  # fmt: skip
    shown = pd.DataFrame(rows)
    place = shown["family"].map(order.index)
    return shown.assign(_place=place).sort_values(["_place", "cost_multiplier"], kind="stable").drop(columns="_place")


def family(instance: str) -> str:
    """``real`` or ``synthetic_n100``: what comes before the capital in its name."""
    parts = instance.split("_")
    return "_".join(parts[:2]) if parts[0] == "synthetic" else parts[0]


def picture(results: pd.DataFrame, path: Path = PICTURE) -> None:
    """Seconds of each racer on every instance, grouped by λ, one panel a family; open where nothing was proved."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    ran = judged(results)
    ran = ran[ran["claimed"] != LICENCE]
    ran = ran.assign(family=[family(name) for name in ran["instance"]])
    families = list(dict.fromkeys(ran["family"]))
    racers = list(dict.fromkeys(ran["racer"]))
    multipliers = sorted(set(ran["cost_multiplier"]))
    columns = min(len(families), 2)
    down = -(-len(families) // columns)
    figure = Figure(figsize=(5.5 * columns, 0.8 + 3.2 * down), layout="constrained")
    panels = figure.subplots(down, columns, sharey=True, squeeze=False).flat
    colours = dict(zip(racers, (*COLOURS, "#999999", "#8B4513"), strict=False))
    width = 0.8 / len(racers)
    for kind, panel in zip(families, panels, strict=False):
        for group, multiplier in enumerate(multipliers):
            for place, racer in enumerate(racers):
                mine = ran[(ran["family"] == kind) & (ran["cost_multiplier"] == multiplier) & (ran["racer"] == racer)]
                if mine.empty:
                    continue
                middle = group + (place - (len(racers) - 1) / 2) * width
                spread = middle + width * np.linspace(-0.3, 0.3, len(mine))
                faces = [colours[racer] if correct else "none" for correct in mine["correct"]]
                panel.scatter(
                    spread, mine["seconds"], s=10, facecolors=faces, edgecolors=colours[racer], linewidths=0.7
                )
                panel.hlines(mine["seconds"].median(), middle - width / 2, middle + width / 2, color=colours[racer])
        panel.set_yscale("log")
        panel.set_xticks(range(len(multipliers)), [f"λ = {multiplier:g}" for multiplier in multipliers])
        panel.set_title(kind.replace("_n", ", n = "), loc="left", fontsize="medium")
        panel.set_ylabel("seconds")
        panel.grid(alpha=0.3, axis="y")
    for panel in panels:
        panel.set_visible(False)
    handles = [Line2D([], [], marker="o", linestyle="none", color=colours[racer], label=racer) for racer in racers]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), fontsize="small")
    figure.suptitle("Seconds to solve; open: no correct proof", x=0.01, ha="left", fontsize="medium")
    save_picture(figure, path)


def _row(instance: Instance, racer: str, claim: Claim) -> dict[str, Any]:
    program = instance.problem.program()
    positions = claim.positions
    objective = np.nan if positions is None or not program.contains(positions) else program.objective(positions)
    return {
        "instance": instance.name, "held": instance.held, "racer": racer, "size": program.size,
        "capital": instance.capital, "cost_multiplier": instance.problem.cost_multiplier, "seconds": claim.seconds,
        "claimed": claim.claimed, "objective": objective, "lower_bound": claim.lower_bound, "nodes": claim.nodes,
    }  # fmt: skip
