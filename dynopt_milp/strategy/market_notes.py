"""What of the data a decision should be read with, in lines."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dynopt_milp.data.days import to_day
from dynopt_milp.data.market import Market
from dynopt_milp.data.suspects import in_words
from dynopt_milp.strategy.costs import contract_values

NAMED = ("adjusted jump", "zero spread")
"""Rules of notes that are shown in full; the others are counted."""
SUSPECT = "suspect"

MOST_CAPITALS = 20.0
"""What a contract may be worth, in capitals. Of 42 real futures the largest is 246,000 US dollars: a 20th is 12,000."""


def market_notes(market: Market, capital: float | None = None, end: Any = None) -> list[str]:
    """Suspect prices, jumps of adjusted prices, spreads of zero, and contracts of another size than the account.

    Parameters
    ----------
    market : Market
    capital : float, optional
        Base currency.
    end : date, optional
        Nothing later is looked at, but for notes of the readers. Default: the last day.
    """
    known = market if end is None else market.between(end=to_day(end, "end"))
    frozen = known.frozen().iloc[-1]
    now = {suspect.instrument: suspect for suspect in known.suspects if frozen.get(suspect.instrument, False)}
    lines = [f"{name}: {suspect}; it keeps its position" for name, suspect in now.items()]
    before = [suspect for suspect in known.suspects if suspect not in now.values()]
    lines += [f"{name}: {words}" for name, words in in_words(before).items()]
    # Notes of readers know no day; those of suspects that are set aside stand above, up to the day.
    used = [note for note in market.notes if note.rule == SUSPECT and note.rows == 0]
    alike: dict[str, list[str]] = {}
    for note in [*used, *(note for note in market.notes if note.rule in NAMED)]:
        alike.setdefault(note.reason, []).append(note.instrument)
    lines += [f"{', '.join(names)}: {reason}" for reason, names in alike.items()]
    return (
        lines if capital is None else lines + size_notes(contract_values(known).iloc[-1], capital, market.base_currency)
    )


def size_notes(values: pd.Series, capital: float, base_currency: str) -> list[str]:
    """Contracts worth many times the capital, or next to nothing: a multiplier or a price in another unit, perhaps.

    Parameters
    ----------
    values : Series, by instrument
        Of one contract, base currency.
    capital : float
    base_currency : str
    """
    check = "check its multiplier and the unit of its price"
    large, small = values[values > MOST_CAPITALS * capital], values[values < 1.0]
    return [
        f"one contract of {name} is worth {value / capital:,.0f} times the capital; {check}"
        for name, value in large.items()
    ] + [f"one contract of {name} is worth {value:.2g} {base_currency}; {check}" for name, value in small.items()]
