"""The demo prints what docs/demo.md shows, and its sentences follow from its figures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from comparisons.static_vs_dynamic.study import RESULTS
from dynopt_milp.backtests import Backtest
from dynopt_milp.backtests.metrics import ReturnDifference, above_best, return_difference
from dynopt_milp.commands import demo
from dynopt_milp.commands.cli import main
from dynopt_milp.commands.demo_claims import claim_costs, claim_distance, claim_returns, claim_tracking
from dynopt_milp.errors import BacktestInterrupted
from tests.dynopt_milp.test_command_line import COMMAND
from tests.test_docs import check_output

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "demo.md").read_text(encoding="utf-8")


def comparable(printed: str) -> str:
    """Without seconds and the way lines are broken."""
    printed = re.sub(r"^( *\$.*?)\S+ / \S+ *$", r"\1", printed, flags=re.MULTILINE)
    printed = re.sub(r"^seconds a rebalance.*$", "", printed, flags=re.MULTILINE)
    return " ".join(printed.split())


def test_the_demo_prints_what_its_page_shows_and_its_runs_bear_it_out(tmp_path: Path) -> None:
    """All of it in one test: 20 years are run once."""
    done = subprocess.run(
        [*COMMAND, "demo"], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = re.search(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)
    assert shown is not None
    check_output(comparable(done.stdout), comparable(shown[1]))
    said = comparable(done.stdout)

    runs = {name: Backtest.load(tmp_path / "demo" / name) for name in ("unrounded", "greedy", "exact")}
    assert (tmp_path / "demo" / "backtest.png").read_bytes()[:4] == b"\x89PNG"
    for found in runs.values():
        assert len(found.rebalances) == 1033
        assert found.performance["num_failed"] == 0
    greedy, exact = runs["greedy"].rebalances, runs["exact"].rebalances
    assert (exact["status"] == "optimal").all()
    assert (exact["objective"] <= exact["greedy_objective"] * (1 + 1e-6)).all()
    above = greedy["objective"] / greedy["exact_objective"] - 1
    assert above.min() > -1e-6
    assert f"{above.median():.1%} higher in the median, {above.mean():.1%} on average and {above.max():.1%}" in said

    net = runs["exact"].returns["net"] - runs["greedy"].returns["net"]
    t = net.mean() / net.std() * np.sqrt(len(net))
    assert f"(t = {t:.1f}): their returns cannot be told apart" in said
    assert abs(t) < 2
    for run in runs.values():
        assert run.performance["annual_roll_cost"] > 0.3 * run.performance["annual_cost"]
    paid = [f"{100 * runs[name].returns['cost'].mean() * 256:.2f}%" for name in ("exact", "greedy")]
    assert f"Exact paid {paid[0]} of capital a year," in said
    assert f"greedy {paid[1]} a year," in said
    errors = [(runs[name].returns["gross"] - runs["unrounded"].returns["gross"]).std() * 16 for name in runs]
    assert f"realised tracking error of exact is {errors[2]:.2%} a year, that of greedy {errors[1]:.2%};" in said


def test_what_the_page_says_of_real_futures_is_in_their_results() -> None:
    wide = pd.read_csv(RESULTS).pivot(index="capital", columns="optimizer")
    cost, trading, error = (wide[name] for name in ("annual_cost", "annual_trading_cost", "realised_tracking_error"))
    assert (trading["exact"] < trading["greedy"]).all()
    assert (cost["exact"] > cost["greedy"]).all()
    more = 100 * (cost["exact"] - cost["greedy"])
    assert f"{more.min():.2f} to {more.max():.2f} % of capital a year more" in " ".join(PAGE.split())
    assert list(error.index[error["exact"] < error["greedy"]]) == [1_000_000]


def days_of(years: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2001-01-01", f"{2000 + years}-12-31")


def gross_returns(sizes_of_exact: list[float], size_of_greedy: float = 1.0) -> dict[str, pd.Series]:
    """Unrounded earns nothing; exact is so far from it in each year, greedy the same in all."""
    index = days_of(len(sizes_of_exact))
    side = pd.Series(np.where(np.arange(len(index)) % 2, 0.001, -0.001), index=index)
    sizes = pd.Series(index.year - 2001, index=index).map(dict(enumerate(sizes_of_exact)))
    return {"unrounded": 0.0 * side, "greedy": size_of_greedy * side, "exact": sizes * side}


@pytest.mark.parametrize(
    ("sizes", "verdict", "closer"),
    [
        ([0.5] * 9, "Exact stayed closer", "9 of 9"),
        ([0.5] * 8 + [1.1], "Exact stayed closer", "8 of 9"),
        ([0.5] * 5 + [1.1] * 4, "cannot be told", "5 of 9"),
        ([0.5] * 8 + [9.0], "cannot be told", "8 of 9"),  # one year undoes it
        ([1.5] * 9, "Greedy stayed closer", "0 of 9"),
        ([1.0] * 9, "cannot be told", "0 of 9"),
    ],
)
def test_who_stayed_closer_is_said_only_where_years_and_days_agree(
    sizes: list[float], verdict: str, closer: str
) -> None:
    said = claim_tracking(gross_returns(sizes))
    if sizes == [1.0] * 9:  # no year is smaller, and neither is the whole
        assert "Exact stayed" not in said
        assert "Greedy stayed" not in said
    assert verdict in said
    assert f"in {closer} calendar years" in said


@pytest.mark.parametrize(
    ("mean", "error", "said", "not_said"),
    [
        (0.008, 0.015, "exact earned 0.8% a year more than greedy, with a standard error of 1.5% (t = 0.5): their "
         "returns cannot be told apart. If that were the true difference, it would take about 280 years", "chance"),
        (-0.012, 0.015, "exact earned 1.2% a year less than greedy", "chance"),
        (-0.012, 0.015, "(t = -0.8): their returns cannot be told apart. If", "chance"),
        (0.0, 0.015, "(t = 0.0): their returns cannot be told apart.", "years"),
        (1e-6, 0.015, "their returns cannot be told apart.", "years"),
        (0.03, 0.015, "a year more than greedy, with a standard error of 1.5% (t = 2.0): more than chance", "apart"),
        (-0.05, 0.015, "5.0% a year less than greedy, with a standard error of 1.5% (t = -3.3): more", "apart"),
        (0.0, 0.0, "earned the same", "standard error"),
    ],
)  # fmt: skip
def test_of_returns_it_says_what_their_standard_error_allows(
    mean: float, error: float, said: str, not_said: str
) -> None:
    claim = claim_returns(ReturnDifference(mean, error, 20.0))
    assert said in claim
    assert not_said not in claim


def test_greedy_that_finds_every_optimum_is_said_to() -> None:
    assert claim_distance(pd.Series([0.0, 0.0])) == "Greedy found the optimum at each of its 2 rebalances."
    assert claim_distance(pd.Series([0.0, 0.1, 0.5])) == (
        "Along its own path greedy missed the optimum at 2 of 3 rebalances; over all of them its objective is 10.0% "
        "higher in the median, 20.0% on average and 50.0% at most."
    )


def test_costs_are_those_of_the_runs() -> None:
    names = ("annual_cost", "annual_trading_cost", "annual_turnover", "annual_roll_cost", "annual_contracts_rolled")
    greedy = dict(zip(names, (0.0110, 0.0068, 1367.4, 0.0042, 123), strict=True))
    exact = dict(zip(names, (0.0112, 0.0064, 428, 0.0048, 1196), strict=True))
    assert claim_costs(greedy, exact) == (
        "Exact paid 1.12% of capital a year, 0.64% to trade 428 contracts and 0.48% to roll 1,196; greedy 1.10% a "
        "year, 0.68% to trade 1,367 and 0.42% to roll 123."
    )
    unknown = {"annual_roll_cost": None, "annual_contracts_rolled": None}
    known = [figures | unknown | {"annual_cost": figures["annual_trading_cost"]} for figures in (greedy, exact)]
    assert claim_costs(*known) == (
        "Exact paid 0.64% of capital a year to trade 428 contracts; greedy 0.68% a year to trade 1,367."
    )


def test_the_difference_of_returns_and_its_standard_error() -> None:
    days = days_of(4)
    random = np.random.default_rng(1)
    one, other = (pd.Series(random.normal(0.001, 0.01, len(days)), index=days) for _ in range(2))
    found = return_difference(one, other.iloc[10:])
    daily = (one - other).iloc[10:]
    assert found.mean == pytest.approx(daily.mean() * 256)
    assert found.standard_error == pytest.approx(daily.std() / np.sqrt(len(daily)) * 256)
    assert found.t == pytest.approx(daily.mean() / daily.std() * np.sqrt(len(daily)))
    longer = ReturnDifference(found.mean, found.standard_error * np.sqrt(found.years / found.years_to_show), 1.0)
    assert abs(longer.t) == pytest.approx(2.0)
    assert np.isnan(return_difference(one, one).t)
    assert ReturnDifference(0.0, 0.1, 5.0).years_to_show == float("inf")


def test_the_distance_from_the_best_is_of_whichever_method_found_it() -> None:
    rows = pd.DataFrame(
        {
            "optimizer": "greedy",
            "objective": [1.2, 1.0, np.nan, 1.0], "exact_objective": [1.0, 1.0 - 1e-7, 1.0, np.nan],
            "scip_objective": [1.1, 2.0, 1.0, 0.8],
        }
    )  # fmt: skip
    assert above_best(rows, "greedy").to_dict() == pytest.approx({0: 0.2, 1: 0.0, 3: 0.25})
    assert above_best(rows, "greedy")[1] == 0.0  # within the gap
    assert above_best(rows, "exact").to_dict() == {0: 0.0, 1: 0.0, 2: 0.0}
    assert above_best(rows, "scip").to_dict() == pytest.approx({0: 0.1, 1: 1.0, 2: 0.0, 3: 0.0}, abs=1e-6)
    assert above_best(rows, "highs").empty


def leave(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Any:
    monkeypatch.setattr(sys, "argv", ["dynopt-milp", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_a_folder_that_cannot_be_used_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "show_examples", lambda console: pytest.fail("worked first"))
    (tmp_path / "demo").write_text("a file")
    assert leave(monkeypatch, "demo", "--out", tmp_path / "demo") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {tmp_path / 'demo'}")
    assert printed.err.count("\n") == 1


def test_an_interrupted_demo_says_so_and_asks_for_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(seed: int, *, show_progress: bool) -> None:
        raise BacktestInterrupted(3, 1033, None)

    monkeypatch.setattr(demo, "show_examples", lambda console: None)
    monkeypatch.setattr(demo, "demo_backtests", interrupt)
    assert leave(monkeypatch, "demo", "--out", tmp_path) == 130
    assert capsys.readouterr().err == "interrupted\n"
