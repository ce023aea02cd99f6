"""The files: ``python -m tests.fuzz --seconds 60 --seed 1``; 1 if anything was wrong."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence

from rich.console import Console

from tests.fuzz.mutators import MUTATORS
from tests.fuzz.trial import run_trial


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = ArgumentParser("python -m tests.fuzz", description="Files changed at random, through every reader.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it runs (60)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed has the same files (0)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first file (0)")
    parser.add_argument("--files", type=int, default=None, metavar="N", help="how many, if time allows")
    given = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    deadline, number, violations = time.monotonic() + given.seconds, given.first, 0
    last = None if given.files is None else given.first + given.files
    while time.monotonic() < deadline and number != last:
        what, fault = run_trial(given.seed, number)
        if fault:
            violations += 1
            console.print(f"{what}: {fault}\n    python -m tests.fuzz --seed {given.seed} --first {number} --files 1")
        number += 1
    console.print(f"{number - given.first:,} files, {len(MUTATORS)} kinds of change, {violations:,} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
