"""The swap-in study: what it times does the same job, and its committed table says what the page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparisons.swap_in import study
from comparisons.swap_in.search import greedy_weights
from comparisons.swap_in.their_search import their_search
from dynopt_milp import simulated_market
from dynopt_milp.adapters.book import exact_with_costs, greedy_with_costs_and_buffering
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
from dynopt_milp.errors import InputError
from dynopt_milp.trades.examples import example_problem


@pytest.mark.parametrize("capital", [50_000, 250_000])
def test_what_is_timed_does_the_same_job(capital: float) -> None:
    problem = example_problem(capital)
    day = study.book_day(problem)
    np.testing.assert_allclose(greedy_weights(day), greedy_with_costs_and_buffering(day), rtol=1e-9, atol=1e-12)
    best = ObjectiveFunction(**study.pysystemtrade_arguments(problem)).get_optimisation_results_raw()
    np.testing.assert_allclose(exact_with_costs(day), best, rtol=1e-12)


def test_a_small_run() -> None:
    market = simulated_market(3, instruments=["US10", "ES_micro", "GOLD_micro", "CORN", "EUR_micro"])
    results = study.run(market, days=2, capitals=(250_000.0,), sizes=(3,))
    assert results["size"].tolist() == [3, 3, 5, 5]
    assert (results["objective_exact"] <= results["objective_greedy"] * (1 + 1e-9)).all()
    assert len(study.table(results)) == 2
    assert results["theirs_seconds"].isna().all()


def test_a_folder_without_pysystemtrade_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pysystemtrade: cannot be imported from .*: No module named 'systems'"):
        their_search(tmp_path)


def test_the_committed_results_are_of_this_grid() -> None:
    results = pd.read_csv(study.RESULTS)
    assert len(results) == (len(study.SIZES) + 1) * len(study.CAPITALS) * study.DAYS
    assert (results["objective_exact"] <= results["objective_greedy"] * (1 + 1e-5)).all()


def test_what_the_pages_say_is_what_came_out() -> None:
    days, theirs = pd.read_csv(study.RESULTS), pd.read_csv(study.THEIRS)
    text = (study.FOLDER / "README.md").read_text(encoding="utf-8")
    assert study.page_tables(days, theirs) in text
    page, found = " ".join(text.split()), study.table(days)
    search, greedy = (
        " to ".join(f"{end:.2g}" for end in (found[name].min(), found[name].max()))
        for name in ("search ÷ exact", "greedy ÷ exact")
    )
    own = study.table(theirs)["theirs ÷ swap_in"]
    assert (
        f"takes {search} times as long as the exact swap-in, pysystemtrade's own {own.min():.2g} to {own.max():.2g} "
        f"times, and greedy with the checks of this package {greedy} times" in page
    )
    slower = days["exact_seconds"] - days["search_seconds"]
    assert (
        f"on {(slower > 0).sum()} of {len(days)} against the bare search ({1e3 * slower.max():.2f} ms more on the worst"
        in page
    )
    assert f"on {(days['exact_seconds'] > days['greedy_seconds']).sum()} of {len(days)} against greedy" in page
    assert f"on {(theirs['swap_in_seconds'] > theirs['theirs_seconds']).sum()} of {len(theirs)} against py" in page
