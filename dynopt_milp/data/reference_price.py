"""What a percentage move of a price is a percentage of."""

from __future__ import annotations

import pandas as pd

REFERENCE_SHARE, REFERENCE_DAYS = 0.1, 256
"""The reference price is no less than this share of the median traded price over so many days of prices."""


def reference_price(prices: pd.Series) -> pd.Series:
    """What ``Market.reference_prices`` has of one instrument, from its traded price on its own days."""
    least = REFERENCE_SHARE * prices.rolling(REFERENCE_DAYS, min_periods=1).median()
    reference: pd.Series = prices.where(prices >= least, least)
    return reference.where(reference > 0)
