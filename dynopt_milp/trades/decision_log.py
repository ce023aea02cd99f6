"""A log of every decision to trade."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dynopt_milp.io.atomic import reported
from dynopt_milp.problem.solution import by_name
from dynopt_milp.trades.outcome import Rebalance


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
        "optimizer": result.optimised.optimizer,
        "solver": result.optimised.solver,
        "seconds": result.seconds,
        "fingerprint": result.fingerprint,
    }


def reason_of(error: BaseException) -> dict[str, str]:
    """What the record of a failure says: ``interrupted``, or ``failed`` with the reason."""
    if isinstance(error, KeyboardInterrupt):
        return {"status": "interrupted", "reason": "interrupted"}
    return {"status": "failed", "reason": " ".join(str(error).split()) or type(error).__name__}


class DecisionLog:
    """A file with a line of JSON for each decision, or failure to make one; lines are appended and never changed.

    Parameters
    ----------
    path : Path
        Made if it does not exist.

    Raises
    ------
    FileError
        If it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._append("")

    @contextmanager
    def entry(self) -> Iterator[dict[str, Any]]:
        """A dict that becomes a line when the block ends; if it raises, the line says why."""
        content: dict[str, Any] = {}
        with self.failures():
            yield content
        self._add(content)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """A line only if the block raises."""
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            self._add(reason_of(error))
            raise

    def _add(self, entry: dict[str, Any]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._append(json.dumps({"time": now} | entry, allow_nan=False) + "\n")

    def _append(self, text: str) -> None:
        with reported(self.path), self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
