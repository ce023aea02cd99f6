"""The trades of a rebalance as a file, written by one process at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.lock import held_by_one
from dynopt_milp.trades.rebalancing import Rebalance

SUFFIXES = (".csv", ".json")


def trade_table(result: Rebalance) -> pd.DataFrame:
    """The trades, by instrument.

    Returns
    -------
    DataFrame
        ``target`` (unrounded contracts), ``held``, ``trade``, ``position`` (after it), ``status`` (of the optimisation,
        ``optimal`` only if it was proved); a row for every instrument.
    """
    problem = result.problem
    return pd.DataFrame(
        {
            "target": problem.optimal_positions,
            "held": problem.previous_positions.astype(np.int64),
            "trade": result.trades.to_numpy(),
            "position": result.positions.to_numpy(),
            "status": result.status.value,
        },
        index=result.positions.index,
    )


def write_trades(result: Rebalance, path: Path, made_from: dict[str, Any] | None = None) -> None:
    """Write the trades atomically, as CSV or as JSON, whichever the name says.

    Parameters
    ----------
    result : Rebalance
    path : Path
        Ends with ``.csv`` (see :func:`trade_table`) or ``.json`` (all that is known of the rebalance).
    made_from : dict, optional
        What else the JSON says: the date, the capital.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    path = path.resolve()  # of a link, the file it stands for
    if path.suffix == ".csv":
        write_atomically(path, trade_table(result).to_csv())
    else:
        write_atomically(path, json.dumps((made_from or {}) | result.to_dict(), indent=2, allow_nan=False) + "\n")


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the right to write a file of trades; asked for before anything is decided.

    Raises
    ------
    InputError
        If the name ends with neither .csv nor .json.
    FileError
        If another process holds it, or there is no such folder.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"expected a name that ends with {' or '.join(SUFFIXES)}, found {path.name!r}", field="out")
    path = path.resolve()
    with held_by_one(path.with_name(f".{path.name}.lock"), path):
        yield
