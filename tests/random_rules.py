"""Random programs with rules of every kind, small enough to enumerate; about half of them have no portfolio."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from formulations import CostTables, Domain, FloatArray, NormCap, Row, Rules, TrackingProgram

INF = np.inf


def ruled_program(random: np.random.Generator, *, most: int = 3, unlimited: bool = False) -> TrackingProgram:
    """Up to three instruments in a box of up to seven positions each, some without limits if asked for."""
    size = int(random.integers(1, most + 1))
    shift = random.integers(-2, 3, size)
    lower, upper = -random.integers(0, 4, size) + shift, random.integers(0, 4, size) + shift
    tabled = not unlimited and random.random() < 0.3
    rows = [_row(random, lower, upper, tabled) for _ in range(random.integers(0, 3))]
    caps = [_cap(random, size) for _ in range(random.integers(0, 2))]
    program = TrackingProgram(
        factor=random.normal(size=(size, size)),
        target=random.normal(size=size) * 1.5,
        previous=random.integers(-3, 4, size),
        cost=random.uniform(0, 0.3, size),
        lower=lower,
        upper=upper,
        origin=random.integers(-2, 3, size) if random.random() < 0.4 else None,
        rules=Rules(tuple(rows), tuple(caps), _domain(random, size) if random.random() < 0.5 else None),
    )
    if not unlimited:
        return program
    below, above = program.lower.copy(), program.upper.copy()
    below[random.random(size) < 0.5], above[random.random(size) < 0.5] = -INF, INF
    return program.with_box(below, above)


def _row(random: np.random.Generator, lower: FloatArray, upper: FloatArray, tabled: bool) -> Row:
    size = len(lower)

    def some() -> FloatArray | float:
        kinds = (random.integers(-2, 3, size), random.normal(size=size), random.uniform(0, 1, size))
        return kinds[random.integers(3)] if random.random() < 0.4 else 0.0

    net, gross = some(), some()
    if random.random() < 0.15:  # what is long alone, or short alone
        gross = np.abs(net)
    tables = None
    if tabled:
        widths = upper - lower + 3
        tables = CostTables.of(size, {place: (lower[place] - 1, random.normal(size=widths[place])) for place in [0]})
    limit = float(random.choice([0, 1, -1, 2, random.normal(scale=3)]))
    return Row.of(
        size, limit, net=net, gross=gross, turnover=some(), holdings=some(), orders=some(), tables=tables
    )  # fmt: skip


def _cap(random: np.random.Generator, size: int) -> NormCap:
    whole = random.random() < 0.3
    factor = random.integers(-2, 3, (3, size)) if whole else random.normal(size=(int(random.integers(1, 4)), size))
    centre = random.normal(size=size) * (random.random() < 0.5)
    return NormCap(factor * (random.random(size) < 0.8), centre, float(random.choice([0.0, 1.0, random.uniform(0, 4)])))


def _domain(random: np.random.Generator, size: int) -> Domain:
    return Domain.of(
        size,
        lot=random.choice([1, 1, 2, 3], size),
        least=random.choice([0, 0, 2, 3, 1.5], size),
        least_order=random.choice([0, 0, 2, 3], size),
        most_order=random.choice([INF, INF, 2, 3.5], size),
    )


def points(program: TrackingProgram, reach: float = 7.0) -> FloatArray:
    """All portfolios of the box, cut at ± reach, a row each."""
    lower, upper = np.maximum(program.lower, -reach), np.minimum(program.upper, reach)
    ranges = [np.arange(low, high + 1) for low, high in zip(lower, upper, strict=True)]
    return np.array(list(itertools.product(*ranges)), dtype=float).reshape(-1, program.size)


def alone(program: TrackingProgram, **parts: object) -> TrackingProgram:
    """The same program with these rules alone."""
    return replace(program, rules=Rules(**parts))  # type: ignore[arg-type]
