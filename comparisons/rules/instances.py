"""The problems with rules: five cases of shared problems, weekly rebalances of real futures, portfolios of MINLPLib."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from comparisons.rules.cases import FIVE, PAIRS, SINGLE, VARIANTS, made
from comparisons.solver_race.instances import Grid, real_instances
from dynopt_milp import Limits, Problem, rules, solve
from dynopt_milp.data import Market
from dynopt_milp.errors import DynoptError, InputError
from formulations import FloatArray

TABLE, ALONE, PAIR, MINLPLIB = PARTS = ("table", "alone", "pairs", "minlplib")
SHARED = (
    "all_2019-08-13_250k_lam50", "single_2016-11-15_500k_lam50", "single_2012-06-26_1000k_lam50",
    "single_2016-11-15_500k_lam10", "all_2019-08-13_250k_lam10",
)  # fmt: skip
"""Problems of the table."""
WEEKLY = Grid((250_000.0,), (50.0, 10.0), ("2012-06-01", "2018-06-01"), 2, (), ())
QUICK_WEEKLY = Grid((250_000.0,), (50.0,), ("2018-06-01",), 1, (), ())
LIBRARY = ("smallinvDAX", "smallinvSNP")
LEAST_EIGENVALUE = 1e-9
"""What smaller eigenvalues of the library's matrices are set to; that of SNP has one of −2e-7."""
LIMIT = 60.0
"""Seconds for a portfolio that limits are relative to."""
_FOUND: dict[str, FloatArray | None] = {}


@dataclass(frozen=True, slots=True, eq=False)
class RuledInstance:
    """A problem with rules, and the same without.

    Attributes
    ----------
    part : str
        One of ``PARTS``.
    name : str
        Of the problem.
    case : str
        Of the rules.
    problem, free : Problem
        With rules, and without.
    optimum : float
        Its value, where a library states it; else nan.
    """

    part: str
    name: str
    case: str
    problem: Problem
    free: Problem
    optimum: float = np.nan

    @property
    def cost_multiplier(self) -> float:
        """λ; 0 where nothing costs."""
        return self.problem.cost_multiplier if self.problem.cost_in_weight_terms.any() else 0.0

    @property
    def held(self) -> str:
        """A hash of the problem: the same name with another limit is another problem."""
        return hash_of(self.problem)


def table_instances(folder: Path, *, quick: bool = False) -> Iterator[RuledInstance]:
    """The five cases of five shared problems; quick: of one."""
    for name in SHARED[:1] if quick else SHARED:
        free = Problem.from_json(folder / f"{name}.json")
        for case, makers in FIVE.items():
            yield RuledInstance(TABLE, name, case, made(makers, free, best), free)


def alone_instances(market: Market, *, quick: bool = False) -> Iterator[RuledInstance]:
    """Every rule by itself on every weekly problem; quick: every fourth rule on one."""
    cases = list((SINGLE | VARIANTS).items())[:: 4 if quick else 1]
    for name, free in _weekly(market, quick):
        for case, maker in cases:
            yield RuledInstance(ALONE, name, case, made([maker], free, best), free)


def pair_instances(market: Market, *, quick: bool = False) -> Iterator[RuledInstance]:
    """Every pair of rules once for each λ, on the weekly problems in turn; quick: every thirtieth pair.

    The limit of the second is relative to the optimum with the first.
    """
    weekly = _weekly(market, quick)
    for multiplier in dict.fromkeys(free.cost_multiplier for _, free in weekly):
        mine = [(name, free) for name, free in weekly if free.cost_multiplier == multiplier]
        for place, pair in list(enumerate(PAIRS))[:: 30 if quick else 1]:
            name, free = mine[place % len(mine)]
            ruled = made([SINGLE[kind] for kind in pair], free, best)
            yield RuledInstance(PAIR, name, " + ".join(pair), ruled, free)


