"""The checker of proofs: it walks through the tree of a proof, box by box, and believes nothing that the proof says.

The tree comes depth first. An inner node [i, z] splits its box: the subtree of kᵢ ≤ z comes first, then that of
kᵢ ≥ z + 1. The root is all whole numbers within the limits, so that the leaves cover them whatever the nodes say. The
bound of each leaf (`bound`) has to be at least (1 − gap) × the value of the portfolio.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from proof_checker.bound import Bounds
from proof_checker.exact import Refused, exact, whole
from proof_checker.problem import INF, Problem, read

FORMAT = "dynopt-milp proof 1"
MOST_BYTES, MOST_NODES, MOST_OPEN = 64 << 20, 10**6, 10**4  # unpacked; nodes; boxes that wait
MOST_HEAD, MOST_LINE = 24 << 20, 1 << 20  # bytes of the problem, and of a header; of a node
WRONG = (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, RecursionError, StopIteration, TypeError,
         ValueError, gzip.BadGzipFile, zlib.error)  # fmt: skip


class Verified(NamedTuple):
    """What is proved, of the covariance Σ̂ = R'R. Without positions: that no portfolio keeps limits and rules."""

    positions: dict[str, int] | None
    lower: Fraction | None  # the optimum lies between them
    upper: Fraction | None  # the value of the portfolio
    stored: Fraction | None  # its value with the covariance Σ of the problem file, as it stands there
    difference: Fraction  # the largest |Σ̂ᵢⱼ − Σᵢⱼ| ÷ sqrt(ΣᵢᵢΣⱼⱼ)
    leaves: int


def verify(problem: str | Path, proof: str | Path, through: Callable[[Any], Iterator[Any]] = iter) -> Verified:
    """Check a proof file, its lines ``through`` a function; Refused if it proves nothing, OSError if it is not."""
    with open(problem, "rb") as one, open(proof, "rb") as other:
        text, packed = one.read(MOST_HEAD + 1), other.read(MOST_BYTES + 1)
    try:
        lines = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(MOST_BYTES + 1)
        if len(text) > MOST_HEAD or max(len(packed), len(lines)) > MOST_BYTES:
            raise Refused("it has more than 64 MB, or the problem more than 24 MB")
        return check(read(text), through(io.BytesIO(lines)))
    except Refused:
        raise
    except WRONG as error:
        raise Refused(f"it, or the problem, is not of the format: {type(error).__name__}: {str(error)[:80]}") from None


def check(content: Any, lines: Iterator[Any]) -> Verified:
    """The same of what a problem file says, and the lines of a proof; errors other than Refused mean another format."""
    problem, head = Problem(content), next(lines)
    if len(head) > MOST_HEAD:
        raise Refused("its header has more than 24 MB")
    header = read(head)
    if header["format"] != FORMAT:
        raise Refused(f"it has another format than {FORMAT}")
    if header["problem"] != problem.hash:
        raise Refused("it is a proof of another problem")
    bounds, positions = Bounds(problem, header["factors"], header["digits"]), header["positions"]
    least: Any = INF
    if positions is not None:
        positions = dict(zip(problem.names, map(whole, positions), strict=True))
        low, high, stored = bounds.worth(list(positions.values()))
        needed = (1 - exact(header["gap"])) * high
    boxes, leaves = [(problem.lower, problem.upper)], 0  # those to come, the next one last
    for number, line in enumerate(lines):
        if not boxes:
            raise Refused("it goes on behind its last leaf")
        if number >= MOST_NODES or len(boxes) > MOST_OPEN or len(line) > MOST_LINE:
            raise Refused("it has more than a million nodes, ten thousand boxes that wait, or a node of more than 1 MB")
        node, (lower, upper) = read(line), boxes.pop()
        if isinstance(node, list):
            i, z = map(whole, node)
            if i < 0:
                raise Refused("there is no instrument of a negative place")
            boxes.append(([*lower[:i], max(lower[i], z + 1), *lower[i + 1 :]], upper))
            boxes.append((lower, [*upper[:i], min(upper[i], z), *upper[i + 1 :]]))
            continue
        leaves, bound = leaves + 1, bounds.of(node, lower, upper)
        if "psi" not in node:
            if bound <= 0:
                raise Refused(f"leaf {leaves} does not show that no portfolio of its box keeps the rules")
        elif positions is None or bound < needed:
            raise Refused(f"leaf {leaves} has a bound of {float(bound):.9g}, which is too low")
        else:
            least = min(least, bound)
    if boxes:
        raise Refused("it ends before its last leaf")
    if positions is None:
        return Verified(None, None, None, None, bounds.difference, leaves)
    return Verified(positions, min(least, low), high, stored, bounds.difference, leaves)
