"""Prices, exchange rates and contract specifications of the instruments that can be held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from dynopt_milp.data.days import to_day
from dynopt_milp.data.months_known import months_known
from dynopt_milp.data.reference_price import REFERENCE_SHARE, reference_price
from dynopt_milp.data.suspects import Suspect
from dynopt_milp.errors import DataError
from dynopt_milp.io.known_columns import refuse_unknown
from dynopt_milp.io.labelled import check_distinct
from dynopt_milp.problem.underlying import to_underlyings

SPECIFICATIONS = {
    "name": object,
    "multiplier": float,
    "currency": object,
    "asset_class": object,
    "underlying": object,
    "half_spread": float,
    "commission": float,
    "commission_share": float,
    "sr_cost": float,
    "rolls_a_year": float,
    "per_order": float,
    "minimum": float,
    "impact": float,
    "margin": float,
}
"""The columns of ``Market.specifications``, in order."""

OPTIONAL = ("sr_cost", "rolls_a_year", "margin")
"""The columns of numbers that an instrument need not have."""

COSTS = ("half_spread", "commission", "commission_share")
"""The columns of what a contract costs."""

ORDERS = ("per_order", "minimum", "impact")
"""The columns of what an order costs beside its contracts."""

ROLL_DAYS = 730
"""Calendar days over which rolls are counted where the specifications do not say how many there are a year."""


@dataclass(frozen=True, slots=True)
class DataNote:
    """What was done to the data of one instrument (or currency), and why.

    Parameters
    ----------
    instrument : str
        The instrument, or the currency pair.
    rule : str
        The rule that was applied, in a word or two: ``"excluded"``, ``"repeated day"``, ``"not positive"``...
    rows : int
        How many rows it removed.
    reason : str
        In a sentence.
    """

    instrument: str
    rule: str
    rows: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Market:
    """Daily prices of futures with what is needed to trade them.

    Rows are days, the same in all three frames: every day on which at least one instrument has a price. Columns are
    instruments in the order of their names.

    Parameters
    ----------
    prices : DataFrame, days × instruments
        Traded price of the contract held, in its own currency; NaN on days without one. It can be zero or negative,
        as that of crude oil was in April 2020: see :meth:`reference_prices`.
    adjusted : DataFrame, days × instruments
        Back-adjusted price: its changes are what a holder earns, its level means nothing. NaN where ``prices`` is.
    fx : DataFrame, days × currencies
        Base currency per unit of each currency, positive; the base currency itself has 1.
    specifications : DataFrame, by instrument
        ``name``, ``multiplier`` (currency units per price point and contract), ``currency`` (GBX is a hundredth of GBP:
        :mod:`dynopt_milp.data.minor_units`), ``asset_class``,
        ``underlying`` (the same for all sizes of one contract: full, mini, micro; without it, or where it is empty, an
        instrument is its own, by its own name), ``half_spread`` (half of bid to ask, price points), ``commission`` (per
        contract, currency units), ``commission_share`` (per contract, share of its value; of the two commissions the
        larger is paid) and ``sr_cost`` (cost of one trade as a share of annual risk; NaN, or given instead of the other
        three), and ``rolls_a_year`` (NaN: see :meth:`rolls_a_year`). What an order costs beside its contracts:
        ``per_order`` (a fee, currency units), ``minimum`` (the least commission of an order, currency units) and
        ``impact`` (price points by which an order of one contract moves its own price, on average; q contracts move it
        √q times as far), all 0 where they are not given. ``margin`` is the margin of a contract, currency units (NaN:
        not known).
    base_currency : str
    notes : tuple of DataNote
        What was dropped or left out on the way here, and why.
    contract_months : DataFrame, days × instruments, optional
        The contract that a price is of, as a number such as 20200300 or 202003; NaN where it is not known, and on days
        without a price. Where it changes, what is held is rolled. Without it nothing is known of rolls, and with gaps
        nothing on some days: see :meth:`months_known`.
    simulated : bool
        Whether the prices are simulated: tables and pictures say so.
    suspects : tuple of Suspect
        Prices that were set aside, in the order of days: there are none in ``prices`` and ``adjusted``. See
        :meth:`frozen`.

    Raises
    ------
    DataError
        If the frames do not fit together or a number is out of range. The readers of this package
        (:mod:`dynopt_milp.data`) repair what real files have; this class only checks.
    """

    prices: pd.DataFrame
    adjusted: pd.DataFrame
    fx: pd.DataFrame
    specifications: pd.DataFrame
    base_currency: str = "USD"
    notes: tuple[DataNote, ...] = ()
    contract_months: pd.DataFrame | None = None
    simulated: bool = False
    suspects: tuple[Suspect, ...] = ()

    def __post_init__(self) -> None:
        names = sorted(map(str, self.prices.columns))
        if not names:
            raise DataError("there is no instrument left", field="market")
        for field in ("prices", "adjusted", "fx"):
            object.__setattr__(self, field, _checked_frame(getattr(self, field), field))
        if self.contract_months is not None:
            months = _checked_frame(self.contract_months, "contract_months")
            if sorted(months.columns) != names or not months.index.equals(self.prices.index):
                raise DataError("expected the days and instruments of the prices", field="contract_months")
            _refuse_not_positive(months, "contract_months")
            months = months[names].rename_axis(columns="instrument").where(self.prices[names].notna())
            object.__setattr__(self, "contract_months", months)
        if sorted(self.adjusted.columns) != names or sorted(map(str, self.specifications.index)) != names:
            raise DataError("prices, adjusted prices and specifications name different instruments", field="market")
        if not (self.prices.index.equals(self.adjusted.index) and self.prices.index.equals(self.fx.index)):
            raise DataError("prices, adjusted prices and exchange rates have different days", field="market")
        for field in ("prices", "adjusted"):
            object.__setattr__(self, field, getattr(self, field)[names].rename_axis(columns="instrument"))
        object.__setattr__(self, "specifications", _checked_specifications(self.specifications.loc[names]))
        missing = self.prices.isna()
        if not missing.equals(self.adjusted.isna()):
            name = str((missing != self.adjusted.isna()).any().idxmax())
            raise DataError(
                "traded and back-adjusted prices are not there on the same days", field="adjusted", instrument=name
            )
        if missing.all().any():
            raise DataError("has no price on any day", field="prices", instrument=str(missing.all().idxmax()))
        for suspect in self.suspects:
            if suspect.instrument in names and not missing[suspect.instrument].get(suspect.date, False):
                raise DataError(
                    f"a price of {suspect.date:%Y-%m-%d} is set aside, and should be missing on a day of the market",
                    field="suspects", instrument=suspect.instrument,
                )  # fmt: skip
        _refuse_not_positive(self.fx, "fx")
        if self.base_currency not in self.fx.columns or (self.fx[self.base_currency] != 1).any():
            raise DataError("expected 1 on every day", field="fx", instrument=self.base_currency)
        for name, currency in zip(names, self.specifications["currency"], strict=True):
            if currency not in self.fx.columns:
                raise DataError(
                    f"there is no rate of its currency, {currency}, to {self.base_currency}",
                    field="fx", instrument=str(name),
                )  # fmt: skip
            if self.fx[currency][~missing[name]].isna().any():
                raise DataError(
                    f"there is no rate of {currency} to {self.base_currency} on some of its days",
                    field="fx", instrument=str(name),
                )  # fmt: skip

    def __repr__(self) -> str:
        first, last = self.days[0].date(), self.days[-1].date()
        return f"<Market of {len(self.instruments)} instruments, {len(self.days)} days, {first} to {last}>"

    @property
    def instruments(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(self.prices.columns)

    @property
    def days(self) -> pd.DatetimeIndex:
        """Every day on which some instrument has a price, or had one that was set aside."""
        return cast(pd.DatetimeIndex, self.prices.index)  # a new index each time has its table of places to make again

    def returns(self) -> pd.DataFrame:
        """Daily percentage returns, days × instruments, NaN on days without a price.

        The change of the back-adjusted price since the last day that had one, over the reference price of that day.
        """
        before = self.reference_prices().ffill().shift()
        return (self.adjusted - self.adjusted.ffill().shift()) / before

    def reference_prices(self) -> pd.DataFrame:
        """What a percentage is a percentage of, days × instruments: positive, NaN on days without a price.

        The traded price, or a tenth of its median over the last 256 days that had one, whichever is larger: a price of
        nearly zero, or less, says nothing of what a contract is worth, nor how much it moves. NaN where the median is
        not positive either.
        """
        reference = self.prices.copy()
        # Elsewhere no median is above ten times a price.
        for name in reference.columns[~(REFERENCE_SHARE * reference.max() < reference.min())]:
            reference[name] = reference_price(reference[name].dropna())
        return reference

    def frozen(self) -> pd.DataFrame:
        """Whether the last price of an instrument was set aside, days × instruments: its position is kept."""
        last = self.prices.notna().astype(np.float64).where(self.prices.notna())
        for suspect in self.suspects:
            if suspect.instrument in last.columns:
                last.loc[suspect.date, suspect.instrument] = 0.0
        return last.ffill() == 0.0

    def last_priced(self) -> pd.Series:
        """The last day with a price, by instrument."""
        there = self.prices.notna().to_numpy()
        rows = len(there) - 1 - there[::-1].argmax(axis=0)
        return pd.Series(self.days[rows], index=self.prices.columns)

    def rolls(self) -> pd.DataFrame:
        """Whether a day is the first with another contract, days × instruments; never without contract months."""
        if self.contract_months is None:
            return pd.DataFrame(False, index=self.days, columns=self.prices.columns)
        before = self.contract_months.ffill().shift()
        return self.contract_months.notna() & before.notna() & (self.contract_months != before)

    def months_known(self) -> pd.DataFrame:
        """Whether rolls are known on a day, days × instruments: a roll elsewhere would not be seen.

        They are if a contract month is stated on one of the last 20 days with a price of the instrument, this one
        included; on a day without a price as on the one before.
        """
        if self.contract_months is None:
            return pd.DataFrame(False, index=self.days, columns=self.prices.columns)
        return months_known(self.prices.notna(), self.contract_months.notna())

    def rolls_a_year(self) -> pd.DataFrame:
        """How often the contract changes in a year, days × instruments, from what is known on each day.

        That of the specifications, where they have one; else the contract changes of the 730 calendar days before, a
        year. Of those days the ones count on which rolls are known (:meth:`months_known`), but no fewer than a year.
        Where rolls are no longer known, what was known stays. NaN before they are, and without contract months.
        """
        window = f"{ROLL_DAYS}D"
        count, known = self.rolls().astype(np.float64).rolling(window).sum(), self.months_known()
        frame = pd.DataFrame(np.nan, index=self.days, columns=self.prices.columns)
        since = pd.Series((self.days - self.days[0]).days.to_numpy(dtype=np.float64), index=self.days)
        for name in frame.columns[known.any()]:
            days = since - since.iloc[int(known[name].to_numpy().argmax())]
            unknown = since.diff().where(~known[name] & (days > 0), 0.0).rolling(window).sum()
            years = (days.clip(upper=ROLL_DAYS) - unknown).clip(lower=ROLL_DAYS / 2) / (ROLL_DAYS / 2)
            frame[name] = (count[name] / years).where(known[name]).ffill()
        given = self.specifications["rolls_a_year"]
        for name in given.index[given.notna()]:
            frame[name] = given[name]
        return frame

    def rates(self) -> pd.DataFrame:
        """Base currency per unit of each instrument's currency, days × instruments."""
        rates = self.fx[list(self.specifications["currency"])]
        return rates.set_axis(self.prices.columns, axis=1)

    def select(self, instruments: Iterable[str]) -> Market:
        """The same market with some of its instruments; days on which none of them has a price are gone.

        Raises
        ------
        DataError
            If one of the names is not in the market.
        """
        names = sorted(set(instruments))
        for name in names:
            if name not in self.prices.columns:
                raise DataError(
                    f"is not in this market; there are {', '.join(self.instruments)}",
                    field="instruments", instrument=name,
                )  # fmt: skip
        days = self.prices[names].notna().any(axis=1)
        days |= self.days.isin([suspect.date for suspect in self.suspects if suspect.instrument in names])
        return self._replaced(days, names)

    def between(self, start: Any = None, end: Any = None) -> Market:
        """The same market from one day to another, both included; instruments without a price there are gone.

        Raises
        ------
        DataError
            If no day is left.
        """
        days = pd.Series(True, index=self.days)
        if start is not None:
            days &= self.days >= to_day(start, "start")
        if end is not None:
            days &= self.days <= to_day(end, "end")
        if not days.any():
            raise DataError(
                f"no day from {start or 'the first'} to {end or 'the last'}; the data are from "
                f"{self.days[0].date()} to {self.days[-1].date()}",
                field="market",
            )
        there = self.prices[days].notna().any()
        return self._replaced(days, [str(name) for name in self.prices.columns[there]])

    def _replaced(self, days: pd.Series, names: list[str]) -> Market:
        others = set(self.instruments) - set(names)
        kept = set(self.days[days])
        return Market(
            prices=self.prices.loc[days, names],
            adjusted=self.adjusted.loc[days, names],
            fx=self.fx.loc[days],
            specifications=self.specifications.loc[names],
            base_currency=self.base_currency,
            notes=self.notes,
            contract_months=None if self.contract_months is None else self.contract_months.loc[days, names],
            simulated=self.simulated,
            suspects=tuple(one for one in self.suspects if one.date in kept and one.instrument not in others),
        )

    def stated(self) -> list[str]:
        """The columns of the specifications, of costs of orders and of margins those that say something."""
        silent = [*ORDERS, "margin"]
        said = (self.specifications[silent].fillna(0.0) != 0).any()
        return [column for column in self.specifications.columns if column not in silent or said[column]]

    def report(self) -> pd.DataFrame:
        """What was dropped and why: instrument, rule, rows, reason."""
        return pd.DataFrame(
            [(note.instrument, note.rule, note.rows, note.reason) for note in self.notes],
            columns=["instrument", "rule", "rows", "reason"],
        )

    def fingerprint(self) -> str:
        """A hash of everything in it but the notes: the same for the same data, whatever their order."""
        digest = hashlib.sha256(self.base_currency.encode())
        frames = [self.prices, self.adjusted, self.fx.sort_index(axis=1), self.specifications[self.stated()]]
        for frame in frames if self.contract_months is None else [*frames, self.contract_months]:
            digest.update(pd.util.hash_pandas_object(frame, index=True).to_numpy().tobytes())
            digest.update("\0".join(map(str, frame.columns)).encode())
        for suspect in sorted(self.suspects, key=lambda one: (one.date, one.instrument)):
            digest.update(f"\0{suspect.instrument}\0{suspect.date:%Y-%m-%d}".encode())
        return digest.hexdigest()


