"""The README is short, its Python runs, and its figures are those of the committed studies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from comparisons.greedy_gap import study as gap
from comparisons.solver_race import scale
from comparisons.solver_race import study as race
from comparisons.swap_in import study as swap
from tests.pages import run_page

PATH = Path(__file__).resolve().parents[1] / "README.md"
README = PATH.read_text(encoding="utf-8")
MEASURED = " ".join(README.partition("## Measured")[2].partition("\n## ")[0].split())


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_the_python_runs() -> None:
    printed = "".join(printed for printed, _ in run_page(PATH))
    assert printed.startswith("optimal ")
    assert "AUD_micro" in printed


def test_the_gap_is_that_of_the_committed_study() -> None:
    results = pd.read_csv(gap.RESULTS)
    assert f"**{results['rebalances'].sum():,}** rebalances" in MEASURED
    along = results[(results["path"] == "greedy") & (results["size"] == 42) & (results["cost_multiplier"] == 50)]
    book = along.set_index("capital").loc[[50_000.0, 250_000.0, 1_000_000.0]]
    mean = [f"{100 * value:.0f} %" for value in book["mean_gap"]]
    assert f"{mean[0]} above the optimum at $50,000, {mean[1]} at $250,000 and {mean[2]} at $1m" in MEASURED
    best = [f"{100 * value:.1g}" if value < 0.01 else f"{100 * value:.0f}" for value in book["greedy_optimal"]]
    assert f"optimal in {best[0]}, {best[1]} and {best[2]} % of the rebalances" in MEASURED


def test_the_times_are_those_of_the_committed_race() -> None:
    results = race.table(pd.read_csv(race.RESULTS)).set_index(["family", "cost_multiplier", "racer"])
    book = results.loc["real", 50.0]
    assert f"median {1000 * book.loc['branch_and_bound', 'median_seconds']:.1f} ms" in MEASURED
    times = {name: book.loc[name, "times"] for name in ("gurobi", "copt", "cplex", "greedy", "greedy_in_full")}
    assert (
        f"Gurobi takes **{times['gurobi']:.0f}** times as long, COPT {times['copt']:.0f}, CPLEX {times['cplex']:.0f}; "
        f"the greedy search {times['greedy']:.2f} times, {times['greedy_in_full']:.1f} where it evaluates" in MEASURED
    )
    assert book.loc[list(times)[:3], "correct"].eq(1).all()  # no ratio is a mere lower bound
    sizes = pd.read_csv(scale.RESULTS)
    proved = (sizes["status"] == "optimal").sum()
    assert f"{proved} of {len(sizes)} problems of {sizes['n'].min()} to {sizes['n'].max()} instruments" in MEASURED


def test_the_cost_of_a_swap_in_is_that_of_the_committed_study() -> None:
    search = swap.table(pd.read_csv(swap.RESULTS))["search ÷ exact"]
    theirs = swap.table(pd.read_csv(swap.THEIRS))["theirs ÷ swap_in"]
    assert (
        f"A bare greedy search takes **{search.min():.2g} to {search.max():.2g}** times as long as the exact swap-in, "
        f"pysystemtrade's {theirs.min():.2g} to {theirs.max():.2g} times" in MEASURED
    )
