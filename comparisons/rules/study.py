"""The race with rules: every instance by every racer, what they claim, how long they take and whether it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from comparisons.page import markdown, with_results
from comparisons.rules.instances import ALONE, MINLPLIB, PAIR, PARTS, TABLE, RuledInstance
from comparisons.rules.racers import COPT, CPLEX, EXACT, FREE, GUROBI, SCIP, RuleRacer
from comparisons.solver_race.claim import ERROR, INFEASIBLE, LICENCE, OPTIMAL, Claim
from comparisons.stored import load, save, with_row
from comparisons.universe import synthetic_problem
from dynopt_milp import Problem, rules

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT, PAGE = FOLDER / "results.csv", FOLDER / "environment.txt", FOLDER / "README.md"
QUICK = FOLDER / "runs"
LIMITS = {TABLE: 60.0, ALONE: 10.0, PAIR: 10.0, MINLPLIB: 60.0}
"""Seconds of a call, by part: the 400 weekly problems are raced by six."""
QUICK_TIME_LIMIT = 5.0
CALLS = 5
SHORT = 2.0
"""Seconds: longer calls of the branch and bound are not repeated."""
WARM_UP_LIMIT = 300.0
DIGITS = 12
"""Significant digits of the results."""
AGREEMENT = 1e-6
"""Relative, of two objectives that are both said to be optimal."""
LIBRARY_AGREEMENT = 2e-6
"""Relative, of x'Qx and what the library states."""
BOUND_ROUND_OFF = 1e-9
"""Relative, of a bound of ours against a portfolio that somebody found."""
SOLVERS = ("numba", "gurobipy", "cplex", "coptpy")
OTHERS = {SCIP: "SCIP", GUROBI: "Gurobi", CPLEX: "CPLEX", COPT: "COPT"}
MEASURED = (
    "part", "instance", "case", "held", "racer", "size", "cost_multiplier", "seconds", "claimed", "kept", "objective",
    "lower_bound", "nodes", "library",
)  # fmt: skip
KEY = ["part", "instance", "case"]
TITLES = {
    TABLE: "five cases of shared problems", ALONE: "one rule, weekly", PAIR: "two rules, weekly", MINLPLIB: "MINLPLib",
}  # fmt: skip

Advance = Callable[[str], None]


def race(
    instances: Iterable[RuledInstance],
    racers: Sequence[RuleRacer],
    *,
    time_limit: float | None = None,
    path: Path = RESULTS,
    advance: Advance = lambda _: None,
) -> pd.DataFrame:
    """Solve what is not in the file yet, and keep each row as soon as it is there.

    Rows of an instance whose problem was another one are solved again.

    Parameters
    ----------
    instances : iterable of RuledInstance
    racers : sequence of RuleRacer
    time_limit : float, optional
        Seconds of each call; those of ``LIMITS`` if not given.
    path : Path
        The results.
    advance : callable
        Told of each instance that is done.

    Returns
    -------
    DataFrame
        All rows of the file.
    """
    rows = load(path, MEASURED)
    warm = False
    for instance in instances:
        mine = (rows[KEY] == [instance.part, instance.name, instance.case]).all(axis=1)
        rows = rows[~mine | (rows["held"] == instance.held)]
        done = set(rows.loc[mine.reindex(rows.index), "racer"])
        for racer in racers:
            if racer.name in done or not racer.races(instance):
                continue
            if racer.own and not warm:
                warm_up(racers)
                warm = True
            limit = LIMITS[instance.part] if time_limit is None else time_limit
            rows = with_row(rows, row(instance, racer.name, measured(racer, instance, limit)))
            save(rows, path, DIGITS)
        advance(f"{instance.name}, {instance.case}")
    return rows


def warm_up(racers: Sequence[RuleRacer]) -> None:
    """Let the branch and bound compile what it needs, on problems that are not raced."""
    free = synthetic_problem(12, 250_000.0, 50.0, 10_001)
    gross, risk = rules.gross(1.0), rules.risk(0.1)
    for kept in ([gross], [risk], [gross, risk], [rules.max_holdings(4)], [rules.lot(2)], [gross, rules.min_order(2)]):
        ruled = RuledInstance(TABLE, "warm-up", "", free.replace(rules=kept), free)
        for racer in racers:
            if racer.own:
                racer.run(ruled, WARM_UP_LIMIT)


def measured(racer: RuleRacer, instance: RuledInstance, time_limit: float) -> Claim:
    """One call; of the branch and bound that with the median time of five, if they are short."""
    claims = [racer.run(instance, time_limit)]
    while racer.own and len(claims) < CALLS and claims[-1].seconds < SHORT:
        claims.append(racer.run(instance, time_limit))
    middle = median(claim.seconds for claim in claims)
    return min(claims, key=lambda claim: abs(claim.seconds - middle))


