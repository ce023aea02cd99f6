"""Steps of the greedy search without an evaluation of whole portfolios: what the compiled kernel is given and says."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from formulations import Costs, FloatArray, IntegerArray, TrackingProgram
from formulations.rule_arrays import cap_arrays, row_arrays

CHUNK = 256
"""Steps between two questions whether the search may go on."""


class Taken(NamedTuple):
    """Some steps.

    Attributes
    ----------
    positions : ndarray, shape (n,)
        The portfolio after them.
    steps : int
        How many.
    done : bool
        Whether no step from there lowers the objective.
    contenders : ndarray of int or None
        If the next step is in doubt, the places of those instruments one of which may be the one to move.
    """

    positions: FloatArray
    steps: int
    done: bool
    contenders: IntegerArray | None


class CarriedSteps:
    """The steps of one search, with the square of the tracking error carried along (`kernels.greedy_steps`).

    Parameters
    ----------
    program : TrackingProgram
    direction : ndarray, shape (n,)
        −1, 0 or 1.
    """

    def __init__(self, program: TrackingProgram, direction: FloatArray) -> None:
        self.program = program
        self.direction = fixed(np.array(direction, dtype=np.float64))
        self.aims: Any = None
        self.begun = False

    def begins_at(self, positions: FloatArray) -> bool:
        """Whether the steps can be taken from here: sides and rules are kept. They stay so."""
        if not self.begun:
            program = self.program
            rules, here = program.rules, positions[None]
            kept = (
                rules is None or not rules.coupled or not rules.violations(here, program.previous, program.zero).any()
            )
            self.begun = bool(kept and program.one_sided(positions) and program.objective(positions) < np.inf)
        return self.begun

    def take(self, positions: FloatArray, most: int | None = None) -> Taken:
        """Take steps that are beyond doubt, so many at most."""
        steps = compiled_steps()
        if self.aims is None:
            self.aims = aims_of(self.program)
        positions, contenders = positions.copy(), np.empty(positions.size, dtype=np.bool_)
        count = CHUNK if most is None else min(most, CHUNK)
        ended, taken = steps.greedy_steps(self.aims, positions, self.direction, count, contenders, True)
        doubted = np.flatnonzero(contenders) if ended == steps.DOUBT else None
        return Taken(positions, taken, ended == steps.DONE, doubted)


def aims_of(program: TrackingProgram) -> Any:
    """A program as the kernel takes it."""
    from dynopt_milp.solvers.kernels.greedy_steps import Aims

    factor, target, lines, start, table, lower, upper, underlying, _, residual = program.arrays()
    known, caps = program.residual, cap_arrays(program)
    gram, weight = (factor.T @ factor, np.ones(program.size)) if known is None else (known.covariance, known.weight)
    costs, terms = Costs(fixed(lines), fixed(start), fixed(table)), 2 * program.size + len(factor) + len(caps.factor)
    return Aims(
        fixed(gram), fixed(weight), fixed(target), costs, fixed(lower), fixed(upper), fixed(underlying),
        row_arrays(program), caps, terms, residual,
    )  # fmt: skip


def fixed(array: Any) -> Any:
    """The array read-only and in the order of C: of others the kernel would be compiled again."""
    if array.flags.c_contiguous and not array.flags.writeable:
        return array
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view


@cache
def compiled_steps() -> ModuleType:
    """The kernel's module, compiled or loaded once a process."""
    from dynopt_milp.compiled import announced
    from dynopt_milp.solvers.kernels import greedy_steps as steps

    one = np.ones(1)
    aims = aims_of(TrackingProgram(one[:, None], 2.4 * one, 0 * one, 0 * one, -one, one))
    with announced("the greedy search", "a few seconds"):
        steps.greedy_steps(aims, 0 * one, fixed(one), 1, np.empty(1, dtype=np.bool_), True)
    return steps
