"""A market from data frames that are already in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dynopt_milp.data.assemble import assemble_market
from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.data.rows import join_prices, one_row_a_day, timestamps
from dynopt_milp.errors import DataError
from dynopt_milp.io.labelled import check_distinct

LONGER, SHORTEST, LONGEST = 3, 10, 366
"""How long a contract month holds: times as long as rows of them usually do, and at least and at most so many days."""


def market_from_frames(
    prices: pd.DataFrame,
    specifications: pd.DataFrame,
    *,
    adjusted: pd.DataFrame | None = None,
    contract_months: pd.DataFrame | None = None,
    fx: pd.DataFrame | Mapping[str, pd.Series] | None = None,
    base_currency: str = "USD",
    on_suspect: str = "freeze",
) -> Market:
    """A market from frames of prices, cleaned by the rules of :mod:`dynopt_milp.data.assemble`.

    Parameters
    ----------
    prices : DataFrame, days × instruments
        Traded prices, in the currency of each instrument. Days without any price of an instrument are just not its
        days; there is no note of them.
    specifications : DataFrame, by instrument
        Columns as in :data:`~dynopt_milp.data.market.SPECIFICATIONS`; ``multiplier``, ``currency`` and
        ``asset_class`` are needed, and of each instrument either ``sr_cost`` or
        ``half_spread`` (with the commissions, 0 if they have no column).
    adjusted : DataFrame, days × instruments, optional
        Back-adjusted prices; the traded ones if not given, which is right for what has no rolls.
    contract_months : DataFrame, days × instruments, optional
        The contract of each traded price, as a number such as 20200300 or 202003; rolls are charged where it changes.
        Each holds until the next, which allows for a row on the days of rolls alone, but no longer than three times as
        long as the rows before it usually did (the median; at least ten days), and the first one no longer than a year.
        Without it, or without a column of an instrument, nothing is known of rolls.
    fx : DataFrame, days × currencies, or mapping of Series, optional
        Base currency per unit of each currency. Not needed if everything is in the base currency.
    base_currency : str
    on_suspect : {"freeze", "refuse", "use"}
        What to do about suspect prices, as in :func:`read_market`.

    Raises
    ------
    DataError
        If the frames are not DataFrames, or do not hold days and numbers, or an instrument would have to be left out.
    """
    back_adjusted = prices if adjusted is None else adjusted
    months_given = pd.DataFrame() if contract_months is None else contract_months
    for field, frame in (
        ("prices", prices), ("adjusted", back_adjusted), ("specifications", specifications),
        ("contract_months", months_given),
    ):  # fmt: skip
        if not isinstance(frame, pd.DataFrame):
            raise DataError(f"expected a DataFrame, found {type(frame).__name__}", field=field)
    traded, changing = _by_name(prices, "prices"), _by_name(back_adjusted, "adjusted")
    months = _by_name(months_given, "contract_months")
    for name in months:
        if name not in traded:
            raise DataError("there are no traded prices of it", field="contract_months", instrument=name)
    rates: dict[str, Any] = {} if fx is None else {str(currency): rate for currency, rate in fx.items()}
    for currency, rate in rates.items():
        if not isinstance(rate, pd.Series):
            raise DataError(
                f"expected a Series by day, found {type(rate).__name__}; of a rate that never changes, "
                f"pd.Series(rate, index=prices.index)",
                field="fx", instrument=currency,
            )  # fmt: skip
    series: dict[str, pd.DataFrame] = {}
    notes: list[DataNote] = []
    for name in sorted({*traded, *changing}):
        if name not in traded or name not in changing:
            missing = "traded" if name not in traded else "back-adjusted"
            raise DataError(f"there are no {missing} prices of it", field="prices", instrument=name)
        own = traded[name].to_frame("price")
        if name in months:
            known, _ = one_row_a_day(months[name].to_frame("contract_month"), name)
            days = timestamps(own.index, name).normalize()
            own = own.assign(contract_month=_months_on(days, known["contract_month"]).to_numpy())
        both, more = join_prices(own, changing[name], name)
        series[name] = both.dropna(how="all", subset=["price", "adjusted"])
        notes += more
    pairs = {currency + base_currency: rate for currency, rate in rates.items()}
    return assemble_market(
        series, pairs, specifications, base_currency, chosen=sorted(series), notes=notes, on_suspect=on_suspect
    )


def _months_on(days: pd.DatetimeIndex, stated: pd.Series) -> pd.Series:
    """The contract month of each day: the last one stated, unless that is longer ago than rows of them are apart."""
    at = stated.index.to_series()
    usual = at.diff().dt.days.expanding().median()
    holds = (LONGER * usual).clip(lower=SHORTEST).fillna(LONGEST)  # from what is known on the day
    months, since = stated.reindex(days, method="ffill"), at.reindex(days, method="ffill")
    age = pd.Series(days, index=days) - since
    return months.where(age.dt.days <= holds.reindex(days, method="ffill"))


def _by_name(frame: pd.DataFrame, field: str) -> dict[str, pd.Series]:
    check_distinct(frame.columns, field, kind=DataError)
    return {str(name): frame[name] for name in frame.columns}
