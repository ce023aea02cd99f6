"""A proof: lines of a header and of the nodes of a tree, depth first."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.problem.problem import Problem
from proof_checker import Refused, Verified
from proof_checker import check as check_lines

LEVEL = 9  # of compression


def content_of(problem: Problem) -> dict[str, Any]:
    """What the file of a problem says, as a checker reads it."""
    content: dict[str, Any] = json.loads(json.dumps(problem.to_dict()))
    return content


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """A proof that a portfolio is optimal, or that there is none.

    Attributes
    ----------
    problem : Problem
        What it is of.
    lines : tuple of str
        The header, then nodes: see the page *Proofs*.
    leaves : int
        How many of the nodes are leaves.
    """

    problem: Problem
    lines: tuple[str, ...]
    leaves: int

    def __repr__(self) -> str:
        return f"<Proof of {self.leaves} leaves, {len(self.problem.instruments)} instruments>"

    def to_file(self, path: str | Path) -> None:
        """Write the proof, packed, atomically; the same proof makes the same bytes.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        write_atomically(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The proof, packed: what its file holds."""
        text = "".join(f"{line}\n" for line in self.lines)
        return gzip.compress(text.encode(), LEVEL, mtime=0)

    def verify(self, through: Callable[[Iterator[str]], Iterator[str]] = iter) -> Verified:
        """Check it in exact arithmetic.

        Parameters
        ----------
        through : callable, optional
            What the lines go through as they are checked: to count them, or to stop.

        Returns
        -------
        Verified
            The interval that the optimum lies in.

        Raises
        ------
        Refused
            If it proves nothing.
        """
        return check_lines(content_of(self.problem), through(iter(self.lines)))


def accepted(proofs: Iterable[Proof], check: Callable[[Proof], Verified]) -> tuple[Proof, Verified]:
    """The first proof that a check accepts, and what that says.

    Raises
    ------
    Refused
        By the last check, if none is accepted.
    """
    refused = Refused("there is no proof")
    for proof in proofs:
        try:
            return proof, check(proof)
        except Refused as error:
            refused = error
    raise refused
