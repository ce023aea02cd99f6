"""Explanations, alternatives and trade-offs at the command line and on their page, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import (
    Backtest,
    InputError,
    Limits,
    OrderCosts,
    Problem,
    Strategy,
    backtest,
    example_problem,
    rebalance,
    rules,
    simulated_market,
)
from dynopt_milp.backtests import problem_of_run
from dynopt_milp.errors import FormatError
from dynopt_milp.show import write_explanation
from dynopt_milp.show.explanations import price_text
from dynopt_milp.why import QUESTIONS, alternatives, explain, trade_off
from tests.command_line import read_json, run

SOME = ["US10", "BUND", "ES_micro", "NQ_micro", "GOLD_micro", "CRUDE_mini", "CORN", "EUR_micro"]
YEAR = ("--start", "2018-01-01", "--end", "2018-06-30", "--instruments", ",".join(SOME), "--capital", "100000")


@pytest.fixture(scope="module")
def problem_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("why") / "problem.json"
    example_problem(250_000.0).to_json(path)
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    problem = example_problem(250_000.0).replace(rules=[rules.max_holdings(12)], capital=250_000.0)
    found = explain(problem, rebalance(problem))
    path = tmp_path_factory.mktemp("page") / "why.html"
    write_explanation(path, found, trade_off=trade_off(problem), alternatives=alternatives(problem, 0.05, 30))
    return path, found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run"
    done = run("backtest", *YEAR, "--out", path)
    assert done.returncode == 0, done.stderr
    return path


def test_json_of_the_command_is_what_python_says(problem_file: Path) -> None:
    done = run("explain", problem_file, "--json")
    assert done.returncode == 0, done.stderr
    content = read_json(done.stdout)
    problem = Problem.from_json(problem_file)
    found = explain(problem, rebalance(problem)).to_dict()
    for name in ("portfolios", "instruments", "binding", "greedy", "together"):
        assert content[name] == json.loads(json.dumps(found[name]))
    assert content["format"] == "dynopt-milp explanation 1"


def test_tables_have_the_numbers_of_the_json(problem_file: Path) -> None:
    text = run("explain", problem_file).stdout
    content = read_json(run("explain", problem_file, "--json").stdout)
    shown = {line.split()[0]: line.split() for line in text.splitlines() if len(line.split()) >= 8}
    for line in content["instruments"]:
        if line["held"] or line["optimised"] or line["rounded"]:
            values = [line["prices"][question]["value"] for question in QUESTIONS]
            written = shown[line["instrument"]][-len(QUESTIONS) :]
            for value, word in zip(values, written, strict=True):
                assert float(word) == pytest.approx(value / 1e-4, rel=6e-3, abs=0.05)


def test_alternatives_and_trade_offs_at_the_command_line(problem_file: Path) -> None:
    pool = read_json(run("alternatives", problem_file, "--within", "0.02", "--json").stdout)
    found = alternatives(Problem.from_json(problem_file), 0.02)
    assert pool["format"] == "dynopt-milp alternatives 1"
    assert pool["complete"] is True
    assert len(found) == len(pool["contracts"])
    done = run("alternatives", problem_file, "--within", "inf", "--most", "5")
    assert done.returncode == 0
    assert "the 5 best of more; proved to be the best" in " ".join(done.stdout.split())
    frontier = read_json(run("trade-off", problem_file, "--json").stdout)
    assert frontier["format"] == "dynopt-milp trade-off 1"
    assert "half the cost" in run("trade-off", problem_file).stdout


@pytest.mark.parametrize("command", ["explain", "alternatives", "trade-off"])
def test_every_source_of_a_rebalance_will_do(command: str, tmp_path: Path) -> None:
    names = ["A", "B"]
    (tmp_path / "targets.csv").write_text(
        "instrument,position,weight_per_contract,cost_in_weight_terms\nA,1.4,0.2,1e-4\nB,-2.3,0.1,1e-4\n"
    )
    pd.DataFrame([[0.04, 0.01], [0.01, 0.03]], names, names).to_csv(tmp_path / "covariance.csv")
    done = run(command, "--targets", "targets.csv", "--covariance", "covariance.csv", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    example_problem(100_000.0).to_json(tmp_path / "problem.json")
    assert run("rebalance", "problem.json", "--out", "trades.json", cwd=tmp_path).returncode == 0
    done = run(command, "trades.json", "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "made from the trades" in done.stderr
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("command", ["explain", "alternatives", "trade-off"])
def test_a_day_of_a_finished_backtest_will_do(command: str, folder: Path) -> None:
    run_of = Backtest.load(folder)
    day = run_of.rebalances.index[5]
    done = run(command, folder, "--date", f"{day:%Y-%m-%d}", "--json")
    assert done.returncode == 0, done.stderr
    content = read_json(done.stdout)
    assert content["date"] == f"{day:%Y-%m-%d}"
    if command == "explain":
        assert content["optimum"]["objective"] == run_of.rebalances["objective"].iloc[5]
        held = {line["instrument"]: line["held"] for line in content["instruments"]}
        assert all(run_of.positions.loc[day, name] == contracts for name, contracts in held.items())


def test_what_a_run_was_not_made_with_is_refused(folder: Path, tmp_path: Path) -> None:
    days = [f"{day:%Y-%m-%d}" for day in Backtest.load(folder).rebalances.index]
    for words, said in (
        (("explain", folder), "--date: is needed"),
        (("explain", folder, "--date", "2018-02-03"), "is no rebalance of the run"),
        (("explain", folder, "--date", days[3], "--same-side", "all"), "makes no sense where a backtest says"),
        (("explain", folder, "--date", days[3], "--max-holdings", "3"), "makes no sense where a backtest says"),
        (("explain", folder, "--date", days[3], "--capital", "3"), "makes no sense where a backtest says"),
        (("explain", folder, "--date", days[3], "--data", tmp_path), "the run is of a simulated market"),
        (("rebalance", folder), "is a folder"),
        (("explain", tmp_path), "is a folder"),
        (("alternatives", folder, "--date", days[3], "--within", "-1"), "within"),
        (("alternatives", folder, "--date", days[3], "--most", "0"), "most"),
    ):
        done = run(*words)
        assert done.returncode == 2, words
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_limits_and_rules_of_a_run_are_those_of_its_folder(tmp_path: Path) -> None:
    house = ("--max-holdings", "3", "--max-risk", "0.2", "--same-side", "all", "--preset", "book")
    done = run("backtest", *YEAR, *house, "--forecasts", "long-only", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    kept = Backtest.load(tmp_path / "run")
    day = kept.rebalances.index[3]
    content = read_json(run("explain", tmp_path / "run", "--date", f"{day:%Y-%m-%d}", "--json").stdout)
    assert content["optimum"]["objective"] == kept.rebalances["objective"].iloc[3]
    assert sum(line["optimised"] != 0 for line in content["instruments"]) <= 3
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    for name, value, said in (
        ("rules", "a.function", "rules: of the run were made in Python"),
        ("limits", {"lower": "3f4a"}, "limits: of the run were made in Python"),
        ("strategy", settings["strategy"] | {"forecasts": "mine"}, "strategy: of the run was made in Python"),
        ("market", "0" * 64, "market: is of no simulated market"),
    ):
        (tmp_path / "run" / "settings.json").write_text(json.dumps(settings | {name: value}))
        done = run("explain", tmp_path / "run", "--date", f"{day:%Y-%m-%d}")
        assert done.returncode == 2
        assert said in done.stderr


def test_the_problem_of_a_day_is_what_the_run_solved() -> None:
    market = simulated_market(2, instruments=SOME)
    house = [rules.max_holdings(4)]
    one = backtest(
        market, capital=100_000.0, start="2018-01-01", end="2018-03-31", limits=Limits(same_side=True), rules=house,
        compound=True,
    )  # fmt: skip
    strategy = Strategy()
    for day, row in one.rebalances.iterrows():
        made = problem_of_run(one, market, strategy, day, limits=Limits(same_side=True), rules=house)
        found = rebalance(made, buffer_fraction=one.settings["buffer_fraction"])
        assert found.optimised.objective == row["objective"]
        assert made.capital == row["capital"]
    with pytest.raises(InputError, match="market"):
        problem_of_run(one, simulated_market(3, instruments=SOME), strategy, day, limits=Limits(same_side=True),
                       rules=house)  # fmt: skip
    with pytest.raises(InputError, match="strategy"):
        problem_of_run(one, market, Strategy(risk_target=0.1), day, limits=Limits(same_side=True), rules=house)
    failed = one.rebalances.assign(status="failed", reason="why not")
    with pytest.raises(FormatError, match="why not"):
        problem_of_run(
            Backtest(one.positions, failed, one.returns, one.performance, one.settings), market, strategy, day
        )


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_without_a_network_within_the_window(page: tuple[Path, Any], browser: Any, width: int) -> None:
    path, _ = page
    tab = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    wrong: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(path.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert wrong == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator("h2").first.inner_text() == "Trades"
    names = [tab.locator("figure.chart svg").nth(place).get_attribute("aria-label") for place in range(1)]
    assert all(names)
    tab.close()


def test_the_page_has_the_numbers_of_the_json_and_sorts_by_keyboard(page: tuple[Path, Any], browser: Any) -> None:
    path, found = page
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(path.as_uri())
    rows = tab.locator("#instruments tbody tr")
    assert rows.count() == len(found.prices)
    heads = tab.locator("#instruments thead th").all_inner_texts()
    first = next(place for place, head in enumerate(heads) if "not traded" in head)
    for place, line in enumerate(found.prices):
        cells = rows.nth(place).locator("td").all_inner_texts()
        assert cells[0] == line.instrument
        assert cells[first : first + len(QUESTIONS)] == [price_text(line.prices[question]) for question in QUESTIONS]
        assert cells[-1] == line.words
    lines = tab.locator("#portfolios tbody tr")
    for place, portfolio in enumerate(found.lines):
        if portfolio.objective is not None:
            assert f"{portfolio.objective:.6f}" in lines.nth(place).inner_text()
    bound = tab.locator("#binding tbody tr").all_inner_texts()
    assert [one.words in text for one, text in zip(found.binding, bound, strict=True)]
    button = tab.locator("#instruments thead button").nth(first + 1)
    button.focus()
    tab.keyboard.press("Enter")
    values = [float(value) for value in tab.locator(f"#instruments tbody tr td:nth-child({first + 2})").evaluate_all(
        "cells => cells.map(cell => cell.dataset.value)")]  # fmt: skip
    assert values == sorted(values)
    tab.locator("figure.chart svg").hover()
    assert re.search(r"\d%", tab.locator("figure.chart .tip").inner_text())
    tab.close()


def test_a_page_of_the_worst_input_is_whole_and_safe(tmp_path: Path, browser: Any) -> None:
    random, size = np.random.default_rng(1), 300
    names = [f"<script>alert({place})</script> & \"{place}'" for place in range(size)]
    factor = random.normal(size=(12, size)) * 0.1
    target = random.normal(size=size) * 0.3
    problem = Problem(
        factor.T @ factor + 0.03 * np.eye(size), target, random.uniform(0.02, 0.3, size), 0, 1.0, 500.0,
        instruments=names,
    )  # fmt: skip
    result = rebalance(problem)
    assert not result.contracts.any()
    found = explain(problem, result, time_limit=20)
    frontier, pool = trade_off(problem, time_limit=1), alternatives(problem, 0.01, 50, time_limit=2)
    path = write_explanation(
        tmp_path / "worst.html", found, trade_off=frontier, alternatives=pool, known={"notes": names[:2]}
    )
    text = path.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    tab = browser.new_page(viewport={"width": 390, "height": 900})
    wrong: list[str] = []
    tab.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(path.as_uri())
    assert wrong == []
    assert tab.locator("#instruments tbody tr").count() == size
    assert "No trades" in tab.locator("#trades").inner_text()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()


def test_the_page_prints_on_a4(page: tuple[Path, Any], browser: Any) -> None:
    path, _ = page
    tab = browser.new_page(viewport={"width": 703, "height": 900})  # 210 mm less margins of 12, at 96 dots an inch
    tab.emulate_media(media="print")
    tab.goto(path.as_uri())
    for table in ("trades", "portfolios", "instruments", "alternatives"):
        assert tab.locator(f"#{table}").evaluate("table => table.scrollWidth") <= 703, table
    tab.close()


def test_names_with_markup_are_printed_as_they_are(tmp_path: Path) -> None:
    names = ["[/b]", "[red]A", "B"]
    random = np.random.default_rng(2)
    factor = random.normal(size=(3, 3)) * 0.2
    problem = Problem(factor.T @ factor, [2.4, -1.6, 1.5], [0.1, 0.1, 0.1], 0, 1e-4, 5.0, instruments=names)
    problem.to_json(tmp_path / "p.json")
    for command in ("explain", "trade-off"):
        done = run(command, tmp_path / "p.json")
        assert done.returncode in (0, 3), done.stderr
    done = run("alternatives", tmp_path / "p.json", "--within", "0.5")
    assert done.returncode == 0, done.stderr
    assert "[/b]" in done.stdout


def test_costs_of_trades_on_the_page_are_those_of_the_trades_after_the_buffer(tmp_path: Path, browser: Any) -> None:
    problem = example_problem(250_000.0).replace(
        order_costs=OrderCosts(per_order=1e-5), capital=250_000.0,
        previous_positions=np.random.default_rng(1).integers(-2, 3, 32),
    )  # fmt: skip
    result = rebalance(problem, buffer_fraction=0.2)
    assert (result.held_back != 0).any()
    found = explain(problem, result)
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(write_explanation(tmp_path / "page.html", found).as_uri())
    heads = tab.locator("#trades thead th").all_inner_texts()
    place = next(place for place, head in enumerate(heads) if head.startswith("cost"))
    cells = tab.locator(f"#trades tbody tr td:nth-child({place + 1})").all_inner_texts()
    total = sum(float(text.replace(",", "")) for text in cells if text.strip())
    assert total == pytest.approx(result.cost * 250_000, abs=0.01 * len(cells))
    tab.close()


def test_one_instrument_can_be_asked_about(problem_file: Path) -> None:
    done = run("explain", problem_file, "--only", "BUND,VIX")
    assert done.returncode == 0
    assert "BUND, " in done.stdout
    assert "one more" in done.stdout
    assert "portfolio  " not in done.stdout
    done = run("explain", problem_file, "--only", "BUNT")
    assert done.returncode == 2
    assert "there is no 'BUNT'" in done.stderr


def test_a_time_limit_is_one_for_everything_and_what_is_open_comes_first(problem_file: Path, tmp_path: Path) -> None:
    done = run("explain", problem_file, "--time-limit", "1e-6", "--html", tmp_path / "why.html")
    assert done.returncode == 3
    assert done.stdout.startswith("not proved")
    assert "best portfolio that is known" in " ".join(done.stdout.split())
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert page.index('id="not_proved"') < page.index("<h2>Trades")
    done = run("alternatives", problem_file, "--time-limit", "1e-6")
    assert "the best that is known" in " ".join(done.stdout.split())


def test_odd_files_are_told(folder: Path, tmp_path: Path, problem_file: Path) -> None:
    done = run("explain", tmp_path / "none", "--date", "2018-01-05")
    assert "no such file" in done.stderr.lower() or "does not exist" in done.stderr.lower()
    assert run("rebalance", problem_file, "--out", tmp_path / "trades.csv").returncode == 0
    assert "written as JSON" in run("explain", tmp_path / "trades.csv").stderr
    settings = json.loads((folder / "settings.json").read_text())
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    day = f"{Backtest.load(folder).rebalances.index[3]:%Y-%m-%d}"
    for change in ({"strategy": 3}, {"cost_multiplier": "a"}, {"strategy": {}}):
        (copy / "settings.json").write_text(json.dumps(settings | change))
        done = run("explain", copy, "--date", day)
        assert done.returncode == 2
        assert "damaged" in done.stderr
    (copy / "settings.json").write_text(json.dumps(settings | {"optimizer": "greedy"}))
    assert "the run was made with greedy" in run("explain", copy, "--date", day).stderr
