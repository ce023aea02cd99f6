"""Prices that are suspect: moves that no market makes, and bad ticks do.

A price is suspect if it has moved by more than 15 daily standard deviations, or by more than 50 %, since the last price
that was not. The standard deviation is that of the returns before: an EWMA of span 32 around zero, from 20 returns on,
without those of suspect prices and of prices that only repeat the last; after a gap, that of as many weekdays. Whether
a price is suspect depends on the prices up to its day and on no later one.

Both the traded and the back-adjusted price count, as a share of the reference price (``Market.reference_prices``). On
the first day with another contract, and where contract months are not known, the traded price may move by up to 90 %.
Moves of less than 0.1 % are never suspect.

A price below zero, and the first one after it, may move by up to ten times the price before, as crude oil did in April
2020, where the price before was below half of its median over 256 days, or others were below zero in that time. −1, −9,
−99 and so on, which stand for a missing price in many files, and the price before with its sign changed are suspect.

A price that takes back the last move is not suspect, and nor is the fifth price in a row that would be: the market is
there.

An exchange rate is suspect if it has moved by more than a quarter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.data.months_known import months_known
from dynopt_milp.data.reference_price import REFERENCE_DAYS, REFERENCE_SHARE, reference_price
from dynopt_milp.errors import DataError

ON_SUSPECT = ("freeze", "refuse", "use")
"""What to do about suspect prices: set them aside, raise an error, or use them as they are."""

# On 167,557 days of prices of 42 real futures, 2000 to 2019, the largest moves are 12.6 standard deviations and 28 %.
MOST_SIGMAS, MOST_MOVE = 15.0, 0.5
SPAN, FEWEST_RETURNS = 32, 20
LEAST_MOVE = 0.001
# From one contract to the next the price of those futures changed by up to 55 % (gas, August 2009).
MOST_AT_ROLL = 0.9
# Crude fell by 3.1 times its price on 20 April 2020, from 0.33 times its median.
MOST_BELOW_ZERO, LOW = 10.0, 0.5
MISSING = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, -999999.0)
MIRROR = 0.01  # how close to minus the price before
# The franc rose by a fifth on 15 January 2015.
MOST_OF_RATE = 0.25
SHOWN = 3  # suspect prices of an instrument that are described
SETTLED = 5  # prices in a row: a week
SCREEN = 0.9  # of the limits: round-off between two ways to the same standard deviation is far smaller


@dataclass(frozen=True, slots=True)
class Suspect:
    """A price, or an exchange rate, that is suspect.

    Attributes
    ----------
    instrument : str
        The instrument, or the currency pair.
    date : Timestamp
    series : str
        ``"price"``, ``"back-adjusted price"`` or ``"rate"``: which has moved more.
    value : float
        Of that series on the day.
    before : float
        Its last value that was not suspect.
    before_date : Timestamp
    move : float
        Since then, share of the reference price.
    sigmas : float
        Size of the move in daily standard deviations; NaN where there are too few returns.
    """

    instrument: str
    date: pd.Timestamp
    series: str
    value: float
    before: float
    before_date: pd.Timestamp
    move: float
    sigmas: float

    def __str__(self) -> str:
        sigmas = "" if np.isnan(self.sigmas) else f" ({self.sigmas:,.0f} standard deviations)"
        return (
            f"the {self.series} {self.value:.10g} of {self.date:%Y-%m-%d} is suspect, a large move: {self.move:+,.0%}"
            f"{sigmas} from {self.before:.10g} of {self.before_date:%Y-%m-%d}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return {
            "instrument": self.instrument, "date": f"{self.date:%Y-%m-%d}", "series": self.series, "value": self.value,
            "before": self.before, "before_date": f"{self.before_date:%Y-%m-%d}", "move": self.move,
            "sigmas": None if np.isnan(self.sigmas) else self.sigmas,
        }  # fmt: skip


def in_words(suspects: Sequence[Suspect], *, use: bool = False) -> dict[str, str]:
    """What is said of suspect prices, the last ones first, by instrument; ``use``: whether they are used."""
    found: dict[str, list[Suspect]] = {}
    for suspect in sorted(suspects, key=lambda one: one.date, reverse=True):
        found.setdefault(suspect.instrument, []).append(suspect)
    done = "used as it is" if use else "counts as missing"
    return {
        name: f"{'; '.join(map(str, own[:SHOWN]))}{f'; and {len(own) - SHOWN} before' if own[SHOWN:] else ''}; {done}"
        for name, own in found.items()
    }


def on_days(days: pd.Index, suspects: Sequence[Suspect]) -> NDArray[np.bool_]:
    """Which of some days have a suspect price."""
    return np.asarray(days.isin([suspect.date for suspect in suspects]))


def refuse_suspects(suspects: Sequence[Suspect], source: str = "prices") -> None:
    """Raise if there is any.

    Raises
    ------
    DataError
        It names the first, and how many more there are.
    """
    if suspects:
        first = min(suspects, key=lambda suspect: suspect.date)
        more = f"; {len(suspects) - 1} more are suspect" if len(suspects) > 1 else ""
        raise DataError(
            f"{first}{more}; mend the data, or set on_suspect to freeze (without these prices) or use (as they are)",
            field=source, instrument=first.instrument,
        )  # fmt: skip


def suspect_prices(rows: pd.DataFrame, instrument: str) -> list[Suspect]:
    """The suspect prices of an instrument, in the order of days.

    Parameters
    ----------
    rows : DataFrame, by day
        ``price`` (traded), ``adjusted`` and perhaps ``contract_month``; no gaps in the first two.
    instrument : str
    """
    if not _any_large(rows):
        return []
    prices, adjusted = rows["price"].tolist(), rows["adjusted"].tolist()
    months = rows["contract_month"] if "contract_month" in rows else rows["price"] * np.nan
    known = months_known(rows["price"].notna(), months.notna()).tolist()
    month = months.ffill().tolist()

    def moves(row: int, since: int, reference: float) -> tuple[float, float, bool]:
        """Of the traded and the back-adjusted price, and whether there may be a roll between."""
        rolled = not (known[row] and known[since] and month[row] == month[since])
        return (
            (prices[row] - prices[since]) / reference,
            (adjusted[row] - adjusted[since]) / reference,
            rolled,
        )

    days, found = list(rows.index), list[Suspect]()
    dates = rows.index.to_numpy().astype("datetime64[D]")
    weekdays = np.sqrt(np.maximum(np.busday_count(np.roll(dates, 1), dates), 1)).tolist()  # since the row before
    good, last, before, in_a_row, returns = [prices[0]], 0, -1, 0, _Returns()
    moved = 0.0  # from the price before the last good one to that
    for row in range(1, len(prices)):
        reference = _reference(good)
        traded, changed, rolled = moves(row, last, reference)
        sigma = returns.sigma() * weekdays[row]
        if min(prices[row], prices[last]) < 0:
            scale = max(reference, abs(prices[last]))
            suspect = _no_price(prices[row], good) or (
                max(abs(traded), abs(changed)) * reference > MOST_BELOW_ZERO * scale
            )
        else:
            suspect = _suspect(traded, changed, rolled, sigma)
            if suspect and changed * moved < 0 and abs(moved) >= abs(changed) / 2:  # as much down as is now up
                suspect = _suspect(*moves(row, before, _reference(good[:-1])), sigma)
        in_a_row = in_a_row + 1 if suspect else 0
        if in_a_row in (0, SETTLED):
            returns.add(changed)
            good = [*good[1 - REFERENCE_DAYS :], prices[row]]
            last, before, in_a_row, moved = row, last, 0, changed
            continue
        of_adjusted = abs(changed) > abs(traded)
        move = changed if of_adjusted else traded
        series = adjusted if of_adjusted else prices
        found.append(
            Suspect(
                instrument, days[row], "back-adjusted price" if of_adjusted else "price", series[row], series[last],
                days[last], move, abs(move) / sigma if sigma > 0 else np.nan,
            )
        )  # fmt: skip
    return found


def suspect_rates(rates: pd.Series, pair: str) -> list[Suspect]:
    """The suspect rates of a currency pair, in the order of days; up and down count alike: what is 1/x of a rate."""
    values, days, last, before, in_a_row = rates.tolist(), list(rates.index), 0, -1, 0
    found: list[Suspect] = []

    def far(row: int, since: int) -> bool:
        ratio = float(values[row] / values[since])
        return max(ratio, 1 / ratio) - 1 > MOST_OF_RATE

    for row in range(1, len(values)):
        suspect = far(row, last) and (before < 0 or far(row, before))
        in_a_row = in_a_row + 1 if suspect else 0
        if in_a_row in (0, SETTLED):
            last, before, in_a_row = row, last, 0
            continue
        move = values[row] / values[last] - 1
        found.append(Suspect(pair, days[row], "rate", values[row], values[last], days[last], move, np.nan))
    return found


def _no_price(price: float, good: Sequence[float]) -> bool:
    """Whether a price, of which it or the one before is below zero, stands for none, or comes out of nowhere."""
    if price >= 0:
        return False
    if price in MISSING or abs(price + good[-1]) <= MIRROR * abs(good[-1]):
        return True
    return min(good) >= 0 and good[-1] >= LOW * float(np.median(good))


def _suspect(traded: float, adjusted: float, rolled: bool, sigma: float) -> bool:
    most = MOST_MOVE if np.isnan(sigma) else min(MOST_MOVE, max(MOST_SIGMAS * sigma, LEAST_MOVE))
    return abs(adjusted) > most or abs(traded) > (MOST_AT_ROLL if rolled else most)


def _any_large(rows: pd.DataFrame) -> bool:
    """Whether any price could be suspect; quick, and until the first that is, it says what the loop says."""
    if (rows["price"] < 0).any():
        return True
    before = reference_price(rows["price"]).shift()
    adjusted, traded = rows["adjusted"].diff() / before, rows["price"].diff() / before
    squares = adjusted.where(adjusted != 0) ** 2
    sigma = np.sqrt(squares.ewm(span=SPAN, min_periods=FEWEST_RETURNS, ignore_na=True).mean()).shift()
    most = SCREEN * (MOST_SIGMAS * sigma).clip(lower=LEAST_MOVE, upper=MOST_MOVE).fillna(MOST_MOVE)
    return bool(((adjusted.abs() > most) | (traded.abs() > most)).any())


def _reference(prices: list[float]) -> float:
    """The reference price of the last of some prices; NaN where there is none."""
    if prices[-1] >= REFERENCE_SHARE * max(prices) and prices[-1] > 0:
        return prices[-1]
    reference = max(prices[-1], REFERENCE_SHARE * float(np.median(prices)))
    return reference if reference > 0 else np.nan


class _Returns:
    """The exponentially weighted root mean square of returns, return by return."""

    def __init__(self) -> None:
        self._count, self._weight, self._squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        """Count a return; NaN is none, and nor is zero: a price that stands still for days says nothing of a move."""
        if value != 0 and not np.isnan(value):
            keep = 1 - 2 / (SPAN + 1)
            self._count += 1
            self._weight = keep * self._weight + 1.0
            self._squares = keep * self._squares + value * value

    def sigma(self) -> float:
        """Of the returns so far; NaN while there are too few."""
        return np.nan if self._count < FEWEST_RETURNS else float(np.sqrt(self._squares / self._weight))
