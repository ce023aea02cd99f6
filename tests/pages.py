"""The Python on a page: its blocks run from top to bottom, and what they print is what the page says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(\n```text\n(?P<output>.*?)^```\n)?", flags=re.DOTALL | re.MULTILINE
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def run_page(path: Path) -> Iterator[tuple[str, str | None]]:
    """Run the blocks in turn: what each printed, and the output that the page shows below it, if it shows one."""
    page = path.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(page))
    assert len(blocks) == page.count("```python\n"), f"{path}: a block of Python is not closed"
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        # Blank lines first, so that a traceback has the line of the page.
        above = page[: block.start("code")].count("\n")
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile("\n" * above + block["code"], str(path), "exec", dont_inherit=True), namespace)
        yield printed.getvalue(), block["output"]


def check_output(printed: str, documented: str) -> None:
    """The same text, and numbers within two of their last digit: libraries of other versions round differently."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", documented), f"{printed!r} is not {documented!r}"
    for found, written in zip(NUMBER.findall(printed), NUMBER.findall(documented), strict=True):
        digits = len(written.partition(".")[2])
        assert abs(float(found) - float(written)) <= 2.001 * 10.0**-digits, f"{found} is not {written} in {printed!r}"