def library_instances(folder: Path, *, quick: bool = False) -> Iterator[RuledInstance]:
    """Integer portfolios of MINLPLib: least x'Qx over whole x ≥ 0 with rows; quick: one of each family."""
    for family in LIBRARY:
        path = folder / "minlplib" / f"{family}.json"
        stored = json.loads(path.read_text(encoding="utf-8"))
        names = tuple(f"x{place:03d}" for place in range(stored["n"]))
        quadratic = with_least_eigenvalue(np.array(stored["quadratic"]), LEAST_EIGENVALUE)
        for one in stored["instances"][:1] if quick else stored["instances"]:
            rows = [(dict(zip(names, row["coefficients"], strict=True)), row["sense"], row["bound"])
                    for row in one["rows"]]  # fmt: skip
            budget, most = next((coefficients, bound) for coefficients, sense, bound in rows if sense == "<=")
            free = Problem(
                covariance=quadratic,
                optimal_positions=np.zeros(stored["n"]),
                weight_per_contract=np.ones(stored["n"]),
                limits=Limits(lower=0, upper=np.floor(most / np.array(list(budget.values())))),
                instruments=names,
            )
            kept = [
                rules.exposure(coefficients, **{"upper" if sense == "<=" else "lower": bound})
                for coefficients, sense, bound in rows
            ]
            optimum = float(np.sqrt(one["optimum"]))
            yield RuledInstance(MINLPLIB, one["name"], "rows", free.replace(rules=kept), free, optimum)


def all_instances(
    parts: tuple[str, ...], market: Market | None, folder: Path, *, quick: bool = False
) -> Iterator[RuledInstance]:
    """Those of some parts.

    Parameters
    ----------
    parts : tuple of str
    market : Market or None
        For the weekly problems; not needed without them.
    folder : Path
        Of the shared problems.
    quick : bool
        A handful of each part.

    Raises
    ------
    InputError
        If a folder is missing.
    """
    for part in parts:
        if part in (TABLE, MINLPLIB):
            if not folder.is_dir():
                raise InputError(f"there is no folder {folder}; it has the shared problems", field="instances")
            yield from (table_instances if part == TABLE else library_instances)(folder, quick=quick)
        else:
            assert market is not None
            yield from (alone_instances if part == ALONE else pair_instances)(market, quick=quick)


def count(parts: tuple[str, ...], *, quick: bool = False) -> int:
    """How many instances those parts have."""
    singles = len(SINGLE) + len(VARIANTS)
    full = {TABLE: 25, ALONE: singles * WEEKLY.real, PAIR: len(PAIRS) * len(WEEKLY.cost_multipliers), MINLPLIB: 60}
    few = {TABLE: 5, ALONE: -(-singles // 4), PAIR: -(-len(PAIRS) // 30), MINLPLIB: 2}
    return sum((few if quick else full)[part] for part in parts)


def with_least_eigenvalue(matrix: FloatArray, least: float) -> FloatArray:
    """A symmetric matrix whose smaller eigenvalues are set to ``least``; as it is if there are none."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= least:
        return matrix
    repaired = (vectors * np.maximum(values, least)) @ vectors.T
    return np.asarray((repaired + repaired.T) / 2)


def best(problem: Problem) -> FloatArray | None:
    """The best portfolio that is found in a minute, None if there is none; each problem is solved once."""
    stated = hash_of(problem)
    if stated not in _FOUND:
        try:
            contracts = solve(problem, time_limit=LIMIT).contracts
        except DynoptError:  # nothing bounds some positions, say, and no portfolio that keeps the rules is known
            contracts = None
        _FOUND[stated] = None if contracts is None else contracts.astype(np.float64)
    return _FOUND[stated]


def hash_of(problem: Problem) -> str:
    """Of everything that a problem file holds."""
    return f"{zlib.crc32(json.dumps(problem.to_dict()).encode()):08x}"


@lru_cache(maxsize=2)
def _weekly(market: Market, quick: bool) -> list[tuple[str, Problem]]:
    grid = QUICK_WEEKLY if quick else WEEKLY
    return [(instance.name, instance.problem) for instance in real_instances(market, grid)]
