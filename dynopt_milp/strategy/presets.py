"""Presets: what belongs together in the objective, and in the buffer.

The cost multiplier, the covariance, the cost of holding and the buffer say together how close positions follow their
targets and what that costs. An optimum is only as good as what it is the optimum of: a λ that is right beside one
covariance is wrong beside another. `comparisons/frontier` has what each preset came to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from dynopt_milp.errors import InputError
from dynopt_milp.io.describe import describe
from dynopt_milp.io.labelled import not_negative, one_of, true_or_false
from dynopt_milp.problem.book import (
    BOOK_BUFFER_FRACTION,
    BOOK_CORRELATION_SPAN,
    BOOK_COST_MULTIPLIER,
    BOOK_RISK_TARGET,
)
from dynopt_milp.problem.plausible import MOST_FRACTION, MOST_MULTIPLIER
from dynopt_milp.strategy.correlation import Correlation, ExponentialCorrelation
from dynopt_milp.strategy.strategy import Strategy

BufferRule = Literal["book", "edge", "deadband"]
BUFFER_RULES: tuple[str, ...] = get_args(BufferRule)
"""Beside None, which is no buffer."""
OF_PRESET = "preset"
"""As a buffer rule: that of the preset, as None means that there is none."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What is minimised, and how far of the way is traded.

    Parameters
    ----------
    name : str
        Is printed with the results.
    correlation : callable
        Of the optimisation, as :class:`~dynopt_milp.Strategy` has it; of a strategy that has none of its own.
    cost_multiplier : float
        λ.
    buffer_rule : {"book", "edge", "deadband"} or None
        As in :func:`~dynopt_milp.rebalance`.
    buffer_fraction : float
        Share of the risk target.
    holding_cost : bool
        Whether the rolls until the next rebalance are counted in the objective.

    Raises
    ------
    InputError
        If one of them makes no sense.
    """

    name: str
    correlation: Correlation
    cost_multiplier: float
    buffer_rule: str | None = "book"
    buffer_fraction: float = BOOK_BUFFER_FRACTION
    holding_cost: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"expected a name, found {self.name!r}", field="name")
        if not callable(self.correlation):
            raise InputError(f"expected a function, found {type(self.correlation).__name__}", field="correlation")
        not_negative(self.cost_multiplier, "cost_multiplier", most=MOST_MULTIPLIER)
        if self.buffer_rule is not None:
            one_of(self.buffer_rule, BUFFER_RULES, "buffer_rule", other="None")
        not_negative(self.buffer_fraction, "buffer_fraction", most=MOST_FRACTION)
        true_or_false(self.holding_cost, "holding_cost")

    def of(self, strategy: Strategy) -> Strategy:
        """The strategy, with this covariance if it has none of its own.

        Raises
        ------
        InputError
            If it is no strategy.
        """
        if not isinstance(strategy, Strategy):
            raise InputError(f"expected a Strategy, found {type(strategy).__name__}", field="strategy")
        return replace(strategy, correlation=self.correlation_of(strategy))

    def correlation_of(self, strategy: Strategy) -> Correlation:
        """The correlations of the strategy, or these if it has none of its own."""
        return self.correlation if strategy.correlation is None else strategy.correlation

    def settings(self) -> dict[str, Any]:
        """What it sets, as the settings of a run have it."""
        return {
            "cost_multiplier": self.cost_multiplier,
            "correlation": describe(self.correlation),
            "holding_cost": self.holding_cost,
            "buffer_rule": self.buffer_rule,
            "buffer_fraction": self.buffer_fraction,
        }


BOOK = Preset("book", ExponentialCorrelation(BOOK_CORRELATION_SPAN), BOOK_COST_MULTIPLIER)
"""Strategy twenty-five of the book."""
PYSYSTEMTRADE = Preset(
    "pysystemtrade", ExponentialCorrelation(BOOK_CORRELATION_SPAN, 0.5), 50.0, "book", 0.0125 / BOOK_RISK_TARGET
)  # fmt: skip
"""The defaults of pysystemtrade: shadow cost, a buffer of 1.25 % of tracking error, correlations shrunk by 0.5."""
RECOMMENDED = Preset("recommended", ExponentialCorrelation(100, 0.3), 10.0, "book", BOOK_BUFFER_FRACTION, True)
"""Chosen on 2005 to 2012 of 42 real futures, by the rule of `comparisons/frontier`, and reported on 2013 to 2019."""
PRESETS = {preset.name: preset for preset in (BOOK, PYSYSTEMTRADE, RECOMMENDED)}
"""By name."""
DEFAULT = RECOMMENDED.name
"""Of backtests, comparisons and rebalances from prices."""


def preset_of(given: str | Preset) -> Preset:
    """A preset, or that of a name.

    Raises
    ------
    UnknownNameError
        If no preset has the name.
    InputError
        If it is neither.
    """
    if isinstance(given, Preset):
        return given
    if not isinstance(given, str):
        raise InputError(f"expected a name or a Preset, found {type(given).__name__}", field="preset")
    return PRESETS[one_of(given, PRESETS, "preset")]


def preset_words(settings: Mapping[str, Any]) -> str:
    """What is minimised and traded, in words, after the preset that it was to be.

    Parameters
    ----------
    settings : mapping
        Of those of :meth:`Preset.settings` all that matter, what is not there is not compared; and ``preset``, the name
        of the one that was asked for. Where it is not known, it is the one that they are next to.
    """
    said = {name: value for name, value in settings.items() if name in BOOK.settings()}
    if "buffer_rule" in said and said["buffer_rule"] is None:
        said.pop("buffer_fraction", None)  # of no buffer
    different = {
        name: [what for what, value in preset.settings().items() if what in said and said[what] != value]
        for name, preset in PRESETS.items()
    }
    name = settings.get("preset") or min(different, key=lambda name: len(different[name]))
    changed = [NAMES[what] for what in different.get(str(name), [])]
    but = f", but for {' and '.join(changed)}" if changed else ""
    return f"preset {name}{but}: {', '.join(text for what in said if (text := _words(what, said[what], said)))}"


NAMES = {
    "cost_multiplier": "λ", "correlation": "correlations", "holding_cost": "the cost of holding",
    "buffer_rule": "the buffer rule", "buffer_fraction": "the size of the buffer",
}  # fmt: skip


def _words(name: str, value: Any, settings: Mapping[str, Any]) -> str:
    if name == "buffer_rule":
        fraction = settings.get("buffer_fraction")
        of = "" if value is None or not isinstance(fraction, float) else f" of {fraction:g} of the risk target"
        return "no buffer" if value is None else f"buffer {value}{of}"
    if name == "buffer_fraction":
        return "" if "buffer_rule" in settings else f"buffers of {value:g} of the risk target"
    if name == "holding_cost":
        return "the cost of holding is counted" if value else "the cost of holding is not counted"
    return f"λ = {value:g}" if name == "cost_multiplier" else f"correlations {value}"
