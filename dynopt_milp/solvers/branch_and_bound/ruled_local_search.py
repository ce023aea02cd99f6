"""Local search among options: moves one variable, or two by one position each, and pays for rules that are broken."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.coupling import Coupling
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.local_search import JUMP
from dynopt_milp.solvers.branch_and_bound.pricing import value_of
from dynopt_milp.solvers.exchange import GAIN

HARDER = 10.0  # a penalty that leaves a rule broken is raised by so much
RAISES = 4
TOLERATED = 1e-11  # of a limit: less is round-off here, and is looked at again when a portfolio is priced


@part
def broken(
    coupling: Coupling, activity: np.ndarray, square: np.ndarray, buffer: float, error: float, edge: bool
) -> float:
    """By how much rows, caps and an edge are broken, each in units of its limit, together."""
    total = 0.0
    for r in range(coupling.wide.size):
        over = activity[r] - coupling.inner[r]
        if over > TOLERATED * max(abs(coupling.inner[r]), 1.0):
            total += over
    for s in range(coupling.cap.size):
        if square[s] > coupling.cap[s]:
            total += math.sqrt(square[s]) - math.sqrt(coupling.cap[s])
    if edge and error > buffer:
        total += error / buffer - 1
    return total


@compiled
def improve_ruled(
    lattice: Lattice, coupling: Coupling, lower: np.ndarray, upper: np.ndarray, index: np.ndarray, held: np.ndarray,
    buffer: float, edge: bool, penalty: float, rounds: int,
) -> float:  # fmt: skip
    """Improve a portfolio of options, shape (n,), in place; how much of the rules is broken at the end.

    ``penalty`` is what breaking a rule by its limit costs at first.
    """
    n, m, q = index.size, coupling.wide.size, coupling.cap.size
    first, start, target, gram, option = lattice.first, lattice.start, lattice.target, lattice.gram, coupling.option
    cost, activities = coupling.cost, coupling.activity
    pull, squares, pulls, activity = np.zeros(n), np.zeros(q), np.zeros((q, n)), np.zeros(m)
    after, after_square = np.empty(m), np.empty(q)
    pair, pair_square = np.empty(m), np.empty(q)
    square, paid = 0.0, 0.0
    for j in range(n):
        distance = first[j] + index[j] - target[j]
        for i in range(n):
            pull[i] += gram[j, i] * distance
        paid += cost[held[j]]
        for r in range(m):
            activity[r] += activities[held[j], r]
        for s in range(q):
            distance = first[j] + index[j] - coupling.centre[s, j]
            for i in range(n):
                pulls[s, i] += coupling.gram[s, j, i] * distance
    for i in range(n):
        square += pull[i] * (first[i] + index[i] - target[i])
        for s in range(q):
            squares[s] += pulls[s, i] * (first[i] + index[i] - coupling.centre[s, i])
    wrong, raises = np.inf, 0
    for _ in range(rounds):
        error = math.sqrt(max(square, 0.0))
        wrong = broken(coupling, activity, squares, buffer, error, edge)
        best = (paid if edge else value_of(error, paid, buffer, edge)) + penalty * wrong
        best -= GAIN * abs(best)
        one, other, one_to, other_to, one_step, other_step = -1, -1, 0, 0, 0, 0
        for i in range(n):
            for si in range(max(lower[i] - index[i], -JUMP), min(upper[i] - index[i], JUMP) + 1):
                entry = start[i] + index[i] + si
                square_i = square + 2 * si * pull[i] + gram[i, i] * si * si
                error_i = math.sqrt(max(square_i, 0.0))
                for o in range(option[entry], option[entry + 1]):
                    if o == held[i]:
                        continue
                    paid_i = paid + cost[o] - cost[held[i]]
                    for r in range(m):
                        after[r] = activity[r] + activities[o, r] - activities[held[i], r]
                    for s in range(q):
                        after_square[s] = squares[s] + 2 * si * pulls[s, i] + coupling.gram[s, i, i] * si * si
                    if paid_i < best:
                        now = paid_i if edge else value_of(error_i, paid_i, buffer, edge)
                        if now < best:
                            now += penalty * broken(coupling, after, after_square, buffer, error_i, edge)
                            if now < best:
                                best, one, other, one_to, one_step = now, i, -1, o, si
                    if si > 1 or si < -1 or si == 0 or paid_i == np.inf:
                        continue
                    for j in range(i + 1, n):
                        for sj in (-1, 1):
                            to = index[j] + sj
                            if to < lower[j] or to > upper[j]:
                                continue
                            square_j = square_i + 2 * sj * pull[j] + gram[j, j] + 2 * si * sj * gram[i, j]
                            for p in range(option[start[j] + to], option[start[j] + to + 1]):
                                paid_j = paid_i + cost[p] - cost[held[j]]
                                if not paid_j < best:
                                    continue
                                room = best - paid_j + buffer
                                if not edge and square_j >= room * room:
                                    continue
                                error_j = math.sqrt(max(square_j, 0.0))
                                now = paid_j if edge else value_of(error_j, paid_j, buffer, edge)
                                if now >= best:
                                    continue
                                for r in range(m):
                                    pair[r] = after[r] + activities[p, r] - activities[held[j], r]
                                for s in range(q):
                                    pair_square[s] = (
                                        after_square[s] + 2 * sj * pulls[s, j] + coupling.gram[s, j, j]
                                        + 2 * si * sj * coupling.gram[s, i, j]
                                    )  # fmt: skip
                                now += penalty * broken(coupling, pair, pair_square, buffer, error_j, edge)
                                if now < best:
                                    best, one, other, one_to, other_to, one_step, other_step = now, i, j, o, p, si, sj
        if one < 0:
            if wrong == 0 or raises == RAISES:
                break
            penalty *= HARDER
            raises += 1
            continue
        for leg in range(2):
            place, to, by = (one, one_to, one_step) if leg == 0 else (other, other_to, other_step)
            if place < 0:
                continue
            square += 2 * by * pull[place] + gram[place, place] * by * by
            paid += cost[to] - cost[held[place]]
            for r in range(m):
                activity[r] += activities[to, r] - activities[held[place], r]
            for s in range(q):
                squares[s] += 2 * by * pulls[s, place] + coupling.gram[s, place, place] * by * by
            for i in range(n):
                pull[i] += gram[place, i] * by
                for s in range(q):
                    pulls[s, i] += coupling.gram[s, place, i] * by
            index[place] += by
            held[place] = to
    return wrong
