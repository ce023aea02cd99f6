"""A finished study, as it is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.errors import FormatError
from dynopt_milp.gap.study import REBALANCES, SUMMARY
from dynopt_milp.gap.summary import gaps

POSITIONS = ("held_positions", "greedy_positions", "exact_positions")


@dataclass(frozen=True, slots=True)
class Study:
    """What a folder holds, without the portfolios."""

    folder: Path
    rows: pd.DataFrame
    summary: pd.DataFrame
    settings: dict[str, Any]


def read_study(folder: Path) -> Study:
    """The rows without the portfolios, the summary and the settings of a finished study.

    Raises
    ------
    FormatError
        If something is missing or damaged.
    """
    import pyarrow.parquet as pq

    try:
        names = [name for name in pq.read_schema(folder / REBALANCES).names if name not in POSITIONS]
        rows = pd.read_parquet(folder / REBALANCES, columns=names)
        summary = pd.read_csv(folder / SUMMARY)
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"holds no finished study: {error}; run dynopt-milp gap first", field=str(folder)) from None
    if summary.empty or not isinstance(settings, dict) or not {"strategy", "versions"} <= settings.keys():
        raise FormatError("holds no finished study; run dynopt-milp gap first", field=str(folder))
    return Study(folder, rows.assign(**gaps(rows)), summary, settings)


def proved(study: Study) -> pd.DataFrame:
    """The rebalances that figures and means are about."""
    return study.rows[study.rows["status"] == "optimal"]


def main_path(study: Study) -> str:
    """The path of greedy, as its users have it, if it was studied and something of it proved."""
    return "greedy" if (proved(study)["path"] == "greedy").any() else "exact"


def main_rows(study: Study) -> pd.DataFrame:
    """The proved rebalances along the main path."""
    rows = proved(study)
    return rows[rows["path"] == main_path(study)]
