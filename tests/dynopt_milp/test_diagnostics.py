"""Findings: which figure, which threshold, which remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.backtests.diagnostics import Finding, findings

ORDINARY: dict[str, Any] = {
    "num_failed": 0, "num_not_proved": 0, "num_optimal": 10, "avg_tracking_error": 0.005, "annual_turnover": 200.0,
    "annualized_volatility": 0.2,
}  # fmt: skip
SETTINGS = {"capital": 250_000.0, "optimizer": "exact", "buffer_rule": "book"}


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
        ("tracking error", "note", {"avg_tracking_error": 0.015}, "more capital"),
        ("tracking error", "warning", {"avg_tracking_error": 0.021}, "more capital"),
        ("turnover", "warning", {"annual_turnover": 1001.0}, "raise the cost multiplier"),
        ("turnover", "note", {"annual_turnover": 1001.0, "settings": {"capital": 1e6}}, "raise the cost multiplier"),
        ("turnover", "note", {"annual_turnover": 10.0}, "lower the cost multiplier"),
        ("adjustment factor", "warning", {"factors": (1.0, 1.0, 1.0)}, "buffering does nothing"),
        ("adjustment factor", "note", {"factors": (1.0, 0.9)}, "raise the buffer fraction"),
        ("adjustment factor", "note", {"factors": (0.0, 0.2)}, "lower the buffer fraction"),
        ("failed rebalances", "warning", {"num_failed": 3}, "see the column 'reason'"),
        ("rebalances not proven optimal", "warning", {"num_not_proved": 2}, "allow more time"),
        ("zero returns", "warning", {"annualized_volatility": 0.0}, "check that instruments have prices"),
    ],
)
def test_each_red_flag_has_its_finding(name: str, level: str, changes: dict[str, Any], remedy: str) -> None:
    (finding,) = found(**changes)
    assert (finding.name, finding.level) == (name, level)
    assert remedy in finding.remedy


def test_no_buffer_no_finding_about_it_and_greedy_proves_nothing() -> None:
    assert found(factors=(1.0, 1.0), settings={"buffer_rule": None}) == []
    assert found(factors=(np.nan,)) == []


def test_warnings_come_first() -> None:
    levels = [finding.level for finding in found(annual_turnover=600.0, avg_tracking_error=0.03)]
    assert levels == ["warning", "note"]
