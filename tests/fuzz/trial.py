"""One change of one file, and what is wrong with what came of it."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from dynopt_milp.errors import DynoptError, FileError, InputError
from tests.fuzz.mutators import MUTATORS, Outcome
from tests.fuzz.sources import SOURCES, Answer, Source
from tests.fuzz.tables import Table

FIELDS = {
    "targets.csv": (
        "targets", "optimal_positions", "weight_per_contract", "cost_in_weight_terms", "held", "covariance",
    ),
    "held.csv": ("held", "targets"), "covariance.csv": ("covariance",),
}  # fmt: skip
"""What else than the file an error may name: the field that it fills."""


@cache
def source(name: str) -> Source:
    """The files of a source."""
    return SOURCES[name]()


@cache
def in_order(name: str) -> Answer:
    """What is read from them."""
    with tempfile.TemporaryDirectory() as folder:
        source(name).write(Path(folder))
        return source(name).read(Path(folder))


PAIRS = tuple((name, file) for name in SOURCES for file in SOURCES[name]().files)
"""Every file of every source."""


def run_trial(seed: int, number: int) -> tuple[str, str]:
    """The trial of that number: which it is, and what is wrong, empty if nothing is."""
    mutator = tuple(MUTATORS)[number % len(MUTATORS)]
    name, file = PAIRS[number // len(MUTATORS) % len(PAIRS)]
    return f"{mutator}: {name}/{file}", wrong(name, file, mutator, np.random.default_rng([seed, number]))


def wrong(name: str, file: str, mutator: str, random: np.random.Generator) -> str:
    """What is wrong with what a reader makes of a changed file, in words; empty if nothing is."""
    content = MUTATORS[mutator].change(source(name).files[file], random)
    if content is None:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source(name).write(root)
        (root / file).write_bytes(content.encode() if isinstance(content, str) else content)
        found: Answer | Exception
        try:
            found = source(name).read(root)
        except Exception as error:  # any other than ours is what is looked for
            found = error
        return judged(found, in_order(name), MUTATORS[mutator].outcome, file, named_in(source(name).files[file]))


def named_in(table: Table) -> list[str]:
    """The instruments of a file that has several."""
    return [row[table.place(column)] for column in table.names for row in table.rows]


def judged(found: Answer | Exception, before: Answer, outcome: Outcome, file: str, names: Sequence[str] = ()) -> str:
    """What is wrong with an answer, or an error, by the outcome that it should have.

    An error names the file, the field that it fills, or one of the instruments in it.
    """
    if isinstance(found, Exception):
        if not isinstance(found, (InputError, FileError)):
            kind = "ours, of another kind" if isinstance(found, DynoptError) else "none of ours"
            return f"an error that is {kind}: {''.join(traceback.format_exception_only(found)).strip()}"
        if outcome is Outcome.SAME:
            return f"refused: {found}"
        said = str(found)
        named = (Path(file).name in said, said.startswith(FIELDS.get(file, ())), any(name in said for name in names))
        return "" if any(named) else f"the error does not name the file: {said}"
    if outcome is Outcome.REFUSED:
        return f"taken without an error; new notes: {sorted(found.notes - before.notes)}"
    if found.values != before.values and (outcome is Outcome.SAME or not found.notes - before.notes):
        return "another answer" + ("" if outcome is Outcome.SAME else " without a word")
    return ""