def row(instance: RuledInstance, racer: str, claim: Claim) -> dict[str, Any]:
    """What is stored of a claim: the objective is recomputed, and nan where the portfolio breaks a rule or a limit."""
    problem: Problem = instance.free if racer == FREE else instance.problem
    program, positions = problem.program(), claim.positions
    kept = positions is not None and program.contains(positions)
    objective = program.objective(positions) if positions is not None and kept else np.nan
    return {
        "part": instance.part, "instance": instance.name, "case": instance.case, "held": instance.held, "racer": racer,
        "size": program.size, "cost_multiplier": instance.cost_multiplier, "seconds": claim.seconds,
        "claimed": claim.claimed, "kept": kept, "objective": objective,
        "lower_bound": claim.lower_bound, "nodes": claim.nodes, "library": instance.optimum,
    }  # fmt: skip


def disagreements(rows: pd.DataFrame) -> list[str]:
    """What cannot be true at once, a line each: of claims, portfolios and bounds on one instance."""
    found = []
    for key, group in rows[rows["racer"] != FREE].groupby(KEY, sort=False):
        name = ", ".join(map(str, key))
        best = group["objective"].min()
        proved = group[group["claimed"] == OPTIMAL]
        values = proved["objective"]
        for broken in proved.loc[~proved["kept"].astype(bool), "racer"]:
            found.append(f"{name}: the optimal portfolio of {broken} breaks a rule")
        if values.max() > values.min() * (1 + AGREEMENT):
            told = ", ".join(f"{racer} {value:.9g}" for racer, value in zip(proved["racer"], values, strict=True))
            found.append(f"{name}: optimal are {told}")
        if np.isfinite(best):
            for racer in group.loc[group["claimed"] == INFEASIBLE, "racer"]:
                found.append(f"{name}: infeasible, says {racer}, and a portfolio is known")
            own = group[group["racer"] == EXACT]
            if (own["lower_bound"] > best * (1 + BOUND_ROUND_OFF)).any():
                found.append(f"{name}: the bound of {EXACT} is above a portfolio that is known")
        stated = group["library"].iloc[0] ** 2
        for racer, value in zip(proved["racer"], values**2, strict=True):
            if abs(value - stated) > LIBRARY_AGREEMENT * stated:
                found.append(f"{name}: {racer} found {value:.9g}, the library states {stated:.9g}")
    return found


def ratios(rows: pd.DataFrame, racer: str) -> pd.Series:
    """Seconds of a racer over those of the branch and bound with rules, by instance, where both ran."""
    wide = rows[~rows["claimed"].isin((LICENCE, ERROR))].pivot_table(
        index=KEY, columns="racer", values="seconds", sort=False
    )
    if racer not in wide or EXACT not in wide:
        return pd.Series(dtype=float)
    return (wide[racer] / wide[EXACT]).dropna()


