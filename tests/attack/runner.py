"""Runs problems in processes of their own, for as long as there is time; one that hangs or dies is a violation, too."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import numpy as np

from dynopt_milp import Problem, rules, solve
from tests.attack.reproduction import reproduction
from tests.attack.trial import Trial, drawn, kind_of, run_trial

HANGS = 30.0  # seconds for one problem: all its answers have time limits of at most two
PATIENCE = 300.0  # seconds to load and compile
TICK = 0.5


@dataclass(frozen=True)
class Plan:
    """Which problems of a seed: all from the first on, or those of some kinds; asked of every method or of one."""

    seed: int = 0
    first: int = 0
    count: int | None = None
    kinds: tuple[str, ...] = ()
    method: str | None = None

    def numbers(self, start: int, step: int) -> Iterator[int]:
        """The numbers of one worker."""
        endless = itertools.count(start, step)
        own = endless if self.count is None else itertools.takewhile(lambda x: x < self.first + self.count, endless)
        return (number for number in own if not self.kinds or kind_of(number) in self.kinds)

    def command(self, number: int) -> str:
        """The command that runs one of them."""
        method = "" if self.method is None else f" --method {self.method}"
        return f"# python -m tests.attack --seed {self.seed} --first {number} --problems 1{method}\n"


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    number: int
    step: int
    since: float
    ready: bool = False
    call: str = ""


def run(plan: Plan, seconds: float, workers: int) -> Iterator[tuple[int, Trial] | None]:
    """Every problem with what came of it, as it is done; None now and then, so that the caller can show the time."""
    deadline = time.monotonic() + seconds
    running: list[_Worker] = []
    try:
        running = [_begin(plan, plan.first + place, workers) for place in range(workers)]
        while running and time.monotonic() < deadline:
            yield None
            wait([worker.connection for worker in running], timeout=TICK)
            for worker in list(running):
                ended = yield from _read(plan, worker)
                allowed = HANGS if worker.ready else PATIENCE
                lost = None
                if ended and worker.process.exitcode != 0:
                    lost = _lost(plan, worker, "crash", f"the process ended with {worker.process.exitcode}")
                elif not ended and time.monotonic() - worker.since > allowed:
                    lost = _lost(plan, worker, "time", f"no answer after {allowed:g} s")
                if ended or lost:
                    running.remove(worker)
                    _end(worker)
                if lost:
                    running.append(_begin(plan, worker.number + worker.step, worker.step))
                    yield worker.number, lost
    finally:
        for worker in running:
            _end(worker)


def _read(plan: Plan, worker: _Worker) -> Iterator[tuple[int, Trial] | None]:
    """What a worker has sent; returns whether it has ended."""
    try:
        while worker.connection.poll():
            found = worker.connection.recv()
            worker.since = time.monotonic()
            if isinstance(found, int):  # the problem that it turns to
                worker.ready, worker.number, worker.call = True, found, ""
            elif isinstance(found, str):
                worker.call = found
            else:
                trial: Trial = found
                trial.violations = [
                    (rule, label, plan.command(worker.number) + text) for rule, label, text in trial.violations
                ]
                yield worker.number, trial
    except EOFError:
        worker.process.join(5)
        return True
    return False


def _lost(plan: Plan, worker: _Worker, rule: str, text: str) -> Trial:
    program = reproduction(drawn(plan.seed, worker.number)[0].arguments(), worker.call)
    text = f"{plan.command(worker.number)}# {rule}: {text}\n{program}"
    return Trial(kind_of(worker.number), violations=[(rule, rule, text)])


def _begin(plan: Plan, start: int, step: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    mine, other = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(other, plan, start, step), daemon=True)
    process.start()
    other.close()
    return _Worker(process, mine, start, step, time.monotonic())


def _end(worker: _Worker) -> None:
    if worker.process.is_alive():
        worker.process.terminate()
        worker.process.join(1)
        if worker.process.is_alive():  # a solver does not look at signals
            worker.process.kill()
    worker.process.join()
    worker.connection.close()


def _work(connection: Connection, plan: Plan, start: int, step: int) -> None:
    """One worker: solvers print what they like, and Ctrl-C is for the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for place, number in enumerate(plan.numbers(start, step)):
        if place == 0:
            warm_up()
        connection.send(number)
        connection.send(run_trial(plan.seed, number, plan.method, connection.send))
    connection.close()


def warm_up() -> None:
    """Load every solver and kernel, so that no time limit is spent on it."""
    for method in ("branch_and_bound", "scip", "rebalance", "proof"):
        for number in range(3):
            run_trial(0, number, method)
    ruled = Problem(
        np.eye(2) * 0.04, [1.6, -2.2], [1.0, 1.0], instruments=["A", "B"], rules=[rules.gross(2), rules.risk(0.3)]
    )
    for formulation in ("penalty", "buffer_edge"):
        for optimizer in ("branch_and_bound", "scip"):
            solve(ruled, optimizer, formulation=formulation, buffer=0.5)
