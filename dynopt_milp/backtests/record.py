"""The account of a run as it grows: positions, money and returns, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.accounting import Accounts, added, contracts_rolled, contracts_traded
from dynopt_milp.backtests.binding import rules_in_figures
from dynopt_milp.backtests.decision import portfolios_by_day, rows
from dynopt_milp.backtests.execution import Execution
from dynopt_milp.backtests.metrics import lost_on, opposite_days, performance, target_figures
from dynopt_milp.backtests.proved_days import proofs_in_figures
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.strategy.inputs import Inputs
from formulations import FloatArray


class Record:
    """Positions and money of a run, and of the target positions beside it, in fractions and rounded.

    Parameters
    ----------
    inputs : Inputs
    execution : Execution
    accounts : Accounts
    first : int
        The row of the market's days of the first decision; nothing is held then.
    compound : bool
        Whether returns are shares of the account of the day before, not of the fixed capital.

    Attributes
    ----------
    account : float
        Base currency, at the close of the last day so far.
    lost : bool
        Whether a compounding account has been zero or less at some close. From then on everything is closed, targets
        too, and returns are shares of the capital at the start.
    """

    def __init__(
        self, inputs: Inputs, execution: Execution, accounts: Accounts, first: int, *, compound: bool
    ) -> None:  # fmt: skip
        self._inputs, self._execution, self._accounts = inputs, execution, accounts
        self._first, self._compound = first, compound
        nothing = np.zeros((1, len(inputs.market.instruments)))
        self._positions = [nothing]
        self._targets = [[nothing], [nothing]]  # unrounded, rounded
        self._parts = [np.zeros((3, *nothing.shape))]  # profit before costs, cost of trades, cost of rolls
        self.account, self.lost = float(inputs.capital), False
        self._base = [self.account]  # what the returns of each day are shares of

    @property
    def held(self) -> FloatArray:
        """Contracts held at the close of the last day so far, shape (n,)."""
        return np.asarray(self._positions[-1][-1])

    @property
    def targets(self) -> FloatArray:
        """Held by who follows the targets in fractions, and rounded, shape (2, n)."""
        return np.array([blocks[-1][-1] for blocks in self._targets])

    def add(self, wanted: FloatArray, targets: tuple[FloatArray, FloatArray], decided: int, until: int) -> None:
        """Go on from a decision to the next.

        Parameters
        ----------
        wanted : ndarray, shape (n,)
            What was decided.
        targets : tuple of two ndarray, shape (n,)
            The targets in fractions, and rounded.
        decided, until : int
            The rows of the market's days of the decision, and of the last day.
        """
        gone = self._inputs.gone(self._inputs.market.days[decided])
        before, paths = self._positions[-1][-1:], (self._positions, *self._targets)
        moved = [
            self._execution.positions(path[-1][-1], goal, decided, until, at_once=gone)
            for path, goal in zip(paths, (wanted, *targets), strict=True)
        ]
        parts = np.array(self._accounts.by_instrument(np.vstack([before, moved[0]]), decided + 1))
        counted = self._mark(added(parts, axis=2).T)
        self._parts.append(parts[:, :counted])
        for path, block in zip(paths, moved, strict=True):
            path.append(block[:counted])
        if counted < parts.shape[1]:
            self.close(decided + counted, until)

    def close(self, decided: int, until: int) -> None:
        """Go on from a close after which nothing is to be held; arguments as in :meth:`add`."""
        nothing = np.zeros(len(self._inputs.market.instruments))
        self.add(nothing, (nothing, nothing), decided, until)

    def _mark(self, money: FloatArray) -> int:
        """Mark the account day by day, no further than the day on which it is lost; the number of days."""
        for place, (earned, paid, rolled) in enumerate(money):
            compounding = self._compound and not self.lost
            base, profit = self.account if compounding else float(self._inputs.capital), earned - (paid + rolled)
            self._base.append(base)
            self.account += profit
            if compounding and profit / base <= -1:
                self.lost = True
                return place + 1
        return len(money)

    def result(self, entries: list[dict[str, Any]], settings: dict[str, Any]) -> Backtest:
        """The run so far."""
        market = self._inputs.market
        positions, unrounded, rounded = (
            self._frame(np.vstack(blocks)) for blocks in (self._positions, *self._targets)
        )  # fmt: skip
        parts = np.concatenate(self._parts, axis=1)
        gross, trading_cost, roll_cost = added(parts, axis=2)
        cost = trading_cost + roll_cost
        base = np.array(self._base)
        returns = pd.DataFrame(
            {
                "gross": gross / base, "trading_cost": trading_cost / base, "roll_cost": roll_cost / base,
                "cost": cost / base, "net": (gross - cost) / base,
            },
            index=positions.index,
        )  # fmt: skip
        earned = {"held": returns["gross"]}
        for name, frame in (("unrounded", unrounded), ("rounded", rounded)):
            held = frame.to_numpy()
            money = self._accounts.money(np.vstack([held[:1], held]), self._first)[:, 0]
            earned[name] = pd.Series(money / base, positions.index)
        returns["unrounded"] = earned["unrounded"]
        values = self._inputs.values.loc[positions.index].to_numpy()
        notional = {
            name: pd.Series(np.nansum(np.abs(frame.to_numpy()) * values, axis=1) / base, positions.index)
            for name, frame in (("held", positions), ("unrounded", unrounded))
        }
        rebalances = rows(entries)
        rolled = contracts_rolled(market, positions).where(market.months_known().loc[positions.index])
        figures = performance(returns, positions, rebalances, rolled=rolled, compound=self._compound)
        until = slice(None, lost_on(returns["net"]) if self._compound else None)  # later there is nothing to compare
        figures |= target_figures(
            {name: series.loc[until] for name, series in earned.items()},
            {name: series.loc[until] for name, series in notional.items()},
            {"unrounded": unrounded.loc[until], "rounded": rounded.loc[until]}, rebalances,
        )  # fmt: skip
        if asked := rules_in_figures(entries):
            figures["rules"] = asked
        if proofs := proofs_in_figures(entries):
            figures["proofs"] = proofs
        figures["num_opposite_days"] = opposite_days(positions.loc[until], market.specifications["underlying"])
        profits = self._frame(parts[0] - (parts[1] + parts[2]))
        return Backtest(
            positions, rebalances, returns, figures, settings, portfolios_by_day(entries), profits=profits,
            instruments=self._by_instrument(parts, profits, positions),
        )  # fmt: skip

    def _by_instrument(self, parts: FloatArray, profits: pd.DataFrame, positions: pd.DataFrame) -> pd.DataFrame:
        """What each instrument came to over all days."""
        gross, trading_cost, roll_cost = added(parts, axis=1)
        columns = {
            "asset_class": self._inputs.market.specifications["asset_class"].to_numpy(),
            "gross": gross, "trading_cost": trading_cost, "roll_cost": roll_cost,
            "net": added(profits.to_numpy(), axis=0),
            "days_held": (positions != 0).sum().to_numpy(),
            "contracts_traded": added(contracts_traded(positions).to_numpy(), axis=0),
        }  # fmt: skip
        return pd.DataFrame(columns, index=positions.columns).rename_axis("instrument")

    def _frame(self, positions: FloatArray) -> pd.DataFrame:
        days = self._inputs.market.days[self._first : self._first + len(positions)]
        return pd.DataFrame(positions, days, self._inputs.market.prices.columns).rename_axis(index="date")
