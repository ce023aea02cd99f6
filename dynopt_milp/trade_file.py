"""The trades of a rebalance as a file, written by one process at a time, and a log of every decision."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.atomic_file import write_atomically
from dynopt_milp.errors import DynoptError, InputError
from dynopt_milp.lock import held_by_one, reported
from dynopt_milp.rebalance import Rebalance
from dynopt_milp.solution import by_name

SUFFIXES = (".csv", ".json")


def trade_table(result: Rebalance) -> pd.DataFrame:
    """The trades, by instrument.

    Returns
    -------
    DataFrame
        ``target`` (contracts wanted), ``held``, ``trade``, ``position`` (after it), ``status`` (of the optimisation,
        ``optimal`` only if it was proved); instruments without a trade or a position are left out.
    """
    problem = result.problem
    table = pd.DataFrame(
        {
            "target": problem.optimal_positions,
            "held": problem.previous_positions.astype(np.int64),
            "trade": result.trades.to_numpy(),
            "position": result.positions.to_numpy(),
            "status": result.status.value,
        },
        index=result.positions.index,
    )
    return table[(table[["held", "trade", "position"]] != 0).any(axis=1)]


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
    FormatError
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
    FormatError
        If another process holds it, or there is no such folder.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"wants a name that ends with {' or '.join(SUFFIXES)}, found {path.name!r}", field="out")
    path = path.resolve()
    with held_by_one(path.with_name(f".{path.name}.lock"), path):
        yield


def decision(result: Rebalance) -> dict[str, Any]:
    """What the log says of a rebalance, as JSON has it."""
    return {
        "status": result.status.value,
        "stopped_by": result.stopped_by.value,
        "objective": result.optimised.objective,
        "lower_bound": result.optimised.lower_bound,
        "tracking_error": result.tracking_error,
        "cost": result.cost,
        "buffer_rule": result.buffer_rule,
        "adjustment_factor": result.adjustment_factor,
        "trades": by_name(result.trades[result.trades != 0]),
        "method": result.optimised.method,
        "solver": result.optimised.solver,
        "seconds": result.seconds,
    }


class DecisionLog:
    """A file with a line of JSON for each decision, or failure to make one; lines are appended and never changed.

    Parameters
    ----------
    path : Path
        Made if it does not exist.

    Raises
    ------
    FormatError
        If it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._append("")

    @contextmanager
    def entry(self) -> Iterator[dict[str, Any]]:
        """A dict that becomes a line when the block ends; if it raises, the line says why."""
        content: dict[str, Any] = {}
        try:
            yield content
        except DynoptError as error:
            self._add({"status": "failed", "reason": " ".join(str(error).split())})
            raise
        except KeyboardInterrupt:
            self._add({"status": "interrupted"})
            raise
        self._add(content)

    def _add(self, entry: dict[str, Any]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._append(json.dumps({"time": now} | entry, allow_nan=False) + "\n")

    def _append(self, text: str) -> None:
        with reported(self.path), self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
