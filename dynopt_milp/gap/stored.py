"""A finished study, as it is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from dynopt_milp.errors import FormatError
from dynopt_milp.gap.cells import CONSEQUENCES
from dynopt_milp.gap.rows import CELL_COLUMNS, CELL_TEXTS, ROW_COLUMNS, further
from dynopt_milp.gap.study import REBALANCES, SUMMARY
from dynopt_milp.gap.summary import CELL_FIGURES, further_figures, gaps
from dynopt_milp.io.atomic import refuse_unreadable
from dynopt_milp.io.run_folder import SETTINGS

POSITIONS = ("held_positions", "greedy_positions", "exact_positions")
DESCRIBED = {"strategy": dict, "versions": dict, "notes": list}
"""Settings that the report lists, and what each is."""


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
        If a file or a column is missing, or is damaged.
    FileError
        If the system refuses to read a file.
    """
    import pyarrow.parquet as pq

    for name in (SETTINGS, REBALANCES, SUMMARY):
        if not (folder / name).is_file():
            reason = f"{name} is missing" if folder.is_dir() else "there is no such folder"
            raise FormatError(f"holds no finished study: {reason}; run dynopt-milp gap first", field=str(folder))
    with _readable(folder, REBALANCES, "Parquet"):
        there = pq.read_schema(folder / REBALANCES).names
        rows = pd.read_parquet(folder / REBALANCES, columns=[name for name in there if name not in POSITIONS])
    with _readable(folder, SUMMARY, "CSV"):
        summary = pd.read_csv(folder / SUMMARY)
    with _readable(folder, SETTINGS, "JSON"):
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    if summary.empty or not isinstance(settings, dict):
        raise FormatError("holds no finished study; run dynopt-milp gap first", field=str(folder))
    others = [figure for name in further(there) for figure in further_figures(name)]
    faults = [f"{REBALANCES} has no column {name}" for name in ROW_COLUMNS if name not in there]
    for name in (*CELL_COLUMNS, *CELL_FIGURES, *CONSEQUENCES, *others):
        if name not in summary:
            faults.append(f"{SUMMARY} has no column {name}")
        elif name not in CELL_TEXTS and not is_numeric_dtype(summary[name]):
            faults.append(f"the column {name} of {SUMMARY} has something else than numbers")
    faults += [
        f"settings.json has no {name}" for name, kind in DESCRIBED.items() if type(settings.get(name)) is not kind
    ]
    if faults:
        raise FormatError(
            f"holds another format of a study: {faults[0]}; run dynopt-milp gap again in a new folder",
            field=str(folder),
        )
    return Study(folder, rows.assign(**gaps(rows)), summary, settings)


@contextmanager
def _readable(folder: Path, name: str, form: str) -> Iterator[None]:
    """Say in our words what is wrong with a file that is there."""
    try:
        yield
    except (OSError, ValueError) as error:
        refuse_unreadable(error, folder / name)
        raise FormatError(
            f"holds no finished study: {name} is damaged, or no {form} at all; run dynopt-milp gap first",
            field=str(folder),
        ) from None


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
