"""The guide's table of instruments: its columns, asset classes and currencies."""

from __future__ import annotations

import re

import pandas as pd

from dynopt_milp.errors import DataError
from dynopt_milp.io.known_columns import refuse_misspelt
from dynopt_milp.io.labelled import check_distinct

GUIDE_COLUMNS = {
    "Symbol": "symbol",
    "Name": "name",
    "Multiplier": "multiplier",
    "SR_cost": "sr_cost",
    "Currency": "currency",
    "Underlying": "underlying",
    "Margin": "margin",
}
ASSET_CLASS_COLUMNS = ("Asset_Class", "Asset Class", "AssetClass")

# The first line with a word that is in the name decides: a "Nikkei volatility" is no equity, a "Euro Bund" no currency.
# Only OAT is as it is written: oats are a grain. Digits may follow, as in "STOXX600".
CURRENCY_CODES = "usd|eur|gbp|jpy|chf|aud|cad|nzd|mxn|mxp|cnh|cny|sek|nok|brl|zar|krw|inr|sgd|pln|huf|czk|try|ils|twd"
ASSET_CLASSES = {
    "Volatility": r"vol|volatility|vix|vstoxx|v2x",
    "Bond": r"treasury|t-?notes?|t-?bonds?|bonds?|notes?|bund|bobl|sc?hatz|buxl|btp|bono|(?-i:OAT)|gilts?|jgb"
    r"|eurodollar|euribor|sofr|sonia|short sterling|fed funds|interest rate|swap|\d+[ -]?(?:years?|yr)",
    "Equity": r"s ?& ?p|sp500|dow|djia|nasdaq|russell|nikkei|topix|m?dax|(?:euro)?stoxx|kospi|kosdaq|ftse|cac|aex"
    r"|smi|swiss market|ibex|mib|omx|hang seng|msci|nifty|asx|spi|tsx|bovespa|equity|equities|stocks?"
    r"|sector|real estate|mid-?cap",
    "Agriculture": r"(?:soybean|soya|palm) (?:oil|meal)|soybeans?|corn|maize|wheat|oats?|rice|canola|rapeseed|hogs?"
    r"|cattle|cow|coffee|sugar|cocoa|cotton|lumber|milk|butter|cheese|orange juice|agriculture",
    "Metal": r"gold|silver|platinum|palladium|copper|alumini?um|zinc|nickel|iron ore|steel|bitcoin|ether|ethereum",
    "Energy": r"crude|wti|brent|gas|gasoline|gasoil|heating|heatoil|rbob|ulsd|natgas|ethanol|coal",
    "FX": rf"(?:{CURRENCY_CODES})|(?:{CURRENCY_CODES})/?(?:{CURRENCY_CODES})|fx|currency|dollar|euro|yen"
    r"|sterling|british pound|pound sterling|franc|peso|krona|krone|brazilian real|rand|korean won"
    r"|rupee|renminbi|yuan|zloty|forint",
}  # fmt: skip


def asset_class(name: str) -> str:
    """The asset class of a future by words in its name; Other if there is none that is known."""
    for found, words in ASSET_CLASSES.items():
        if re.search(rf"(?<![a-z0-9])(?:{words})[0-9]*(?![a-z0-9])", name, flags=re.IGNORECASE):
            return found
    return "Other"


def guide_specifications(table: pd.DataFrame, source: str, base_currency: str) -> pd.DataFrame:
    """Contract specifications, by instrument, from the guide's table; ``source`` names it in errors.

    Raises
    ------
    DataError
        If a column is missing or all but named like another, or an entry makes no sense.
    """
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"expected a DataFrame, found {type(table).__name__}", field=source)
    named = "Symbol" in table.columns
    table = table.reset_index(drop=True) if named else table.rename_axis(index="Symbol").reset_index()
    for column in ("Multiplier", "SR_cost"):
        if column not in table:
            columns = ", ".join(map(str, table.columns))
            raise DataError(f"the column {column} is missing; the columns are {columns}", field=source)
    refuse_misspelt(
        [str(column) for column in table.columns], (*GUIDE_COLUMNS, *ASSET_CLASS_COLUMNS), source, DataError
    )
    found = table[[column for column in GUIDE_COLUMNS if column in table]].rename(columns=GUIDE_COLUMNS)
    found["symbol"] = found["symbol"].astype(str).str.strip()
    check_distinct(pd.Index(found["symbol"]), source, kind=DataError)
    names = found["name"] if "name" in found else found["symbol"]
    found["name"] = names.astype(object).where(names.notna(), "").astype(str)
    if "currency" not in found:
        found["currency"] = base_currency
    found["asset_class"] = [asset_class(name) for name in found["name"]]
    for column in ASSET_CLASS_COLUMNS:
        if column in table:
            given = table[column].notna() & (table[column].astype(str).str.strip() != "")
            found["asset_class"] = table[column].where(given, found["asset_class"])
    return found.set_index("symbol")
