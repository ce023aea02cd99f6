"""Findings: which figure, which threshold, which remedy, and that no two contradict each other."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import backtest, simulated_market
from dynopt_milp.backtests.diagnostics import FEWEST_DAYS, Finding, findings
from dynopt_milp.backtests.remedies import HIGHER, LOWER, TRADE_LESS, TRADE_MORE, Remedy
from dynopt_milp.show.backtests import finding_text

ORDINARY: dict[str, Any] = {
    "num_failed": 0, "num_not_proved": 0, "num_optimal": 10, "num_kept": 0, "num_without_rolls": 0, "days": 256,
    "avg_tracking_error": 0.005, "rounded_tracking_error": 0.006, "realised_tracking_error": 0.006,
    "annual_turnover": 200.0, "rounded_annual_turnover": 250.0, "annualized_volatility": 0.2,
    "annual_trading_cost": 0.006, "annual_roll_cost": 0.005, "avg_gross_notional": 6.0, "unrounded_gross_notional": 7.0,
    "largest_target": 12.0, "account_lost": None,
}  # fmt: skip
SETTINGS = {
    "capital": 250_000.0, "optimizer": "exact", "buffer_rule": "book", "buffer_fraction": 0.05, "cost_multiplier": 50.0,
    "frequency": "weekly",
}  # fmt: skip
ABOVE = {"avg_tracking_error": 0.043, "rounded_tracking_error": 0.03, "realised_tracking_error": 0.043}


def found(
    *, factors: tuple[float, ...] = (0.5, 0.6), settings: dict[str, Any] | None = None, **changes: Any
) -> list[Finding]:
    rows = pd.DataFrame({"adjustment_factor": factors})
    return findings(ORDINARY | changes, rows, SETTINGS | (settings or {}))


def test_an_ordinary_run_has_no_findings() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("name", "level", "changes", "remedy"),
    [
        ("tracking error", "note", {"avg_tracking_error": 0.015}, "a lower cost multiplier"),
        ("tracking error", "warning", {"avg_tracking_error": 0.021}, "a lower cost multiplier"),
        ("turnover", "warning", {"annual_turnover": 1001.0}, "a higher cost multiplier"),
        ("turnover", "note", {"annual_turnover": 1001.0, "settings": {"capital": 1e6}}, "a higher cost multiplier"),
        ("turnover", "note", {"annual_turnover": 10.0}, "a lower cost multiplier"),
        ("adjustment factor", "warning", {"factors": (1.0, 1.0, 1.0)}, "buffering does nothing"),
        ("adjustment factor", "note", {"factors": (1.0, 0.9)}, "a higher buffer fraction"),
        ("adjustment factor", "note", {"factors": (0.0, 0.2)}, "a lower buffer fraction"),
        ("failed rebalances", "warning", {"num_failed": 3}, "see the column 'reason'"),
        ("rebalances not proven optimal", "warning", {"num_not_proved": 2}, "more time"),
        ("rebalances with an instrument kept", "note", {"num_kept": 2}, "the column 'reason'"),
        ("zero returns", "warning", {"annualized_volatility": 0.0}, "check that instruments have prices"),
        ("costs without rolls", "note", {"annual_roll_cost": None}, "rolls are not counted"),
        ("instruments without rolls", "note", {"num_without_rolls": 2}, "their rolls are not counted"),
        ("gross notional", "warning", {"avg_gross_notional": 14.1}, "one of two sizes of a contract left out"),
        ("opposite sizes", "note", {"num_opposite_days": 3}, "what helps: sizes of one underlying on one side"),
        ("roll cost", "note", {"annual_roll_cost": 0.01}, "holding costs 0.01 of the capital a year, trading 0.006"),
        (
            "realised over expected tracking error", "warning", {"realised_tracking_error": 0.0125},
            "by a factor of 2.5; what helps: a covariance over longer (`--correlation-span`) or shrunk",
        ),
    ],
)  # fmt: skip
def test_each_figure_out_of_range_has_its_finding(name: str, level: str, changes: dict[str, Any], remedy: str) -> None:
    (finding,) = found(realised_tracking_error=changes.pop("realised_tracking_error", None), **changes)
    assert (finding.name, finding.level) == (name, level)
    assert remedy in finding.remedy
    json.dumps(finding.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"realised_tracking_error": 0.0074},
        {"realised_tracking_error": 0.02, "days": 63},  # too short to tell
        {"realised_tracking_error": 0.02, "avg_tracking_error": 0.0},
        {"annual_roll_cost": 0.006},
        {"avg_gross_notional": 14.0},
        {"unrounded_gross_notional": 0.0},
    ],
)
def test_at_the_threshold_there_is_no_finding(changes: dict[str, Any]) -> None:
    assert found(**changes) == []


def test_a_run_closer_than_rounding_gets_a_note_that_has_both() -> None:
    changes = {"avg_tracking_error": 0.043, "rounded_tracking_error": 0.055, "realised_tracking_error": 0.05}
    (finding,) = found(**changes)
    assert finding.level == "note"
    assert finding.threshold == "typical 0.001 to 0.01 in the guide; rounding the fractions has 0.055 with this capital"
    assert "closer than rounding" in finding.remedy
    assert finding.changes == {"capital": HIGHER, "contract_size": LOWER, "instruments": LOWER}
    (unlike,) = found(**changes | {"rounded_tracking_error": 0.042})
    assert (unlike.level, unlike.changes["cost_multiplier"]) == ("warning", LOWER)
    (unknown,) = found(**changes | {"rounded_tracking_error": None})
    assert (unknown.level, unknown.threshold) == ("warning", "above 0.02, a red flag in the guide")


@pytest.mark.parametrize("turnover", [600.0, 1200.0])
def test_too_far_and_too_much_is_one_finding_about_capital(turnover: float) -> None:
    (finding,) = found(annual_turnover=turnover, **ABOVE)
    assert (finding.name, finding.figure, finding.level) == ("capital", 250_000.0, "warning")
    assert finding.changes == {"capital": HIGHER, "contract_size": LOWER, "instruments": LOWER}
    assert finding.threshold == (
        f"tracking error 0.043 and {turnover:,.0f} contracts a year, typical 0.001 to 0.01 and 50 to 500 in the guide; "
        "rounding the fractions has 0.03 and 250 contracts a year with this capital"
    )


def test_what_is_used_up_is_not_offered() -> None:
    (finding,) = found(settings={"cost_multiplier": 0.0, "buffer_rule": None}, **ABOVE)
    assert finding.changes == {"capital": HIGHER, "contract_size": LOWER, "instruments": LOWER}
    (finding,) = found(settings={"cost_multiplier": 0.0, "buffer_fraction": 0.0}, annual_turnover=10.0)
    assert (finding.remedy, finding.changes) == ("the targets move little", {})
    (finding,) = found(settings={"buffer_rule": None, "frequency": "monthly"}, annual_turnover=600.0)
    assert finding.changes == {"cost_multiplier": HIGHER, "buffer_rule": "on"}


LEVELS: dict[str, tuple[Any, ...]] = {
    "avg_tracking_error": (None, 0.0, 0.005, 0.015, 0.04),
    "rounded_tracking_error": (None, 0.004, 0.05),
    "realised_tracking_error": (None, 0.005, 0.1),
    "annual_turnover": (None, 10.0, 200.0, 700.0, 1500.0),
    "annual_roll_cost": (None, 0.001, 0.02),
    "avg_gross_notional": (None, 5.0, 20.0),
    "annualized_volatility": (0.0, 0.2),
}
COUNTS = {"num_failed": 1, "num_not_proved": 1, "num_kept": 1, "num_without_rolls": 1}
FACTORS = ((np.nan,), (0.1, 0.2), (0.5, 0.6), (0.9, 1.0), (1.0, 1.0))
RUNS: tuple[dict[str, Any], ...] = (
    {}, {"capital": 1e6, "buffer_rule": "edge"}, {"buffer_rule": None, "frequency": "monthly"},
    {"cost_multiplier": 0.0, "buffer_fraction": 0.0},
)  # fmt: skip


def says(finding: Finding, remedies: tuple[Remedy, ...]) -> bool:
    return any(finding.changes.get(remedy.setting) == remedy.direction for remedy in remedies)


@pytest.mark.parametrize("settings", RUNS)
@pytest.mark.parametrize("factors", FACTORS)
def test_no_two_findings_of_any_run_contradict_each_other(
    factors: tuple[float, ...], settings: dict[str, Any]
) -> None:  # fmt: skip
    rows = pd.DataFrame({"adjustment_factor": factors})
    seen: set[str] = set()
    for figures in itertools.product(*LEVELS.values()):
        performance = ORDINARY | COUNTS | dict(zip(LEVELS, figures, strict=True))
        all_found = findings(performance, rows, SETTINGS | settings)
        seen |= {finding.name for finding in all_found}
        changes = {change for finding in all_found for change in finding.changes.items()}
        assert len(changes) == len(dict(changes)), all_found
        more, less = (any(says(finding, side) for finding in all_found) for side in (TRADE_MORE, TRADE_LESS))
        assert not (more and less), all_found
    assert {"capital", "tracking error", "turnover", "gross notional", "roll cost", "costs without rolls"} <= seen


def test_the_sides_are_opposite_and_would_be_caught() -> None:
    """What the test above looks for is there to be found: the findings of one figure at a time do contradict."""
    (far,), (much,) = found(**ABOVE), found(annual_turnover=1500.0)
    assert (far.changes["cost_multiplier"], much.changes["cost_multiplier"]) == (LOWER, HIGHER)
    assert says(far, TRADE_MORE)
    assert says(much, TRADE_LESS)


def test_instruments_without_rolls_are_named_with_their_days_most_days_first() -> None:
    gaps = {
        f"I{number}": {"days": number, "held": 10, "first": "2016-01-04", "last": f"2016-01-{4 + number:02}"}
        for number in range(1, 9)
    }
    (finding,) = found(num_without_rolls=8, without_rolls=gaps)
    assert finding.figure == 8
    assert finding.threshold.startswith(
        "held while their contract months are not known: I8 on 8 of 10 days, 2016-01-04 to 2016-01-12; I7 on 7 of"
    )
    assert finding.threshold.endswith("; I3 on 3 of 10 days, 2016-01-04 to 2016-01-07; and 2 more")


def test_no_buffer_no_finding_about_it_and_greedy_proves_nothing() -> None:
    assert found(factors=(1.0, 1.0), settings={"buffer_rule": None}) == []
    assert found(factors=(np.nan,)) == []


def test_a_buffer_is_not_to_be_raised_where_little_is_traded_or_tracking_is_far() -> None:
    by_name = {finding.name: finding for finding in found(factors=(1.0, 1.0), annual_turnover=10.0)}
    assert (by_name["adjustment factor"].level, by_name["adjustment factor"].changes) == ("note", {})
    by_name = {finding.name: finding for finding in found(factors=(1.0, 1.0), **ABOVE)}
    assert by_name["adjustment factor"].level == "warning"
    assert "buffer_fraction" not in by_name["adjustment factor"].changes


def test_targets_held_as_they_are_hear_of_rolls_and_not_of_the_optimisation() -> None:
    for optimizer in ("unrounded", "rounded"):
        everything = found(
            settings={"optimizer": optimizer}, annual_turnover=1500.0, annual_roll_cost=0.02, avg_gross_notional=50.0,
            factors=(1.0, 1.0), **ABOVE | {"realised_tracking_error": 0.5},
        )  # fmt: skip
        assert [finding.name for finding in everything] == ["roll cost"]


NOTHING_HELD = {
    "avg_gross_notional": 0.0, "largest_target": 0.25, "annualized_volatility": 0.0, "annual_turnover": 0.0,
    "avg_tracking_error": 0.15, "rounded_tracking_error": 0.14, "annual_roll_cost": 0.0, "annual_trading_cost": 0.0,
    "realised_tracking_error": 0.16, "rounded_realised_tracking_error": 0.16,
}  # fmt: skip


@pytest.mark.parametrize("optimizer", ["exact", "rounded"])
def test_capital_too_small_to_hold_anything_is_one_finding_with_what_would_hold_a_contract(optimizer: str) -> None:
    settings = {"optimizer": optimizer, "capital": 2000.0}
    for days, factors in ((256, (0.0, 0.0)), (5, (1.0, 1.0))):
        (finding,) = found(settings=settings, factors=factors, **NOTHING_HELD | {"days": days})
        assert (finding.name, finding.level, finding.figure) == ("capital", "warning", 2000.0)
        assert "the largest target was 0.25 contracts" in finding.threshold
        assert "about 8,000" in finding.remedy
        assert finding.changes == {"capital": HIGHER, "contract_size": LOWER, "instruments": LOWER}
    (first, second) = found(settings=settings, **NOTHING_HELD | {"num_failed": 1})
    assert (first.name, second.name) == ("capital", "failed rebalances")
    for largest in (0.0, 1.0, 3.0):  # it is not the size of a contract that kept it from holding any
        names = [finding.name for finding in found(settings=settings, **NOTHING_HELD | {"largest_target": largest})]
        assert "capital" not in names
        assert "zero returns" in names


def test_the_capital_that_a_run_says_would_hold_a_contract_does() -> None:
    market = simulated_market(instruments=["US10", "CORN", "ES_micro"], start="2012-01-01", end="2014-12-31")
    small, dates = 2000.0, {"start": "2014-01-01", "optimizer": "rounded"}
    run = backtest(market, capital=small, **dates)  # type: ignore[arg-type]
    assert not run.positions.any(axis=None)
    unrounded = backtest(market, capital=small, **dates | {"optimizer": "unrounded"})  # type: ignore[arg-type]
    largest = run.performance["largest_target"]
    assert largest == unrounded.positions.abs().max(axis=None) > 0
    (finding,) = run.findings
    enough = small / largest
    assert f"{enough:,.0f}" in finding.remedy
    assert backtest(market, capital=enough, **dates).positions.abs().max(axis=None) == 1  # type: ignore[arg-type]


def test_a_lost_account_is_one_finding_beside_what_could_not_be_solved() -> None:
    none: dict[str, Any] = dict.fromkeys(("annualized_volatility", "annual_trading_cost", "annual_roll_cost"))
    none |= {"max_drawdown_of_capital_pct": 195.1}
    everything = ABOVE | {"annual_turnover": 1500.0, "avg_gross_notional": 99.0, "num_opposite_days": 2, "days": 80}
    for optimizer in ("exact", "rounded"):
        changes = none | everything | {"account_lost": "2015-04-30"}
        (finding,) = found(settings={"optimizer": optimizer}, factors=(1.0, 1.0), **changes)
        assert finding_text(finding).startswith("days until the account was lost 80 (on 2015-04-30)")
        assert finding.changes == {"capital": HIGHER, "risk_target": LOWER}
    names = [finding.name for finding in found(num_not_proved=1, **none | everything | {"account_lost": "2015-04-30"})]
    assert names == ["days until the account was lost", "rebalances not proven optimal"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("turnover", {"annual_turnover": 1500.0}),
        ("turnover", {"annual_turnover": 3.0}),
        ("roll cost", {"annual_roll_cost": 0.02}),
        ("realised over expected tracking error", {"realised_tracking_error": 0.03}),
        ("capital", {"annual_turnover": 1500.0, "avg_tracking_error": 0.03, "realised_tracking_error": None}),
    ],
)
def test_what_is_annualised_waits_for_a_quarter_of_a_year(name: str, changes: dict[str, Any]) -> None:
    assert FEWEST_DAYS == 64
    assert [finding.name for finding in found(days=64, **changes)] == [name]
    few = [finding.name for finding in found(days=63, **changes)]
    assert few == (["tracking error"] if "avg_tracking_error" in changes else [])


def test_what_came_in_a_few_days_does_not_count_against_what_was_expected() -> None:
    changes = {"avg_tracking_error": 0.03, "rounded_tracking_error": 0.04, "rounded_realised_tracking_error": 0.03}
    (few,) = found(days=10, realised_tracking_error=0.04, **changes)
    (many,) = found(days=100, realised_tracking_error=0.04, **changes)
    assert (few.level, many.level) == ("note", "warning")


def test_costs_without_rolls_are_said_from_the_first_day() -> None:
    assert [finding.name for finding in found(days=2, annual_roll_cost=None)] == ["costs without rolls"]
    assert [finding.name for finding in found(days=2, num_without_rolls=2)] == ["instruments without rolls"]


def test_figures_that_are_not_there_are_left_out() -> None:
    old = {name: ORDINARY[name] for name in ("num_failed", "num_not_proved", "annualized_volatility")}
    rows = pd.DataFrame({"adjustment_factor": [0.5]})
    least = {"capital": 250_000.0, "optimizer": "exact", "buffer_rule": "book"}
    assert findings(old | {"avg_tracking_error": None, "annual_turnover": None}, rows, least) == []
    (finding,) = findings(old | {"avg_tracking_error": 0.03, "annual_turnover": 200.0}, rows, least)
    assert finding.threshold == "above 0.02, a red flag in the guide"


def test_warnings_come_first() -> None:
    levels = [finding.level for finding in found(annual_turnover=600.0, realised_tracking_error=0.03)]
    assert levels == ["warning", "note"]


def test_a_ratio_is_printed_with_its_digits() -> None:
    (finding,) = found(realised_tracking_error=0.0125)
    assert finding_text(finding).startswith("realised over expected tracking error 2.5 (above 1.5; realised 0.0125")
    (finding,) = found(annual_turnover=1234.0)
    assert finding_text(finding).startswith("turnover 1,234 (above 1000 contracts a year")
