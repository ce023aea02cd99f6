"""Exchange rates: cleaned, and put together from the pairs that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import pandas as pd

from dynopt_milp.data.market import DataNote
from dynopt_milp.data.minor_units import all_units, major_unit
from dynopt_milp.data.rows import drop, one_row_a_day
from dynopt_milp.data.suspects import Suspect, on_days, suspect_rates

DOLLAR = "USD"
"""Through which two currencies are exchanged that have no pair of their own."""


@dataclass(eq=False)
class Rates:
    """Rates of pairs such as EURUSD, each cleaned when it is first asked for.

    Parameters
    ----------
    given : mapping of Series by day
        By pair, as they were read.
    notes : list of DataNote
        What is done to them is added here.
    suspects : list of Suspect
        So are suspect rates.
    use_suspects : bool
        Whether those are used; else they count as missing.

    Attributes
    ----------
    cleaned : dict of Series by day
        The pairs that were asked for.
    """

    given: Mapping[str, pd.Series]
    notes: list[DataNote]
    suspects: list[Suspect]
    use_suspects: bool
    cleaned: dict[str, pd.Series] = field(init=False, default_factory=dict)

    def to_base(self, currency: str, base: str) -> pd.Series:
        """Base currency per unit of a currency, by day; empty if there is no way from one to the other."""
        if currency == base:
            return pd.Series([1.0], index=pd.DatetimeIndex(["1700-01-01"]))  # before any price
        found = self._of_pair(currency, base)
        if found is not None:
            return found
        (major, part), (base_major, base_part) = major_unit(currency), major_unit(base)
        if (major, base_major) != (currency, base):
            return self.to_base(major, base_major) * (part / base_part)
        for unit, other in product(sorted(all_units([currency])), sorted(all_units([base]))):
            found = self._of_pair(unit, other)
            if found is not None:
                return found * (major_unit(other)[1] / major_unit(unit)[1])
        if DOLLAR in (currency, base):
            return pd.Series([], index=pd.DatetimeIndex([]), dtype=float)
        legs = [self.to_base(currency, DOLLAR), self.to_base(DOLLAR, base)]
        days = legs[0].index.union(legs[1].index)
        return (legs[0].reindex(days, method="ffill") * legs[1].reindex(days, method="ffill")).dropna()

    def _of_pair(self, currency: str, base: str) -> pd.Series | None:
        """The rate of a pair that is there, either way round."""
        for pair in (currency + base, base + currency):
            if pair in self.given and pair not in self.cleaned:
                table, notes = one_row_a_day(self.given[pair].to_frame("rate"), pair)
                self.notes.extend(notes)
                below = (table["rate"] <= 0).to_numpy()
                rate = drop(table, below, pair, "not positive", "a rate of zero or less is none", self.notes)["rate"]
                found = suspect_rates(rate, pair)
                self.suspects.extend(found)
                self.cleaned[pair] = rate if self.use_suspects else rate[~on_days(rate.index, found)]
            if pair in self.given and not self.cleaned[pair].empty:
                return self.cleaned[pair] if pair == currency + base else 1 / self.cleaned[pair]
        return None
