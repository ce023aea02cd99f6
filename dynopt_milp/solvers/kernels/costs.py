"""What one position costs, and what a budget for all costs leaves of a box (see `formulations.separable_cost`)."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.compiled import compiled, part
from formulations.bounding_box import OUTWARD
from formulations.exact_norm import UNIT_ROUND_OFF
from formulations.separable_cost import (
    COMMISSION,
    FIRST,
    FURTHER,
    HELD,
    HOLDING,
    IMPACT,
    LEAST,
    LEAST_ORDER,
    LOT,
    MOST_ORDER,
    ORDER_FEE,
    ORDER_LEAST,
    ORIGIN,
    ROLLS,
    UNIT,
    Costs,
)


@part
def has_table(costs: Costs, i: int) -> bool:
    """Whether instrument i has a table."""
    some: bool = costs.start[i + 1] > costs.start[i]
    return some


@part
def has_orders(costs: Costs, i: int) -> bool:
    """Whether orders of instrument i cost more than their contracts (`formulations.order_cost`)."""
    lines = costs.lines
    some: bool = lines[ORDER_FEE, i] > 0 or lines[ORDER_LEAST, i] > 0 or lines[IMPACT, i] > 0
    return some


@part
def is_listed(costs: Costs, i: int) -> bool:
    """Whether what instrument i costs is no line with two kinks: it has a table, a domain, or a cost of orders."""
    lines = costs.lines
    if lines[FURTHER, i] == 0:
        return False
    domain = lines[LOT, i] > 1 or lines[LEAST, i] > 1 or lines[LEAST_ORDER, i] > 1 or lines[MOST_ORDER, i] < np.inf
    return domain or has_table(costs, i) or has_orders(costs, i)


@part
def is_allowed(costs: Costs, i: int, position: float) -> bool:
    """Whether a position of instrument i is in its domain (`formulations.domain`)."""
    lines = costs.lines
    away, traded = abs(position - lines[ORIGIN, i]), abs(position - lines[HELD, i])
    if traded > lines[MOST_ORDER, i]:
        return False
    if away == 0:
        return True
    if away < lines[LEAST, i] or (traded != 0 and traded < lines[LEAST_ORDER, i]):
        return False
    whole: bool = lines[LOT, i] <= 1 or away % lines[LOT, i] == 0
    return whole


@part
def order_cost(costs: Costs, i: int, contracts: float) -> float:
    """What an order of so many contracts of instrument i costs beside them."""
    if contracts == 0:
        return 0.0
    lines = costs.lines
    short = max(lines[ORDER_LEAST, i] - lines[COMMISSION, i] * contracts, 0.0)
    paid: float = lines[ORDER_FEE, i] + short + lines[IMPACT, i] * (contracts * math.sqrt(contracts))
    return paid


@part
def plain_cost(costs: Costs, i: int, position: float) -> float:
    """What a position of instrument i costs without its table, whether it is allowed or not."""
    lines = costs.lines
    traded, away = abs(position - lines[HELD, i]), abs(position - lines[ORIGIN, i])
    paid: float = lines[UNIT, i] * traded
    paid += lines[HOLDING, i] * away
    if has_orders(costs, i):
        paid += order_cost(costs, i, traded)
        if lines[ROLLS, i] > 0:
            paid += lines[ROLLS, i] * order_cost(costs, i, away)
    return paid


@part
def cost_of(costs: Costs, i: int, position: float) -> float:
    """What a position of instrument i costs; +inf outside of its table, or its domain."""
    lines = costs.lines
    if lines[FURTHER, i] == 0:
        paid: float = lines[UNIT, i] * abs(position - lines[HELD, i])
        return paid
    if not is_allowed(costs, i, position):
        return np.inf
    paid = plain_cost(costs, i, position)
    if has_table(costs, i):
        entry = position - lines[FIRST, i]
        if entry < 0 or entry >= costs.start[i + 1] - costs.start[i]:
            return np.inf
        paid += costs.table[costs.start[i] + np.int64(entry)]
    return paid


@part
def cheapest_place(costs: Costs, i: int, low: float, high: float) -> float:
    """Where instrument i costs least, from ``low`` to ``high``; where it is held, if that ties."""
    held = min(max(costs.lines[HELD, i], low), high)
    other = min(max(costs.lines[ORIGIN, i], low), high)
    best = other if plain_cost(costs, i, other) < plain_cost(costs, i, held) else held
    if not is_listed(costs, i):
        return float(best)
    least = cost_of(costs, i, best)
    if has_table(costs, i):
        position = low
        while position <= high:
            paid = cost_of(costs, i, position)
            if paid < least:
                best, least = position, paid
            position += 1
        return float(best)
    # Beyond the kinks costs do not fall, and between them they are convex: the best is next to one of these.
    for place in (held, other, cheapest_between(costs, i, min(held, other), max(held, other))):
        for step in (-1.0, 1.0):
            at = next_allowed(costs, i, place, step)
            if low <= at <= high:
                paid = cost_of(costs, i, at)
                if paid < least:
                    best, least = at, paid
    return float(best)


@part
def cheapest_between(costs: Costs, i: int, first: float, last: float) -> float:
    """Where instrument i costs least between what is held and nothing, both left out; ``first`` if nothing is between.

    There it is convex: lines, max(m − κq, 0) and q^{3/2} of the distances to both. Its domain is not looked at.
    """
    if last - first < 2 or not has_orders(costs, i):
        return first
    low, high = first + 1, last - 1
    while low < high:
        middle = np.floor((low + high) / 2)
        if plain_cost(costs, i, middle) <= plain_cost(costs, i, middle + 1):
            high = middle
        else:
            low = middle + 1
    return float(low)


@part
def next_allowed(costs: Costs, i: int, position: float, step: float) -> float:
    """The first position of instrument i from this one on that is in its domain, or one beyond the widest hole."""
    at = position
    for _ in range(widest_hole(costs, i)):
        if is_allowed(costs, i, at):
            break
        at += step
    return at


@part
def widest_hole(costs: Costs, i: int) -> int:
    """How many steps lead from anywhere to the next allowed position on a side at most, if there is one."""
    lines = costs.lines
    return int(2 * (lines[LOT, i] + lines[LEAST, i] + lines[LEAST_ORDER, i]) + 2)


@part
def least_of(costs: Costs, i: int, low: float, high: float) -> float:
    """No position of instrument i from ``low`` to ``high`` costs less; its domain is not looked at."""
    if has_table(costs, i):
        return cost_of(costs, i, cheapest_place(costs, i, low, high))
    held = min(max(costs.lines[HELD, i], low), high)
    origin = min(max(costs.lines[ORIGIN, i], low), high)
    between = plain_cost(costs, i, cheapest_between(costs, i, min(held, origin), max(held, origin)))
    between *= 1 - 4 * UNIT_ROUND_OFF * abs(held - origin)  # a slope of less than round-off misleads the search
    return float(min(plain_cost(costs, i, held), plain_cost(costs, i, origin), between))


@part
def nearest_allowed(costs: Costs, i: int, position: float, low: float, high: float) -> float:
    """The position from ``low`` to ``high`` next to this one that is allowed; this one if there is none."""
    if not is_listed(costs, i):
        return position
    farthest = np.int64(high - low) if has_table(costs, i) else widest_hole(costs, i)
    for away in range(farthest + 1):
        for side in (-1.0, 1.0):
            at = position + side * away
            if low <= at <= high and cost_of(costs, i, at) < np.inf:
                return at
    return position


@compiled
def least_cost(costs: Costs, lower: np.ndarray, upper: np.ndarray) -> float:
    """Σ min cᵢ over a box, less what float64 can be wrong by; what costs nothing but trades counts as zero.

    Ends may be infinite where there is no table.
    """
    total = 0.0
    for i in range(lower.size):
        if costs.lines[FURTHER, i] != 0:
            total += least_of(costs, i, lower[i], upper[i])
    return total * (1 - (lower.size + 8) * 2 * UNIT_ROUND_OFF)


@part
def farthest_within(costs: Costs, i: int, kink: float, end: float, step: float, most: float) -> float:
    """The last position from a kink to ``end``, in whose direction (±1) costs do not fall, that costs at most so much.

    ``end`` itself if it is infinite or on the other side; the kink, if not even that does.
    """
    if not abs(end) < np.inf or (end - kink) * step <= 0 or plain_cost(costs, i, end) <= most:
        return end
    inside, outside = 0.0, abs(end - kink)
    while outside - inside > 1:
        middle = np.floor((inside + outside) / 2)
        if not inside < middle < outside:  # beyond what float64 counts
            break
        if plain_cost(costs, i, kink + step * middle) <= most:
            inside = middle
        else:
            outside = middle
    return float(kink + step * outside) if outside - inside > 1 else float(kink + step * inside)


@part
def within_costs(
    costs: Costs, lower: np.ndarray, upper: np.ndarray, budget: float, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a box that a budget for all costs admits, of which ``least`` is spent in any case."""
    size = lower.size
    low, high = np.empty(size), np.empty(size)
    for i in range(size):
        held, unit, origin, holding = (
            costs.lines[HELD, i],
            costs.lines[UNIT, i],
            costs.lines[ORIGIN, i],
            costs.lines[HOLDING, i],
        )
        paid = budget * (1 + OUTWARD) / unit if unit > 0 else np.inf
        if costs.lines[IMPACT, i] > 0:
            paid = min(paid, (budget / costs.lines[IMPACT, i]) ** (2 / 3) * (1 + OUTWARD))
        paid += OUTWARD * (1 + abs(held))
        if costs.lines[FURTHER, i] != 0:
            paid = min(paid, costs.lines[MOST_ORDER, i])
        low[i] = max(lower[i], np.ceil(held - paid))
        high[i] = min(upper[i], np.floor(held + paid))
        if costs.lines[FURTHER, i] == 0 or not budget < np.inf:
            continue
        own = budget - least + least_of(costs, i, lower[i], upper[i])
        own += OUTWARD * budget
        # Beyond both kinks the cost rises with every contract by the two together.
        for kink in (min(held, origin), max(held, origin)):
            spent = unit * abs(kink - held) + holding * abs(kink - origin)
            far = max(own - spent, 0.0) / (unit + holding) if unit + holding > 0 else np.inf
            far += OUTWARD * (1 + abs(kink))
            if kink == min(held, origin):
                low[i] = max(low[i], np.ceil(kink - far))
            if kink == max(held, origin):
                high[i] = min(high[i], np.floor(kink + far))
        if has_orders(costs, i):
            low[i] = farthest_within(costs, i, min(held, origin), low[i], -1.0, own)
            high[i] = farthest_within(costs, i, max(held, origin), high[i], 1.0, own)
        if has_table(costs, i):
            while low[i] <= high[i] and not cost_of(costs, i, low[i]) <= own:
                low[i] += 1
            while high[i] >= low[i] and not cost_of(costs, i, high[i]) <= own:
                high[i] -= 1
    return low, high


@part
def is_one_sided(underlying: np.ndarray, costs: Costs, positions: np.ndarray) -> bool:
    """Whether no underlying is held with opposite signs."""
    for i in range(positions.size):
        if underlying[i] < 0 or positions[i] == costs.lines[ORIGIN, i]:
            continue
        for j in range(i):
            if (
                underlying[j] == underlying[i]
                and (positions[j] - costs.lines[ORIGIN, j]) * (positions[i] - costs.lines[ORIGIN, i]) < 0
            ):
                return False
    return True
