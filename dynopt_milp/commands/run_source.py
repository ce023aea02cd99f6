"""The rebalance of a day of a backtest in a folder: its market and strategy are made again from what the run says."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path
from typing import Any

from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run_day import problem_of_run
from dynopt_milp.commands.market_options import FORECASTS, WEIGHTS
from dynopt_milp.data import Market, read_market, simulated_market
from dynopt_milp.errors import DynoptError, FormatError, InputError
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.problem import Problem
from dynopt_milp.rules.from_file import rule_from_dict
from dynopt_milp.rules.rule import Rule
from dynopt_milp.strategy.correlation import ExponentialCorrelation
from dynopt_milp.strategy.presets import preset_words
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.why.explaining import EXACT

SEEDS = 5
"""Of simulated markets: those up to it are tried."""
IN_PYTHON = "use dynopt_milp.backtests.problem_of_run and explain() in Python"


def problem_of_folder(
    folder: Path, date: str | None, data: Path | None, table: Path | None, on_suspect: str
) -> tuple[Problem, dict[str, Any]]:  # fmt: skip
    """The problem of a day of a run, and what is known of it beside: date, capital, buffer.

    Raises
    ------
    InputError
        If an option is missing, or the prices are not those that the run was made with; or if the run was made of
        something that can only be given in Python.
    FileError, FormatError
        If the folder has no finished run.
    """
    if date is None:
        raise InputError("is needed with the folder of a backtest", field="--date")
    run = Backtest.load(folder)
    try:
        return _rebalance_of(run, folder, date, data, table, on_suspect)
    except DynoptError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"is damaged: {error!r}", field=str(folder / "settings.json")) from None


def _rebalance_of(
    run: Backtest, folder: Path, date: str, data: Path | None, table: Path | None, on_suspect: str
) -> tuple[Problem, dict[str, Any]]:  # fmt: skip
    settings = run.settings
    limits, rules = _limits(settings["limits"]), _rules(settings.get("rules"))
    market = _market(run, data, table, on_suspect)
    made = problem_of_run(run, market, _strategy(settings), date, limits=limits, rules=rules)
    fraction = settings["buffer_fraction"]
    if isinstance(fraction, int):
        fraction = float(fraction)
    buffer = {
        "buffer_rule": settings["buffer_rule"] if isinstance(fraction, float) else None,
        "buffer_fraction": fraction if isinstance(fraction, float) else 0.0,
        "risk_target": settings["strategy"]["risk_target"],
    }  # fmt: skip
    notes = [f"a rebalance of the run in {folder}"]
    if settings["optimizer"] not in EXACT:
        notes.append(f"the run was made with {settings['optimizer']}: what is explained is exact, from what it held")
    if not isinstance(fraction, float):
        notes.append("the buffer of the run is a function: what is explained is the portfolio before it")
    known = {
        "date": date, "capital": made.capital, "base_currency": settings["base_currency"], "buffer": buffer,
        "preset": preset_words(settings | settings["strategy"]), "notes": notes,
    }  # fmt: skip
    return made, known


def _market(run: Backtest, data: Path | None, table: Path | None, on_suspect: str) -> Market:
    settings, names = run.settings, list(run.positions.columns)
    if not settings["simulated"]:
        if data is None:
            raise InputError("is needed: the run has no copy of its prices", field="--data")
        done = "use" if on_suspect == "use" else "freeze"
        return read_market(
            data, table, instruments=names, base_currency=settings["base_currency"], on_suspect=done
        )  # fmt: skip
    if data is not None:
        raise InputError("the run is of a simulated market", field="--data")
    for seed in range(1, SEEDS + 1):
        market = simulated_market(seed, instruments=names)
        if market.between(end=settings["end"]).fingerprint() == settings["market"]:
            return market
    raise InputError(
        f"is of no simulated market with a seed up to {SEEDS} that this version makes; {IN_PYTHON}", field="market"
    )


def _limits(said: Any) -> Limits | None:
    """Those of the settings of a run, where they are no numbers and no function."""
    if said is None:
        return None
    try:
        return Limits(**{name: literal_eval(said[name]) for name in said})
    except (TypeError, ValueError, SyntaxError):
        raise InputError(f"of the run were made in Python; {IN_PYTHON}", field="limits") from None


def _rules(said: Any) -> list[Rule] | None:
    """Those of the settings of a run, where they are no function."""
    if isinstance(said, str):
        raise InputError(f"of the run were made in Python; {IN_PYTHON}", field="rules")
    return None if said is None else [rule_from_dict(content, "settings.json: rules") for content in said]


def _strategy(settings: dict[str, Any]) -> Strategy:
    """The one that a run of the command line had, by what its parts print as."""
    then = settings["strategy"]
    found = re.fullmatch(r"ExponentialCorrelation\(span=([\d.]+), shrinkage=([\d.]+)\)", then["correlation"])
    if found:
        span, shrinkage = (float(number) for number in found.groups())
        correlation = ExponentialCorrelation(int(span) if span.is_integer() else span, shrinkage)
        for forecasts in FORECASTS.values():
            for weights in WEIGHTS.values():
                made = Strategy(forecasts, weights, correlation=correlation, risk_target=then["risk_target"])
                if made.settings() == then:
                    return made
    raise InputError(f"of the run was made in Python; {IN_PYTHON}", field="strategy")
