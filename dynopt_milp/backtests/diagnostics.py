"""What is unusual about a run, by the guide's typical values and by its risk and rolls, each with its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from dynopt_milp.backtests.proved_days import REFUSED
from dynopt_milp.backtests.remedies import (
    FEWER_INSTRUMENTS,
    FEWER_ROLLS,
    FINER_POSITIONS,
    HIGHER_FRACTION,
    LESS_GROSS,
    LONGER_CORRELATION,
    LOWER_FRACTION,
    LOWER_RISK,
    MORE_CAPITAL,
    MORE_TIME,
    ONE_SIDE,
    ONE_SIZE,
    ONE_UNDERLYING,
    SHRUNK_CORRELATION,
    Remedy,
    listed,
    trade_less,
    trade_more,
)
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.problem.plausible import MOST_CAPITAL

# The guide's monitoring section: typical values and red flags.
TYPICAL_TRACKING_ERROR = (0.001, 0.01)  # annual, share of capital
TYPICAL_ADJUSTMENT = (0.3, 0.8)
TYPICAL_TURNOVER = (50.0, 500.0)  # contracts a year
HIGH_TRACKING_ERROR = 0.02
HIGH_TURNOVER = 1000.0
SMALL_CAPITAL = 500_000.0  # the guide calls portfolios above this large
REALISED_PAIR = ("realised_tracking_error", "rounded_realised_tracking_error")
ACCOUNT_LOST = "days until the account was lost"
SHOWN = 6
"""How many instruments a finding names."""
UNROUNDED, ROUNDED, BUFFERED = UNOPTIMISED = ("unrounded", "rounded", "buffered")
"""Optimizers that do not optimise: hold the target positions, in fractions, rounded, or rounded within a buffer."""

# On 42 real futures plain rounding has 1.1 over 15 years, the optimum with half a year of correlations, whose noise it
# leans on, 1.9 to 2.8, and with those shrunk by a half 1.2 over ten.
HIGH_RISK_RATIO = 1.5
FEWEST_DAYS = DAYS_A_YEAR // 4
"""Days from which on annualised turnover, cost and realised tracking error say anything: a quarter of a year.

Chance moves a standard deviation of n days by 1 / sqrt(2n), here 9 %, far from 1.5; the first position is a trade from
nothing, which counts 256 times a year on the first day and 4 times here.
"""
OF_MANY_DAYS = (
    "annual_turnover", "rounded_annual_turnover", "realised_tracking_error", "rounded_realised_tracking_error",
)  # fmt: skip
"""Figures that are taken for unknown before that."""
# On the same futures rounding, greedy and exact on the side of the targets hold 0.5 to 1.0 times the gross notional of
# the fractions, exact with sizes on one side 1.0 to 1.4 times, and without 1.1 to 2.9: what is twice as much offsets
# itself.
HIGH_GROSS_RATIO = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at.

    Parameters
    ----------
    name : str
        What it is about, in a word or two.
    level : {"note", "warning"}
        A note is outside the typical range or good to know, a warning is a red flag.
    figure : float
        What was found.
    threshold : str
        What it was held against.
    remedy : str
        What to do.
    changes : dict
        What the remedy changes: ``"higher"``, ``"lower"`` or ``"on"`` by setting. No two findings of a run contradict
        each other, and none says to trade more where another says to trade less.
    """

    name: str
    level: str
    figure: float
    threshold: str
    remedy: str
    changes: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return asdict(self)


