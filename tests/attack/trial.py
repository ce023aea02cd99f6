"""One problem of the attack: drawn from (seed, number), asked in several ways, judged."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np

from dynopt_milp import (
    InputError,
    Limits,
    NoPortfolioError,
    Problem,
    Status,
    StoppedBy,
    UnprovedWarning,
    rebalance,
    solve,
)
from dynopt_milp.adapters.book import BookAlgorithm
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
from dynopt_milp.errors import DynoptError
from tests.attack.exact import ExactValues, Portfolio, Question
from tests.attack.kinds import KINDS, Given, Random, draw, make
from tests.attack.known import MOST_POINTS, clipped
from tests.attack.proofs import GAP, SOLVE_SECONDS, proved, wrong_with
from tests.attack.referee import Claim, Referee, Violation, said_within
from tests.attack.reproduction import reproduction

PROOF, PROVED = "proof", 4  # one problem in so many, where everything is asked
METHODS = ("exact", "branch_and_bound", "enumerate", "greedy", "scip", "rebalance", "book", "pysystemtrade")
# Seconds. What is proved is proved in milliseconds most often; what is not would go on for as long as it is given.
LIMITS, OFTEN_LIMITS = (0.04, 2.0, 0.0, 0.001, 0.01), (0.955, 0.005, 0.01, 0.015, 0.015)
RULED_LIMITS = (0.6, 0.365, 0.01, 0.01, 0.015)  # how often with rules
# SCIP takes ten to a thousand times as long as the branch and bound.
OFTEN = {"exact": 0.3, "branch_and_bound": 0.85, "enumerate": 0.35, "greedy": 0.1, "scip": 0.015,
         "rebalance": 0.06, "book": 0.08, "pysystemtrade": 0.05}  # fmt: skip
CONSTRAINED = 0.006
RULED = {"exact": 0.4, "branch_and_bound": 0.85, "enumerate": 0.35, "scip": 0.03}  # these alone know rules


@dataclass
class Trial:
    """What came of one problem.

    ``answers`` counts outcomes by label; ``reproductions`` has one text for each violation.
    """

    kind: str
    answers: list[tuple[str, str]] = field(default_factory=list)
    violations: list[tuple[str, str, str]] = field(default_factory=list)  # rule, label, reproduction


def kind_of(number: int) -> str:
    """The kind of a problem."""
    return tuple(KINDS)[number % len(KINDS)]


def run_trial(
    seed: int, number: int, method: str | None = None, watch: Callable[[str], None] = lambda call: None
) -> Trial:
    """Draw the problem, ask, judge. With a method, only that is asked; ``watch`` is told every call before it is made.

    The same seed and number are the same problem and the same questions, wherever it runs.
    """
    given, random = drawn(seed, number)
    trial = Trial(kind_of(number))
    arguments = given.arguments()
    try:
        problem = make(arguments)
    except InputError as error:
        trial.answers.append(("Problem", type(error).__name__))
        return trial
    asked = Asked(problem, arguments, _question(problem, given.planted, random), random, trial, watch)
    for name in _methods(problem, asked.question, random) if method is None else {method} - {PROOF}:
        asked.ask(name)
    if method == PROOF or (method is None and number % PROVED == 0):
        asked.prove(given)
    asked.judge(given)
    return trial


def drawn(seed: int, number: int) -> tuple[Given, Random]:
    """What a problem is made of, and the generator that goes on with its questions."""
    random = np.random.default_rng([seed, number])
    return draw(kind_of(number), random), random


def _question(problem: Problem, planted: list[Portfolio], random: Random) -> Question:
    if random.random() < CONSTRAINED:
        weights = random.integers(0, 4, len(problem.instruments))
        start = clipped(problem.optimal_positions, problem.lower, problem.upper)
        most = sum(int(x) * y for x, y in zip(weights, start, strict=True)) - int(random.integers(-1, 4))
        if weights.any() and abs(most) < 10**6:
            return Question(weights=tuple(int(x) for x in weights), most=most)
    formulation = str(random.choice(["penalty", "deadband", "buffer_edge", "integer_hull"], p=[0.5, 0.15, 0.25, 0.1]))
    return Question(
        formulation, _buffer(problem, planted, random) if formulation in ("deadband", "buffer_edge") else 0.01
    )


def _buffer(problem: Problem, planted: list[Portfolio], random: Random) -> float:
    """The default, a part of the error of some portfolio, or all of it, when that lies on the edge or next to it."""
    if random.random() < 0.1:
        return 0.01
    start = np.array(clipped(problem.optimal_positions, problem.lower, problem.upper), dtype=np.float64)
    if random.random() < 0.6:
        start += random.integers(-2, 3, start.size)
    if problem.rules and random.random() < 0.7:
        start = np.array(planted[int(random.integers(len(planted)))], dtype=np.float64)
    values = ExactValues(problem)
    high = values.tracking_error(clipped(start, problem.lower, problem.upper))[1]
    error = Fraction(high, 1 << values.digits)
    if random.random() < 0.3:
        error *= Fraction(random.uniform(0.2, 2.0))
    else:
        error *= 1 + Fraction(float(random.choice([0.0, 1e-15, 1e-12, 1e-9, -1e-12, -1e-9])))
    edge = float(error)
    while Fraction(edge) < error:
        edge = math.nextafter(edge, math.inf)
    return edge if edge > 1e-100 else 0.01


def _methods(problem: Problem, question: Question, random: Random) -> list[str]:
    chance = dict(zip(METHODS, random.random(len(METHODS)), strict=True))
    if question.constrained:
        return ["exact"]
    often = RULED if problem.rules else OFTEN
    chosen = [name for name in METHODS if chance[name] < often.get(name, 0.0)]
    plain = question.formulation == "penalty"
    free = not problem.holding_cost.any() and not problem.program().underlyings() and problem.order_costs is None
    fits = {
        "enumerate": np.prod(problem.upper - problem.lower + 1) <= MOST_POINTS,
        "greedy": plain and float(np.abs(problem.optimal_positions).sum()) < 300,
        "scip": len(problem.instruments) <= 12,
        "book": plain and free,
        "pysystemtrade": plain and free,
    }
    return [name for name in chosen if fits.get(name, True)] or ["branch_and_bound"]


@dataclass
class Asked:
    """A problem, a question, and what is claimed about it."""

    problem: Problem
    arguments: dict[str, Any]
    question: Question
    random: Random
    trial: Trial
    watch: Callable[[str], None]
    claims: list[tuple[Claim, str]] = field(default_factory=list)  # with the call
    others: list[tuple[Problem, Question, Claim, str]] = field(default_factory=list)  # about other problems

    def ask(self, method: str) -> None:
        """Have one method answer."""
        special = {"rebalance": self._rebalance, "book": self._book, "pysystemtrade": self._pysystemtrade}
        gap = float(self.random.choice([1e-6, 1e-6, 1e-6, 1e-6, 0.0, 1e-9, 1e-3]))
        limit = float(self.random.choice(LIMITS, p=RULED_LIMITS if self.problem.rules else OFTEN_LIMITS))
        special.get(method, lambda *how: self._solve(method, *how))(gap, limit)

    def prove(self, given: Given) -> None:
        """Prove what the branch and bound says, verify it, and look at what the checker says."""
        call = f"print(prove(problem, solve(problem, gap={GAP}, time_limit=1)).verify())"
        how = {"gap": GAP, "time_limit": SOLVE_SECONDS}
        solution, _ = self._run(PROOF, call, lambda: solve(self.problem, "branch_and_bound", **how))
        if solution is None or solution.status not in (Status.OPTIMAL, Status.INFEASIBLE):
            return
        found, _ = self._run(PROOF, call, lambda: proved(self.problem, solution, lambda: self.watch(call)))
        if found is None or isinstance(found, str):
            self.trial.answers.append((PROOF, Status.NO_SOLUTION.value))  # nothing is claimed
            return
        self.trial.answers.append((PROOF, solution.status.value))
        proof, verified = found
        claim = Claim.of(PROOF, solution, GAP, 0.0, None)
        best = Referee(self.problem, Question()).known([claim], given.planted).best
        known = [*given.planted, *([] if best is None else [best])]
        for text in wrong_with(self.problem, proof, verified, known):
            program = f"# proof: {text}\n{reproduction(self.arguments, call)}"
            self.trial.violations.append((PROOF, PROOF, program))

    def judge(self, given: Given) -> None:
        """Have the referee look at every claim."""
        mine = [claim for claim, _ in self.claims]
        if mine:
            self._note(Referee(self.problem, self.question).judge(mine, given.planted), dict(self.claims_by_label()))
        for problem, question, claim, call in self.others:
            self._note(Referee(problem, question).judge([claim]), {claim.label: call})

    def claims_by_label(self) -> list[tuple[str, str]]:
        return [(claim.label, call) for claim, call in self.claims]

    def _note(self, violations: list[Violation], calls: dict[str, str]) -> None:
        for found in violations:
            program = reproduction(self.arguments, calls[found.claim.label])
            text = f"# {found.rule}: {found.text}\n# {found.claim}\n{program}"
            self.trial.violations.append((found.rule, found.claim.label, text))

    def _run(self, label: str, call: str, answer: Callable[[], Any]) -> tuple[Any, float]:
        """The answer and its seconds; None if it was refused, and an error of the package's own is a violation."""
        self.watch(call)
        began = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return answer(), time.monotonic() - began
        except NoPortfolioError as error:
            self.trial.answers.append((label, error.solution.status.value))
            return error.solution, time.monotonic() - began
        except InputError as error:
            self.trial.answers.append((label, type(error).__name__))
        except Exception as error:
            rule = type(error).__name__ if isinstance(error, DynoptError) else "error"
            self.trial.answers.append((label, rule))
            text = f"# {rule}: {type(error).__name__}: {error}\n{reproduction(self.arguments, call)}"
            self.trial.violations.append((rule, label, text))
        return None, 0.0

    def _solve(self, method: str, gap: float, limit: float) -> None:
        question, random = self.question, self.random
        start = None
        if random.random() < 0.1:
            near = self.problem.optimal_positions + random.normal(scale=3.0, size=self.problem.optimal_positions.size)
            start = list(clipped(near, self.problem.lower, self.problem.upper))
        how: dict[str, Any] = {"formulation": question.formulation, "gap": gap, "time_limit": limit}
        if question.formulation in ("deadband", "buffer_edge"):
            how["buffer"] = question.buffer
        if start is not None:
            how["start"] = start
        written = "".join(f", {name}={value!r}" for name, value in how.items())
        if question.constrained:
            weights, most = np.array(question.weights, dtype=np.float64), question.most
            how["constraints"] = lambda positions: [weights @ positions <= most]
            written += f", constraints=lambda k: [np.array({list(question.weights)}) @ k <= {most}]"
        label = f"{method} {'constrained' if question.constrained else question.formulation}"
        call = f"print(solve(problem, {method!r}{written}))"
        solution, seconds = self._run(label, call, lambda: solve(self.problem, method, **how))
        if solution is not None:
            claim = Claim.of(label, solution, gap, seconds, limit)
            self.trial.answers.append((label, claim.status))
            self.claims.append((claim, call))

    def _rebalance(self, gap: float, limit: float) -> None:
        """The optimisation of a rebalance, and with "edge" the trade to the edge of the buffer."""
        rule = str(self.random.choice(["book", "edge", "deadband"]))
        buffer = self.question.buffer
        call = (
            f"print(rebalance(problem, buffer_rule={rule!r}, buffer_fraction={buffer!r}, risk_target=1.0, gap={gap!r}, "
            f"time_limit={limit!r}).to_dict())"
        )
        label = f"rebalance {rule}"
        done, seconds = self._run(label, call, lambda: rebalance(
            self.problem, buffer_rule=rule, buffer_fraction=buffer, risk_target=1.0, gap=gap, time_limit=limit,
        ))  # fmt: skip
        if done is None:
            return
        if not hasattr(done, "optimised"):  # no portfolio, and its claim
            about = Question(done.formulation, buffer)
            self.others.append((done.problem, about, Claim.of(label, done, gap, seconds, limit), call))
            return
        self.trial.answers.append((label, done.status.value))
        about = Question(done.optimised.formulation, buffer)
        self.others.append((self.problem, about, Claim.of(label, done.optimised, gap, seconds, limit), call))
        final = tuple(int(number) for number in done.contracts)
        if rule == "edge":
            one_side = self.problem.limits.one_side
            limits = Limits(lower=self.problem.lower, upper=self.problem.upper, one_side=one_side)
            around = self.problem.replace(
                optimal_positions=done.optimised.contracts, limits=limits, cost_multiplier=1.0
            )
            within = said_within(done.optimised.notes)
            claim = Claim(f"{label}, the trade", done.status.value, final, gap, within=within)
            self.others.append((around, Question("buffer_edge", buffer), claim, call))
            self.trial.answers.append((claim.label, claim.status))
        else:
            claim = Claim(label, "feasible", final, gap)
            self.others.append((self.problem, Question("penalty"), claim, call))

    def _book(self, gap: float, limit: float) -> None:
        """The book's adapter on a day: what it holds is the optimum, unless it warns that this is not proved."""
        problem = self.problem
        gap = max(gap, 1e-9)
        unit = problem.weight_per_contract
        wanted, held = problem.optimal_positions * unit, problem.previous_positions * unit
        day = {
            "covariance_matrix": problem.covariance, "unrounded_optimal_position_weights": wanted,
            "previous_position_weights": held, "weight_per_contract": unit, "starting_weights": np.zeros(unit.size),
            "direction_as_np": np.sign(wanted), "cost_in_weight_terms_as_np": problem.cost_in_weight_terms,
        }  # fmt: skip
        try:
            twin = problem.replace(
                optimal_positions=wanted / unit, limits=Limits(lower=problem.lower, upper=problem.upper)
            )
        except InputError:
            return
        fields = ", ".join(f"{name}=np.array({value.tolist()!r})" for name, value in day.items())
        limits = None
        how = f"cost_multiplier={problem.cost_multiplier!r}, gap={gap!r}"
        if np.isfinite(problem.lower).any() or np.isfinite(problem.upper).any():
            limits = Limits(lower=problem.lower, upper=problem.upper)
            how += f", limits=Limits(lower={problem.lower.tolist()!r}, upper={problem.upper.tolist()!r})"
        call = (
            f"day = SimpleNamespace({fields})\n"
            f"print(np.rint(BookAlgorithm('exact', {how})(day) / day.weight_per_contract))"
        )
        label = "book exact"
        proved, _ = self._run(label, call, lambda: solve(twin, gap=gap, time_limit=min(limit, 1.0)))
        if proved is None or proved.stopped_by is not StoppedBy.GAP:  # without a time limit it might take for ever
            return
        algorithm = BookAlgorithm("exact", cost_multiplier=problem.cost_multiplier, gap=gap, limits=limits)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UnprovedWarning)
            weights, seconds = self._run(label, call, lambda: algorithm(SimpleNamespace(**day)))
        if weights is None:
            return
        proved_it = not any(issubclass(warning.category, UnprovedWarning) for warning in said)
        found: Portfolio = tuple(int(number) for number in np.rint(weights / unit))
        if problem.cost_multiplier == 0:
            twin = twin.replace(cost_in_weight_terms=0.0)
        within = said_within(proved.notes)
        claim = Claim(
            label, "optimal" if proved_it else "feasible", found, gap, seconds=seconds, time_limit=10.0, within=within
        )
        self.trial.answers.append((label, claim.status))
        self.others.append((twin, Question("penalty"), claim, call))

    def _pysystemtrade(self, gap: float, limit: float) -> None:
        problem = self.problem
        keys = problem.instruments

        def by_name(values: Any) -> dict[str, float]:
            return dict(zip(keys, np.asarray(values).tolist(), strict=True))

        given: dict[str, Any] = {
            "contracts_optimal": by_name(problem.optimal_positions),
            "covariance_matrix": {one: by_name(row) for one, row in zip(keys, problem.covariance, strict=True)},
            "per_contract_value": by_name(problem.weight_per_contract), "costs": by_name(problem.cost_in_weight_terms),
            "previous_positions": by_name(problem.previous_positions),
        }  # fmt: skip
        if self.random.random() < 0.5:
            most = self.random.integers(0, 5, len(keys)).astype(np.float64)
            given["maximum_positions"] = by_name(most)
        speed = {"trade_shadow_cost": problem.cost_multiplier, "tracking_error_buffer": 0.0}
        fields = ", ".join(f"{name}={value!r}" for name, value in given.items())
        call = (
            f"one = ObjectiveFunction({fields}, speed_control=SimpleNamespace(**{speed!r}), gap={gap!r}, "
            f"time_limit={limit!r})\nprint(one.optimise_positions(), one.result and one.result.to_dict())"
        )
        label = "pysystemtrade"

        def answer() -> ObjectiveFunction:
            one = ObjectiveFunction(**given, speed_control=SimpleNamespace(**speed), gap=gap, time_limit=limit)
            one.optimise_positions()
            return one

        one, seconds = self._run(label, call, answer)
        done = getattr(one, "result", None)
        if done is not None:
            claim = Claim.of(label, done.optimised, gap, seconds, limit)
            self.trial.answers.append((label, claim.status))
            self.others.append((done.problem, Question("penalty"), claim, call))
