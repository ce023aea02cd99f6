"""What a backtest leaves: positions, rebalances, returns, figures; in memory and in a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.decision import REBALANCE_COLUMNS
from dynopt_milp.backtests.diagnostics import Finding, findings
from dynopt_milp.backtests.metrics import FAILED, TEXTS, account_of
from dynopt_milp.errors import FormatError
from dynopt_milp.io.atomic import reported, write_atomically
from dynopt_milp.io.whole import with_whole

BESIDE = "beside"
"""The folder of the runs beside a run, each in a folder of its name."""
FRAMES = ("positions", "rebalances", "returns", "profits")
"""Tables by day."""
CONTRACTS = ["trades"]
"""Columns of the rebalances that are numbers of contracts."""
INSTRUMENTS = "instruments"
"""The table by instrument."""
TABLES = (*FRAMES, INSTRUMENTS)
KIND = "dynopt-milp backtest"
"""How every format begins."""
FORMAT = f"{KIND} 4"
"""The names of files, columns and settings. Format 3 had no profit by instrument."""
NEEDED = {
    "rebalances": REBALANCE_COLUMNS, "returns": ("gross", "trading_cost", "roll_cost", "cost", "net", "unrounded"),
    "instruments": ("asset_class", "gross", "trading_cost", "roll_cost", "net", "days_held", "contracts_traded"),
    "performance": (
        "sharpe_ratio", "num_not_proved", "annual_roll_cost", "annual_contracts_rolled", "num_kept", "without_rolls",
    ),
    "settings": (
        "optimizer", "capital", "compound", "simulated", "end", "base_currency", "strategy", "frequency", "roll_trades",
    ),
}  # fmt: skip
"""What must be in a file for it to be one of a backtest: columns or fields."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Backtest:
    """The outcome of a backtest.

    Attributes
    ----------
    positions : DataFrame, days × instruments
        Contracts held at the close of every day.
    rebalances : DataFrame by day of the decision
        ``objective``, ``lower_bound``, ``gap`` (of the optimisation), ``status`` (``"optimal"``, ``"feasible"``,
        ``"static"``, ``"failed"``), ``optimizer``, ``tracking_error_before`` and ``tracking_error`` (of the held and
        the new positions to the target; annual, share of capital), ``adjustment_factor``, ``trades`` (contracts),
        ``cost`` (of the trades, at the prices of the decision, share of capital), ``seconds``, ``NAME_objective`` and
        ``NAME_seconds`` of further optimizers, ``instruments`` (how many could be held), ``idm``, ``buffer``,
        ``capital`` (what positions were sized by), ``rounded_tracking_error`` (of the targets, rounded),
        ``stopped_by``, ``reason`` (of a failure, or why an instrument kept its position).
    returns : DataFrame by day
        ``gross``, ``trading_cost``, ``roll_cost``, ``cost`` (their sum), ``net``; and ``unrounded``, what the targets
        in fractions earned along their own path, gross. Shares of capital, or, where the run compounds, of the account
        of the day before (of the capital again, after the account was lost).
    performance : dict
        See :func:`~dynopt_milp.backtests.performance`.
    settings : dict
        What the run depends on, versions included.
    portfolios : DataFrame
        ``date``, ``optimizer``, ``objective``, ``lower_bound``, ``status``, ``tracking_error``, ``cost_penalty``,
        ``seconds``, ``reason`` (of a failure) and ``positions`` (a dict of contracts by instrument, zeros left out) of
        what each optimizer would hold before the buffer. Empty unless the run was asked to keep it; of a run in a
        folder, in its journal only.
    extended_from : Timestamp, optional
        The last day of the run in its folder before this call made it longer; None if it did not.
    beside : dict of Backtest, by optimizer
        The runs of other optimizers over the same days, each along its own path.
    profits : DataFrame, days × instruments
        Profit net of costs, base currency.
    instruments : DataFrame by instrument
        ``asset_class``; over all days, in base currency, ``gross`` (profit before costs), ``trading_cost``,
        ``roll_cost``, ``net``; ``days_held`` and ``contracts_traded``.
    notes : list of str or None
        What of the data the run should be read with: suspect prices, jumps of adjusted prices, spreads of zero,
        contracts of another size than the account. None where the folder was written before they were kept.
    """

    positions: pd.DataFrame
    rebalances: pd.DataFrame
    returns: pd.DataFrame
    performance: dict[str, Any]
    settings: dict[str, Any]
    portfolios: pd.DataFrame = field(default_factory=pd.DataFrame)
    extended_from: pd.Timestamp | None = None
    beside: dict[str, Backtest] = field(default_factory=dict)
    profits: pd.DataFrame = field(default_factory=pd.DataFrame)
    instruments: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: list[str] | None = field(default_factory=list)

    def __repr__(self) -> str:
        sharpe = self.performance["sharpe_ratio"]
        return (
            f"<Backtest {self.settings['optimizer']}, {self.positions.index[0].date()} to "
            f"{self.positions.index[-1].date()}, {len(self.rebalances)} rebalances, "
            + (f"{len(self.failures)} of them failed, " if len(self.failures) else "")
            + f"Sharpe ratio {'none' if sharpe is None else f'{sharpe:.2f}'}>"
        )

    @property
    def failures(self) -> pd.DataFrame:
        """Rebalances that could not be solved, with their reason; held positions are kept."""
        return self.rebalances[self.rebalances["status"] == FAILED]

    @property
    def kept(self) -> pd.DataFrame:
        """Rebalances at which an instrument could not be decided and kept its position, with their reason."""
        return self.rebalances[(self.rebalances["status"] != FAILED) & (self.rebalances["reason"] != "")]

    @property
    def findings(self) -> list[Finding]:
        """What is unusual about the run, and what to do about it."""
        return findings(self.performance, self.rebalances, self.settings)

    @property
    def account(self) -> pd.Series:
        """Capital plus all profits so far, base currency, by day."""
        growth = account_of(self.returns["net"], compound=self.settings["compound"])
        return growth * float(self.settings["capital"])

    def save(self, folder: str | Path) -> None:
        """Write everything to a folder, each file atomically.

        Raises
        ------
        FileError
            If it cannot be written to.
        """
        folder = Path(folder)
        with reported(folder):
            folder.mkdir(parents=True, exist_ok=True)
        tables = {name: getattr(self, name) for name in TABLES}
        tables["positions"] = with_whole(self.positions, [*self.positions.columns])
        tables["rebalances"] = with_whole(self.rebalances, CONTRACTS)
        for name, table in tables.items():
            write_atomically(folder / f"{name}.csv", table.to_csv(date_format="%Y-%m-%d"))
        content = self.performance | {"simulated": self.settings["simulated"]}
        if self.notes is not None:
            content["notes"] = self.notes
        content["findings"] = [finding.to_dict() for finding in self.findings]
        write_atomically(folder / "performance.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
        write_atomically(folder / "settings.json", json.dumps(self.settings, indent=2, allow_nan=False) + "\n")
        for name, run in self.beside.items():
            run.save(folder / BESIDE / name)

    @classmethod
    def load(cls, folder: str | Path) -> Backtest:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileError
            If a file is missing or cannot be read.
        FormatError
            If a file is damaged, or of an earlier format, or the run is not finished.
        """
        if (Path(folder) / "settings.json").exists() and not (Path(folder) / "performance.json").exists():
            raise FormatError("holds a run that is not finished; run the same again", field=str(folder))
        content: dict[str, Any] = {}
        for name in ("performance", "settings"):
            path = Path(folder) / f"{name}.json"
            try:
                with reported(path):
                    content[name] = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise FormatError(f"is damaged: {error}", field=str(path)) from None
        settings = content["settings"] if isinstance(content["settings"], dict) else {}
        if settings.get("format") != FORMAT:
            raise FormatError(
                f"expected the format {FORMAT!r}; run the backtest again in a new folder",
                field=str(Path(folder) / "settings.json"),
            )
        for name in TABLES:
            path = Path(folder) / f"{name}.csv"
            try:
                with reported(path):
                    content[name] = _by_instrument(path) if name == INSTRUMENTS else _by_day(path)
            except (ValueError, KeyError) as error:
                raise FormatError(f"is damaged: {error}", field=str(path)) from None
        for name in ("positions", "profits"):
            content[name] = content[name].rename_axis(columns="instrument")
        for name in NEEDED:
            there = content[name] if isinstance(content[name], (dict, pd.DataFrame)) else ()
            path = Path(folder) / f"{name}.{'csv' if name in TABLES else 'json'}"
            for item in NEEDED[name]:
                if item not in there:
                    raise FormatError(f"is damaged: it has no {item}", field=str(path))
        if content["positions"].empty:
            raise FormatError("is damaged: it has no positions", field=str(Path(folder) / "positions.csv"))
        ends = {content["settings"]["end"]} | {
            f"{content[name].index[-1]:%Y-%m-%d}" for name in ("positions", "returns", "profits")
        }
        if len(ends) > 1:
            raise FormatError(
                f"its files end on different days ({', '.join(sorted(ends))}): the run was interrupted while they were "
                "written; run the same again",
                field=str(folder),
            )
        content["notes"] = content["performance"].pop("notes", None)
        for about in ("findings", "simulated"):
            content["performance"].pop(about, None)
        there = Path(folder) / BESIDE
        if there.is_dir():
            runs = {run.name: cls.load(run) for run in sorted(there.iterdir()) if (run / "settings.json").exists()
                    and all((run / f"{name}.csv").exists() for name in TABLES)}  # fmt: skip
            last = content["positions"].index[-1]  # what was not asked for when the run was extended is older
            content["beside"] = {name: run for name, run in runs.items() if run.positions.index[-1] == last}
        return cls(**content)


def _by_day(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, index_col="date", parse_dates=["date"], dtype=dict.fromkeys(TEXTS, str))
    contracts = frame.columns if path.stem == "positions" else frame.columns.intersection(CONTRACTS)
    frame = frame.astype(dict.fromkeys(contracts, np.float64))
    frame.index = pd.DatetimeIndex(frame.index).as_unit("us")  # as those of a market
    for column in frame.columns.intersection(list(TEXTS)):
        frame[column] = frame[column].fillna("")
    return frame


def _by_instrument(path: Path) -> pd.DataFrame:
    texts = {"instrument": str, "asset_class": str}
    return pd.read_csv(path, index_col="instrument", dtype=texts, keep_default_na=False)
