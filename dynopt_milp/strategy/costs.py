"""What trading one contract costs, day by day, in the base currency.

A cost model is any function from a :class:`~dynopt_milp.data.Market` to a frame of days × instruments; like a forecast,
the value of a day may use nothing later.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.strategy.volatility import EwmaVolatility

Costs = Callable[[Market], pd.DataFrame]
"""From a market to the cost of one contract, base currency, days × instruments."""


def quoted_costs(market: Market) -> pd.DataFrame:
    """Half the spread and the commission, as the specifications have them.

    Per contract and in the base currency: (half spread × multiplier + the larger of the commission per contract and its
    share of what the contract costs, at the traded price, whatever its sign) × fx. An instrument that has a cost as a
    share of annual risk (``sr_cost``) instead: that × annual standard deviation × value of the contract. NaN before
    there is a price (or a standard deviation).
    """
    table, rates = market.specifications, market.rates()
    quoted = rates * (table["half_spread"] * table["multiplier"]).to_numpy() + quoted_commissions(market)
    as_risk = table["sr_cost"].notna().to_numpy()
    if as_risk.any():
        of_risk = contract_values(market) * EwmaVolatility()(market) * table["sr_cost"].to_numpy()
        names = quoted.columns[as_risk]
        quoted[names] = of_risk[names]
    return quoted.where(market.prices.ffill().notna())


def quoted_commissions(market: Market) -> pd.DataFrame:
    """What of the cost of one contract is commission, base currency: the larger of the two of the specifications.

    NaN before there is a price where it is a share of the traded price.
    """
    table, rates = market.specifications, market.rates()
    share = market.prices.ffill().abs() * rates * table["multiplier"].to_numpy() * table["commission_share"].to_numpy()
    flat = rates * table["commission"].to_numpy()
    return flat.where(flat > share, share)


def contract_values(market: Market) -> pd.DataFrame:
    """What positions are sized by: multiplier × reference price × fx, base currency, days × instruments, positive.

    The last known price; see :meth:`~dynopt_milp.data.Market.reference_prices`.
    """
    return market.reference_prices().ffill() * market.rates() * market.specifications["multiplier"].to_numpy()


def sr_costs(costs: pd.DataFrame, values: pd.DataFrame, volatility: pd.DataFrame) -> pd.DataFrame:
    """Risk-adjusted cost of a trade: cost per contract ÷ (value of the contract × annual standard deviation).

    In units of annual Sharpe ratio a trade. Source: *Advanced Futures Trading Strategies*, strategy three.
    """
    return costs / (values * volatility).where(volatility > 0)