def findings(performance: Mapping[str, Any], rebalances: pd.DataFrame, settings: Mapping[str, Any]) -> list[Finding]:
    """Everything unusual about a run, warnings first.

    Parameters
    ----------
    performance : mapping
        See :func:`~dynopt_milp.backtests.performance`. Where a figure is None or not there, what is said of it is
        left out; so is what is said of annualised turnover, of costs against each other and of the realised tracking
        error in a run of fewer than :data:`FEWEST_DAYS`.
    rebalances : DataFrame
        See :class:`~dynopt_milp.Backtest`.
    settings : mapping
        With ``capital``, ``optimizer`` and ``buffer_rule``; ``cost_multiplier``, ``buffer_fraction`` and ``frequency``
        where known: a remedy that is used up is not offered.
    """
    found = _unsolved(performance)
    if not _long_enough(performance):
        performance = {**performance, **dict.fromkeys(OF_MANY_DAYS)}
    if whole := _account_lost(performance) or _too_small(performance, settings):  # which is behind everything else
        return [whole, *found]
    if settings["optimizer"] not in UNOPTIMISED:  # the remedies are those of the optimisation
        found += [
            *_rules_that_bind(performance),
            *_proofs(performance),
            *_tracking_and_turnover(performance, settings),
            *_adjustment(performance, rebalances, settings),
            *_risk_ratio(performance),
            *_gross_notional(performance),
            *_opposite_sizes(performance, settings),
        ]
    found += [*_rolls(performance), *_no_returns(performance)]
    return sorted(found, key=lambda finding: finding.level != "warning")


def _finding(
    name: str, level: str, figure: float, threshold: str, why: str, remedies: tuple[Remedy, ...] = ()
) -> Finding:
    """A finding whose remedy is why, then what helps."""
    words = f"{why}; what helps: {listed(remedies)}" if remedies else why
    return Finding(name, level, figure, threshold, words, {remedy.setting: remedy.direction for remedy in remedies})


def _unsolved(performance: Mapping[str, Any]) -> list[Finding]:
    found = []
    if performance["num_failed"]:
        found.append(
            _finding(
                "failed rebalances", "warning", performance["num_failed"], "0",
                "see the column 'reason' of the rebalances; held positions are kept on such a day",
            )
        )  # fmt: skip
    unproven = performance["num_not_proved"]
    if unproven:
        found.append(
            _finding(
                "rebalances not proven optimal", "warning", unproven, "0",
                "the gap says how far from the best they can be", (MORE_TIME,),
            )
        )  # fmt: skip
    if broken := performance.get("num_rules_broken"):
        found.append(
            _finding(
                "rules broken between rebalances", "note", broken, "0",
                "markets moved, or an order waited for a price: what was decided kept the rules of its day, what was "
                "held at the next rebalance did not; the column 'rules_broken' of the rebalances counts them",
            )
        )  # fmt: skip
    if kept := performance.get("num_kept"):
        found.append(
            _finding(
                "rebalances with an instrument kept", "note", kept, "0",
                "what could not be decided kept its position; the column 'reason' of the rebalances says which and why",
            )
        )  # fmt: skip
    return found


def _rules_that_bind(performance: Mapping[str, Any]) -> list[Finding]:
    """Which rules bind, the ones first that bind most often, and what each costs where that is known."""
    asked = {name: of_one for name, of_one in performance.get("rules", {}).items() if of_one["binding"]}
    if not asked:
        return []
    words = []
    for name, of_one in list(asked.items())[:SHOWN]:
        price = of_one["mean_price"]
        paid = "" if price is None else f", {price:.2%} of capital each time" + (
            "" if of_one["priced"] == of_one["binding"] else f" of {of_one['priced']:,}"
        )  # fmt: skip
        words.append(f"{name} at {of_one['binding']:,}{paid}")
    more = f"; and {len(asked) - SHOWN} more" if len(asked) > SHOWN else ""
    mean = performance["avg_rules_cost"]
    threshold = f"rebalances, of {performance['num_rebalances']:,}; {mean:.2%} of capital in the objective, mean of all"
    why = f"the optimum without any rule would break them: {'; '.join(words)}{more}"
    return [_finding("rules bind", "note", performance["num_rules_bind"], threshold, why)]


