"""The pages of a backtest and of a comparison: their figures from the files, in a real browser, without a network."""

from __future__ import annotations

import html
import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dynopt_milp import Backtest, Strategy, backtest, simulated_market
from dynopt_milp.backtests import run_comparison
from dynopt_milp.backtests.compare import read_comparison
from dynopt_milp.commands.pages import kind_of
from dynopt_milp.data import Market, market_from_frames
from dynopt_milp.errors import FileError, FormatError
from dynopt_milp.gap import GapGrid, run_gap_study
from dynopt_milp.io.colours import optimizer_colours
from dynopt_milp.show import write_comparison_report, write_report
from dynopt_milp.show.attribution import worst_days
from dynopt_milp.show.months import returns_by_month
from dynopt_milp.strategy.forecasts import long_only
from tests.command_line import run as run_command

NAMES = ["US10", "BUND", "ES_micro", "NQ_micro", "EUR_micro", "GOLD_micro", "CORN", "CRUDE_mini"]
SETTINGS: dict[str, Any] = {"capital": 400_000.0, "start": "2016-01-01", "end": "2017-06-30"}
MARKET = simulated_market(4, instruments=NAMES, start="2014-06-01", end="2017-06-30")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backtest in a folder, with its page."""
    out = tmp_path_factory.mktemp("runs") / "R"
    backtest(MARKET, optimizer="greedy", beside=["unrounded", "rounded"], out=out, **SETTINGS)
    write_report(Backtest.load(out), out / "report.html")
    return out


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison in a folder, with its page."""
    out = tmp_path_factory.mktemp("runs") / "C"
    strategies = {"trend": Strategy(), "long": Strategy(forecasts=long_only)}
    runs = run_comparison(MARKET, strategies, ["rounded", "greedy"], out=out, **SETTINGS)
    write_comparison_report(runs, out / "report.html")
    return out


def table_of(page: Any, name: str) -> list[list[str]]:
    rows = page.locator(f"#{name} tbody tr").all()
    return [[text.strip() for text in row.locator("td").all_text_contents()] for row in rows]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("what", ["folder", "comparison"])
