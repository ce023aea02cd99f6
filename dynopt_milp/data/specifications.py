"""Contract specifications of a market, checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dynopt_milp.data.market import COSTS, ORDERS, SPECIFICATIONS
from dynopt_milp.errors import DataError
from dynopt_milp.io.known_columns import refuse_unknown
from dynopt_milp.io.labelled import check_distinct
from dynopt_milp.problem.plausible import MOST_FRACTION, MOST_MULTIPLIER

SHARES = ("commission_share", "sr_cost")


def specification_table(specifications: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of these instruments that exist, with numbers as float64 and texts without spaces around them.

    Raises
    ------
    DataError
        If a column is missing, is not known (``note`` is free), or has something else than numbers where they belong.
    """
    table = specifications.set_axis(specifications.index.astype(str).str.strip(), axis=0)
    check_distinct(table.index, "specifications", kind=DataError)
    for column in ("multiplier", "currency", "asset_class"):
        if column not in table:
            columns = ", ".join(map(str, table.columns))
            raise DataError(f"the column {column} is missing; the columns are {columns}", field="specifications")
    refuse_unknown(table.columns, SPECIFICATIONS, "specifications", DataError)
    table = table[[column for column in SPECIFICATIONS if column in table]].loc[table.index.isin(names)].copy()
    for column in table.columns:
        if SPECIFICATIONS[column] is float:
            for name, entry in table[column].items():
                if isinstance(entry, (str, bool, complex)) and str(entry).strip():
                    raise DataError(f"expected a number, found {entry!r}", field=column, instrument=str(name))
            table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
        elif column != "underlying":  # a market says what is wrong with one
            table[column] = table[column].astype(object).where(table[column].notna(), "").map(lambda x: str(x).strip())
    table["asset_class"] = table["asset_class"].replace("", "Other")
    if "sr_cost" in table:
        given = [column for column in COSTS if column in table]
        table.loc[table["sr_cost"].notna(), given] = table.loc[table["sr_cost"].notna(), given].fillna(0.0)
    for column in ORDERS:
        if column in table:
            table[column] = table[column].fillna(0.0)
    return table


def specification_fault(table: pd.DataFrame, name: str) -> str:
    """Why a market cannot have this instrument, by its specification; empty if it can."""
    if name not in table.index:
        return "there is no specification of it"
    entries = dict(zip(table.columns, table.loc[name], strict=True))
    if not entries["currency"]:
        return "its specification has no currency"
    if not 0 < entries["multiplier"] <= MOST_MULTIPLIER:
        return f"its multiplier should be positive and at most {MOST_MULTIPLIER:g}, and is {entries['multiplier']:g}"
    for column in ("rolls_a_year", "margin"):
        if not (np.isnan(entries.get(column, np.nan)) or 0 <= entries[column] < np.inf):
            return f"its {column} should be a number that is not negative, and is {entries[column]:g}"
    needed = [column for column in (*COSTS, *ORDERS) if column in entries]
    if "half_spread" not in entries and "sr_cost" not in entries:
        return "its specification says nothing of costs; give half_spread and commission, or sr_cost (0 if free)"
    if "sr_cost" in entries and ("half_spread" not in entries or not np.isnan(entries["sr_cost"])):
        needed.append("sr_cost")
    for column in needed:
        if not 0 <= entries[column] < np.inf:
            return f"its {column} should be a number that is not negative, and is {entries[column]:g}"
        if column in SHARES and entries[column] > MOST_FRACTION:
            return f"its {column} is a share and should be at most {MOST_FRACTION:g}, and is {entries[column]:g}"
    return ""


def zero_cost(table: pd.DataFrame, name: str) -> str | None:
    """What of the cost of trading an instrument is zero, if the spread is; None if it is not."""
    entries = dict(zip(table.columns, table.loc[name], strict=True))
    if not np.isnan(entries.get("sr_cost", np.nan)):
        return "its sr_cost is zero: it trades for nothing" if entries["sr_cost"] == 0 else None
    if entries["half_spread"] > 0:
        return None
    free = not any(entries.get(column, 0.0) > 0 for column in ("commission", "commission_share"))
    return "its spread is zero" + (", and it has no commission: it trades for nothing" if free else "")
