"""The program as one would first write it in cvxpy, given to SCIP in daily units, against the proven optimum."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table

from dynopt_milp import Problem, solve
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.trades.examples import EXAMPLE_CAPITALS, example_problem
from formulations import FloatArray, TrackingProgram

RESULTS = Path(__file__).with_name("results.csv")
ENVIRONMENT = Path(__file__).with_name("environment.txt")
NAIVE_TIME_LIMIT = 60.0
DIGITS = 9
"""Significant digits of the results."""


@dataclass(frozen=True, slots=True)
class Case:
    """One example problem.

    Attributes
    ----------
    seed : int
    capital : float
        US dollars.
    """

    seed: int
    capital: float


CASES = tuple(Case(seed, EXAMPLE_CAPITALS[seed % len(EXAMPLE_CAPITALS)]) for seed in range(1, 11))


@dataclass(frozen=True, slots=True)
class Row:
    """What came out of one case. Objectives are in daily units, share of capital; nan where there is none.

    Attributes
    ----------
    seed, capital
        The case.
    naive_status : str
        cvxpy's status of the naive model.
    naive_value : float
        cvxpy's ``problem.value``.
    naive_scip_value : float
        The objective that SCIP itself reached, of which cvxpy makes no use.
    naive_objective : float
        The true objective of the naive portfolio.
    exact_status : str
    exact_objective, exact_lower_bound : float
        Of the proven optimum.
    worse_percent : float
        By how much the naive portfolio is worse than the optimum.
    value_off_percent, scip_value_off_percent : float
        By how much the two naive values lie above (below, if negative) the true objective of the same portfolio.
    cone_violation : float
        Squared tracking error of the naive portfolio less the square of what SCIP took for its tracking error.
    naive_seconds, exact_seconds : float
        Wall time; not reproducible, all else is.
    """

    seed: int
    capital: float
    naive_status: str
    naive_value: float
    naive_scip_value: float
    naive_objective: float
    exact_status: str
    exact_objective: float
    exact_lower_bound: float
    worse_percent: float
    value_off_percent: float
    scip_value_off_percent: float
    cone_violation: float
    naive_seconds: float
    exact_seconds: float

    @property
    def falsely_optimal(self) -> bool:
        """Whether the naive model says optimal and its portfolio is worse, by more than the gap that was proved."""
        return self.naive_status == "optimal" and self.worse_percent > 100 * DEFAULT_GAP


@dataclass(frozen=True, slots=True, eq=False)
class Naive:
    """The naive model's answer.

    Attributes
    ----------
    status : str
    value, scip_value : float
        As in :class:`Row`.
    positions : array of float, shape (n,), or None
        Rounded to whole contracts.
    seconds : float
    """

    status: str
    value: float
    scip_value: float
    positions: FloatArray | None
    seconds: float


def daily(problem: Problem) -> Problem:
    """The same problem in daily units: every objective is 1/16 of what it was, and the optimum stays where it is."""
    return problem.replace(
        covariance=problem.covariance / DAYS_A_YEAR, cost_multiplier=problem.cost_multiplier / math.sqrt(DAYS_A_YEAR)
    )


def solve_naively(program: TrackingProgram) -> Naive:
    """The model as one would first write it: no scaling, no bounds, the solver's word taken."""
    import cvxpy as cp

    k = cp.Variable(program.size, integer=True)
    tracking_error = cp.norm(program.factor @ (k - program.target))
    problem = cp.Problem(cp.Minimize(tracking_error + program.cost @ cp.abs(k - program.previous)))
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data, chain, inverse = problem.get_problem_data("SCIP")
            raw = chain.solve_via_data(problem, data, solver_opts={"scip_params": {"limits/time": NAIVE_TIME_LIMIT}})
            problem.unpack_results(raw, chain, inverse)
        except cp.error.SolverError:
            return Naive("solver_error", math.nan, math.nan, None, time.monotonic() - began)
    seconds = time.monotonic() - began
    if k.value is None:
        return Naive(problem.status, math.nan, math.nan, None, seconds)
    return Naive(problem.status, float(problem.value), float(raw["value"]), np.round(k.value), seconds)


def run_case(case: Case) -> Row:
    """Solve one case both ways and compare."""
    problem = daily(example_problem(case.capital, seed=case.seed))
    program = problem.program()
    naive = solve_naively(program)
    exact = solve(problem, "scip")
    truth = violation = math.nan
    if naive.positions is not None:
        truth = program.objective(naive.positions)
        believed = naive.scip_value - program.trading_cost(naive.positions)
        violation = program.tracking_error(naive.positions) ** 2 - believed**2
    return Row(
        seed=case.seed,
        capital=case.capital,
        naive_status=naive.status,
        naive_value=naive.value,
        naive_scip_value=naive.scip_value,
        naive_objective=truth,
        exact_status=exact.status.value,
        exact_objective=exact.objective,
        exact_lower_bound=exact.lower_bound,
        worse_percent=_percent_above(truth, exact.objective),
        value_off_percent=_percent_above(naive.value, truth),
        scip_value_off_percent=_percent_above(naive.scip_value, truth),
        cone_violation=violation,
        naive_seconds=naive.seconds,
        exact_seconds=exact.seconds,
    )


def table(rows: Iterable[Row]) -> Table:
    """The rows for people, within 100 columns."""
    shown = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    headings = (
        "seed", "capital", "naive\nstatus", "cvxpy\nsays", "SCIP\nsays", "truth", "proven\noptimum", "naive\nworse by",
        "SCIP's\nnumber off", "seconds",
    )  # fmt: skip
    for heading in headings:
        shown.add_column(heading, justify="right")
    for row in rows:
        objectives = (row.naive_value, row.naive_scip_value, row.naive_objective, row.exact_objective)
        proven = "" if row.exact_status == "optimal" else " ?"
        shown.add_row(
            f"{row.seed}",
            f"${row.capital / 1000:,.0f}k",
            row.naive_status,
            *(f"{1000 * objective:.4f}" for objective in objectives[:-1]),
            f"{1000 * objectives[-1]:.4f}{proven}",
            f"{row.worse_percent:.2f}%",
            f"{row.scip_value_off_percent:.2f}%",
            f"{row.naive_seconds:.1f} / {row.exact_seconds:.1f}",
        )
    return shown


def stored_rows() -> list[Row]:
    """The rows of ``results.csv``."""
    return [
        Row(**{str(name): value for name, value in line.items()}) for line in pd.read_csv(RESULTS).to_dict("records")
    ]


def scip_version() -> str:
    """That of the solver itself, not of its interface."""
    from pyscipopt import Model

    scip = Model()
    return f"{scip.getMajorVersion()}.{scip.getMinorVersion()}.{scip.getTechVersion()}"


def _percent_above(value: float, reference: float) -> float:
    """Per cent; differences below the stored digits are round-off and come out as zero."""
    relative = value / reference - 1
    return 0.0 if abs(relative) < 10.0**-DIGITS else 100 * relative
