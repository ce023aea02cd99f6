"""Results on the page of a study: tables in Markdown, between two marks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dynopt_milp.io.atomic import write_atomically

BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def with_results(page: str, tables: str) -> str:
    """The page with these tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def put_results(page: Path, tables: str) -> None:
    """Write these tables between the marks of a page."""
    write_atomically(page, with_results(page.read_text(encoding="utf-8"), tables))


def markdown(header: Iterable[Any], lines: Iterable[Iterable[Any]]) -> str:
    """A table."""
    columns = list(header)
    table = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in table)