def geometric_mean(values: pd.Series) -> float:
    """Nan of nothing."""
    return float(np.exp(np.log(values).mean())) if len(values) else np.nan


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each part and λ.

    ``proved`` counts instances of which the branch and bound proved the optimum, or that there is none; ``infeasible``
    are the latter. ``over_free`` is the median of its seconds over those of the problem without rules. Of each other
    racer: geometric mean of seconds over the branch and bound's, share that it proved, and how many a licence did not
    allow.
    """
    made = []
    for (part, multiplier), group in rows.groupby(["part", "cost_multiplier"], sort=False):
        own = group[group["racer"] == EXACT]
        line: dict[str, Any] = {
            "part": part, "cost_multiplier": multiplier, "count": len(own),
            "proved": int(own["claimed"].isin((OPTIMAL, INFEASIBLE)).sum()),
            "infeasible": int((own["claimed"] == INFEASIBLE).sum()),
            "median_seconds": own["seconds"].median(), "most_seconds": own["seconds"].max(),
            "over_free": (1 / ratios(group, FREE)).median(),
        }  # fmt: skip
        for racer in OTHERS:
            other = group[group["racer"] == racer]
            ran = other[other["claimed"] != LICENCE]
            line |= {
                racer: geometric_mean(ratios(group, racer)),
                f"{racer}_proved": ran["claimed"].isin((OPTIMAL, INFEASIBLE)).mean(),
                f"{racer}_licence": len(other) - len(ran),
            }
        made.append(line)
    table = pd.DataFrame(made)
    order = table["part"].map(PARTS.index)
    by_multiplier = -table["cost_multiplier"]
    return table.iloc[np.lexsort((by_multiplier, order))].reset_index(drop=True)


def by_case(rows: pd.DataFrame, part: str) -> pd.DataFrame:
    """One row for each case of a part: milliseconds of the branch and bound, times the free problem and SCIP."""
    made = []
    for case, group in rows[rows["part"] == part].groupby("case", sort=False):
        own = group[group["racer"] == EXACT]
        made.append({
            "case": case, "count": len(own), "proved": int(own["claimed"].isin((OPTIMAL, INFEASIBLE)).sum()),
            "median_ms": 1e3 * own["seconds"].median(), "over_free": (1 / ratios(group, FREE)).median(),
            **{racer: geometric_mean(ratios(group, racer)) for racer in OTHERS},
        })  # fmt: skip
    return pd.DataFrame(made)


def page_tables(rows: pd.DataFrame) -> str:
    """The results as the page has them, in Markdown."""
    shown = [_summary_table(summary(rows))]
    if (rows["part"] == TABLE).any():
        shown.append("Milliseconds of each of the five cases:\n\n" + _five_cases(rows[rows["part"] == TABLE]))
    if (rows["part"] == ALONE).any():
        shown.append("Every rule by itself:\n\n" + _case_table(by_case(rows, ALONE)))
    wrong = disagreements(rows)
    counted = len(rows[KEY].drop_duplicates())
    shown.append(f"Disagreements: **{len(wrong)}** on {counted} problems." + "".join(f"\n- {line}" for line in wrong))
    return "\n\n".join(shown)


def with_tables(page: str, rows: pd.DataFrame) -> str:
    """The page with the tables of these results between its marks."""
    return with_results(page, page_tables(rows))


def _summary_table(table: pd.DataFrame) -> str:
    header = ["problems", "λ", "proved", "median; most ms", "× free", *(f"{name} ÷ ours" for name in OTHERS.values())]
    lines = []
    for line in table.to_dict("records"):
        infeasible = f", {line['infeasible']} infeasible" if line["infeasible"] else ""
        lines.append([
            TITLES[line["part"]], f"{line['cost_multiplier']:g}", f"{line['proved']} of {line['count']}{infeasible}",
            f"{_figure(1e3 * line['median_seconds'])}; {_figure(1e3 * line['most_seconds'])}",
            _times(line["over_free"]),
            *(_of_other(line, racer) for racer in OTHERS),
        ])  # fmt: skip
    return markdown(header, lines)


def _of_other(line: dict[Any, Any], racer: str) -> str:
    if np.isnan(line[racer]):
        return "licence" if line[f"{racer}_licence"] else "–"
    at_least = "" if line[f"{racer}_proved"] == 1 else "≥ "
    licence = f", {line[f'{racer}_licence']} licence" if line[f"{racer}_licence"] else ""
    return f"{at_least}{_times(line[racer])} ({line[f'{racer}_proved']:.0%} proved{licence})"


def _five_cases(rows: pd.DataFrame) -> str:
    cases = list(dict.fromkeys(rows["case"]))
    names = {EXACT: "branch and bound"} | OTHERS
    lines = []
    for instance, group in rows.groupby("instance", sort=False):
        free = 1e3 * group.loc[group["racer"] == FREE, "seconds"].median()
        for racer, name in names.items():
            mine = group[group["racer"] == racer].set_index("case")
            if mine.empty:
                continue
            title = f"{instance} (free: {_figure(free)})" if racer == EXACT else ""
            lines.append([title, name, *(_cell(mine.loc[case]) if case in mine.index else "–" for case in cases)])
    return markdown(["problem", "", *cases], lines)


def _cell(one: pd.Series) -> str:
    if one["claimed"] == LICENCE:
        return "licence"
    open_mark = "" if one["claimed"] in (OPTIMAL, INFEASIBLE) else f" ({one['claimed']})"
    return f"{_figure(1e3 * one['seconds'])}{open_mark}"


def _case_table(table: pd.DataFrame) -> str:
    header = ["rule", "proved", "median ms", "× free", *(f"{name} ÷ ours" for name in OTHERS.values())]
    lines = [
        [f"`{line['case']}`", f"{line['proved']} of {line['count']}", _figure(line["median_ms"]),
         _times(line["over_free"]), *(_times(line[racer]) for racer in OTHERS)]
        for line in table.to_dict("records")
    ]  # fmt: skip
    return markdown(header, lines)


def _times(value: float) -> str:
    return "–" if np.isnan(value) else f"{_figure(value)} ×"


def _figure(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{float(f'{value:.3g}'):,.10g}"
