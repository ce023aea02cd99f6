"""The checker of proofs: it walks through the tree of a proof, box by box, and believes nothing that the proof says.

The tree comes depth first. An inner node [i, z] splits its box: kᵢ ≤ z comes first, kᵢ ≥ z + 1 after all of that. The
root is all whole numbers within the limits, so that the leaves cover them whatever the nodes say. Each leaf has
multipliers, and its bound has to be at least (1 − gap) × the value of the portfolio; see `bound` and `problem`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from proof_checker.bound import Bounds
from proof_checker.exact import Refused, exact, whole
from proof_checker.problem import INF, Problem

FORMAT = "dynopt-milp proof 1"
MOST_BYTES, MOST_NODES = 64 << 20, 10**6  # of what is unpacked


class Verified(NamedTuple):
    """What is proved.

    Attributes
    ----------
    positions : dict of int by str, or None
        The portfolio; None if there is none that keeps limits and rules.
    lower, upper : Fraction or None
        The optimum lies between them; ``upper`` is the value of the portfolio. All this is of the covariance Σ̂ = R'R.
    stored : Fraction or None
        The value of the portfolio with the covariance Σ of the problem file, as it stands there.
    difference : Fraction
        The largest |Σ̂ᵢⱼ − Σᵢⱼ| ÷ sqrt(ΣᵢᵢΣⱼⱼ).
    leaves : int
    """

    positions: dict[str, int] | None
    lower: Fraction | None
    upper: Fraction | None
    stored: Fraction | None
    difference: Fraction
    leaves: int


def verify(problem: str | Path, proof: str | Path) -> Verified:
    """Check a proof.

    Parameters
    ----------
    problem : str or Path
        A problem file.
    proof : str or Path
        A proof file.

    Raises
    ------
    Refused
        If it proves nothing, or nothing of this problem; the message says why.
    OSError
        If a file cannot be read.
    """
    try:
        with open(problem, "rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise Refused("the problem is larger than 64 MB")
        with gzip.open(proof, "rb") as packed:
            return check(json.loads(text), _lines(packed))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refused(f"it is not a whole gzip file: {error}") from None
    except Refused:
        raise
    except RecursionError:
        raise Refused("it is nested too deeply") from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, StopIteration) as error:
        raise Refused(f"it, or the problem, is not of the format: {type(error).__name__}: {str(error)[:80]}") from None


def check(content: Any, lines: Iterator[Any]) -> Verified:
    """Check the lines of a proof file of what a problem file says; errors other than Refused mean another format."""
    problem, header = Problem(content), json.loads(next(lines))
    if header["format"] != FORMAT:
        raise Refused(f"it has another format than {FORMAT}")
    if header["problem"] != problem.hash:
        raise Refused("it is a proof of another problem")
    bounds = Bounds(problem, header["factors"], header["digits"])
    positions = header["positions"]
    least: Any = INF
    low = high = stored = needed = Fraction(0)
    if positions is not None:
        positions = [whole(k) for k in positions]
        named = dict(zip(problem.names, positions, strict=True))
        low, high, stored = bounds.worth(positions)
        needed = (1 - exact(header["gap"])) * high
    lower, upper, leaves = problem.lower[:], problem.upper[:], 0
    changed: list[Any] = []  # instrument and ends before, of each step on the way from the root
    later: list[Any] = [None]  # how many of those lead to a part of the tree that comes later, instrument, first
    for number, line in enumerate(lines):
        if number >= MOST_NODES:
            raise Refused("it has more than a million nodes")
        if not later:
            raise Refused("it goes on behind its last leaf")
        node = json.loads(line)
        if isinstance(node, list):
            i, z = (whole(value) for value in node)
            if i < 0:
                raise Refused("there is no instrument of a negative place")
            later.append((len(changed), i, z + 1))
            changed.append((i, lower[i], upper[i]))
            upper[i] = min(upper[i], z)
            continue
        leaves, bound = leaves + 1, bounds.of(node, lower, upper)
        if "psi" not in node and bound <= 0:
            raise Refused(f"leaf {leaves} does not show that no portfolio of its box keeps the rules")
        if "psi" in node and (positions is None or bound < needed):
            raise Refused(f"leaf {leaves} has a bound of {float(bound):.9g}, which is too low")
        least = min(least, bound) if "psi" in node else least
        if step := later.pop():
            length, i, first = step
            while len(changed) > length:
                j, lower[j], upper[j] = changed.pop()
            changed.append((i, lower[i], upper[i]))
            lower[i] = max(lower[i], first)
    if later:
        raise Refused("it ends before its last leaf")
    if positions is None:
        return Verified(None, None, None, None, bounds.difference, leaves)
    return Verified(named, min(least, low), high, stored, bounds.difference, leaves)


def _lines(packed: Any) -> Iterator[bytes]:
    """The lines of a file, as long as they are not too many bytes."""
    read = 0
    while line := packed.readline(MOST_BYTES + 1 - read):
        read += len(line)
        if read > MOST_BYTES:
            raise Refused("it unpacks to more than 64 MB")
        yield line
