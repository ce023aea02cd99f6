"""What the decisions of a run were made on, small enough to keep beside it: it says later what has changed since."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.data.market import Market

# At each new roll a back-adjusted series is shifted as a whole, which changes no decision. So what is kept of it is the
# distance from its first number, in bins of 2^-30 (a billionth) of the first traded price: smaller than any tick, and
# larger than the round-off of a shift for levels up to a million times that price. What lies between two bins may come
# out as either of them, so bins side by side count as the same. They are powers of two: dividing by one is exact.
BINS_A_PRICE = 30  # as a power of two
# The largest prime below 2^32. Bins are counted modulo it, and no change by a round number is a multiple of it.
PRIME = 4_294_967_291
SHOWN = 3
"""How many instruments a message names."""

PRICE, ADJUSTED, RATE, CONTRACT = "price", "back-adjusted price", "exchange rate", "contract month"
NOT_DECIDING = ("name",)
"""Columns of the specifications on which nothing depends."""

Digests = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DataDigest:
    """Thirty-two bits for every number of a market up to the last day of a run, and its specifications.

    Instruments that have no price by then are not in it.

    Attributes
    ----------
    start : Timestamp
        First day of the run.
    digests : dict of DataFrame
        By what they are of: days × instruments of the traded price, the back-adjusted price (free of its level) and, if
        there are any by then, the contract months; days × currencies of the exchange rate. 0 where there is none.
    specifications : dict
        By instrument and column.
    """

    start: pd.Timestamp
    digests: dict[str, pd.DataFrame]
    specifications: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, market: Market, start: pd.Timestamp, end: pd.Timestamp) -> DataDigest:
        """That of a market up to the last day of a run."""
        prices = market.prices.loc[:end].copy()
        for suspect in market.suspects:  # it freezes its market: mended or deleted it decides something else
            if suspect.date <= end and suspect.instrument in prices.columns:
                prices.loc[suspect.date, suspect.instrument] = np.inf
        prices = prices.loc[:, prices.notna().any()]
        names, widths = list(prices.columns), {name: _bin(prices[name]) for name in prices.columns}
        table = market.specifications.loc[names, market.stated()].drop(columns=list(NOT_DECIDING))
        digests = {
            PRICE: _by_column(prices, _exact),
            ADJUSTED: _by_column(
                market.adjusted.loc[:end, names], lambda column: _bins(column, widths[str(column.name)])
            ),
            RATE: _by_column(market.fx.loc[:end, sorted(set(table["currency"]))], _exact),
        }
        months = None if market.contract_months is None else market.contract_months.loc[:end, names]
        if months is not None and months.notna().any(axis=None):
            digests[CONTRACT] = _by_column(months, _exact)
        return cls(
            start, digests, {name: {column: table.at[name, column] for column in table.columns} for name in names}
        )

    @property
    def end(self) -> pd.Timestamp:
        """Last day of the run."""
        return pd.Timestamp(self.digests[PRICE].index[-1])

    def until(self, end: pd.Timestamp) -> DataDigest:
        """That of the same market up to an earlier day."""
        prices = self.digests[PRICE].loc[:end]
        names = list(prices.columns[(prices > 0).any()])
        specifications = {name: self.specifications[name] for name in names}
        currencies = sorted({str(table["currency"]) for table in specifications.values()})
        digests = {
            what: frame.loc[:end, currencies if what == RATE else names]
            for what, frame in self.digests.items()
            if what != CONTRACT or _any(frame, end)
        }
        return DataDigest(self.start, digests, specifications)

    def changes(self, later: DataDigest) -> str:
        """What is not in another market as it is in this one, in words; empty if nothing.

        Days after the end of this one do not count, nor do instruments that begin after it.
        """
        was, now = _first_days(self.digests[PRICE]), _first_days(later.digests[PRICE].loc[: self.end])
        found: dict[str, list[str]] = {}
        for name in sorted({*was, *now}):
            if name not in now:
                found[name] = ["it is gone"]
            elif name not in was:
                found[name] = [f"it is new, with prices from {now[name]} on"]
            elif was[name] != now[name]:
                found[name] = [f"its prices begin on {now[name]}, and began on {was[name]}"]
            else:
                found[name] = self._changes_of(later, name)
        if CONTRACT in self.digests and CONTRACT not in later.digests:
            found = {"all instruments": ["their contract months are gone"]} | found
        if CONTRACT in later.digests and CONTRACT not in self.digests and _any(later.digests[CONTRACT], self.end):
            found = {"all instruments": ["their contract months are new"]} | found
        changed = [f"{name} ({', '.join(words)})" for name, words in found.items() if words]
        more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        return "; ".join(changed[:SHOWN]) + more

    def _changes_of(self, later: DataDigest, name: str) -> list[str]:
        """What has changed of an instrument that begins on the same day in both."""
        before, after = ({column: _text(entry) for column, entry in of.specifications[name].items()}
                         for of in (self, later))  # fmt: skip
        found = [
            f"{column} {after.get(column, 'gone')}, which was {before.get(column, 'not there')}"
            for column in dict.fromkeys((*before, *after))
            if before.get(column) != after.get(column)
        ]
        currency = self.specifications[name]["currency"]
        for what, column in ((PRICE, name), (ADJUSTED, name), (RATE, currency), (CONTRACT, name)):
            if not all(what in of.digests and column in of.digests[what] for of in (self, later)):
                continue
            days = _days_apart(what, self.digests[what][column], later.digests[what][column].loc[: self.end])
            words = f"{what} of {currency}" if what == RATE else what
            if len(days) == 1:
                found.append(f"{words} on {days[0]:%Y-%m-%d}")
            elif len(days):
                found.append(f"{words} from {days[0]:%Y-%m-%d} on, on {len(days):,} days")
        return found

    def to_bytes(self) -> bytes:
        """The content of a file of numpy's (npz)."""
        content: dict[str, Any] = {
            "start": _day_numbers(pd.DatetimeIndex([self.start])),
            "days": _day_numbers(pd.DatetimeIndex(self.digests[PRICE].index)),
            "currencies": np.array(list(self.digests[RATE].columns), dtype=np.str_),
            "specifications": np.array(json.dumps(self.specifications)),
        } | {what: frame.to_numpy() for what, frame in self.digests.items()}
        buffer = BytesIO()
        np.savez_compressed(buffer, **content)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> DataDigest:
        """What :meth:`to_bytes` wrote.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        try:
            with np.load(BytesIO(content), allow_pickle=False) as file:
                there = {name: file[name] for name in file.files}
            specifications, days = json.loads(str(there["specifications"])), _days(there["days"])
            names, currencies = list(specifications), [str(currency) for currency in there["currencies"]]
            digests = {
                what: pd.DataFrame(there[what], days, currencies if what == RATE else names)
                for what in (PRICE, ADJUSTED, RATE, CONTRACT)
                if what != CONTRACT or what in there
            }
            return cls(_days(there["start"])[0], digests, specifications)
        except (KeyError, IndexError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(str(error)) from None


def _by_column(frame: pd.DataFrame, digest: Callable[[pd.Series], Digests]) -> pd.DataFrame:
    return pd.DataFrame({name: digest(frame[name]) for name in frame.columns}, index=frame.index)


def _exact(column: pd.Series) -> Digests:
    """Of every number half of the bits of splitmix64's finaliser; the two zeros are one."""
    bits = (column.to_numpy(dtype=np.float64) + 0.0).view(np.uint64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    digests = np.maximum((bits >> np.uint64(32)).astype(np.uint32), np.uint32(1))
    return np.where(column.isna().to_numpy(), np.uint32(0), digests)


def _bin(prices: pd.Series) -> float:
    """The width of a bin of an instrument, a power of two."""
    sizes = prices.abs()
    sizes = sizes[sizes > 0]
    return float(np.ldexp(1.0, int(np.frexp(sizes.iloc[0] if len(sizes) else 1.0)[1]) - 1 - BINS_A_PRICE))


def _bins(column: pd.Series, width: float) -> Digests:
    """Of every number its distance from the first in bins, modulo the prime, plus 1."""
    distance = np.rint((column - column.dropna().iloc[0]).to_numpy() / width)
    return np.where(np.isnan(distance), 0.0, np.mod(distance, float(PRIME)) + 1.0).astype(np.uint32)


def _days_apart(what: str, before: pd.Series, after: pd.Series) -> pd.DatetimeIndex:
    """The days on which two columns differ.

    On a day that only one of them has, a price is one that is gone or new; a rate is nothing without one.
    """
    join = pd.Index.union if what in (PRICE, ADJUSTED) else pd.Index.intersection
    days = join(before.index, after.index)
    one, other = (column.reindex(days, fill_value=0).to_numpy().astype(np.int64) for column in (before, after))
    apart = np.abs(one - other)
    if what == ADJUSTED:
        apart[(one > 0) & (other > 0) & ((apart == 1) | (apart == PRIME - 1))] = 0
    return pd.DatetimeIndex(days[apart > 0])


def _any(digests: pd.DataFrame, end: pd.Timestamp) -> bool:
    """Whether there is any number up to a day."""
    return bool(digests.loc[:end].to_numpy().any())


def _first_days(prices: pd.DataFrame) -> dict[str, str]:
    """The first day of every instrument that has one, as it is written."""
    there = prices.to_numpy() > 0
    return {
        str(name): f"{prices.index[column.argmax()]:%Y-%m-%d}"
        for name, column in zip(prices.columns, there.T, strict=True)
        if column.any()
    }


def _text(entry: Any) -> str:
    return repr(float(entry)).removesuffix(".0") if isinstance(entry, float) else str(entry)


def _day_numbers(days: pd.DatetimeIndex) -> NDArray[np.int32]:
    """Days since 1970."""
    return days.to_numpy().astype("datetime64[D]").astype(np.int32)


def _days(numbers: NDArray[np.int32]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(numbers.astype("datetime64[D]").astype("datetime64[us]"), name="date")
