"""Branch and bound against SCIP: the same rebalances, and what each proves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comparisons.solver_race.instances import Grid, Instance, real_instances
from comparisons.stored import load, save
from dynopt_milp import Status, solve
from dynopt_milp.data import Market
from dynopt_milp.io.progress import Progress

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT = FOLDER / "results.csv", FOLDER / "environment.txt"
# 5 capitals × 3 multipliers × 4 paths × 9 weeks = 540 rebalances of 25 to 42 instruments.
GRID = Grid(
    capitals=(50_000.0, 100_000.0, 250_000.0, 1_000_000.0, 5_000_000.0),
    cost_multipliers=(0.0, 10.0, 50.0),
    starts=("2006-03-01", "2010-06-01", "2014-09-01", "2018-06-01"),
    weeks=9,
    sizes=(),
    seeds=(),
)
SCIP_LIMIT = 60.0
OWN_LIMIT = 300.0
AGREEMENT = 1e-9  # of objectives, relative
ROUND_OFF = 1e-12  # of a bound against a priced portfolio


@dataclass(frozen=True, slots=True)
class Row:
    """One rebalance: objective, lower bound, status and seconds of both optimizers."""

    instance: str
    size: int
    objective: float
    lower_bound: float
    status: str
    seconds: float
    nodes: int
    scip_objective: float
    scip_lower_bound: float
    scip_status: str
    scip_seconds: float


def compare(instance: Instance, scip_limit: float = SCIP_LIMIT) -> Row:
    """Solve one rebalance with both."""
    own = _own(instance)
    scip = solve(instance.problem, "scip", time_limit=scip_limit)
    return Row(
        instance=instance.name, **own, scip_objective=scip.objective, scip_lower_bound=scip.lower_bound,
        scip_status=scip.status.value, scip_seconds=scip.seconds,
    )  # fmt: skip


def verdict(row: Row | pd.Series) -> str:
    """``"agree"``, ``"scip unfinished"`` with nothing contradicted, ``"unproved"``, or what is wrong."""
    for bound in (row.lower_bound, row.scip_lower_bound):
        if bound > min(row.objective, row.scip_objective) * (1 + ROUND_OFF):
            return "bound above a known portfolio"
    if row.status == Status.OPTIMAL.value and row.scip_objective < row.objective * (1 - AGREEMENT):
        return "SCIP found better"
    if row.status != Status.OPTIMAL.value:
        return "unproved"
    if row.scip_status != Status.OPTIMAL.value:
        return "scip unfinished"
    return "agree" if row.scip_objective <= row.objective * (1 + AGREEMENT) else "objectives differ"


def run(market: Market, grid: Grid = GRID, results: Path = RESULTS, *, scip_limit: float = SCIP_LIMIT,
        again: bool = False, show_progress: bool = False) -> pd.DataFrame:  # fmt: skip
    """Compare on every rebalance of the grid that is not in the results yet.

    With ``again`` those that are there are solved again by branch and bound, and what SCIP said in hours is kept.
    """
    done = load(results, tuple(item.name for item in fields(Row)))
    rows: dict[str, dict[Any, Any]] = {str(row["instance"]): row for row in done.to_dict("records")}
    with Progress(grid.real, "rebalances", show=show_progress) as progress:
        for instance in real_instances(market, grid):
            if instance.name not in rows:
                rows[instance.name] = asdict(compare(instance, scip_limit))
                save(pd.DataFrame(list(rows.values())), results, None)
            elif again:
                rows[instance.name] |= _own(instance)
            progress.advance(instance.name)
    frame = pd.DataFrame(list(rows.values()))
    save(frame, results, None)
    return frame


def _own(instance: Instance) -> dict[str, Any]:
    """What branch and bound says of a rebalance: its columns of a row."""
    own = solve(instance.problem, "branch_and_bound", time_limit=OWN_LIMIT)
    return {
        "size": len(instance.problem.instruments), "objective": own.objective, "lower_bound": own.lower_bound,
        "status": own.status.value, "seconds": own.seconds, "nodes": own.nodes,
    }  # fmt: skip


def table(results: pd.DataFrame) -> pd.DataFrame:
    """By λ: how many, each verdict, the largest difference of objectives where both proved, and times."""
    frame = results.assign(
        verdict=[verdict(row) for row in results.itertuples(index=False)],  # type: ignore[arg-type]
        cost_multiplier=results["instance"].str.extract(r"_lam([\d.]+)_")[0].astype(float),
        difference=(results["objective"] / results["scip_objective"] - 1).abs(),
        ratio=results["scip_seconds"] / results["seconds"],
    )
    lines = []
    for multiplier, group in frame.groupby("cost_multiplier"):
        both = group[(group["status"] == "optimal") & (group["scip_status"] == "optimal")]
        line: dict[str, float | int] = {"cost_multiplier": float(str(multiplier)), "rebalances": len(group)}
        line |= {str(name): int(count) for name, count in group["verdict"].value_counts().items()}
        line |= {
            "largest difference": float(both["difference"].max()),
            "seconds, median": float(group["seconds"].median()),
            "seconds, most": float(group["seconds"].max()),
            "scip seconds, median": float(group["scip_seconds"].median()),
            "scip ÷ own, geometric mean": float(np.exp(np.log(group["ratio"]).mean())),
        }
        lines.append(line)
    return pd.DataFrame(lines).fillna(0)
