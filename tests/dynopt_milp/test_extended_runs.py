"""A run that grows, by a later end or by new rows, is the run over all days; what has changed is said in words."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.backtests import journal, result
from dynopt_milp.backtests.data_digest import DataDigest
from dynopt_milp.backtests.decision import Decisions, RebalanceHistory
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.data import Market, guide_frames, market_from_frames, simulated_market
from dynopt_milp.errors import BacktestInterrupted, FormatError
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.strategy.strategy import Strategy
from tests.command_line import run as run_command
from tests.conftest import real_futures

NAMES = ["BUND", "CORN", "ES_micro", "EUR_micro", "US10"]
FIRST, LAST = "2016-01-01", "2016-05-20"
RUN: dict[str, Any] = {"capital": 400_000.0, "optimizer": "greedy", "start": FIRST}


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=NAMES, start="2015-01-01", end=LAST)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds, which differ from run to run, are all the same."""
    decide = Decisions.decide

    def timeless(*arguments: Any) -> dict[str, Any]:
        entry = decide(*arguments)
        for content in (entry, *entry.get("portfolios", {}).values()):
            content |= {key: 0.25 for key in content if key.endswith("seconds")}
        return entry

    monkeypatch.setattr(Decisions, "decide", timeless)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def decisions(folder: Path) -> list[str]:
    return [json.loads(line)["date"] for line in (folder / "journal.jsonl").read_text().splitlines()]


def assert_one_run(folder: Path, market: Market, tmp_path: Path, **settings: Any) -> None:
    """Every byte is that of one run over all days."""
    backtest(market, out=tmp_path / "at once", **settings)
    found, expected = files(folder), files(tmp_path / "at once")
    assert set(found) == set(expected) >= {"data.npz", "journal.jsonl", "performance.json", "settings.json"}
    for name in expected:
        assert found[name] == expected[name], name


