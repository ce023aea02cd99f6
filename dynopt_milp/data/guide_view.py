"""A market as the data frames of the guide: one frame an instrument, and a table of instruments."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import HistoryError
from dynopt_milp.problem.book import DAYS_A_YEAR


def guide_frames(market: Market) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The market in the in-memory form of the guide.

    Parameters
    ----------
    market : Market
        Every instrument with prices on three days or more.

    Returns
    -------
    data : dict of DataFrame, by symbol
        Rows are the instrument's own days (index ``Time``) but the first, which has no return. ``Last`` is the traded
        price, ``returns`` those of :meth:`~dynopt_milp.data.Market.returns` (0.01 is one per cent), ``FX`` base
        currency per unit of the instrument's, ``Contract_Month`` (where the market has it) the contract, such as
        20200300.
    instruments : DataFrame
        ``Symbol``, ``Name``, ``Multiplier``, ``Currency``, ``Asset_Class``, ``Underlying``, and ``SR_cost``: the cost
        of trading one contract as a share of its annual risk, at the last reference price and the volatility of the
        whole history; where the market has an ``sr_cost``, that.

    Raises
    ------
    HistoryError
        If an instrument has too few prices, or its cost is asked for and its price never moves.
    """
    returns, rates, table = market.returns(), market.rates(), market.specifications
    reference = market.reference_prices()
    data = {}
    for name in market.instruments:
        frame = pd.DataFrame({"Last": market.prices[name], "returns": returns[name], "FX": rates[name]})
        if market.contract_months is not None:
            frame["Contract_Month"] = market.contract_months[name]
        data[name] = frame[frame["returns"].notna()].rename_axis(index="Time")
        if len(data[name]) < 2:
            raise HistoryError("expected prices on three days or more", field="prices", instrument=name)
    costs = [
        _sr_cost(name, contract, reference[name], data[name]["returns"])
        for name, contract in zip(data, table.to_dict("records"), strict=True)
    ]
    instruments = pd.DataFrame(
        {
            "Symbol": list(market.instruments),
            "Name": table["name"].to_list(),
            "Multiplier": table["multiplier"].to_list(),
            "Currency": table["currency"].to_list(),
            "Asset_Class": table["asset_class"].to_list(),
            "Underlying": table["underlying"].to_list(),
            "SR_cost": costs,
        }
    )
    return data, instruments


def _sr_cost(name: str, contract: dict[Hashable, Any], reference: pd.Series, returns: pd.Series) -> float:
    if not np.isnan(contract["sr_cost"]):
        return float(contract["sr_cost"])
    value = contract["multiplier"] * reference.dropna().iloc[-1]
    volatility = returns.std() * np.sqrt(DAYS_A_YEAR)
    if not volatility > 0:
        raise HistoryError(
            "its price never moves, so there is no risk to measure its cost by", field="prices", instrument=name
        )
    commission = max(contract["commission"], contract["commission_share"] * value)
    return float((contract["half_spread"] * contract["multiplier"] + commission) / (value * volatility))