def _proofs(performance: Mapping[str, Any]) -> list[Finding]:
    """What came of the proofs that were asked for."""
    proofs = performance.get("proofs")
    if not proofs:
        return []
    threshold = f"rebalances, of {proofs['asked']:,} that were to be proved; {proofs['leaves']:,} leaves"
    others = [f"{why}: {number:,}" for why, number in proofs["others"].items()]
    why = "; ".join(others) if others else "an independent checker has confirmed their optima, in exact arithmetic"
    wrong = not proofs["verified"] or any(outcome.startswith(REFUSED) for outcome in proofs["others"])
    return [_finding("proofs verified", "warning" if wrong else "note", proofs["verified"], threshold, why)]


def _long_enough(performance: Mapping[str, Any]) -> bool:
    return (performance.get("days") or 0) >= FEWEST_DAYS


def _account_lost(performance: Mapping[str, Any]) -> Finding | None:
    if not performance.get("account_lost"):
        return None
    largest = performance["max_drawdown_of_capital_pct"]
    why = (
        f"everything was closed, and the fall from the peak came to {largest:,.0f}% of the capital; other figures are "
        "of the days until then, and those of returns are left out"
    )
    threshold = f"on {performance['account_lost']}"
    return _finding(ACCOUNT_LOST, "warning", performance["days"], threshold, why, (MORE_CAPITAL, LOWER_RISK))


def _too_small(performance: Mapping[str, Any], settings: Mapping[str, Any]) -> Finding | None:
    """Where nothing was ever held, and no target was ever as large as a contract."""
    largest = performance.get("largest_target")
    if performance.get("avg_gross_notional") != 0 or not largest or largest >= 1:
        return None
    capital = settings["capital"]
    threshold = f"nothing was ever held: the largest target was {largest:.3g} contracts"
    needed = capital / largest
    amount = f"{needed:,.0f}" if needed <= MOST_CAPITAL else f"{needed:.3g}"
    why = f"too small to hold a contract; with about {amount} the largest target would be one"
    return _finding("capital", "warning", capital, threshold, why, FINER_POSITIONS)


def _too_far(performance: Mapping[str, Any]) -> bool:
    average = performance["avg_tracking_error"]
    return average is not None and average > TYPICAL_TRACKING_ERROR[1]


def _too_much(performance: Mapping[str, Any]) -> bool:
    annual = performance["annual_turnover"]
    return annual is not None and annual > TYPICAL_TURNOVER[1]


def _too_little(performance: Mapping[str, Any]) -> bool:
    annual = performance["annual_turnover"]
    return annual is not None and annual < TYPICAL_TURNOVER[0]


def _closer_than_rounding(performance: Mapping[str, Any]) -> bool:
    """Whether the run follows the targets closer than rounding them: as expected, and as it came."""
    pairs = (("avg_tracking_error", "rounded_tracking_error"), REALISED_PAIR)
    if performance.get("rounded_tracking_error") is None:
        return False
    known = [pair for pair in pairs if all(performance.get(name) is not None for name in pair)]
    return all(performance[own] <= performance[rounded] for own, rounded in known)


def _tracking_and_turnover(performance: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Finding]:
    """Each by itself, but for a run that has too much of both: trading more mends the one, less the other."""
    tracking, turnover = _tracking_error(performance, settings), _turnover(performance, settings)
    if not (_too_far(performance) and _too_much(performance)):
        return tracking + turnover
    level = "warning" if any(finding.level == "warning" for finding in tracking + turnover) else "note"
    (least, most), (fewest, many) = TYPICAL_TRACKING_ERROR, TYPICAL_TURNOVER
    threshold = (
        f"tracking error {performance['avg_tracking_error']:.3g} and {performance['annual_turnover']:,.0f} contracts a "
        f"year, typical {least:g} to {most:g} and {fewest:g} to {many:g} in the guide"
        + _rounding(performance, "rounded_tracking_error", "rounded_annual_turnover")
    )
    why = "too small for so many or so large contracts"
    return [_finding("capital", level, settings["capital"], threshold, why, FINER_POSITIONS)]


