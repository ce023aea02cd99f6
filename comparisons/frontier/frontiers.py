"""Frontiers of realised tracking error against cost, and how far one lies inside another."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd


class Point(NamedTuple):
    """Cost a year and realised tracking error, both shares of capital."""

    cost: float
    realised: float


def frontier(points: Iterable[Point]) -> list[Point]:
    """Those that no other undercuts in both, from the cheapest to the closest."""
    best: list[Point] = []
    for point in sorted(points):
        if not best or point.realised < best[-1].realised:
            best.append(point)
    return best


def realised_at(cost: float, points: Iterable[Point]) -> float:
    """The tracking error of a frontier at a cost: between neighbours linear in its logarithm, else the end."""
    line = frontier(points)
    return float(np.interp(math.log(cost), [math.log(point.cost) for point in line], [p.realised for p in line]))


def cost_at(realised: float, points: Iterable[Point]) -> float:
    """The cost of a frontier at a tracking error, on the same lines."""
    line = frontier(points)[::-1]
    return math.exp(np.interp(realised, [p.realised for p in line], [math.log(point.cost) for point in line]))


def points_of(rows: pd.DataFrame) -> list[Point]:
    """A point for each row of results."""
    costs = rows["trading_cost"] + rows["roll_cost"]
    return [Point(*values) for values in zip(costs, rows["realised"], strict=True)]


def closer(one: Point, points: Iterable[Point]) -> float:
    """How much less tracking error than a frontier at the same cost, share of the frontier's."""
    return 1 - one.realised / realised_at(one.cost, points)


def cheaper(one: Point, points: Iterable[Point]) -> float:
    """How much less cost than a frontier at the same tracking error, share of the frontier's."""
    return 1 - one.cost / cost_at(one.realised, points)
