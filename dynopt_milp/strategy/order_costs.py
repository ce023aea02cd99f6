"""What orders cost beside their contracts, day by day, in the base currency, by the specifications of a market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.problem.order_costs import OrderCosts
from dynopt_milp.strategy.costs import quoted_commissions
from formulations import FloatArray, OrderCost


@dataclass(frozen=True, slots=True, eq=False)
class DailyOrderCosts:
    """Costs of orders of all days; see :class:`~dynopt_milp.OrderCosts`.

    Attributes
    ----------
    per_order, minimum, commission, impact : ndarray, days × instruments
        Base currency.
    """

    per_order: FloatArray
    minimum: FloatArray
    commission: FloatArray
    impact: FloatArray

    @classmethod
    def of(cls, market: Market, costs: pd.DataFrame) -> DailyOrderCosts | None:
        """Those that the specifications of a market state; None where orders cost nothing beside their contracts.

        Parameters
        ----------
        market : Market
        costs : DataFrame, days × instruments
            Of trading one contract, base currency; no commission counts for more than all of it.
        """
        table, rates = market.specifications, market.rates().ffill().fillna(0.0)
        if not (table[["per_order", "minimum", "impact"]] > 0).any(axis=None):
            return None
        quoted = quoted_commissions(market).ffill().fillna(0.0)
        commission = np.minimum(quoted.to_numpy(), costs.fillna(0.0).to_numpy())
        points = (table["impact"] * table["multiplier"]).to_numpy()
        money = rates.to_numpy()
        per_order, minimum = money * table["per_order"].to_numpy(), money * table["minimum"].to_numpy()
        return cls(per_order, minimum, commission, money * points)

    def on_day(self, row: int, places: Any, rolls: FloatArray | float) -> OrderCosts:
        """Those of some instruments on a day, base currency; ``rolls`` is how many orders rolls take until the next."""
        per_order, minimum, commission, impact = (part[row, places] for part in self._parts)
        return OrderCosts(per_order, minimum, commission, impact, rolls)

    def paid(self, contracts: FloatArray, rows: slice) -> FloatArray:
        """What orders of so many contracts, days × n, cost beside them on these days."""
        fee, least, commission, impact = (part[rows] for part in self._parts)
        return OrderCost(fee, least, commission, impact, np.zeros(1)).of_orders(contracts)

    @property
    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.per_order, self.minimum, self.commission, self.impact
