"""The Python on the pages of docs/ runs from top to bottom and prints what the page says it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import check_output, run_page

PAGES = sorted((Path(__file__).resolve().parents[1] / "docs").glob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_runs_and_prints_what_it_says(path: Path) -> None:
    for printed, documented in run_page(path):
        check_output(printed, documented or "")


def test_a_figure_that_is_out_of_date_is_noticed() -> None:
    check_output("Sharpe 0.51, 12% of 4\n", "Sharpe 0.52, 11% of 4\n")
    with pytest.raises(AssertionError):
        check_output("Sharpe 0.51\n", "Sharpe 0.55\n")
    with pytest.raises(AssertionError):
        check_output("Sharpe 0.51\n", "")
