"""Where the problem of a rebalance comes from: a problem file, targets with a covariance or prices, or prices alone."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from dynopt_milp.commands.market_options import chosen_market
from dynopt_milp.commands.run_source import problem_of_folder
from dynopt_milp.data import Market
from dynopt_milp.errors import InputError
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.problem_file import read_content
from dynopt_milp.rules.among import rules_among
from dynopt_milp.rules.rule import Rule
from dynopt_milp.show.backtests import show_market, show_notes
from dynopt_milp.strategy.market_notes import market_notes
from dynopt_milp.strategy.presets import Preset, preset_words
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.from_prices import known_day, problem_of_day
from dynopt_milp.trades.from_targets import problem_of_day_and_targets, problem_of_targets, reference_prices
from dynopt_milp.trades.input_files import read_covariance, read_held, read_targets
from dynopt_milp.trades.input_notes import (
    notes_of_covariance,
    notes_of_date,
    notes_of_held,
    notes_of_last_day,
    notes_of_left_out,
    notes_of_prices,
    notes_of_problem,
    notes_of_rates,
)
from dynopt_milp.trades.outcome import is_record
from dynopt_milp.trades.stored_decision import decision_of

OF_PRICES = (
    "date", "instruments", "instruments_table", "base_currency", "forecasts", "weights", "correlation_span", "notes",
    "on_suspect",
)  # fmt: skip
UNUSED_OPTIONS = {
    "a problem file says all that is minimised": (
        "capital", "held", "targets", "covariance", "period", "preset", "cost_multiplier", "shrinkage", "holding_cost",
        "frequency", "roll_trades", *OF_PRICES,
    ),
    "a covariance is given": OF_PRICES,
    "a backtest says all that is minimised": (
        "capital", "held", "targets", "covariance", "period", "preset", "cost_multiplier", "shrinkage", "holding_cost",
        "frequency", "roll_trades", "instruments", "base_currency", "forecasts", "weights", "correlation_span",
        "risk_target", "notes", "buffer_rule", "buffer_fraction", "long_only", "no_trade", "reduce_only", "same_side",
        "close", "one_side", "rules", "margin", "max_risk", "max_holdings", "min_order",
    ),
    "targets are given": ("instruments", "forecasts", "weights"),
}  # fmt: skip
"""Options that make no sense where something else is given, and what that is."""


@dataclass(frozen=True, slots=True)
class ProblemSource:
    """What the options of the command say.

    ``given`` are the names of those that were given; with ``of_runs`` the file may be the folder of a backtest.
    """

    problem: Path | None
    targets: Path | None
    covariance: Path | None
    period: str | None
    data: Path | None
    capital: float | None
    date: str | None
    held: Path | None
    instruments: str | None
    instruments_table: Path | None
    base_currency: str
    strategy: Callable[[Preset], Strategy]
    preset: Preset
    shrinkage: float
    risk_target: float
    limits: Limits | None
    rules: tuple[Rule, ...]
    frequency: str
    roll_trades: float
    notes: bool
    on_suspect: str
    given: frozenset[str]
    of_runs: bool = False

    @property
    def holding(self) -> str | None:
        """How often is rebalanced, where the cost of holding is counted."""
        return self.frequency if self.preset.holding_cost else None

    def read(self, console: Console) -> tuple[Problem, dict[str, Any]]:
        """The problem, and what else is known of where it comes from; what prices say is shown on the console.

        What is known goes into the JSON, the file of trades and the log. Its ``notes`` are texts, a line each. Of a
        file of trades, ``decision`` is what it says (:class:`~dynopt_milp.trades.StoredDecision`).

        Raises
        ------
        InputError
            If the options contradict each other or something is missing; otherwise as what they name.
        """
        notes: list[str] = []
        made, known = self._read(console, notes)
        notes.extend(known.pop("notes", ()))
        return made, known | {"notes": [*notes, *notes_of_problem(made)]}

    def _read(self, console: Console, notes: list[str]) -> tuple[Problem, dict[str, Any]]:
        if self.problem is not None and self.of_runs and (self.problem / "settings.json").exists():
            return self._of_run(self.problem)
        if self.problem is not None:
            if self.of_runs and not self.problem.exists():
                read_content(self.problem)  # which says so
            if self.data is not None:
                raise InputError("give a problem file or --data, not both", field="PROBLEM.json")
            self._refuse("a problem file says all that is minimised")
            return self._of_file(self.problem, notes)
        for name in ("frequency", "roll_trades"):
            if name in self.given and self.holding is None:
                raise InputError("makes no sense without --holding-cost", field=f"--{name.replace('_', '-')}")
        if self.covariance is not None:
            return self._of_covariance(self.covariance, console, notes)
        if self.period is not None:
            raise InputError("makes no sense without --covariance", field="--period")
        if self.data is None:
            raise InputError(
                "give a problem file; or --targets with --covariance or --data; or --data alone", field="PROBLEM.json"
            )
        if self.capital is None:
            raise InputError("is needed with --data", field="--capital")
        return self._of_prices(self.data, self.capital, console, notes)

    def _of_run(self, folder: Path) -> tuple[Problem, dict[str, Any]]:
        self._refuse("a backtest says all that is minimised")
        return problem_of_folder(folder, self.date, self.data, self.instruments_table, self.on_suspect)

    def _of_file(self, path: Path, notes: list[str]) -> tuple[Problem, dict[str, Any]]:
        if path.is_dir():
            raise InputError("is a folder: did you mean --data?", field=str(path))
        if path.suffix == ".csv":
            raise InputError(
                "is a table: trades that are to be read again are written as JSON, by --out FILE.json", field=str(path)
            )
        content = read_content(path)
        known: dict[str, Any] = {}
        if is_record(content):
            decision = decision_of(content, str(path))
            made, known = decision.problem, decision.about | {"decision": decision}
            of = f" of {decision.about['date']}" if "date" in decision.about else ""
            notes.append(f"made from the trades{of} in {path}")
            notes.extend(decision.notes)  # what was said of the input then
        else:
            made = Problem.from_dict(content, str(path))
        asked = Limits() if self.limits is None else self.limits
        if "one_side" in self.given and not asked.one_side and made.limits.one_side:
            raise InputError("the problem file has one_side; take it out there", field="--no-one-side")
        ruled = made.replace(limits=made.limits & asked, rules=(*made.rules, *self.rules))
        return ruled, _capital(made) | known

    def _of_covariance(self, covariance: Path, console: Console, notes: list[str]) -> tuple[Problem, dict[str, Any]]:
        if self.data is not None:
            raise InputError("give a covariance or --data, not both", field="--covariance")
        if self.targets is None:
            raise InputError("is needed with a covariance", field="--targets")
        self._refuse("a covariance is given")
        held = self._held(notes)
        targets, matrix = read_targets(self.targets), read_covariance(covariance)
        self._note_not_named(held, targets, notes)
        notes.extend(notes_of_covariance(matrix, targets))
        made = problem_of_targets(
            targets, matrix, held,
            capital=self.capital, cost_multiplier=self.preset.cost_multiplier, limits=self.limits,
            shrinkage=self.shrinkage, period=self.period, holding=self.holding, roll_trades=self.roll_trades,
        )  # fmt: skip
        made = made.replace(rules=self.rules)
        reference = reference_prices(targets)
        said = {"preset": preset_words(self._aims(f"of {covariance.name}"))} | _capital(made)
        return made, said if reference.empty else said | _said(reference, targets["price"], console)

    def _aims(self, correlation: str = "") -> dict[str, Any]:
        """What of the preset is minimised and traded; correlations that are given are not the preset's."""
        aims = {"preset": self.preset.name} | self.preset.settings()
        if not correlation:
            return aims
        shrunk = f" shrunk by {self.shrinkage:g}" if self.shrinkage else ""
        return aims | {"correlation": correlation + shrunk}

    def _of_prices(
        self, folder: Path, capital: float, console: Console, notes: list[str]
    ) -> tuple[Problem, dict[str, Any]]:
        positions = self._held(notes)
        targets = None
        if self.targets is not None:
            self._refuse("targets are given")
            targets = read_targets(self.targets)
            self._note_not_named(positions, targets, notes)
        market = chosen_market(
            folder, self.instruments, self.base_currency, table=self.instruments_table, on_suspect=self.on_suspect,
            end=self.date,
        )  # fmt: skip
        common: dict[str, Any] = {
            "cost_multiplier": self.preset.cost_multiplier, "limits": self.limits, "holding": self.holding,
            "roll_trades": self.roll_trades,
        }  # fmt: skip
        strategy = self.strategy(self.preset)
        if targets is None:
            made = problem_of_day(
                market, strategy, capital, self.date, 0.0 if positions is None else positions, **common
            )
        else:
            made = problem_of_day_and_targets(market, strategy, capital, targets, self.date, positions, **common)
        house = rules_among(self.rules, made.instruments, market.instruments)
        made = made.replace(rules=house)
        for rule in self.rules:
            if rule not in house:
                notes.append(f"{rule}: some of its instruments are not in the rebalance, and are left out of it")
        show_market(market, console)
        if self.notes:
            show_notes(market, console)
        close = known_day(market.select(made.instruments) if targets is not None else market, self.date)
        day = f"{close:%Y-%m-%d}"
        before = market.between(end=day)
        notes.extend(market_notes(before, capital))
        today = datetime.datetime.now(datetime.UTC).date()
        notes.extend(notes_of_date(close, self.date, today))
        notes.extend(notes_of_last_day(before, today))
        notes.extend(notes_of_prices(before, made))
        notes.extend(notes_of_rates(before))
        if targets is None:
            notes.extend(notes_of_left_out(before, market.instruments, made, strategy))
        about = {"date": day, "capital": capital, "base_currency": self.base_currency}
        about["preset"] = preset_words(self._aims())
        about |= _of_data(before, list(made.instruments), console)
        prices = before.prices.ffill().iloc[-1].reindex(list(made.instruments))
        reference = before.reference_prices().ffill().iloc[-1].reindex(list(made.instruments))
        other = reference[reference != prices]
        return made, about if other.empty else about | _said(other, prices, console)

    def _held(self, notes: list[str]) -> pd.Series | None:
        """What is held, None without a file; that it is nothing is noted."""
        positions = None if self.held is None else read_held(self.held)
        if positions is None or positions.empty:
            what = "no --held" if self.held is None else f"{self.held.name} has a header and no rows"
            notes.append(f"{what}: the trades are those of an account that holds nothing")
        return positions

    def _note_not_named(self, held: pd.Series | None, targets: pd.DataFrame, notes: list[str]) -> None:
        if self.held is not None and held is not None and not held.empty:
            notes.extend(notes_of_held(held, targets, self.held.name))

    def _refuse(self, reason: str) -> None:
        for name in UNUSED_OPTIONS[reason]:
            if name in self.given:
                raise InputError(f"makes no sense where {reason}", field=f"--{name.replace('_', '-')}")


def _of_data(known: Market, instruments: list[str], console: Console) -> dict[str, Any]:
    """Print how old prices are; what the record of the decision has of the data."""
    priced = known.last_priced()
    days = {name: int((known.days[-1] - priced[name]).days) for name in instruments}
    old = [f"{name} {number}" for name, number in days.items() if number]
    if old:
        console.print(f"days since the last price: {', '.join(old)}\n", highlight=False, markup=False, soft_wrap=True)
    return {
        "suspects": [suspect.to_dict() for suspect in known.suspects],
        "days_since_price": days,
    }


def _capital(problem: Problem) -> dict[str, Any]:
    """What the record of the decision has of the capital, where it is known."""
    return {} if problem.capital is None else {"capital": problem.capital}


def _said(reference: pd.Series, prices: pd.Series, console: Console) -> dict[str, Any]:
    """Print the reference prices that are not the prices; what the record of the decision has of them."""
    for name, price, number in zip(reference.index, prices[reference.index], reference, strict=True):
        console.print(
            f"{name}: price {price:g}; its weight and covariance are by the reference price {number:g}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    console.print()
    return {"reference_prices": {str(name): float(number) for name, number in reference.items()}}