def test_a_page_loads_without_a_network_within_the_window(
    request: pytest.FixtureRequest, browser: Any, width: int, scheme: str, what: str
) -> None:
    path = request.getfixturevalue(what) / "report.html"
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    for details in page.locator("details").all():
        details.locator("summary").click()
    assert (asked, wrong) == ([path.as_uri()], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure.chart").count() == (5 if what == "folder" else 2)
    for chart in page.locator("figure.chart svg").all():
        box = chart.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    page.close()
    assert 20_000 < path.stat().st_size < 1_500_000


def test_the_page_shows_what_the_files_say(folder: Path, browser: Any) -> None:
    read = {name: pd.read_csv(folder / f"{name}.csv") for name in ("returns", "profits", "positions", "instruments")}
    performance = json.loads((folder / "performance.json").read_text())
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((folder / "report.html").as_uri())
    assert page.locator("#caption").inner_text() == (
        "TrendFollowing, risk_parity: 400,000 USD, weekly, 2016-01-08 to 2017-06-30, simulated prices"
    )
    assert page.locator("h1 .badge").inner_text() == "simulated prices"
    tiles = dict(
        zip(page.locator(".tiles dt").all_inner_texts(), page.locator(".tiles dd").all_inner_texts(), strict=True)
    )
    assert tiles["profit, net, USD"] == f"{400_000 * read['returns']['net'].sum():,.0f}"
    assert tiles["Sharpe ratio, net"] == f"{performance['sharpe_ratio']:.2f}"
    assert len(performance["findings"]) > 0
    text = page.locator("ul.findings").first.inner_text()
    for finding in performance["findings"]:
        assert f"{finding['threshold']}): {finding['remedy']}" in text

    table = read["instruments"].set_index("instrument")
    rows = table_of(page, "instruments")
    assert {row[0] for row in rows} == set(table.index[table["contracts_traded"] > 0])
    profits = read["profits"].set_index("date").sum()
    for row in rows:
        assert row[5] == f"{profits[row[0]]:,.0f}"
        assert row[4] == f"{table.at[row[0], 'roll_cost']:,.0f}"
    head = page.locator("#instruments th", has_text="net").locator("button")
    head.click()
    nets = [float(row[5].replace(",", "")) for row in table_of(page, "instruments")]
    assert nets == sorted(nets)

    years = read["returns"].groupby(read["returns"]["date"].str[:4])[["trading_cost", "roll_cost", "cost"]].sum()
    assert table_of(page, "costs") == [
        [year, *(f"{100 * value:.2f}%" for value in line)]
        for year, line in zip(years.index, years.to_numpy(), strict=True)
    ]
    last = read["positions"].set_index("date").iloc[-1]
    assert {row[0]: int(row[3]) for row in table_of(page, "positions")} == {row[0]: int(last[row[0]]) for row in rows}
    assert page.locator("#figures th").all_inner_texts()[1:] == ["greedy", "rounded", "unrounded"]
    page.close()


def test_the_account_under_the_pointer_is_that_of_the_files(folder: Path, browser: Any) -> None:
    returns = pd.read_csv(folder / "returns.csv", index_col="date", parse_dates=["date"])
    account, day = returns["net"].cumsum(), returns.index[150]
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((folder / "report.html").as_uri())
    chart = page.locator("figure.chart").first
    chart.scroll_into_view_if_needed()
    width = chart.locator("svg").bounding_box()["width"]
    share = (day - returns.index[0]) / (returns.index[-1] - returns.index[0])
    chart.locator("svg").hover(position={"x": width * share, "y": 40})
    lines = chart.locator(".tip").inner_text().split("\n")
    assert lines[0] == f"{day:%Y-%m-%d}"
    assert [line.split(":")[0] for line in lines[1:]] == ["greedy", "rounded", "unrounded"]
    assert float(re.findall(r"(-?[\d.]+)%", lines[1])[0]) == pytest.approx(100 * account[day], abs=0.06)
    page.close()


@pytest.mark.parametrize("compound", [False, True])
def test_months_and_years_come_to_the_account(compound: bool) -> None:
    run = backtest(MARKET, optimizer="rounded", compound=compound, **SETTINGS)
    table = returns_by_month(run)
    assert list(table.index) == [2016, 2017]
    assert table.loc[2017, list(range(7, 13))].isna().all()
    months = table[list(range(1, 13))].fillna(0.0).to_numpy().ravel()
    years = table["year"]
    total = run.account.iloc[-1] / 400_000 - 1
    for parts in (months, years):
        assert ((1 + parts).prod() - 1 if compound else parts.sum()) == pytest.approx(total, rel=1e-9)
    march = run.account[(run.account.index >= "2016-02-29") & (run.account.index < "2016-04-01")]
    assert march.index[0] == pd.Timestamp("2016-02-29")
    base = march.iloc[0] if compound else 400_000
    assert table.at[2016, 3] == pytest.approx((march.iloc[-1] - march.iloc[0]) / base, rel=1e-9)


def test_the_worst_days_are_those_of_the_account_with_what_was_held(folder: Path) -> None:
    run = Backtest.load(folder)
    found = worst_days(run, 4)
    change = run.account.diff()
    assert [day["date"] for day in found] == list(change.nsmallest(4).index)
    for day in found:
        assert day["profit"] == pytest.approx(change[day["date"]])
        assert sum(profit for *_, profit in day["instruments"]) == pytest.approx(day["profit"])
        before = run.positions.shift().loc[day["date"]]
        assert {name: held for name, held, *_ in day["instruments"] if held} == before[before != 0].to_dict()
        profits = [profit for *_, profit in day["instruments"]]
        assert profits == sorted(profits)


def test_a_run_that_never_holds_anything_and_a_lost_account_have_a_page(tmp_path: Path) -> None:
    idle = backtest(MARKET, optimizer="rounded", capital=100.0, start="2016-01-01", end="2016-06-30")
    page = write_report(idle, tmp_path / "idle.html").read_text(encoding="utf-8")
    assert f"Never held: {', '.join(sorted(NAMES))}." in page
    assert "No day lost anything." in page
    wild = backtest(
        MARKET, Strategy(risk_target=8.0, multiplier_cap=10.0), optimizer="rounded", capital=400_000.0, compound=True,
        start="2016-01-01", end="2017-06-30",
    )  # fmt: skip
    assert wild.performance["account_lost"] is not None
    page = write_report(wild, tmp_path / "wild.html").read_text(encoding="utf-8")
    lost = pd.Timestamp(wild.performance["account_lost"])
    assert f"(on {lost:%Y-%m-%d}): everything was closed" in page
    assert f"The account was lost on {lost:%Y-%m-%d}; charts end on that day." in page
    assert lost < wild.returns.index[-1]
    charts = re.findall(r'<figure class="chart" data-x="day" data-from="([\d.]+)" data-to="([\d.]+)"', page)
    assert len(charts) == 5
    assert {tuple(map(float, ends)) for ends in charts} == {
        tuple(float((day - pd.Timestamp(0)).days) for day in (wild.returns.index[0], lost))
    }
    assert returns_by_month(wild).index[-1] == pd.Timestamp(wild.performance["account_lost"]).year


def test_beside_an_account_that_was_lost_the_others_go_on_and_axes_are_the_same(tmp_path: Path) -> None:
    wild = backtest(
        MARKET, Strategy(risk_target=8.0, multiplier_cap=10.0), optimizer="rounded", capital=400_000.0, compound=True,
        start="2016-01-01", end="2017-06-30",
    )  # fmt: skip
    calm = backtest(MARKET, optimizer="greedy", **SETTINGS)
    lost = pd.Timestamp(wild.performance["account_lost"])
    for page in (
        write_report(replace(wild, beside={"greedy": calm}), tmp_path / "r.html").read_text(encoding="utf-8"),
        write_comparison_report({("a", "rounded"): wild, ("b", "greedy"): calm}, tmp_path / "c.html").read_text(
            encoding="utf-8"
        ),
    ):
        assert len(set(re.findall(r'data-from="([\d.]+)" data-to="([\d.]+)"', page))) == 1
        ends = dict(re.findall(r'data-name="(rounded|greedy)" d="[^"]*L(\d+) [-\d]+"/>', page))
        first = wild.returns.index[0]
        assert ends == {
            "rounded": f"{(lost - first).days}", "greedy": f"{(calm.returns.index[-1] - first).days}"
        }  # fmt: skip


def with_a_tick(market: Market, name: str, day: str) -> Market:
    """The market as read from frames, with a price a hundred times too large."""
    prices, adjusted = market.prices.copy(), market.adjusted.copy()
    for frame in (prices, adjusted):
        frame.loc[day, name] *= 100
    return market_from_frames(prices, market.specifications, adjusted=adjusted, fx=market.fx)


def test_suspect_prices_and_kept_positions_stand_on_the_page_and_in_the_folder(tmp_path: Path) -> None:
    ticked = with_a_tick(MARKET, "CORN", "2016-07-15")  # a Friday, on which the run rebalances
    out = tmp_path / "C" / "trend" / "greedy"
    run = backtest(ticked, optimizer="greedy", out=out, **SETTINGS)
    (note,) = run.notes
    assert note.startswith("CORN: ")
    assert "2016-07-15" in note
    assert json.loads((out / "performance.json").read_text())["notes"] == [note]
    reason = run.rebalances.at[pd.Timestamp("2016-07-15"), "reason"]
    assert reason.startswith("CORN keeps its position: ")
    loaded = Backtest.load(out)
    assert (loaded.notes, list(loaded.kept.index)) == ([note], [pd.Timestamp("2016-07-15")])
    assert "notes" not in loaded.performance
    page = html.unescape(write_report(loaded, tmp_path / "r.html").read_text(encoding="utf-8"))
    both = html.unescape(
        write_comparison_report({("trend", "greedy"): loaded}, tmp_path / "c.html").read_text(encoding="utf-8")
    )
    for text in (page, both):
        assert f">{note}</li>" in text
        assert f"<li>{reason} (2016-07-15)</li>" in text
    beside = write_report(replace(loaded, beside={"exact": loaded}), tmp_path / "b.html").read_text(encoding="utf-8")
    assert html.unescape(beside).count(f": {reason} (2016-07-15)</li>") == 2
    assert "There are no notes on the data." in write_report(
        backtest(MARKET, optimizer="greedy", **SETTINGS), tmp_path / "clean.html"
    ).read_text(encoding="utf-8")
    content = json.loads((out / "performance.json").read_text())
    del content["notes"]
    (out / "performance.json").write_text(json.dumps(content))
    assert "before notes on the data were kept" in write_report(Backtest.load(out), tmp_path / "o.html").read_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_table_fits_or_shows_that_it_scrolls(tmp_path: Path, comparison: Path, browser: Any, width: int) -> None:
    runs = {("trend_following_slow", name.upper()): run for (_, name), run in read_comparison(comparison).items()}
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(write_comparison_report(runs, tmp_path / "long.html").as_uri())
    box = page.locator(".scroll:has(#runs)")
    hint = page.locator(".hint").first
    cut = box.evaluate("box => box.scrollWidth > box.clientWidth")
    assert cut == (width == 390)
    assert hint.is_visible() == cut
    assert ("more" in box.get_attribute("class").split()) == cut
    assert (box.evaluate("box => getComputedStyle(box).maskImage") != "none") == cut
    box.evaluate("box => box.scrollLeft = box.scrollWidth")
    page.wait_for_function("!document.querySelector('.scroll').classList.contains('more')")
    page.close()


@pytest.mark.parametrize("width", [1280, 700, 390])
def test_no_two_marks_of_an_axis_run_into_each_other(folder: Path, comparison: Path, browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    for path in (folder, comparison):
        page.goto((path / "report.html").as_uri())
        for axis in page.locator(".across").all():
            spans = axis.evaluate(
                "axis => [...axis.children].map(one => one.getBoundingClientRect()).filter(one => one.width)"
                ".map(one => [one.left, one.right])"
            )
            assert len(spans) >= 2
            for (_, end), (start, _) in pairwise(spans):
                assert start > end
    page.close()


def test_an_optimizer_has_one_colour_on_every_page(folder: Path, comparison: Path) -> None:
    def styles(page: str) -> dict[str, str]:
        found = re.findall(r'class="line (s\d d\d)" data-name="(\w+)"', page)
        return {name: style for style, name in found}

    one, other = (styles((path / "report.html").read_text(encoding="utf-8")) for path in (folder, comparison))
    assert one["greedy"] == other["greedy"] == "s1 d0"
    assert one["rounded"] == other["rounded"] == "s2 d0"
    assert optimizer_colours(["scip", "unrounded", "mine", "exact"]) == {
        "scip": 4, "unrounded": 3, "mine": 5, "exact": 0
    }  # fmt: skip
    many = optimizer_colours([f"own{number}" for number in range(9)])
    assert len(set(many.values())) == 9


def test_the_page_of_a_comparison_has_every_run(comparison: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((comparison / "report.html").as_uri())
    heads = page.locator("#runs th").all_inner_texts()
    rows = table_of(page, "runs")
    assert [row[:2] for row in rows] == [[one, two] for one in ("trend", "long") for two in ("rounded", "greedy")]
    for row in rows:
        shown = dict(zip(heads, row, strict=True))
        performance = json.loads((comparison / row[0] / row[1] / "performance.json").read_text())
        assert shown["return"] == f"{performance['annualized_return']:.1%}"
        assert shown["of rolls"] == f"{performance['annual_roll_cost']:.2%}"
        assert shown["realised"] == f"{performance['realised_tracking_error']:.2%}"
    assert page.locator("section h3").all_inner_texts() == ["trend", "long"]
    assert page.locator("section path.line").count() == 4
    assert page.locator("details").count() == 4
    page.close()


def test_report_knows_what_a_folder_holds(folder: Path, comparison: Path, tmp_path: Path) -> None:
    study = tmp_path / "G"
    grid = GapGrid(capitals=(250_000,), cost_multipliers=(50,), paths=("greedy",), start="2017-05-01", end="2017-06-01")
    run_gap_study(MARKET.select(NAMES[:3]), grid, study)
    for number, (path, title) in enumerate(
        ((folder, "Backtest: greedy"), (comparison, "Comparison"), (study, "How far from the best is greedy?"))
    ):
        out = tmp_path / f"{number}.html"
        done = run_command("report", path, "--out", out)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"written: {out}\n", "")
        assert f"<title>{title}</title>" in out.read_text(encoding="utf-8")
    assert run_command("report", study).stdout == f"written: {study / 'report.html'}\n"


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.html.gz"])
def test_a_page_under_the_name_of_something_else_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    done = run_command("report", folder, "--out", tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: out: expected a name that ends with .html or .htm, found '{name}': a page is HTML, which a browser "
        "prints as PDF\n"
    )
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("settings", ['{"editor.tabSize": 2}', "// not JSON\n{}", '["a"]', '{"format": 3}'])
def test_settings_of_somebody_else_make_no_comparison(comparison: Path, tmp_path: Path, settings: str) -> None:
    for place in ("home/project/.vscode", "home/.config", "runs/x/y"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "settings.json").write_text(settings)
    with pytest.raises(FormatError, match=r"holds no backtest, comparison or gap study: found project; make one"):
        kind_of(tmp_path / "home")
    (tmp_path / "settings.json").write_text(settings)
    with pytest.raises(FormatError, match=r"found home, runs, settings\.json; make one"):
        kind_of(tmp_path)
    shutil.copytree(comparison, tmp_path / "runs", dirs_exist_ok=True)
    done = run_command("report", tmp_path / "runs", "--out", tmp_path / "page.html")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_damaged_run_and_a_folder_with_a_study_are_told_from_a_comparison(comparison: Path, tmp_path: Path) -> None:
    shutil.copytree(comparison, tmp_path / "C")
    (tmp_path / "C" / "long" / "greedy" / "settings.json").write_text("{")
    done = run_command("report", tmp_path / "C")
    assert done.returncode == 2
    assert f"{tmp_path / 'C' / 'long' / 'greedy' / 'settings.json'}: is damaged" in done.stderr
    study = tmp_path / "studies" / "G"
    (study / "cell").mkdir(parents=True)
    (study / "settings.json").write_text('{"format": "dynopt-milp study 3"}')
    (study / "cell" / "settings.json").write_text('{"format": "dynopt-milp backtest 4"}')
    with pytest.raises(FormatError, match=r"found folders of runs \(G\); report one of these"):
        kind_of(tmp_path / "studies")


def test_runs_that_are_not_of_the_table_are_left_out_with_a_word(comparison: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"strategy": ["long", "trend"], "optimizer": ["greedy", "greedy"]})
    table.to_csv(comparison / "comparison.csv", index=False)
    done = run_command("report", comparison, "--out", tmp_path / "page.html")
    (comparison / "comparison.csv").unlink()
    assert done.returncode == 0
    assert done.stderr == "left out, not in comparison.csv: long/rounded, trend/rounded\n"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index("<summary>long, greedy") < page.index("<summary>trend, greedy")


def test_a_folder_of_something_else_is_refused_with_what_it_holds(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere: does not exist"):
        kind_of(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="holds no backtest, comparison or gap study: found nothing; make one"):
        kind_of(tmp_path)
    (tmp_path / "CORN.csv").touch()
    with pytest.raises(FileError, match=r"CORN\.csv: is a file; expected a folder"):
        kind_of(tmp_path / "CORN.csv")
    with pytest.raises(FormatError, match=r"found CORN\.csv; make one with dynopt-milp"):
        kind_of(tmp_path)
    with pytest.raises(FormatError, match=r"found folders of runs \(rounded, unrounded\); report one of these"):
        kind_of(folder / "beside")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "settings.json").write_bytes((folder / "settings.json").read_bytes())
    done = run_command("report", tmp_path / "begun")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'begun'}: holds a run that is not finished; run the same again\n"
    old = tmp_path / "old"
    shutil.copytree(folder, old, ignore=shutil.ignore_patterns("profits.csv", "instruments.csv"))
    settings = json.loads((old / "settings.json").read_text())
    (old / "settings.json").write_text(json.dumps(settings | {"format": "dynopt-milp backtest 3"}))
    assert "expected the format 'dynopt-milp backtest 4'; run the backtest again" in run_command("report", old).stderr
