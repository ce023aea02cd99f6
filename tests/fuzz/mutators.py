"""Changes to a file, each with its outcome.

A change of one plausible number into another is not among them: nobody can notice it. So whole columns change their
units, costs by a hundred alone; limits and all prices of a file do not.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from tests.fuzz.tables import Table

Random = np.random.Generator
Change = Callable[[Table, Random], str | bytes | None]


class Outcome(Enum):
    """What has to become of a change."""

    SAME = "the same answer"
    REFUSED = "an error that names the file"
    SAID = "an error or a note, unless the answer is the same"


@dataclass(frozen=True)
class Mutator:
    """A change; None where it does not apply to the file."""

    change: Change
    outcome: Outcome


def _any(values: list[str] | tuple[str, ...], random: Random) -> str | None:
    return values[int(random.integers(len(values)))] if values else None


def _rows(table: Table, random: Random) -> str:
    return table.with_rows([table.rows[place] for place in random.permutation(len(table.rows))]).text()


def _columns(table: Table, random: Random) -> str:
    first = 1 if table.head[0] == "name" else 0  # of a covariance the first column has the names
    order = [*range(first), *(first + random.permutation(len(table.head) - first))]
    return table.with_rows(
        [[row[place] for place in order] for row in table.rows], [table.head[p] for p in order]
    ).text()


def _blank_lines(table: Table, random: Random) -> str:
    lines = table.text().splitlines()
    for place in sorted(random.integers(0, len(lines) + 1, 3), reverse=True):
        lines.insert(int(place), "," * int(random.integers(0, 2) * (len(table.head) - 1)))
    return "\n".join(lines) + "\n"


def _spaces(table: Table, random: Random) -> str:
    pad = " " * int(random.integers(1, 4))
    return table.with_rows(
        [[cell + pad for cell in row] for row in table.rows], [cell + pad for cell in table.head]
    ).text()


def _note(table: Table, _: Random) -> str | None:
    if table.dates or "Symbol" in table.head or "Instrument" in table.head:
        return None  # files of others have columns of others
    return table.with_rows([[*row, "why"] for row in table.rows], [*table.head, "note"]).text()


def _trailing_commas(table: Table, _: Random) -> str:
    return table.text().replace("\n", ",\n")


def _decimal_comma(separator: str, *, quote: bool = False) -> Change:
    def change(table: Table, random: Random) -> str | None:
        column = _any(
            [name for name in table.numbers if any("." in row[table.place(name)] for row in table.rows)], random
        )
        if column is None:
            return None
        return table.changed(column, lambda cell: cell.replace(".", ",")).text(separator, quote=quote)

    return change


def _thousands(table: Table, random: Random) -> str | None:
    column = _any(table.numbers, random)
    row = int(random.integers(len(table.rows)))
    return None if column is None else table.changed(column, lambda _: "1,234.5", [row]).text(quote=True)


def _heading(table: Table, random: Random) -> str:
    name = str(_any([name for name in table.head if name], random))
    place = int(random.integers(len(name)))
    letter = str(_any(tuple(string.ascii_letters), random))
    made = [name[:place] + name[place + 1 :], name + letter, name[:place] + letter + name[place:], name.swapcase()]
    new = str(_any([other for other in made if other not in ("", *table.head)], random))
    return table.with_rows(table.rows, [new if other == name else other for other in table.head]).text()


def _no_heading(table: Table, _: Random) -> str:
    return table.text().split("\n", 1)[1]


def _unknown_column(table: Table, random: Random) -> str:
    new = str(_any(("max", "fx_rate", "Curency", "weight", "PRICE_CONTRACTS", "contract_month"), random))
    return table.with_rows([[*row, "1"] for row in table.rows], [*table.head, new]).text()


def _column_twice(table: Table, random: Random) -> str:
    place = int(random.integers(len(table.head)))
    head, rows = [*table.head, table.head[place]], [[*row, row[place]] for row in table.rows]
    return table.with_rows(rows, head).text()


def _row_twice(table: Table, random: Random) -> str:
    place = int(random.integers(len(table.rows)))
    return table.with_rows([*table.rows, table.rows[place]]).text()


def _other_row_twice(table: Table, random: Random) -> str | None:
    """The same name or day again with another number."""
    column = _any(table.numbers, random)
    place = int(random.integers(len(table.rows)))
    if column is None:
        return None
    row = list(table.rows[place])
    row[table.place(column)] = f"{1.01 * float(row[table.place(column)]):.6g}"
    return table.with_rows([*table.rows, row]).text()


def _cut(table: Table, random: Random) -> str:
    """The file ends in a line: in front of the last comma, or between others."""
    place = int(random.integers(1, len(table.rows) + 1))
    lines = table.text().splitlines()[: place + 1]
    cells = lines[-1].split(",")
    lines[-1] = ",".join(cells[: int(random.integers(1, len(cells)))])
    return "\n".join(lines)


def _times(number: float, columns: tuple[str, ...]) -> Change:
    def change(table: Table, random: Random) -> str | None:
        column = _any([name for name in columns if name in table.head], random)
        if column is None:
            return None
        return table.changed(column, lambda cell: repr(float(cell) * number).removesuffix(".0")).text()

    return change


def _covariance_times(number: float) -> Change:
    def change(table: Table, _: Random) -> str | None:
        if table.head[0] != "name":
            return None
        for column in table.numbers:
            table = table.changed(column, lambda cell: repr(float(cell) * number))
        return table.text()

    return change


def _level(column: str, number: float) -> Change:
    """From a day on, or on the last day, in other units."""

    def change(table: Table, random: Random) -> str | None:
        if not table.dates or column not in table.head:
            return None
        first = int(random.integers(1, len(table.rows)))
        return table.changed(
            column, lambda cell: f"{float(cell) * number:.6g}", [*range(first, len(table.rows))]
        ).text()

    return change


def _tick(number: float) -> Change:
    """The price of one day in other units; the last one in three of four."""

    def change(table: Table, random: Random) -> str | None:
        column = next((name for name in ("price", "PRICE", "Last") if name in table.head), None)
        if not table.dates or column is None:
            return None
        row = len(table.rows) - 1 if random.random() < 0.75 else int(random.integers(len(table.rows)))
        return table.changed(column, lambda cell: f"{float(cell) * number:.6g}", [row]).text()

    return change


def _specification(columns: tuple[str, ...], number: float) -> Change:
    """The multiplier or the spread of one instrument in other units."""

    def change(table: Table, random: Random) -> str | None:
        column, row = (
            _any([name for name in columns if name in table.head], random),
            int(random.integers(len(table.rows))),
        )
        return None if column is None else table.changed(column, lambda cell: f"{float(cell) * number:g}", [row]).text()

    return change


def _cell(make: Callable[[str, Random], str], columns: Callable[[Table], tuple[str, ...]]) -> Change:
    def change(table: Table, random: Random) -> str | None:
        column, row = _any(columns(table), random), int(random.integers(len(table.rows)))
        return None if column is None else table.changed(column, lambda cell: make(cell, random), [row]).text()

    return change


def _text_in(cell: str, random: Random) -> str:
    return str(
        _any((f"{cell}s", f"${cell}", "n.a.", "-", "#N/A", "1_0", "0x1f", "−2", "True", f"{cell} USD", "1.2.3"), random)
    )


def _date_in(cell: str, random: Random) -> str:
    year, month, day = cell[:10].split("-")
    return str(
        _any((f"{day}/{month}/{year}", f"{day}.{month}.{year}", f"{year}-13-01", "today", year, "2021-02-30"), random)
    )


def _numbers(table: Table) -> tuple[str, ...]:
    return table.numbers


def _encoded(encoding: str) -> Change:
    return lambda table, _: (table.text() + "é").encode(encoding)


SAME, REFUSED, SAID = Outcome
MUTATORS: dict[str, Mutator] = {
    "nothing": Mutator(lambda table, _: table.text(), SAME),
    "rows in another order": Mutator(_rows, SAME),
    "columns in another order": Mutator(_columns, SAME),
    "byte order mark": Mutator(lambda table, _: table.text().encode("utf-8-sig"), SAME),
    "CRLF": Mutator(lambda table, _: table.text(end="\r\n"), SAME),
    "quotes": Mutator(lambda table, _: table.text(quote=True), SAME),
    "blank lines": Mutator(_blank_lines, SAME),
    "spaces": Mutator(_spaces, SAME),
    "no last newline": Mutator(lambda table, _: table.text().rstrip("\n"), SAME),
    "a column note": Mutator(_note, SAME),
    "trailing commas": Mutator(_trailing_commas, SAME),
    "semicolons": Mutator(lambda table, _: table.text(";"), REFUSED),
    "tabs": Mutator(lambda table, _: table.text("\t"), REFUSED),
    "semicolons and decimal commas": Mutator(_decimal_comma(";"), REFUSED),
    "decimal commas": Mutator(_decimal_comma(","), REFUSED),
    "decimal commas, quoted": Mutator(_decimal_comma(",", quote=True), REFUSED),
    "thousands": Mutator(_thousands, REFUSED),
    "a heading misspelt": Mutator(_heading, SAID),
    "no heading": Mutator(_no_heading, REFUSED),
    "an unknown column": Mutator(_unknown_column, SAID),
    "a column twice": Mutator(_column_twice, REFUSED),
    "a row twice": Mutator(_row_twice, SAID),
    "a row twice, with another number": Mutator(_other_row_twice, SAID),
    "cut": Mutator(_cut, REFUSED),
    "positions and weights times 10": Mutator(_times(10, ("position", "weight_per_contract")), SAID),
    "positions, weights and costs times 100": Mutator(
        _times(100, ("position", "weight_per_contract", "cost_in_weight_terms")), SAID
    ),
    "covariance in per cent": Mutator(_covariance_times(1e4), REFUSED),
    "volatility times 10": Mutator(_covariance_times(100), SAID),
    "covariance of a day": Mutator(_covariance_times(1 / 256), REFUSED),
    "covariance of a week": Mutator(_covariance_times(1 / 52), REFUSED),
    "prices in cents from a day on": Mutator(_level("price", 100), SAID),
    "prices of the guide in cents from a day on": Mutator(_level("Last", 100), SAID),
    "traded prices and rates times 100 from a day on": Mutator(_level("PRICE", 100), SAID),
    "a price times 100": Mutator(_tick(100), SAID),
    "a price by 100": Mutator(_tick(0.01), SAID),
    "a price with another sign": Mutator(_tick(-1), SAID),
    "the heading alone": Mutator(lambda table, _: table.text().splitlines()[0] + "\n", SAID),
    "a multiplier times 1000": Mutator(_specification(("Pointsize", "Multiplier"), 1000), SAID),
    "a spread of zero": Mutator(_specification(("Slippage", "SR_cost"), 0), SAID),
    "text for a number": Mutator(_cell(_text_in, _numbers), REFUSED),
    "an infinite number": Mutator(_cell(lambda cell, random: "inf", _numbers), SAID),
    "no number": Mutator(_cell(lambda cell, random: "", _numbers), SAID),
    "an unreadable date": Mutator(_cell(_date_in, lambda table: table.dates), REFUSED),
    "another name": Mutator(_cell(lambda cell, random: cell + "X", lambda table: table.names), SAID),
    "no name": Mutator(_cell(lambda cell, random: "", lambda table: table.names), SAID),
    "Latin letters": Mutator(_encoded("latin-1"), REFUSED),
    "UTF-16": Mutator(_encoded("utf-16"), REFUSED),
    "empty": Mutator(lambda table, _: "", REFUSED),
}
"""Every change by its name."""
