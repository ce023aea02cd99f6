"""The report in a real browser: no network, charts that draw, a table that sorts, and the figures of the study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dynopt_milp import simulated_market
from dynopt_milp.errors import FormatError
from dynopt_milp.gap import GapGrid, run_gap_study, write_report
from dynopt_milp.gap.charts import figures
from dynopt_milp.gap.report import answer, by_instrument, worst_rebalances
from dynopt_milp.gap.stored import read_study

NAMES = ["US10", "BUND", "ES_micro", "NQ_micro", "EUR_micro", "GOLD_micro", "CORN", "CRUDE_mini"]
GRID = GapGrid(capitals=(100_000, 1_000_000), cost_multipliers=(0, 50), sizes=(3, 8), paths=("greedy",),
               start="2017-01-01", end="2017-03-31")  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run_gap_study(simulated_market(3, instruments=NAMES), GRID, folder)
    write_report(folder)
    return folder


@pytest.mark.parametrize("width", [1280, 390])
def test_it_loads_without_a_network_and_draws_within_the_window(study: Path, browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((study / "report.html").as_uri())
    assert asked == [(study / "report.html").as_uri()]
    assert wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    charts = page.locator("figure.chart")
    assert charts.count() == 5
    assert page.locator("figure.chart path.line").count() == 10
    for place in range(5):
        box, window = charts.nth(place).bounding_box(), charts.nth(place).locator("svg").bounding_box()
        assert box["x"] >= 0
        assert window["width"] > 0.6 * min(width, 600)
        assert max(box["x"] + box["width"], window["x"] + window["width"]) <= width
    page.close()


def test_a_chart_says_the_value_under_the_pointer(study: Path, browser: Any) -> None:
    rows = pd.read_parquet(study / "rebalances.parquet")
    rows["gap"] = rows["greedy_objective"] / rows["exact_objective"] - 1
    means = rows[rows["size"] == 8].groupby(["cost_multiplier", "date"])["gap"].mean()
    day = means.index.levels[1][5]
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((study / "report.html").as_uri())
    chart = page.locator("figure.chart", has_text="of all capitals")
    area, days = chart.locator("svg").bounding_box(), means.index.levels[1]
    chart.scroll_into_view_if_needed()
    chart.locator("svg").hover(position={"x": area["width"] * (day - days[0]) / (days[-1] - days[0]), "y": 50})
    lines = chart.locator(".tip").inner_text().split("\n")
    page.close()
    assert lines[0] == f"{day:%Y-%m-%d}"
    for line, multiplier in zip(lines[1:], (0, 50), strict=True):
        name, value = line.split(": ")
        assert name == f"λ = {multiplier}"
        assert float(value.rstrip("%")) / 100 == pytest.approx(means[multiplier, day], abs=1e-4 * means.max())


def test_a_study_of_one_size_draws_no_chart_of_one_dot(tmp_path: Path) -> None:
    market = simulated_market(3, instruments=NAMES[:4])
    grid = GapGrid(capitals=(250_000,), cost_multipliers=(50,), paths=("greedy",), start="2018-01-01", end="2018-03-01")
    run_gap_study(market, grid, tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    shown = figures(read_study(tmp_path))
    assert [name for name, chart in shown.items() if chart] == ["distribution", "time"]
    assert page.count('<figure class="chart"') == 2
    seconds = pd.read_parquet(tmp_path / "rebalances.parquet")[["greedy_seconds", "exact_seconds"]].median()
    assert f"Seconds a solve, median: greedy {seconds.iloc[0]:.2g}, exact {seconds.iloc[1]:.2g}." in page


def test_a_page_is_small(study: Path) -> None:
    assert 20_000 < (study / "report.html").stat().st_size < 1_500_000


def test_the_table_sorts_and_a_date_opens(study: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((study / "report.html").as_uri())
    head = page.locator("#cells th", has_text="worse by, mean")
    place = head.evaluate("cell => cell.cellIndex")

    def column() -> list[float]:
        cells = page.locator(f"#cells tbody td:nth-child({place + 1})").all_text_contents()
        return [float(text.rstrip("%")) for text in cells]

    before = column()
    head.locator("button").click()
    assert column() == sorted(before) != before
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert column() == sorted(before, reverse=True)
    first = page.locator("details", has_text="worse,").first
    assert not first.locator("table").is_visible()
    first.locator("summary").click()
    assert first.locator("table").is_visible()
    page.close()


def test_page_parquet_and_summary_agree(study: Path, browser: Any) -> None:
    rows, summary = pd.read_parquet(study / "rebalances.parquet"), pd.read_csv(study / "summary.csv")
    page = browser.new_page()
    page.goto((study / "report.html").as_uri())
    heads = page.locator("#cells th").all_text_contents()
    table = [row.locator("td").all_text_contents() for row in page.locator("#cells tbody tr").all()]
    page.close()
    assert len(table) == len(summary) == 8
    for texts, line in zip(table, summary.to_dict("records"), strict=True):
        shown = dict(zip(heads, texts, strict=True))
        cell = rows[(rows["capital"] == line["capital"]) & (rows["cost_multiplier"] == line["cost_multiplier"])]
        cell = cell[cell["size"] == line["size"]]
        worse = cell["greedy_objective"] / cell["exact_objective"] - 1
        assert shown["capital"] == f"{line['capital']:,.0f}"
        assert shown["worse by, mean"] == f"{worse.mean():.1%}" == f"{line['mean_gap']:.1%}"
        assert shown["most"] == f"{worse.max():.1%}"


def test_the_sentence_and_the_worst_dates_are_those_of_the_rows(study: Path) -> None:
    rows = pd.read_parquet(study / "rebalances.parquet")
    rows["gap"] = rows["greedy_objective"] / rows["exact_objective"] - 1
    found = read_study(study)
    book = rows[rows["cost_multiplier"] == 50]
    assert f"{book['gap'].mean():.1%} worse" in answer(found)
    assert f"multiplier of 50, on {len(book):,} rebalances of up to 8 simulated futures" in answer(found)
    worst = worst_rebalances(found)
    assert worst[0]["gap"] == rows["gap"].max()
    row = rows.loc[rows["gap"].idxmax()]
    for place, name in enumerate(("held_positions", "greedy_positions", "exact_positions"), 1):
        shown = {line[0]: line[place] for line in worst[0]["portfolios"] if line[place]}
        assert shown == json.loads(row[name])


def test_which_instruments_differ_is_counted_from_the_rows(study: Path) -> None:
    rows = pd.read_parquet(study / "rebalances.parquet")
    lines = {line["instrument"]: line for line in by_instrument(read_study(study))}
    pairs = [(json.loads(one), json.loads(other)) for one, other in
             zip(rows["greedy_positions"], rows["exact_positions"], strict=True)]  # fmt: skip
    assert set(lines) <= set(NAMES)
    for name, line in lines.items():
        held = [(one.get(name, 0), other.get(name, 0)) for one, other in pairs if name in one or name in other]
        assert line["held"] == len(held)
        assert line["different"] == sum(one != other for one, other in held) / len(held)
        assert line["missed"] == sum(one == 0 for one, _ in held) / len(held)
    shares = [line["different"] for line in lines.values()]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0


def test_a_study_of_another_format_is_refused_with_what_is_missing(study: Path, tmp_path: Path) -> None:
    for name, change, message in (
        (
            "summary.csv",
            lambda text: text.replace("mean_gap,", "average_gap,", 1),
            "summary.csv has no column mean_gap",
        ),
        ("summary.csv", lambda text: text.replace("\n1", "\nmuch1", 1), "the column capital of summary.csv has"),
        ("settings.json", lambda text: text.replace('"versions"', '"version"'), "settings.json has no versions"),
    ):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        shutil.copytree(study, folder, ignore=shutil.ignore_patterns("cells"))
        text = (folder / name).read_text(encoding="utf-8")
        assert change(text) != text
        (folder / name).write_text(change(text), encoding="utf-8")
        with pytest.raises(FormatError, match=f"holds another format of a study: {message}"):
            read_study(folder)


def test_what_was_left_open_is_counted_on_the_page(tmp_path: Path) -> None:
    market = simulated_market(3, instruments=["US10", "ES_micro", "NQ_micro", "EUR_micro", "CORN", "BUND"])
    grid = GapGrid(capitals=(1e6,), cost_multipliers=(0,), paths=("greedy",), start="2018-01-01", end="2018-03-01")
    summary = run_gap_study(market, grid, tmp_path, time_limit=0)
    opened = int(summary["num_not_proved"].iloc[0])
    assert opened > 0
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert f"greedy: {opened} open" in page
    assert f"<td>{summary['rebalances'].iloc[0]}</td><td>{opened}</td>" in page


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no finished study"):
        write_report(tmp_path)
