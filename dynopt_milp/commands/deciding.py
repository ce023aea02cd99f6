"""One rebalance as the options ask for it, or as its file says that it was decided."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from dynopt_milp.commands.app import print_notes
from dynopt_milp.commands.problem_source import ProblemSource
from dynopt_milp.io.files_read import files_read
from dynopt_milp.io.labelled import not_negative
from dynopt_milp.trades.input_notes import notes_of_buffer
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.trades.rebalancing import rebalance


def decided(
    source: ProblemSource, optimizer: str, gap: float, time_limit: float | None, *, as_json: bool
) -> tuple[Rebalance, dict[str, Any]]:  # fmt: skip
    """The rebalance, and what else is known of it; its notes are printed.

    Parameters
    ----------
    source : ProblemSource
    optimizer, gap, time_limit
        As the options say; a file of trades has its own where they were not given.
    as_json : bool
        Whether what prices say goes to stderr.
    """
    own: dict[str, Any] = {
        "optimizer": optimizer, "buffer_rule": source.preset.buffer_rule,
        "buffer_fraction": source.preset.buffer_fraction, "risk_target": source.risk_target, "gap": gap,
        "time_limit": time_limit,
    }  # fmt: skip
    with files_read() as files:
        made, known = source.read(Console(highlight=False, stderr=as_json))
    own |= known.pop("buffer", {})  # that of a run
    stored = known.pop("decision", None)
    if stored is not None:
        own = stored.settings | {name: value for name, value in own.items() if name in source.given}
        if any(own[name] != stored.settings[name] for name in ("buffer_rule", "buffer_fraction")):
            known.pop("preset", None)  # of another buffer
    not_negative(own["buffer_fraction"], "buffer_fraction")
    known["notes"].extend(notes_of_buffer(own["buffer_rule"], own["buffer_fraction"]))
    print_notes(known["notes"])
    result = rebalance(made, **own)
    different = "" if stored is None else stored.difference(result)
    if different:
        known["notes"].append(different)
        print_notes([different])
    return result, known | {"files": files}