def _checked_frame(frame: pd.DataFrame, field: str) -> pd.DataFrame:
    """A copy with float64 entries; raises unless days strictly increase and names are distinct."""
    days = frame.index
    if not isinstance(days, pd.DatetimeIndex) or days.tz is not None or not days.equals(days.normalize()):
        raise DataError("expected days as its rows (a DatetimeIndex without a time or a zone)", field=field)
    if not (days.is_monotonic_increasing and days.is_unique):
        raise DataError("expected its days in order, each once", field=field)
    check_distinct(frame.columns, field, kind=DataError)
    copy = frame.astype(np.float64)
    copy.columns = copy.columns.astype(str)
    if np.isinf(copy.to_numpy()).any():
        raise DataError("expected finite numbers", field=field)
    # One unit: the hash of a day is not that of the same day in another unit, and fingerprints compare hashes.
    copy.index = days.as_unit("us")
    return copy.rename_axis(index="date")


def _checked_specifications(table: pd.DataFrame) -> pd.DataFrame:
    table = table.rename_axis(index="instrument").copy()
    table.index = table.index.astype(str)
    check_distinct(table.index, "specifications", kind=DataError)
    absent = [column for column in ("multiplier", "currency", "asset_class") if column not in table]
    if absent:
        raise DataError(f"the column {absent[0]} is missing", field="specifications")
    refuse_unknown(table.columns, SPECIFICATIONS, "specifications", DataError)
    if "name" not in table:
        table["name"] = ""
    for column in (*COSTS, *ORDERS):
        if column not in table:
            table[column] = 0.0
    for column in OPTIONAL:
        if column not in table:
            table[column] = np.nan
    table["underlying"] = to_underlyings(table.get("underlying"), tuple(table.index), kind=DataError)
    try:
        table = table[list(SPECIFICATIONS)].astype(SPECIFICATIONS)
    except (TypeError, ValueError) as error:
        raise DataError(f"expected numbers where numbers belong: {error}", field="specifications") from None
    for column in ("multiplier", *COSTS, *ORDERS, *OPTIONAL):
        values = table[column]
        bad = ~(np.isfinite(values) & (values >= 0))
        if column in OPTIONAL:
            bad &= values.notna()
        if column == "multiplier":
            bad |= values <= 0
        if bad.any():
            name = str(bad.idxmax())
            raise DataError(
                f"expected a {'positive number' if column == 'multiplier' else 'number that is not negative'}, "
                f"found {values[name]:g}",
                field=column,
                instrument=name,
            )
    return table


def _refuse_not_positive(frame: pd.DataFrame, field: str) -> None:
    bad = frame <= 0
    if bad.any().any():
        name = str(bad.any().idxmax())
        row = int(bad[name].to_numpy().argmax())
        raise DataError(
            f"expected positive numbers, found {frame[name].iloc[row]:g} on {frame.index[row]:%Y-%m-%d}",
            field=field,
            instrument=name,
        )
