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
from dynopt_milp.io.atomic import reported, resolved, write_atomically
from dynopt_milp.io.lock import held_by_one
from dynopt_milp.trades.decision_log import reason_of
from dynopt_milp.trades.outcome import FORMAT, Rebalance, is_record

SUFFIXES = (".csv", ".json")
COLUMNS = (
    "instrument", "target", "held", "trade", "position", "status", "optimised", "held_back", "cost", "notional", "date",
    "time", "capital", "base_currency", "reason",
)  # fmt: skip
"""By these a CSV file is known to be one of trades."""
RUNNING = {"status": "running", "reason": "the run has not ended, or it was killed"}
"""What the file says from when a run begins until it has trades or has failed."""


OWN = frozenset({"trades", "positions", "previous_positions", "status", "problem", "settings", "fingerprint"})
"""What a file of trades has from the rebalance alone."""


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
    beside = dict(made_from or {})
    for name in OWN.intersection(beside):
        raise InputError("is what the rebalance says itself", field=f"made_from: {name}")
    content = result.to_dict() | beside
    problem = json.dumps(content.pop("problem"), allow_nan=False)
    return f'{json.dumps(content, indent=2, allow_nan=False)[:-2]},\n  "problem": {problem}\n}}\n'


def write_trades(result: Rebalance, path: str | Path, made_from: Mapping[str, Any] | None = None) -> None:
    """Write the trades atomically, as CSV or as JSON, whichever the name says; only over a file of trades.

    Parameters
    ----------
    result : Rebalance
    path : path
        Ends with ``.csv`` (see :func:`trade_table`) or ``.json`` (all that is known of the rebalance).
    made_from : mapping, optional
        What else is known: the date, the capital.

    Raises
    ------
    FileError
        If it cannot be written, or a file is there that is none of trades.
    """
    path = resolved(Path(path))
    csv = path.suffix == ".csv"
    _replace(path, trade_table(result, made_from).to_csv() if csv else trade_record(result, made_from))


def write_no_trades(path: Path, why: Mapping[str, Any]) -> None:
    """Write that there are no trades and why.

    Parameters
    ----------
    path : Path
        As in :func:`write_trades`.
    why : mapping
        ``status``, ``reason``, and what else is known.

    Raises
    ------
    FileError
        As :func:`write_trades`.
    """
    path = resolved(path)
    known = _about(datetime.datetime.now(datetime.UTC)) | dict(why)
    if path.suffix == ".csv":
        row = pd.DataFrame([known]).reindex(columns=list(COLUMNS))
        _replace(path, row.to_csv(index=False))
    else:
        _replace(path, json.dumps({"format": FORMAT} | known | {"trades": {}}, indent=2) + "\n")


@contextmanager
def only_writer(path: Path, about: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Hold the right to write a file of trades; asked for before anything is decided.

    Trades of another day are not there any more when the block begins: the file says that a run is on its way. If the
    block raises, it says why (:func:`write_no_trades`).

    Parameters
    ----------
    path : Path
    about : mapping, optional
        What the record without trades says beside the reason.

    Raises
    ------
    InputError
        If the name ends with neither .csv nor .json.
    FileError
        If another process holds it, there is no such folder, or a file is there that is none of trades.
    """
    path = resolved(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"expected a name that ends with {' or '.join(SUFFIXES)}, found {path.name!r}", field="out")
    _refuse_other(path)
    with held_by_one(path.with_name(f".{path.name}.lock"), path):
        known = dict(about or {})
        try:
            write_no_trades(path, known | RUNNING)
            yield
        except BaseException as error:
            with suppress(FileError):  # the first error says more
                write_no_trades(path, known | reason_of(error))
            raise


def _about(time: datetime.datetime) -> dict[str, Any]:
    return {"date": f"{time:%Y-%m-%d}", "time": time.isoformat(timespec="seconds")}


def _replace(path: Path, text: str) -> None:
    _refuse_other(path)
    write_atomically(path, text)


def _refuse_other(path: Path) -> None:
    """Refuse to write where something is that is neither an empty file nor one of trades."""
    with reported(path):
        if path.exists() and not (path.is_file() and _is_of_trades(path)):
            raise FileError("is there and is no file of trades; give another name, or move it away", path)


def _is_of_trades(path: Path) -> bool:
    """Whether a file is one of trades, or has nothing in it."""
    try:
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            return True
        if path.suffix == ".csv":
            return text.splitlines()[0] == ",".join(COLUMNS)
        return is_record(json.loads(text))
    except (ValueError, RecursionError):
        return False
