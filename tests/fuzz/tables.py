"""A CSV file as cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Rows = list[list[str]]


@dataclass(frozen=True)
class Table:
    """The cells of a file, all rows as long as the head; ``numbers`` and ``dates`` are names of columns."""

    head: list[str]
    rows: Rows
    numbers: tuple[str, ...]
    dates: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def place(self, column: str) -> int:
        """Where a column stands."""
        return self.head.index(column)

    def changed(self, column: str, change: Callable[[str], str], rows: list[int] | None = None) -> Table:
        """The table with other cells in a column, of all rows or of some."""
        place, some = self.place(column), range(len(self.rows)) if rows is None else rows
        made = [list(row) for row in self.rows]
        for row in some:
            made[row][place] = change(made[row][place])
        return self.with_rows(made)

    def with_rows(self, rows: Rows, head: list[str] | None = None) -> Table:
        """The same columns with other rows."""
        return Table(self.head if head is None else head, rows, self.numbers, self.dates, self.names)

    def text(self, separator: str = ",", end: str = "\n", *, quote: bool = False) -> str:
        """The file."""
        cells = [[f'"{cell}"' if quote else cell for cell in row] for row in (self.head, *self.rows)]
        return "".join(separator.join(row) + end for row in cells)


def table(text: str, numbers: str, dates: str = "", names: str = "") -> Table:
    """The table of a text without quotes."""
    head, *rows = [line.split(",") for line in text.strip().splitlines()]
    return Table(head, rows, tuple(numbers.split()), tuple(dates.split()), tuple(names.split()))
