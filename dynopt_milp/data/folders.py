"""A price folder, whichever of the known layouts it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynopt_milp.data.guide_folder import ENDING, read_guide_folder
from dynopt_milp.data.market import Market
from dynopt_milp.data.pysystemtrade_folder import CONFIG, LAYOUTS, layout_of, read_pysystemtrade
from dynopt_milp.errors import DataError


def read_market(
    folder: str | Path,
    instruments_table: str | Path | None = None,
    *,
    instruments: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    base_currency: str = "USD",
    on_suspect: str = "freeze",
) -> Market:
    """Read a folder in a layout of pysystemtrade (CSV or Parquet) or of the guide.

    Parameters
    ----------
    folder : path
    instruments_table : path, optional
        The table of instruments, where it is not in the folder: ``csvconfig/instrumentconfig.csv`` of pysystemtrade,
        ``instruments.csv`` of the guide.
    instruments, start, end, base_currency
        As :func:`read_guide_folder` takes them.
    on_suspect : {"freeze", "refuse", "use"}
        What to do about suspect prices, moves by more than 15 standard deviations or 50 %
        (:mod:`dynopt_milp.data.suspects`). By default they are set aside (``Market.suspects``): they count as missing,
        and from such a price to the next good one the market keeps its position. Or raise an error; or use them as they
        are.

    Raises
    ------
    DataError
        If the folder has none of the layouts, or several, or its reader refuses it.
    MissingPackage
        If the files are Parquet and pyarrow is not installed.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError("is not a folder; give one with price files", field=str(folder))
    chosen: dict[str, Any] = {
        "instruments": instruments, "start": start, "end": end, "base_currency": base_currency,
        "on_suspect": on_suspect,
    }  # fmt: skip
    layout, of_the_guide = layout_of(path), any(path.glob(f"*{ENDING}"))
    if layout is not None and of_the_guide:
        raise DataError(
            f"has prices twice, in {layout.adjusted}/ and in *{ENDING} files; move one of the two elsewhere",
            field=str(folder),
        )
    if layout is not None:
        return read_pysystemtrade(path, instruments_table, **chosen)
    if of_the_guide:
        return read_guide_folder(path, instruments_table, **chosen)
    known = ", or ".join(f"{layout.adjusted}/ and {layout.traded}/" for layout in LAYOUTS)
    raise DataError(
        f"has no prices in a known layout: expected {known}, with {CONFIG.as_posix()} (pysystemtrade), or "
        f"*{ENDING} files with instruments.csv (the guide)",
        field=str(folder),
    )
