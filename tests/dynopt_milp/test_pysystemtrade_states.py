"""What each state of pysystemtrade allows, and that the order generator's object keeps to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, LimitsError
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction, limits_of_states

HELD = {"long": 3.0, "short": -2.0, "none": 0.0}
BOXES = {  # of what is held long, short, and not at all
    "no_opening": [(0, 3), (-2, 0), (0, 0)],
    "close_only": [(0, 0), (0, 0), (0, 0)],
    "closed_today": [(3, 3), (-2, -2), (0, 0)],
    "rolling": [(3, 3), (-2, -2), (0, 0)],
}


def box(limits: Limits, names: list[str]) -> list[tuple[float, float]]:
    held = np.array([HELD[name] for name in names])
    lower, upper = limits.box(tuple(names), np.array([9.0, -9.0, 4.0])[: len(names)], held)
    return list(zip(lower.tolist(), upper.tolist(), strict=True))


@pytest.mark.parametrize("state", BOXES)
def test_what_a_state_allows(state: str) -> None:
    names = list(HELD)
    assert box(limits_of_states(**{state: names}), names) == BOXES[state]
    free = (-np.inf, np.inf)
    assert box(limits_of_states(**{state: iter(["short"])}), names) == [free, BOXES[state][1], free]


@pytest.mark.parametrize("first", ["closed_today", "rolling"])
@pytest.mark.parametrize("second", ["no_opening", "close_only"])
def test_a_closed_market_and_a_roll_come_first_and_then_to_close(first: str, second: str) -> None:
    names = list(HELD)
    assert box(limits_of_states(**{first: names, second: names}), names) == BOXES[first]
    assert box(limits_of_states(close_only=names, no_opening=names), names) == BOXES["close_only"]
    assert box(limits_of_states(closed_today=["long"], rolling=["short"]), names)[:2] == [(3, 3), (-2, -2)]


def test_no_state_limits_nothing_and_a_name_alone_is_refused() -> None:
    assert limits_of_states().given == ()
    with pytest.raises(LimitsError, match="expected true, false or a list of names, found 'GOLD'"):
        limits_of_states(rolling="GOLD")


@pytest.mark.parametrize("optimizer", ["exact", "greedy"])
def test_a_day_of_the_order_generator(optimizer: str) -> None:
    names = ["CLOSED", "CLOSING", "FADING", "ROLLED", "LIMITED", "FREE"]
    volatility = np.linspace(0.1, 0.2, 6)
    sigma = (0.4 + 0.6 * np.eye(6)) * np.outer(volatility, volatility)
    wanted = [4.4, 0.0, 5.3, -3.2, 0.0, 2.6]
    held = [1.0, 2.0, 2.0, 1.0, -2.0, 0.0]

    def day(**further: Any) -> dict[str, int]:
        one = ObjectiveFunction(
            contracts_optimal=pd.Series(wanted, names), covariance_matrix=pd.DataFrame(sigma, names, names),
            per_contract_value=pd.Series(0.2, names), costs=pd.Series(1e-5, names),
            speed_control=SimpleNamespace(trade_shadow_cost=10, tracking_error_buffer=0.001),
            previous_positions=pd.Series(held, names), optimizer=optimizer,
            constraints=SimpleNamespace(no_trade_keys=[], reduce_only_keys=["FREE"], long_only_keys=[]),
            maximum_positions={"LIMITED": 0, "FADING": 9, "ROLLED": 0}, **further,
        )  # fmt: skip
        found: dict[str, int] = one.optimise_positions().to_dict()
        return found

    states = limits_of_states(
        closed_today=["CLOSED"], close_only=["CLOSING"], no_opening=["FADING"], rolling=["ROLLED"]
    )
    found = day(limits=states)
    assert found["CLOSED"] == 1
    assert found["CLOSING"] == 0
    assert 0 <= found["FADING"] <= 2
    assert found["ROLLED"] == 1  # its maximum of 0 waits for the roll
    assert found["LIMITED"] == 0  # how the order generator says to close
    assert found["FREE"] == 0  # a reduce-only key, as before
    without = day()
    assert without["CLOSED"] > 1
    assert without["FADING"] > 2
    assert without["ROLLED"] == 0
    assert day(limits=lambda listed: limits_of_states(closed_today=[name for name in listed if name == "CLOSED"])) == {
        **day(limits=Limits(no_trade=["CLOSED"]))
    }
