"""Where the profit of a run came from: instruments, asset classes, days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.result import Backtest
from dynopt_milp.io.records import records

WORST = 10
"""Days shown with what was held."""
MONEY = ["gross", "trading_cost", "roll_cost", "net"]


def by_instrument(run: Backtest) -> pd.DataFrame:
    """:attr:`Backtest.instruments` of those ever held or traded, the most profitable first."""
    held = run.instruments[run.instruments["contracts_traded"] > 0]
    return held.sort_values("net", ascending=False, kind="stable")


def by_asset_class(run: Backtest) -> pd.DataFrame:
    """The money of the instruments of each asset class, and how many were held; the most profitable first."""
    held = by_instrument(run)
    classes = held.groupby("asset_class")[MONEY].sum()
    classes["instruments"] = held.groupby("asset_class").size()
    return classes.sort_values("net", ascending=False, kind="stable")


def profit_by_asset_class(run: Backtest) -> pd.DataFrame:
    """Profit so far, net, base currency, days × asset classes that were ever held, the most profitable first."""
    classes = run.instruments["asset_class"].reindex(run.profits.columns).to_numpy()
    so_far = {name: run.profits.loc[:, classes == name].sum(axis=1).cumsum() for name in by_asset_class(run).index}
    return pd.DataFrame(so_far, index=run.profits.index)


def worst_days(run: Backtest, count: int = WORST) -> list[dict[str, Any]]:
    """The days with the largest losses, net, and what was held on them.

    Returns
    -------
    list of dict
        ``date``, ``share`` (of capital, or of the account of the day before), ``profit`` (base currency) and
        ``instruments``: name, contracts held at the close before and at that of the day, profit; the largest loss
        first.
    """
    net, names = run.returns["net"].to_numpy(), list(run.positions.columns)
    after = run.positions.to_numpy(dtype=np.float64)
    before = np.vstack([np.zeros((1, len(names))), after[:-1]])
    days = []
    for row in np.argsort(net, kind="stable")[:count]:
        if net[row] >= 0:
            break
        profits = run.profits[names].to_numpy()[row]
        at_stake = [place for place in np.argsort(profits, kind="stable") if before[row, place] or profits[place]]
        held = [(names[at], float(before[row, at]), float(after[row, at]), float(profits[at])) for at in at_stake]
        days.append(
            {
                "date": run.positions.index[row],
                "share": float(net[row]),
                "profit": float(profits.sum()),
                "instruments": held,
            }
        )
    return days


def position_lines(run: Backtest) -> list[dict[str, Any]]:
    """Of each instrument ever held: its positions over time, the last, the largest on either side, days, contracts."""
    lines = []
    for line in records(by_instrument(run).sort_index().reset_index()):
        path = run.positions[line["instrument"]].to_numpy(dtype=np.float64)
        lines.append(
            {
                "instrument": line["instrument"],
                "asset_class": line["asset_class"],
                "path": path,
                "last": float(path[-1]),
                "longest": max(float(path.max()), 0.0),
                "shortest": min(float(path.min()), 0.0),
                "held": line["days_held"] / len(path),
                "traded": line["contracts_traded"],
            }
        )
    return lines


def never_held(run: Backtest) -> list[str]:
    """The instruments that were neither held nor traded."""
    idle = run.instruments.index[run.instruments["contracts_traded"] == 0]
    return sorted(map(str, pd.Index(idle)))
