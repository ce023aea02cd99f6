"""Caps on norms: the risk of a portfolio, or of a part of it, and its tracking error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from dynopt_milp.errors import CovarianceError, InputError
from dynopt_milp.io.first_few import first_few
from dynopt_milp.io.labelled import check_instruments
from dynopt_milp.io.matrix import to_matrix
from dynopt_milp.rules.arguments import (
    MOST_RISK,
    Amounts,
    amounts,
    by_instrument,
    is_many,
    members,
    names_of,
    of_rule,
    share,
    shown,
)
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.setting import Setting
from formulations import FloatArray, NormCap, Residual, Rules


@dataclass(frozen=True, slots=True)
class Covariance:
    """A covariance as a value.

    Attributes
    ----------
    instruments : tuple of str
        Names, sorted; none where the rows have the order of the problem.
    rows : tuple of tuples of float
        Σ, annual.
    """

    instruments: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, value: Any) -> Covariance:
        """That of a frame or an array, or of a dict with the two fields, as a problem file has it."""
        if isinstance(value, Covariance):
            return value
        if isinstance(value, dict):
            if value.keys() != {"instruments", "rows"}:
                raise InputError("expected the fields instruments and rows", field="covariance")
            names = check_instruments(value["instruments"], "covariance")
            rows = to_matrix(value["rows"], names)
            value = pd.DataFrame(rows, index=names, columns=names)
        if not isinstance(value, pd.DataFrame):
            size = len(value) if is_many(value) else 1
            return cls((), _rows(to_matrix(value, tuple(f"row {place + 1}" for place in range(size)))))
        names = tuple(sorted(check_instruments(value.index, "covariance")))
        return cls(names, _rows(to_matrix(value, names)))

    def labelled(self, instruments: tuple[str, ...]) -> Covariance:
        """The same with these names where there are none."""
        if self.instruments:
            return self
        if len(self.rows) != len(instruments):
            raise CovarianceError(
                f"expected {len(instruments)} rows and columns, one per instrument, found {len(self.rows)}",
                field="covariance",
            )
        return Covariance.of(pd.DataFrame(np.array(self.rows), index=instruments, columns=instruments))

    def among(self, instruments: tuple[str, ...], known: tuple[str, ...]) -> FloatArray:
        """That of some instruments, in their order; every name has to be among those of the problem, ``known``."""
        for name in self.instruments:
            if name not in known:
                raise CovarianceError(
                    "is not among the instruments of the problem", field="covariance", instrument=name
                )
        for name in instruments:
            if name not in self.instruments:
                raise CovarianceError("is missing", field="covariance", instrument=name)
        places = np.array([self.instruments.index(name) for name in instruments])
        return np.asarray(np.array(self.rows)[places[:, None], places])

    def to_dict(self) -> dict[str, Any]:
        """What a problem file holds."""
        return {"instruments": list(self.instruments), "rows": [list(row) for row in self.rows]}


@dataclass(frozen=True, slots=True, repr=False)
class Risk(Rule):
    """sqrt(w'Σw) ≤ ρ with w = Uk; see :func:`risk`."""

    limit: float
    names: tuple[str, ...] | None
    covariance: Covariance | None
    kind: ClassVar[str] = "risk"
    raised: ClassVar[tuple[str, ...]] = ("limit",)

    @property
    def formula(self) -> str:
        """In symbols."""
        some = "" if self.names is None else f" of {first_few(self.names)}"
        own = "" if self.covariance is None else ", Σ of its own"
        return f"sqrt(w'Σw){some} ≤ {shown(self.limit)}{own}"

    def labelled(self, instruments: tuple[str, ...]) -> Rule:
        """The same with names of the rows of the covariance."""
        return self if self.covariance is None else replace(self, covariance=self.covariance.labelled(instruments))

    def parts(self, setting: Setting) -> Rules:
        """A cap on the norm of the positions that are named; a frozen one counts."""
        names = setting.instruments if self.names is None else self.names
        chosen = members(names, setting.instruments)
        if self.covariance is not None:
            factor, residual = _by_another(self.covariance, chosen, setting)
        elif self.names is not None:
            factor, residual = np.where(chosen, setting.factor, 0.0), _among(setting.residual, chosen)
        else:
            factor, residual = setting.factor, setting.residual
        return Rules(caps=(NormCap(factor, np.zeros(setting.size), self.limit, residual),))


@dataclass(frozen=True, slots=True, repr=False)
class TrackingError(Rule):
    """‖F(k − τ)‖ ≤ ρ; see :func:`tracking_error`."""

    limit: float
    target: Amounts | None = None
    kind: ClassVar[str] = "tracking_error"
    raised: ClassVar[tuple[str, ...]] = ("limit",)

    @property
    def formula(self) -> str:
        """In symbols."""
        own = "" if self.target is None else ", τ of its own"
        return f"sqrt(e'Σe) ≤ {shown(self.limit)}{own}"

    def with_target(self, target: Mapping[str, float]) -> Rule:
        """The same of this target, if it has none of its own."""
        return self if self.target is not None else replace(self, target=tuple(sorted(target.items())))

    def parts(self, setting: Setting) -> Rules:
        """A cap on the norm of what is away from the target."""
        target = setting.target.copy()
        if self.target is not None:
            target = by_instrument(self.target, setting.instruments, "target")
        return Rules(caps=(NormCap(setting.factor, target, self.limit, setting.residual),))


def risk(limit: float, names: Iterable[str] | None = None, covariance: Any = None) -> Rule:
    """Annual standard deviation at most: sqrt(w'Σw) ≤ limit, with the weights w = Uk.

    Parameters
    ----------
    limit : float
        Share of capital, not negative, at most 5.
    names : list of str, optional
        Of these positions alone, as if there were no others. Default: of all.
    covariance : DataFrame or array_like, optional
        Another Σ, annual, of percentage returns, with every instrument it is needed for; an array has the order of the
        problem's. Its round-off is repaired as that of the problem's. Default: that of the problem.

    Raises
    ------
    RulesError
        If the limit is negative, no number, or above 5, which looks like per cent; or if there are no names, or one is
        repeated.
    CovarianceError
        If the covariance is not square, or has entries that are no real numbers.
    """
    with of_rule("risk"):
        chosen = None if names is None else names_of(names)
        given = None if covariance is None else Covariance.of(covariance)
        return Risk(share(limit, "limit", MOST_RISK), chosen, given)


def tracking_error(limit: float, target: Any = None) -> Rule:
    """Annual tracking error at most: sqrt(e'Σe) ≤ limit, with e = U(τ − k).

    Parameters
    ----------
    limit : float
        Share of capital, not negative, at most 5.
    target : number, Series or dict, optional
        Another τ, contracts, whole or not: a benchmark, say. A number for all, or by instrument; then every instrument
        of the problem has one. Default: that of the problem.

    Raises
    ------
    RulesError
        If the limit is anything else (above 5 it looks like per cent), or a position of the target is no number.
    """
    with of_rule("tracking_error"):
        given = None if target is None else amounts(target, "target")
        return TrackingError(share(limit, "limit", MOST_RISK), given)


def _rows(matrix: FloatArray) -> tuple[tuple[float, ...], ...]:
    """The rows as a value, without negative zeros."""
    return tuple(tuple(row) for row in (matrix + 0.0).tolist())


def _among(residual: Residual, chosen: np.ndarray) -> Residual:
    """That of a covariance whose rows and columns of the others are zero; its factor has columns of zeros there."""
    twin = np.arange(chosen.size)
    first: dict[int, int] = {}
    for place in np.flatnonzero(chosen):
        twin[place] = first.setdefault(int(residual.twin[place]), int(place))
    covariance = np.where(chosen & chosen[:, None], residual.covariance, 0.0)
    return Residual(covariance, residual.weight, residual.size, twin, bool((twin != np.arange(twin.size)).any()))


def _by_another(given: Covariance, chosen: np.ndarray, setting: Setting) -> tuple[FloatArray, Residual]:
    """A factor of another covariance in contract units, with columns of zeros for the others, and its residual."""
    places = np.flatnonzero(chosen)
    names = tuple(setting.instruments[place] for place in places)
    weight = setting.weight[places]
    made = setting.factored(given.among(names, setting.instruments), names, weight)
    factor, covariance = np.zeros((len(made.factor), setting.size)), np.zeros((setting.size, setting.size))
    factor[:, places] = made.factor * weight
    covariance[places[:, None], places] = made.covariance
    twin = np.arange(setting.size)
    twin[places] = places[made.twin]
    return factor, Residual(covariance, setting.weight, made.residual, twin, made.twins)
