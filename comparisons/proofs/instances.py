"""The problems: weekly rebalances of real futures, shared problems, the same with rules, portfolios of MINLPLib."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comparisons.agreement.study import GRID
from comparisons.rules.instances import hash_of, library_instances, table_instances
from comparisons.solver_race.instances import real_instances
from dynopt_milp import Problem
from dynopt_milp.data import Market
from dynopt_milp.errors import InputError

WEEKLY, STORED, RULES, MINLPLIB = PARTS = ("weekly", "stored", "rules", "minlplib")
COUNTS = {WEEKLY: GRID.real, STORED: 20, RULES: 25, MINLPLIB: 60}


@dataclass(frozen=True, slots=True, eq=False)
class ProofInstance:
    """A problem.

    Attributes
    ----------
    part : str
        One of ``PARTS``.
    name : str
    problem : Problem
    """

    part: str
    name: str
    problem: Problem

    @property
    def held(self) -> str:
        """A hash of the problem: the same name with another limit is another problem."""
        return hash_of(self.problem)


def all_instances(parts: tuple[str, ...], market: Market | None, folder: Path) -> Iterator[ProofInstance]:
    """Those of some parts.

    Parameters
    ----------
    parts : tuple of str
    market : Market or None
        For the weekly problems; not needed without them.
    folder : Path
        Of the shared problems.

    Raises
    ------
    InputError
        If a folder is missing.
    """
    if not folder.is_dir() and set(parts) - {WEEKLY}:
        raise InputError(f"there is no folder {folder}; it has the shared problems", field="instances")
    for part in parts:
        if part == WEEKLY:
            assert market is not None
            for instance in real_instances(market, GRID):
                yield ProofInstance(part, instance.name, instance.problem)
        elif part == STORED:
            for path in sorted(folder.glob("*_lam*.json")):
                if "optimum" not in path.name:
                    yield ProofInstance(part, path.stem, Problem.from_json(path))
        else:
            for ruled in (table_instances if part == RULES else library_instances)(folder):
                yield ProofInstance(part, f"{ruled.name}, {ruled.case}", ruled.problem)
