"""Estimators of correlation: nonlinear shrinkage, the factor model, and blends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Strategy, simulated_market
from dynopt_milp.errors import InputError
from dynopt_milp.strategy import (
    BlendedCorrelation,
    ExponentialCorrelation,
    FactorCorrelation,
    FittedCorrelation,
    Inputs,
    NonlinearShrinkage,
    WindowCorrelation,
)
from formulations import FloatArray


def spread_covariance(random: np.random.Generator, size: int) -> FloatArray:
    """A fifth of the eigenvalues is 1, two fifths are 3 and 10, in random directions: the case of the paper."""
    eigenvalues = np.repeat([1.0, 3.0, 10.0], [size // 5, 2 * size // 5, size - size // 5 - 2 * size // 5])
    vectors = np.linalg.qr(random.normal(size=(size, size)))[0]
    return np.asarray((vectors * eigenvalues) @ vectors.T)


@pytest.mark.parametrize(("size", "rows", "least"), [(40, 100, 0.88), (80, 100, 0.92), (60, 40, 0.92)])
def test_nonlinear_shrinkage_is_nearly_as_close_as_knowing_the_truth(size: int, rows: int, least: float) -> None:
    """Of the distance from the sample to the best with its eigenvectors it goes nine tenths, as in the paper."""
    random = np.random.default_rng(size)
    lost = np.zeros(3)
    for _ in range(12):
        truth = spread_covariance(random, size)
        values = random.multivariate_normal(np.zeros(size), truth, size=rows)
        sample = np.cov(values.T)
        vectors = np.linalg.eigh(sample)[1]
        known = (vectors * np.einsum("ij,ik,kj->j", vectors, truth, vectors)) @ vectors.T
        found = NonlinearShrinkage().fit(values).covariance_
        lost += [((matrix - truth) ** 2).sum() for matrix in (sample, found, known)]
    assert lost[2] < lost[1]
    assert (lost[0] - lost[1]) / (lost[0] - lost[2]) > least


def test_nonlinear_shrinkage_turns_with_the_data_and_ends_at_the_sample() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(60, 12)) * np.linspace(1, 4, 12)
    turn = np.linalg.qr(random.normal(size=(12, 12)))[0]
    found = NonlinearShrinkage().fit(values).covariance_
    assert NonlinearShrinkage().fit(values @ turn.T).covariance_ == pytest.approx(turn @ found @ turn.T, abs=1e-9)
    many = random.normal(size=(200_000, 3)) * [1.0, 2.0, 5.0]
    assert NonlinearShrinkage().fit(many).covariance_ == pytest.approx(np.cov(many.T), rel=0.02, abs=0.02)


@pytest.mark.parametrize("rows", [2, 3, 5, 12, 13, 40])
def test_nonlinear_shrinkage_of_columns_that_are_the_same_is_positive(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, 12))
    values[:, 3] = values[:, 7]
    found = NonlinearShrinkage().fit(values).covariance_
    assert np.isfinite(found).all()
    assert found == pytest.approx(found.T, abs=1e-12)
    assert np.linalg.eigvalsh(found).min() > -1e-9


def test_columns_that_are_the_same_leave_the_others_as_they_were() -> None:
    """Six sizes of contracts that are there already: the risk of the others does not vanish with theirs."""
    values = np.random.default_rng(2).normal(size=(104, 42))
    values[:, 36:] = values[:, :6]
    found = NonlinearShrinkage().fit(values).covariance_
    assert np.diag(found) == pytest.approx(values.var(axis=0), rel=0.7)
    assert np.linalg.eigvalsh(found)[6:].min() > 0.3  # those of the same columns come first


def test_the_transform_of_the_kernel_is_one_curve() -> None:
    """Against its integral, near and far away."""
    from scipy.integrate import quad

    from dynopt_milp.strategy.nonlinear_shrinkage import ROOT_5, _transform

    def integrated(x: float) -> float:
        kernel = quad(lambda t: 3 / (4 * ROOT_5) * (1 - t * t / 5) / (t - x), -ROOT_5, ROOT_5, epsabs=1e-14)[0]
        return float(kernel / np.pi)

    for away in (2.5, 30.0, 99.0, 101.0, 1e4, -50.0, -1e6):
        assert _transform(np.array([away]))[0] == pytest.approx(integrated(away), rel=1e-9)
    assert _transform(np.array([1e25]))[0] == pytest.approx(-1 / (np.pi * 1e25))


@pytest.mark.parametrize("wrong", [np.ones(5), np.ones((1, 3)), np.full((5, 2), np.nan), np.ones((4, 0))])
def test_nonlinear_shrinkage_refuses_what_is_no_sample(wrong: Any) -> None:
    with pytest.raises(InputError, match="X: expected two rows of finite numbers or more"):
        NonlinearShrinkage().fit(wrong)


NAMES = list("ABCDEFGH")
CLASSES = dict(zip(NAMES, ["bond"] * 3 + ["stock"] * 4 + ["gold"], strict=True))
LOADINGS = np.array([0.9, 0.8, 0.7, 0.6, 0.9, 0.8, -0.5, 1.0])
FACTORS = np.array([[1.0, -0.3, 0.2], [-0.3, 1.0, 0.1], [0.2, 0.1, 1.0]])


def model() -> FloatArray:
    """The correlations of a factor model, shape (8, 8)."""
    number = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    found = np.outer(LOADINGS, LOADINGS) * FACTORS[number[:, None], number]
    np.fill_diagonal(found, 1.0)
    return found


def always(matrix: FloatArray) -> Callable[[pd.DataFrame], FloatArray]:
    """An estimator that says the same in every week."""
    return lambda weekly: np.tile(matrix, (len(weekly), 1, 1))


def weeks(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(0.0, index=range(2), columns=names)


def test_the_factor_model_finds_the_model_that_it_is_given() -> None:
    found = FactorCorrelation(always(model()), classes=CLASSES)(weeks(NAMES))
    assert found[1] == pytest.approx(model(), abs=2e-3)


def test_it_takes_out_what_is_no_factor_and_does_not_depend_on_the_order() -> None:
    noise = np.random.default_rng(1).normal(size=(8, 8)) * 0.05
    given = np.clip(model() + noise + noise.T, -1, 1)
    np.fill_diagonal(given, 1.0)
    found = FactorCorrelation(always(given), classes=CLASSES)(weeks(NAMES))[0]
    off = ~np.eye(8, dtype=bool)
    assert ((found - model())[off] ** 2).sum() < 0.6 * ((given - model())[off] ** 2).sum()
    order = np.array([5, 2, 7, 0, 1, 6, 3, 4])
    turned = FactorCorrelation(always(given[np.ix_(order, order)]), classes=CLASSES)
    assert turned(weeks([NAMES[place] for place in order]))[0] == pytest.approx(found[np.ix_(order, order)], abs=1e-12)


def test_sizes_of_a_contract_are_one_for_the_others_and_keep_their_own_correlation() -> None:
    twins = [*NAMES, "E_mini"]
    given = np.eye(9)
    given[:8, :8] = model()
    given[8, :8] = given[:8, 8] = given[4, :8]
    given[8, 4] = given[4, 8] = 0.99
    more = {"classes": CLASSES | {"E_mini": "stock"}, "underlyings": dict(zip(twins, [*NAMES, "E"], strict=True))}
    found = FactorCorrelation(always(given), **more)(weeks(twins))[0]
    assert found[8, 4] == pytest.approx(0.99, abs=1e-9)
    assert found[8, :4] == pytest.approx(found[4, :4], abs=1e-12)
    assert found[:8, :8] == pytest.approx(FactorCorrelation(always(model()), classes=CLASSES)(weeks(NAMES))[0])
    given[8, :8] = given[:8, 8] = 0.1 * given[4, :8]  # too new to be correlated with anything
    late = FactorCorrelation(always(given), **more)(weeks(twins))[0]
    assert late[:8, :8] == pytest.approx(found[:8, :8])
    assert np.linalg.eigvalsh(late).min() > -1e-12


def test_asset_classes_and_underlyings_are_those_of_the_market() -> None:
    market = simulated_market(start="2015-01-01", end="2016-12-31")
    of_classes = Inputs(market, Strategy(correlation=FactorCorrelation(WindowCorrelation(52))), 250_000.0)
    day = market.days[-1]
    found = of_classes.correlation(day)
    table = market.specifications
    own = FactorCorrelation(
        WindowCorrelation(52), classes=table["asset_class"].to_dict(), underlyings=table["underlying"].to_dict()
    )
    assert found.equals(Inputs(market, Strategy(correlation=own), 250_000.0).correlation(day))
    blend = BlendedCorrelation((FactorCorrelation(WindowCorrelation(52)), ExponentialCorrelation()), (3.0, 1.0))
    blended = Inputs(market, Strategy(correlation=blend), 250_000.0).correlation(day)
    book = Inputs(market, Strategy(correlation=ExponentialCorrelation()), 250_000.0).correlation(day)
    assert blended.to_numpy() == pytest.approx(0.75 * found.to_numpy() + 0.25 * book.to_numpy(), abs=1e-12)
    assert found.at["ES", "ES_micro"] > 0.9


def test_an_instrument_without_a_class_is_refused() -> None:
    with pytest.raises(InputError, match="classes"):
        FactorCorrelation(classes={"A": "bond"})(weeks(["A", "B"]))


@pytest.mark.parametrize("shares", [(1.0,), (1.0, -1.0), (0.0, 0.0), (1.0, np.nan), (1.0, np.inf)])
def test_shares_of_a_blend_that_are_none_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="shares: expected a number for each of 2 parts"):
        BlendedCorrelation(shares=shares)(weeks(["A", "B"]))


def test_estimators_are_told_apart_and_equal_ones_are_one() -> None:
    assert FittedCorrelation(NonlinearShrinkage()) == FittedCorrelation(NonlinearShrinkage())
    given = [
        FactorCorrelation(),
        FactorCorrelation(shrinkage=0.2),
        BlendedCorrelation(),
        BlendedCorrelation(shares=(1, 2)),
        FittedCorrelation(NonlinearShrinkage()),
    ]
    described = {replace(Strategy(), correlation=one).settings()["correlation"] for one in given}
    assert len(described) == len(given)
    assert not any(" at 0x" in text for text in described)
