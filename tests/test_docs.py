"""The Python on the pages of docs/ runs from top to bottom and prints what the page says it does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGES = sorted((Path(__file__).resolve().parents[1] / "docs").glob("*.md"))
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(\n```text\n(?P<output>.*?)^```\n)?", flags=re.DOTALL | re.MULTILINE
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_runs_and_prints_what_it_says(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = path.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(page))
    assert len(blocks) == page.count("```python\n")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        # Blank lines first, so that a traceback has the line of the page.
        above = page[: block.start("code")].count("\n")
        exec(compile("\n" * above + block["code"], str(path), "exec", dont_inherit=True), namespace)
        check_output(capsys.readouterr().out, block["output"] or "")


def check_output(printed: str, documented: str) -> None:
    """The same text, and numbers within two of their last digit: libraries of other versions round differently."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", documented)
    for found, written in zip(NUMBER.findall(printed), NUMBER.findall(documented), strict=True):
        digits = len(written.partition(".")[2])
        assert float(found) == pytest.approx(float(written), abs=2.001 * 10.0**-digits), printed


def test_a_figure_that_is_out_of_date_is_noticed() -> None:
    check_output("Sharpe 0.51, 12% of 4\n", "Sharpe 0.52, 11% of 4\n")
    with pytest.raises(AssertionError):
        check_output("Sharpe 0.51\n", "Sharpe 0.55\n")
    with pytest.raises(AssertionError):
        check_output("Sharpe 0.51\n", "")
