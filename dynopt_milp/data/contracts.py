"""The contract specifications the package ships."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd


def contracts() -> pd.DataFrame:
    """The contract specifications the package ships, indexed by symbol.

    Columns: name, asset_class, sector, underlying (the same for all sizes of one contract), currency, fx (US dollars
    per unit), multiplier, price, volatility (annual), spread (bid to ask, price points), commission (per contract,
    local currency). Multipliers are the exchanges'; price, volatility and cost levels are typical. Some underlyings
    appear twice, full size and micro.
    """
    with (files("dynopt_milp.data") / "contracts.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, index_col="symbol")