def _tracking_error(performance: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Finding]:
    if not _too_far(performance):
        return []
    average, rounding = performance["avg_tracking_error"], _rounding(performance, "rounded_tracking_error")
    (least, most), closer = TYPICAL_TRACKING_ERROR, _closer_than_rounding(performance)
    high = average > HIGH_TRACKING_ERROR and not closer
    guide = f"above {HIGH_TRACKING_ERROR:g}, a red flag" if high else f"typical {least:g} to {most:g}"
    threshold, level = f"{guide} in the guide{rounding}", "warning" if high else "note"
    if closer:
        why = "it follows the targets closer than rounding does"
        return [_finding("tracking error", level, average, threshold, why, FINER_POSITIONS)]
    why = "far from the targets"
    if rounding:
        came, of_rounding = (performance.get(name) for name in REALISED_PAIR)
        as_it_came = average <= performance["rounded_tracking_error"] and None not in (came, of_rounding)
        realised = f" as it came (realised {came:.3g} against {of_rounding:.3g})" if as_it_came else ""
        why = f"rounding follows the targets closer{realised}"
    remedies = (*trade_more(settings), *FINER_POSITIONS)
    return [_finding("tracking error", level, average, threshold, why, remedies)]


def _turnover(performance: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Finding]:
    annual, (least, most) = performance["annual_turnover"], TYPICAL_TURNOVER
    rounding = _rounding(performance, "rounded_annual_turnover")
    typical = f"typical {least:g} to {most:g} contracts a year in the guide{rounding}"
    if _too_much(performance):
        high = annual > HIGH_TURNOVER and settings["capital"] < SMALL_CAPITAL
        red = f"above {HIGH_TURNOVER:g} contracts a year with less than {SMALL_CAPITAL:,.0f}, a red flag in the guide"
        level, threshold = ("warning", red + rounding) if high else ("note", typical)
        return [_finding("turnover", level, annual, threshold, "much is traded", trade_less(settings))]
    if _too_little(performance):
        remedies = trade_more(settings)
        why = "little is traded, which is right if forecasts move little" if remedies else "the targets move little"
        return [_finding("turnover", "note", annual, typical, why, remedies)]
    return []


def _adjustment(
    performance: Mapping[str, Any], rebalances: pd.DataFrame, settings: Mapping[str, Any]
) -> list[Finding]:  # fmt: skip
    factors = rebalances["adjustment_factor"].dropna()
    if settings["buffer_rule"] != "book" or factors.empty:
        return []
    average, (least, most) = float(factors.mean()), TYPICAL_ADJUSTMENT
    always, typical = bool((factors >= 1.0).all()), f"typical {least:g} to {most:g} in the guide"
    if average < least:
        if _too_much(performance):  # what holds a high turnover back is no fault
            return []
        return [_finding("adjustment factor", "note", average, typical, "few trades get through", (LOWER_FRACTION,))]
    if average <= most:
        return []
    why = "buffering does nothing" if always else "most of every trade gets through"
    threshold = "always 1, a red flag in the guide" if always else typical
    level = "warning" if always else "note"
    remedies: tuple[Remedy, ...] = (HIGHER_FRACTION,)
    if _too_far(performance):  # a wider buffer lets it grow; a smaller one lets the buffer be felt
        why, remedies = f"{why} beside such a tracking error", FINER_POSITIONS
    elif _too_little(performance):
        level, why, remedies = "note", f"{why}, and with so little traded need not do more", ()
    return [_finding("adjustment factor", level, average, threshold, why, remedies)]


