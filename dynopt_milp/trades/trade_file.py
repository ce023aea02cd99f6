"""The trades of a rebalance as a file, written by one process at a time; a run that fails leaves its reason there."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import FileError, InputError
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.lock import held_by_one
from dynopt_milp.trades.decision_log import reason_of
from dynopt_milp.trades.outcome import FORMAT, Rebalance

SUFFIXES = (".csv", ".json")
FIRST_COLUMNS = ("instrument", "target", "held", "trade", "position", "status")
"""By these a CSV file is known to be one of trades."""
FURTHER_COLUMNS = (
    "optimised", "held_back", "cost", "notional", "date", "time", "capital", "base_currency", "reason",
)  # fmt: skip


def trade_table(result: Rebalance, made_from: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """The trades, by instrument.

    Parameters
    ----------
    result : Rebalance
    made_from : mapping, optional
        What else is known: ``date``, ``capital``, ``base_currency``.

    Returns
    -------
    DataFrame
        ``target`` (unrounded contracts), ``held``, ``trade``, ``position`` (after it), ``status`` (of the optimisation,
        ``optimal`` only if it was proved); ``optimised`` (the portfolio before the buffer), ``held_back`` (what the
        buffer kept from it); ``cost`` of the trade and ``notional`` of the position in the base currency, where capital
        is known; and the same in every row: ``date`` (of the prices; else of the run), ``time`` (of the run, UTC),
        ``capital``, ``base_currency``, ``reason`` (empty). A row for every instrument.
    """
    problem = result.problem
    known = _about(result.time) | ({} if problem.capital is None else {"capital": problem.capital})
    known |= dict(made_from or {})
    money = float(known.get("capital", np.nan))
    return pd.DataFrame(
        {
            "target": problem.optimal_positions,
            "held": problem.previous_positions.astype(np.int64),
            "trade": result.trades.to_numpy(),
            "position": result.positions.to_numpy(),
            "status": result.status.value,
            "optimised": result.optimised.positions.to_numpy(),
            "held_back": result.held_back.to_numpy(),
            "cost": result.costs.to_numpy() * money,
            "notional": result.notional.to_numpy() * money,
            "date": known["date"],
            "time": known["time"],
            "capital": money,
            "base_currency": known.get("base_currency", ""),
            "reason": "",
        },
        index=result.positions.index,
    )


def trade_record(result: Rebalance, made_from: Mapping[str, Any] | None = None) -> str:
    """The rebalance as a text of JSON; the problem in one line, at the end.

    Parameters
    ----------
    result : Rebalance
    made_from : mapping, optional
        What else it says, such as ``date``, ``capital``, ``base_currency`` and ``files``.
    """
    content = result.to_dict() | dict(made_from or {})
    problem = json.dumps(content.pop("problem"), allow_nan=False)
    return f'{json.dumps(content, indent=2, allow_nan=False)[:-2]},\n  "problem": {problem}\n}}\n'


def write_trades(result: Rebalance, path: Path, made_from: Mapping[str, Any] | None = None) -> None:
    """Write the trades atomically, as CSV or as JSON, whichever the name says.

    Parameters
    ----------
    result : Rebalance
    path : Path
        Ends with ``.csv`` (see :func:`trade_table`) or ``.json`` (all that is known of the rebalance).
    made_from : mapping, optional
        What else is known: the date, the capital.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    path = path.resolve()  # of a link, the file it stands for
    csv = path.suffix == ".csv"
    write_atomically(path, trade_table(result, made_from).to_csv() if csv else trade_record(result, made_from))


def write_failure(path: Path, failure: Mapping[str, Any]) -> None:
    """Write that there are no trades and why, unless a file is there that is none of trades.

    Parameters
    ----------
    path : Path
        As in :func:`write_trades`.
    failure : mapping
        ``status``, ``reason``, and what else is known.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    path = path.resolve()
    if not _may_be_replaced(path):
        return
    known = _about(datetime.datetime.now(datetime.UTC)) | dict(failure)
    if path.suffix == ".csv":
        row = pd.DataFrame([known]).reindex(columns=[*FIRST_COLUMNS, *FURTHER_COLUMNS])
        write_atomically(path, row.to_csv(index=False))
    else:
        write_atomically(path, json.dumps({"format": FORMAT} | known | {"trades": {}}, indent=2) + "\n")


@contextmanager
def only_writer(path: Path, about: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Hold the right to write a file of trades; asked for before anything is decided.

    If the block raises, the file says so (:func:`write_failure`): trades of another day are not there any more.

    Parameters
    ----------
    path : Path
    about : mapping, optional
        What the record of a failure says beside the reason.

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
        try:
            yield
        except BaseException as error:
            with suppress(FileError):  # the first error says more
                write_failure(path, dict(about or {}) | reason_of(error))
            raise


def _about(time: datetime.datetime) -> dict[str, Any]:
    return {"date": f"{time:%Y-%m-%d}", "time": time.isoformat(timespec="seconds")}


def _may_be_replaced(path: Path) -> bool:
    """Whether nothing is there, or an empty file, or one of trades."""
    if not path.exists():
        return True
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            return not text.strip() or text.splitlines()[0].split(",")[: len(FIRST_COLUMNS)] == [*FIRST_COLUMNS]
        content = json.loads(text) if text.strip() else {"status": "", "trades": {}}
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "status" in content and "trades" in content