@pytest.mark.parametrize("frequency", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("end", ["2016-03-16", "2016-03-28"])
def test_a_finished_run_extended_by_new_rows_is_one_run(
    market: Market, tmp_path: Path, frequency: str, end: str
) -> None:
    settings = RUN | {"frequency": frequency, "also": ["same_side"] if frequency == "monthly" else []}
    first = backtest(market.between(end=end), out=tmp_path / "run", **settings)
    assert first.extended_from is None
    lines = (tmp_path / "run" / "journal.jsonl").read_bytes()
    second = backtest(market, out=tmp_path / "run", **settings)
    assert second.extended_from == first.positions.index[-1] == market.days[market.days <= pd.Timestamp(end)][-1]
    assert (tmp_path / "run" / "journal.jsonl").read_bytes().startswith(lines)  # nothing was decided again
    assert_one_run(tmp_path / "run", market, tmp_path, **settings)
    assert backtest(market, out=tmp_path / "run", **settings).extended_from is None


def test_a_run_with_notes_on_the_data_is_extended_and_they_are_those_of_all_days(
    market: Market, tmp_path: Path
) -> None:
    ticked, adjusted = market.prices.copy(), market.adjusted.copy()
    for day, name in (("2016-02-12", "CORN"), ("2016-04-15", "US10")):
        for frame in (ticked, adjusted):
            frame.loc[day, name] *= 100
    found = market_from_frames(ticked, market.specifications, adjusted=adjusted, fx=market.fx)
    assert [one.instrument for one in found.suspects] == ["CORN", "US10"]
    first = backtest(found, end="2016-03-16", out=tmp_path / "run", **RUN)
    assert first.notes is not None
    assert [note.split(":")[0] for note in first.notes] == ["CORN"]
    settings = RUN | {"buffer_fraction": InterruptedAt(14)}
    with pytest.raises(BacktestInterrupted):
        backtest(found, out=tmp_path / "run2", **settings)
    backtest(found, out=tmp_path / "run2", **RUN | {"buffer_fraction": InterruptedAt(-1)})
    second = backtest(found, out=tmp_path / "run", **RUN)
    assert second.notes is not None
    assert [note.split(":")[0] for note in second.notes] == ["US10", "CORN"]  # the last first
    assert json.loads((tmp_path / "run2" / "performance.json").read_text())["notes"] == second.notes
    assert_one_run(tmp_path / "run", found, tmp_path, **RUN)


def test_a_later_end_extends_a_run_step_by_step(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"frequency": "daily", "portfolios": True}
    for end in ("2016-02-10", "2016-02-11", "2016-03-02"):
        backtest(market, end=end, out=tmp_path / "run", **settings)
    assert_one_run(tmp_path / "run", market, tmp_path, end="2016-03-02", **settings)


def test_a_run_that_compounds_and_the_runs_beside_it_are_extended(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"compound": True, "roll_trades": 2.0, "beside": ["rounded"]}
    backtest(market, end="2016-03-16", out=tmp_path / "run", **settings)
    second = backtest(market, out=tmp_path / "run", **settings)
    assert second.beside["rounded"].extended_from == second.extended_from == pd.Timestamp("2016-03-16")
    backtest(market, out=tmp_path / "at once", **settings)
    for one in (tmp_path / "run", tmp_path / "run" / "beside" / "rounded"):
        other = tmp_path / "at once" / one.relative_to(tmp_path / "run")
        for path in (path for path in other.iterdir() if path.is_file() and path.name != ".lock"):
            assert (one / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_day_of_rest_after_the_end_and_rows_after_it_change_nothing(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"out": tmp_path / "run"}
    backtest(market.between(end="2016-03-18"), end="2016-03-18", **settings)
    before = files(tmp_path / "run")
    assert backtest(market, end="2016-03-20", **settings).extended_from is None
    assert files(tmp_path / "run") == before


@dataclass
class InterruptedAt:
    """A buffer fraction on whose n-th question somebody presses Ctrl-C; all of them are one setting."""

    call: int = field(repr=False)
    calls: Iterator[int] = field(default_factory=count, repr=False)

    def __call__(self, history: RebalanceHistory) -> float:
        if next(self.calls) == self.call:
            raise KeyboardInterrupt
        return 0.05


def test_an_interrupted_run_is_extended_and_an_interrupted_extension_goes_on(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"out": tmp_path / "run", "buffer_fraction": InterruptedAt(4)}
    with pytest.raises(BacktestInterrupted, match="after 4 of 10"):
        backtest(market, end="2016-03-18", **settings)
    settings["buffer_fraction"] = InterruptedAt(8)
    with pytest.raises(BacktestInterrupted, match="after 12 of 19"):
        backtest(market, **settings)
    assert backtest(market, **settings).extended_from == pd.Timestamp("2016-03-18")
    assert backtest(market, **settings).extended_from is None
    assert_one_run(tmp_path / "run", market, tmp_path, **RUN, buffer_fraction=InterruptedAt(-1))


@pytest.mark.parametrize(
    ("end", "frequency", "decided"),
    [
        ("2016-03-16", "weekly", 4), ("2016-03-17", "daily", 3), ("2016-03-18", "weekly", 4),
        ("2016-04-01", "daily", 4), ("2016-04-12", "weekly", 2), ("2016-04-12", "weekly", 4),
        ("2016-04-29", "daily", 1), (LAST, "weekly", 4),
    ],
)  # fmt: skip
def test_how_far_an_interrupted_extension_was_to_go_binds_nothing(
    market: Market, tmp_path: Path, end: str, frequency: str, decided: int
) -> None:
    settings = RUN | {"frequency": frequency, "compound": True}
    first = backtest(market, end="2016-03-16", out=tmp_path / "run", buffer_fraction=InterruptedAt(-1), **settings)
    with pytest.raises(BacktestInterrupted):
        backtest(
            market, end="2016-04-22", out=tmp_path / "run", buffer_fraction=InterruptedAt(decided), **settings
        )  # fmt: skip
    assert len(decisions(tmp_path / "run")) == len(first.rebalances) + decided
    assert Backtest.load(tmp_path / "run").positions.equals(first.positions)
    settings["buffer_fraction"] = InterruptedAt(-1)
    run = backtest(market, end=end, out=tmp_path / "run", **settings)
    assert run.extended_from == (None if end == "2016-03-16" else pd.Timestamp("2016-03-16"))
    assert_one_run(tmp_path / "run", market, tmp_path, end=end, **settings)


def test_data_that_an_interrupted_run_has_not_reached_may_change(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"out": tmp_path / "run"}
    with pytest.raises(BacktestInterrupted, match="after 4 of 19"):
        backtest(market, buffer_fraction=InterruptedAt(4), **settings)
    last = decisions(tmp_path / "run")[-1]
    settings["buffer_fraction"] = InterruptedAt(-1)
    before = files(tmp_path / "run")
    for end in (LAST, "2016-03-16"):
        with pytest.raises(FormatError, match=rf"changed: CORN \(price on {last}\)"):
            backtest(changed(market, "prices", "CORN", last, lambda price: price + 0.25), end=end, **settings)
    assert files(tmp_path / "run") == before
    late = changed(market, "prices", "CORN", slice("2016-02-04", None), lambda price: price + 0.25)
    late = without_prices(late, "US10", market.days[market.days > pd.Timestamp("2016-03-01")])
    assert last < "2016-02-04"
    backtest(late, end="2016-03-16", **settings)
    assert_one_run(tmp_path / "run", late, tmp_path, end="2016-03-16", **RUN, buffer_fraction=InterruptedAt(-1))


def test_what_is_refused_leaves_an_interrupted_extension_as_it_is(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"out": tmp_path / "run"}
    backtest(market, end="2016-03-16", buffer_fraction=InterruptedAt(-1), **settings)
    with pytest.raises(BacktestInterrupted):
        backtest(market, end="2016-04-29", buffer_fraction=InterruptedAt(4), **settings)
    before = files(tmp_path / "run")
    with pytest.raises(FormatError, match="holds a run to 2016-03-16, and this one would end on 2016-03-15"):
        backtest(market, end="2016-03-15", buffer_fraction=InterruptedAt(-1), **settings)
    other = changed(market, "prices", "CORN", "2016-03-16", lambda price: price + 0.25)
    with pytest.raises(FormatError, match=r"changed: CORN \(price on 2016-03-16\)"):
        backtest(other, end="2016-03-24", buffer_fraction=InterruptedAt(-1), **settings)
    assert files(tmp_path / "run") == before


@pytest.mark.parametrize("call", range(10))
def test_an_extension_interrupted_at_any_file_goes_on(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    folder = tmp_path / "run"
    first = backtest(market, end="2016-03-16", out=folder, **RUN)
    calls = iter(range(100))

    def interrupted(path: Path, content: str | bytes) -> None:
        if next(calls) == call:
            raise KeyboardInterrupt
        write_atomically(path, content)

    written = 8  # data.npz, then the seven files of the result
    with monkeypatch.context() as patched:
        for module in (journal, result):
            patched.setattr(module, "write_atomically", interrupted)
        if call < written:
            with pytest.raises(KeyboardInterrupt):
                backtest(market, out=folder, **RUN)
        else:
            backtest(market, out=folder, **RUN)
    if call <= 1:  # until the first file of the result, what is there is the run as it was
        assert Backtest.load(folder).positions.equals(first.positions)
    elif call < written:
        with pytest.raises(FormatError, match=r"end on different days \(2016-03-16, 2016-05-20\): the run was interr"):
            Backtest.load(folder)
    backtest(market, out=folder, **RUN)
    assert len(Backtest.load(folder).rebalances) == 19
    assert_one_run(folder, market, tmp_path, **RUN)


def changed(market: Market, frame: str, column: str, days: Any, change: Callable[[Any], Any]) -> Market:
    table = getattr(market, frame).copy()
    table.loc[days, column] = change(table.loc[days, column])
    return replace(market, **{frame: table})


def without_prices(market: Market, name: str, days: pd.DatetimeIndex) -> Market:
    gone = np.outer(market.days.isin(days), np.array(market.instruments) == name)
    return replace(market, prices=market.prices.mask(gone), adjusted=market.adjusted.mask(gone))


CHANGES: dict[str, tuple[Callable[[Market], Market], str]] = {
    "one price": (
        lambda market: changed(market, "prices", "CORN", "2016-02-03", lambda price: price + 0.25),
        r"changed: CORN \(price on 2016-02-03\); run it again in another folder, or on the data as they were",
    ),
    "one back-adjusted price": (
        lambda market: changed(market, "adjusted", "US10", "2015-05-05", lambda price: price + 1 / 64),
        r"changed: US10 \(back-adjusted price on 2015-05-05\); run",
    ),
    "a roll": (
        lambda market: changed(market, "adjusted", "US10", slice("2016-03-09", None), lambda price: price + 1 / 64),
        r"changed: US10 \(back-adjusted price from 2016-03-09 on, on \d days\); run",
    ),
    "a rate": (
        lambda market: changed(market, "fx", "EUR", slice("2016-02-10", "2016-02-11"), lambda rate: rate * 1.0001),
        r"changed: BUND \(exchange rate of EUR from 2016-02-10 on, on 2 days\); run",
    ),
    "a multiplier": (
        lambda market: changed(market, "specifications", "multiplier", "CORN", lambda multiplier: 2 * multiplier),
        r"changed: CORN \(multiplier 100, which was 50\); run",
    ),
    "a class and a spread": (
        lambda market: changed(
            changed(market, "specifications", "asset_class", "CORN", lambda _: "Food"),
            "specifications", "half_spread", "CORN", lambda _: 0.3,
        ),
        r"changed: CORN \(asset_class Food, which was \w+, half_spread 0.3, which was 0.\d+\); run",
    ),
    "a day without a price": (
        lambda market: without_prices(market, "CORN", pd.DatetimeIndex(["2016-02-03"])),
        r"changed: CORN \(price on 2016-02-03, back-adjusted price on 2016-02-03, contract month on 2016-02-03\); run",
    ),
    "an instrument less": (
        lambda market: market.select(["BUND", "CORN", "ES_micro", "EUR_micro"]), r"changed: US10 \(it is gone\); run",
    ),
    "an instrument more": (
        lambda market: simulated_market(instruments=[*NAMES, "GOLD_micro"], start="2015-01-01", end=LAST),
        r"changed: GOLD_micro \(it is new, with prices from 2015-01-02 on\); run",
    ),
    "another beginning": (
        lambda market: market.between(start="2015-02-02"),
        r"changed: BUND \(its prices begin on 2015-02-02, and began on 2015-01-02\); .*; and 2 more; run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("longer", [True, False])
def test_what_has_changed_is_said_in_words(market: Market, tmp_path: Path, change: str, longer: bool) -> None:
    made, message = CHANGES[change]
    settings = RUN | {"frequency": "monthly", "out": tmp_path / "run"}
    backtest(market, end="2016-03-16", **settings)
    before = files(tmp_path / "run")
    with pytest.raises(FormatError, match=message) as caught:
        backtest(made(market), end=None if longer else "2016-03-16", **settings)
    assert market.fingerprint()[:6] not in str(caught.value)
    assert files(tmp_path / "run") == before
    assert backtest(market, **settings).extended_from == pd.Timestamp("2016-03-16")


def test_what_changes_after_the_end_does_not_matter(market: Market, tmp_path: Path) -> None:
    backtest(market, end="2016-03-16", out=tmp_path / "run", **RUN)
    other = changed(market, "prices", "CORN", slice("2016-03-17", None), lambda price: price * 1.5)
    backtest(other, out=tmp_path / "run", **RUN)
    assert_one_run(tmp_path / "run", other, tmp_path, **RUN)


def test_a_name_in_words_does_not_matter(market: Market, tmp_path: Path) -> None:
    backtest(market, end="2016-03-16", out=tmp_path / "run", **RUN)
    backtest(
        changed(market, "specifications", "name", "CORN", lambda _: "Maize"), end="2016-03-16",
        out=tmp_path / "run", **RUN,
    )  # fmt: skip


def test_an_earlier_end_is_refused_in_words(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"out": tmp_path / "run"}
    backtest(market, end="2016-03-16", **settings)
    message = (
        "holds a run to 2016-03-16, and this one would end on 2016-03-15: a run can be extended, not cut short; "
        "let it end on 2016-03-16 or later"
    )
    with pytest.raises(FormatError, match=message):
        backtest(market, end="2016-03-15", **settings)
    with pytest.raises(FormatError, match=message):
        backtest(market.between(end="2016-03-15"), **settings)


def test_another_start_or_setting_is_named(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"out": tmp_path / "run"}
    backtest(market, end="2016-03-16", **settings)
    with pytest.raises(FormatError, match="other settings: start is 2016-01-04 there and 2016-01-05 now"):
        backtest(market, **settings | {"start": "2016-01-05"})
    with pytest.raises(FormatError, match=r"other settings: capital is 400000\.0 there and 500000\.0 now"):
        backtest(market, **settings | {"capital": 500_000.0})


@pytest.mark.parametrize("frequency", ["daily", "weekly"])
def test_an_instrument_that_begins_after_the_end_is_taken_in(market: Market, tmp_path: Path, frequency: str) -> None:
    settings = RUN | {"frequency": frequency}
    late = without_prices(market, "CORN", market.days[market.days < pd.Timestamp("2016-01-20")])
    backtest(late.between(end="2016-01-19"), out=tmp_path / "run", **settings)
    run = backtest(late, out=tmp_path / "run", **settings)
    assert run.extended_from == pd.Timestamp("2016-01-19")
    assert run.positions["CORN"].abs().sum() > 0
    assert_one_run(tmp_path / "run", late, tmp_path, **settings)


@pytest.mark.parametrize("optimizer", ["exact", "unrounded"])
def test_a_run_on_real_futures_of_which_some_come_later_is_one_run(tmp_path: Path, optimizer: str) -> None:
    real = real_futures()
    settings: dict[str, Any] = {"capital": 250_000.0, "optimizer": optimizer, "start": "2017-06-01", "portfolios": True}
    for end in ("2017-09-20", "2018-02-09", "2018-02-12"):
        backtest(real.between(end=end), out=tmp_path / "run", **settings)
    grown = real.between(end="2018-05-31")
    assert len(grown.instruments) > len(real.between(end="2017-09-20").instruments) > 30
    assert backtest(grown, out=tmp_path / "run", **settings).extended_from == pd.Timestamp("2018-02-12")
    assert_one_run(tmp_path / "run", grown, tmp_path, **settings)


def test_a_run_of_which_nothing_was_decided_takes_any_data(market: Market, tmp_path: Path) -> None:
    with pytest.raises(BacktestInterrupted, match="after 0 of"):
        backtest(market, out=tmp_path / "run", **RUN, buffer_fraction=InterruptedAt(0))
    other = changed(market, "prices", "CORN", "2016-02-03", lambda price: price + 0.25)
    settings = RUN | {"end": "2016-03-16", "buffer_fraction": InterruptedAt(-1)}
    backtest(other, out=tmp_path / "run", **settings)
    assert_one_run(tmp_path / "run", other, tmp_path, **settings)


def test_a_folder_without_its_data_or_with_damaged_ones_is_refused(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"end": "2016-03-16", "out": tmp_path / "run"}
    backtest(market, **settings)
    path = tmp_path / "run" / "data.npz"
    content = path.read_bytes()
    for damaged in (b"", content[:100], content[:-200], content[:2000] + b"0000" + content[2004:]):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"data\.npz: is damaged: .*; use another folder"):
            backtest(market, **settings)
    path.unlink()
    with pytest.raises(FormatError, match=r"data\.npz: is missing beside journal\.jsonl; use another folder"):
        backtest(market, **settings)


def test_a_back_adjusted_series_shifted_as_a_whole_is_the_same_one(market: Market, tmp_path: Path) -> None:
    settings = RUN | {"frequency": "daily"}
    backtest(market, end="2016-03-16", out=tmp_path / "run", **settings)
    shifted = replace(market, adjusted=market.adjusted - [3.25, -17.75, 1234.56, 0.0123, 2 / 64])
    grown = backtest(shifted, out=tmp_path / "run", **settings)
    assert grown.extended_from == pd.Timestamp("2016-03-16")
    alone = backtest(market, **settings)
    pd.testing.assert_frame_equal(grown.positions, alone.positions, check_exact=True)
    pd.testing.assert_frame_equal(grown.returns, alone.returns, check_exact=False, atol=1e-12)


def _at(market: Market, name: str, day: pd.Timestamp) -> Any:
    """One at a day of an instrument, zero elsewhere."""
    return np.outer(market.days == day, np.array(market.instruments) == name).astype(float)


def digest(market: Any, end: str = "2019-12-31") -> DataDigest:
    return DataDigest.of(market, pd.Timestamp("2010-01-04"), pd.Timestamp(end))


def test_no_shift_of_real_series_is_taken_for_a_change_and_the_smallest_tick_is() -> None:
    real = real_futures()
    before = digest(real)
    random = np.random.default_rng(0)
    size = real.prices.bfill().iloc[0]
    for most in (1e-6, 0.1, 1.0, 30.0, 1e5):
        for shift in (most * size * random.normal(size=len(size)), (most * size).round(2), np.floor(most * size) / 64):
            assert before.changes(digest(replace(real, adjusted=real.adjusted + shift))) == ""
    for name in real.instruments:
        tick = real.adjusted[name].diff().abs()
        day, by = real.adjusted[name].dropna().index[300], float(tick[tick > 1e-9].min())
        moved = replace(real, adjusted=real.adjusted + by * _at(real, name, day))
        assert before.changes(digest(moved)) == f"{name} (back-adjusted price on {day:%Y-%m-%d})"


@pytest.mark.parametrize("end", ["2000-06-30", "2009-12-31", "2019-12-31"])
def test_the_digest_up_to_an_earlier_day_is_the_digest_of_the_market_up_to_it(end: str) -> None:
    real = real_futures()
    found, expected = digest(real).until(pd.Timestamp(end)), digest(real, end)
    pd.testing.assert_frame_equal(pd.DataFrame(found.specifications), pd.DataFrame(expected.specifications))
    assert list(found.digests) == list(expected.digests)
    for what, frame in expected.digests.items():
        pd.testing.assert_frame_equal(found.digests[what], frame)


def test_contract_months_count_where_a_market_has_them(market: Market) -> None:
    months = pd.DataFrame(20160300.0, market.days, market.prices.columns)
    without, old = replace(market, contract_months=None), replace(market, contract_months=months)
    rolled = months.copy()
    rolled.loc["2016-02-15":"2016-02-17", "CORN"] = 20160500.0
    new = replace(market, contract_months=rolled)
    assert digest(old).changes(digest(old)) == ""
    assert digest(old).changes(digest(new)) == "CORN (contract month from 2016-02-16 on, on 2 days)"
    assert digest(old).changes(digest(without)) == "all instruments (their contract months are gone)"
    assert digest(without).changes(digest(old)) == "all instruments (their contract months are new)"
    assert DataDigest.from_bytes(digest(old).to_bytes()).changes(digest(new)).startswith("CORN (contract month")


def test_digests_do_not_depend_on_order_unit_or_process(market: Market) -> None:
    content = digest(market).to_bytes()
    back = list(reversed(NAMES))
    days, currencies = market.days.as_unit("s"), list(reversed(market.fx.columns))
    prices, adjusted, fx = market.prices[back], market.adjusted[back], market.fx[currencies]
    assert market.contract_months is not None
    other = Market(
        prices.set_axis(days), adjusted.set_axis(days), fx.set_axis(days), market.specifications.loc[back],
        contract_months=market.contract_months[back].set_axis(days),
    )  # fmt: skip
    assert digest(other).to_bytes() == content == DataDigest.from_bytes(content).to_bytes()
    code = (
        "import hashlib, pandas as pd; from dynopt_milp import simulated_market;"
        "from dynopt_milp.backtests.data_digest import DataDigest;"
        f"market = simulated_market(instruments={NAMES}, start='2015-01-01', end='{LAST}');"
        "content = DataDigest.of(market, pd.Timestamp('2010-01-04'), pd.Timestamp('2019-12-31')).to_bytes();"
        "print(hashlib.sha256(content).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(content).hexdigest()


def test_every_number_has_a_digest_of_its_own_but_the_two_zeros() -> None:
    values = [0.0, -0.0, np.nan, 1.0, np.nextafter(1.0, 2.0), -1.0, 1e308, 5e-324]
    days = pd.bdate_range("2016-01-04", periods=len(values))
    frame = pd.DataFrame({"A": values}, index=days)
    table = pd.DataFrame({"name": ["a"], "currency": ["USD"], "multiplier": [1.0]}, index=["A"])
    given = SimpleNamespace(
        prices=frame, adjusted=frame.clip(-1, 1), fx=pd.DataFrame({"USD": 1.0}, days), specifications=table,
        contract_months=None, suspects=(), stated=lambda: list(table.columns),
    )  # fmt: skip
    found = digest(given).digests["price"]["A"].to_numpy()
    assert found[0] == found[1] != 0
    assert found[2] == 0
    assert len(set(found)) == len(values) - 1


def test_the_command_line_says_from_which_day(tmp_path: Path) -> None:
    prices, out = tmp_path / "prices", tmp_path / "R"
    prices.mkdir()
    made = simulated_market(instruments=NAMES[1:], start="2015-01-01", end=LAST)

    data, table = guide_frames(made)
    table.to_csv(prices / "instruments.csv", index=False)

    def write(end: str) -> None:
        for name, frame in data.items():
            frame.loc[:end, ["Last"]].to_csv(prices / f"{name.lower()}_daily_data.csv")

    def command(*more: str) -> Any:
        return run_command(
            "backtest", "--data", prices, "--out", out, "--start", FIRST, "--optimizer", "greedy", "--capital", 1e6,
            *more,
        )  # fmt: skip

    write("2016-04-12")
    assert "extended" not in command("--end", "2016-03-16").stdout
    done = command("--end", "2016-04-08")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"the run in {out} ended on 2016-03-16 and was extended to 2016-04-08" in " ".join(done.stdout.split())
    write(LAST)  # new rows, and no end
    done = command()
    assert "ended on 2016-04-08 and was extended to 2016-05-20" in " ".join(done.stdout.split())
    assert json.loads((out / "settings.json").read_text())["end"] == LAST
    done = command("--end", "2016-04-08", "--json")
    assert done.returncode == 2
    assert "holds a run to 2016-05-20, and this one would end on 2016-04-08" in done.stderr
    path = prices / "corn_daily_data.csv"
    lines = path.read_text().splitlines()
    day, price = lines[300].split(",")
    path.write_text("\n".join([*lines[:300], f"{day},{float(price) + 0.25}", *lines[301:]]) + "\n")
    done = command()
    assert done.returncode == 2
    assert f"CORN (price on {day}, back-adjusted price on {day})" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_strategy_that_is_another_is_a_setting(market: Market, tmp_path: Path) -> None:
    backtest(market, end="2016-03-16", out=tmp_path / "run", **RUN)
    words = (
        r"other settings: strategy.risk_target is 0\.2 there and 0\.1 now; capital is 400000\.0 there and 1\.0 now; use"
    )
    with pytest.raises(FormatError, match=words):
        backtest(market, Strategy(risk_target=0.1), out=tmp_path / "run", **RUN | {"capital": 1.0})


def test_contract_months_that_are_known_in_part_are_those_of_one_run(market: Market, tmp_path: Path) -> None:
    months = market.contract_months
    assert months is not None
    part = replace(market, contract_months=months.loc["2016-02-10":].reindex(market.days))
    backtest(part, end="2016-03-16", out=tmp_path / "run", **RUN)
    grown = backtest(part, out=tmp_path / "run", **RUN)
    assert 0 < grown.performance["num_days_without_rolls"] < (grown.positions != 0).to_numpy().sum()
    assert_one_run(tmp_path / "run", part, tmp_path, **RUN)


def test_contract_months_that_begin_after_the_end_do_not_matter(market: Market, tmp_path: Path) -> None:
    months = market.contract_months
    assert months is not None
    later = replace(market, contract_months=months.loc["2016-03-17":].reindex(market.days))
    first = backtest(replace(market, contract_months=None).between(end="2016-03-16"), out=tmp_path / "run", **RUN)
    assert first.performance["annual_roll_cost"] is None
    grown = backtest(later, out=tmp_path / "run", **RUN)
    assert grown.performance["annual_roll_cost"] is not None
    assert_one_run(tmp_path / "run", later, tmp_path, **RUN)
