"""A price folder, whichever of the known layouts it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynopt_milp.data.guide_folder import read_guide_folder
from dynopt_milp.data.market import Market
from dynopt_milp.data.pysystemtrade_folder import read_pysystemtrade
from dynopt_milp.errors import DataError


def read_market(
    folder: str | Path,
    *,
    instruments: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    base_currency: str = "USD",
    on_suspect: str = "freeze",
) -> Market:
    """Read a folder in the layout of pysystemtrade or of the guide.

    Parameters
    ----------
    folder, instruments, start, end, base_currency
        The arguments of :func:`read_guide_folder`.
    on_suspect : {"freeze", "refuse", "use"}
        What to do about suspect prices, moves by more than 15 standard deviations or 50 %
        (:mod:`dynopt_milp.data.suspects`). By default they are set aside (``Market.suspects``): they count as missing,
        and from such a price to the next good one the market keeps its position. Or raise an error; or use them as they
        are.

    Raises
    ------
    DataError
        If the folder has neither layout, or its reader refuses it.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError("is not a folder; give one with price files", field=str(folder))
    chosen: dict[str, Any] = {
        "instruments": instruments, "start": start, "end": end, "base_currency": base_currency,
        "on_suspect": on_suspect,
    }  # fmt: skip
    if (path / "adjusted_prices_csv").is_dir():
        return read_pysystemtrade(path, **chosen)
    if any(path.glob("*_daily_data.csv")):
        return read_guide_folder(path, **chosen)
    raise DataError(
        "has no prices in a known layout: expected adjusted_prices_csv/ and multiple_prices_csv/ with "
        "csvconfig/instrumentconfig.csv (pysystemtrade), or *_daily_data.csv files with instruments.csv (the guide)",
        field=str(folder),
    )