def _risk_ratio(performance: Mapping[str, Any]) -> list[Finding]:
    expected, realised = performance["avg_tracking_error"], performance.get("realised_tracking_error")
    if not expected or realised is None:
        return []
    ratio = realised / expected
    if ratio <= HIGH_RISK_RATIO:
        return []
    threshold = f"above {HIGH_RISK_RATIO:g}; realised {realised:.3g}, expected {expected:.3g}"
    why = f"the covariance expects less risk than came, by a factor of {ratio:.2g}"
    remedies = (LONGER_CORRELATION, SHRUNK_CORRELATION)
    return [_finding("realised over expected tracking error", "warning", ratio, threshold, why, remedies)]


def _gross_notional(performance: Mapping[str, Any]) -> list[Finding]:
    held, unrounded = performance.get("avg_gross_notional"), performance.get("unrounded_gross_notional")
    if held is None or not unrounded or held <= HIGH_GROSS_RATIO * unrounded:
        return []
    threshold = f"above {HIGH_GROSS_RATIO:g} times that of the fractions, {unrounded:.3g} times the capital"
    why = "positions are held against each other, two sizes of one contract, say"
    return [_finding("gross notional", "warning", held, threshold, why, (ONE_SIZE, ONE_SIDE))]


def _opposite_sizes(performance: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Finding]:
    days = performance.get("num_opposite_days")
    if not days:
        return []
    threshold = f"days of {performance['days']:,} with two sizes of one underlying on opposite sides"
    why = "what one size costs to hold buys nothing that the other does not take back"
    remedies = () if settings.get("one_side") else (ONE_UNDERLYING,)
    return [_finding("opposite sizes", "note", days, threshold, why, remedies)]


def _rolls(performance: Mapping[str, Any]) -> list[Finding]:
    trading, roll = performance.get("annual_trading_cost"), performance.get("annual_roll_cost")
    if trading is None:
        return []
    if roll is None:
        why = "rolls are not counted, and costs are higher than shown; use prices with contract months"
        return [_finding("costs without rolls", "note", trading, "contract months are not known", why)]
    found = []
    if unknown := performance.get("num_without_rolls"):
        why = "their rolls are not counted then, and costs are higher than shown; use prices with contract months"
        threshold = f"held while their contract months are not known{_while(performance.get('without_rolls', {}))}"
        found.append(_finding("instruments without rolls", "note", unknown, threshold, why))
    if roll > trading and _long_enough(performance):
        why = f"holding costs {roll:.3g} of the capital a year, trading {trading:.3g}"
        remedies = (FEWER_ROLLS, LESS_GROSS)
        found.append(_finding("roll cost", "note", roll, f"above {trading:.3g}, that of trades", why, remedies))
    return found


def _while(without: Mapping[str, Mapping[str, Any]]) -> str:
    """Which instruments were held without rolls, and when; those with most days first."""
    most = sorted(without, key=lambda name: -without[name]["days"])
    words = [
        f"{name} on {gap['days']:,} of {gap['held']:,} days, {gap['first']} to {gap['last']}"
        for name, gap in ((name, without[name]) for name in most[:SHOWN])
    ]
    more = [f"and {len(most) - SHOWN} more"] if len(most) > SHOWN else []
    return f": {'; '.join(words + more)}" if words else ""


def _no_returns(performance: Mapping[str, Any]) -> list[Finding]:
    if performance["annualized_volatility"]:
        return []
    why = "nothing was ever held; check that instruments have prices on the same days and long enough"
    remedies = (FEWER_INSTRUMENTS, MORE_CAPITAL)
    return [_finding("zero returns", "warning", 0.0, "not 0", why, remedies)]


ROUNDING = {"rounded_tracking_error": "{:.3g}", "rounded_annual_turnover": "{:,.0f} contracts a year"}
"""The figures of the targets, rounded, and how they are written."""


def _rounding(performance: Mapping[str, Any], *names: str) -> str:
    """What rounding the fractions reaches, to stand behind a threshold; nothing where that is not known."""
    known = [ROUNDING[name].format(performance[name]) for name in names if performance.get(name) is not None]
    return f"; rounding the fractions has {' and '.join(known)} with this capital" if known else ""
