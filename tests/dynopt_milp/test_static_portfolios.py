"""Shares of risk: groups, selection by cost, decomposition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.errors import InputError
from dynopt_milp.strategy.risk import risk_decomposition
from dynopt_milp.strategy.static_portfolios import (
    FixedShares,
    Universe,
    all_weather,
    cheapest,
    groups,
    jumbo,
    risk_parity,
    select_by_cost,
    single_best,
)

CLASSES = pd.Series({"BUND": "Bond", "CORN": "Ags", "GAS": "OilGas", "SP500": "Equity", "TECH": "Sector", "VIX": "Vol"})
COSTS = pd.Series({"BUND": 0.001, "CORN": 0.004, "GAS": 0.02, "SP500": 0.0005, "TECH": 0.004, "VIX": np.nan})
UNIVERSE = Universe(CLASSES, COSTS)


def test_groups_know_the_names_of_asset_classes() -> None:
    assert groups(CLASSES) == {
        "equity": ["SP500", "TECH"], "bonds": ["BUND"], "commodities": ["CORN", "GAS"], "volatility": ["VIX"],
    }  # fmt: skip
    assert groups(pd.Series({"BTC": "Crypto"})) == {"crypto": ["BTC"]}


def test_risk_parity_is_equal_across_and_within_groups() -> None:
    assert risk_parity(UNIVERSE).to_dict() == {
        "SP500": 1 / 8, "TECH": 1 / 8, "BUND": 1 / 4, "CORN": 1 / 8, "GAS": 1 / 8, "VIX": 1 / 4,
    }  # fmt: skip


def test_all_weather_is_renormalised_over_what_is_there() -> None:
    shares = all_weather(UNIVERSE)
    assert shares.sum() == pytest.approx(1.0)
    assert shares["VIX"] == pytest.approx(0.125 / 0.875)
    assert shares["SP500"] + shares["TECH"] == pytest.approx(0.25 / 0.875)
    with pytest.raises(InputError, match="All Weather needs some of the groups"):
        all_weather(Universe(pd.Series({"BTC": "Crypto"}), pd.Series({"BTC": 0.001})))


def test_selection_by_cost() -> None:
    assert select_by_cost(COSTS) == ["SP500", "BUND", "CORN", "TECH"]
    assert select_by_cost(COSTS, limit=0.001) == ["SP500", "BUND"]
    assert cheapest(UNIVERSE, count=3).to_dict() == pytest.approx({"SP500": 1 / 3, "BUND": 1 / 3, "CORN": 1 / 3})
    assert single_best(UNIVERSE).to_dict() == {"SP500": 1.0}
    assert cheapest(Universe(CLASSES, COSTS + 1)).to_dict() == {"SP500": 1.0}  # all too dear: the cheapest one


def test_the_jumbo_portfolio_wants_fifty_instruments() -> None:
    names = [f"F{place:03d}" for place in range(120)]
    many = Universe(pd.Series("Equity", index=names), pd.Series(np.linspace(0.001, 0.011, 120), index=names))
    chosen = jumbo(many)
    assert chosen.index.tolist() == names[:100]
    assert (chosen == 0.01).all()
    with pytest.raises(InputError, match=r"at least 50 instruments .* found 4; .* fewest=4"):
        jumbo(UNIVERSE)
    assert len(jumbo(UNIVERSE, fewest=4)) == 4


def test_an_underlying_counts_once_however_many_sizes_it_has() -> None:
    sizes = ["SP500", "SP500_mini", "SP500_micro"]
    more = pd.concat([CLASSES, pd.Series("Equity", sizes[1:])])
    costs = pd.concat([COSTS, pd.Series([0.0004, 0.009], sizes[1:])])
    underlyings = more.index.to_series().replace(dict.fromkeys(sizes, "S&P 500"))
    several = Universe(more, costs, underlyings)
    for rule in (risk_parity, all_weather):
        one, shares = rule(UNIVERSE), rule(several)
        for name in sizes:
            assert shares[name] == pytest.approx(one["SP500"] / 3, rel=1e-15)
        others = one.index.drop("SP500")
        assert shares[others].to_dict() == one[others].to_dict()
    assert cheapest(several, count=3).to_dict() == {"SP500_mini": 1 / 4, "SP500": 1 / 4, "BUND": 1 / 2}
    assert single_best(several).to_dict() == {"SP500_mini": 1.0}
    assert jumbo(several, fewest=6).to_dict() == pytest.approx(
        dict.fromkeys(sizes, 1 / 12) | dict.fromkeys(("BUND", "CORN", "TECH"), 1 / 4)
    )
    assert risk_parity(Universe(more, costs))["SP500"] == 1 / 16  # without underlyings: four equities


def test_given_shares_are_renormalised_and_checked() -> None:
    given = FixedShares(pd.Series({"BUND": 2.0, "CORN": 1.0, "COCOA": 5.0}))
    assert given(UNIVERSE).to_dict() == {"BUND": 2 / 3, "CORN": 1 / 3}
    with pytest.raises(InputError, match="weights of COCOA: is not in the market"):
        given.check(CLASSES.index)
    for bad, message in (
        ({"BUND": -1.0}, "weights of BUND"),
        ({"BUND": np.nan}, "of BUND"),
        ({"BUND": 0.0}, "at least"),
    ):
        with pytest.raises(InputError, match=message):
            FixedShares(pd.Series(bad))


def test_risk_shares_sum_to_one_and_equal_risk_means_equal_shares() -> None:
    sigma, rho = np.array([0.05, 0.2, 0.4]), np.array([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.2, 0.2, 1]])
    names = ["A", "B", "C"]
    covariance = pd.DataFrame(rho * np.outer(sigma, sigma), names, names)
    parts = risk_decomposition(pd.Series(1 / sigma, names), covariance)
    assert parts.share.to_numpy() == pytest.approx([1 / 3] * 3)
    assert parts.volatility == pytest.approx(np.sqrt(3 + 6 * 0.2))
    some = risk_decomposition(pd.Series({"A": 1.0, "C": -0.5}), covariance)
    assert some.share.sum() == pytest.approx(1.0)
    assert some.share["B"] == 0
    step = 1e-6
    moved = risk_decomposition(pd.Series({"A": 1.0 + step, "C": -0.5}), covariance).volatility
    assert some.marginal["A"] == pytest.approx((moved - some.volatility) / step, rel=1e-4)
    with pytest.raises(InputError, match="weights of D: is not in the covariance"):
        risk_decomposition(pd.Series({"D": 1.0}), covariance)
    with pytest.raises(InputError, match="has no risk"):
        risk_decomposition(pd.Series({"A": 0.0}), covariance)
