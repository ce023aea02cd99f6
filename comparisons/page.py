"""Results on the page of a study: tables in Markdown, between two marks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def with_results(page: str, tables: str) -> str:
    """The page with these tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def markdown(header: Iterable[Any], lines: Iterable[Iterable[Any]]) -> str:
    """A table."""
    columns = list(header)
    table = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in table)
