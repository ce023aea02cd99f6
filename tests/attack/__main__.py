"""The attack: ``python -m tests.attack --seconds 600``; Ctrl-C ends it with the table so far."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.progress import Progress
from tests.attack.kinds import KINDS
from tests.attack.runner import Plan, run
from tests.attack.tally import Tally
from tests.attack.trial import METHODS, PROOF

MOST_PRINTED = 5  # reproductions


def options(arguments: Sequence[str] | None) -> Namespace:
    """The options of the command line."""
    parser = ArgumentParser("python -m tests.attack", description="Problems against every claim, in exact arithmetic.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it runs (60)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed has the same problems (0)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first problem (0)")
    parser.add_argument("--problems", type=int, default=None, metavar="N", help="how many, if time allows")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    parser.add_argument("--kind", action="append", choices=list(KINDS), default=[], help="these kinds alone")
    parser.add_argument("--method", choices=(*METHODS, PROOF), default=None, help="ask this alone")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the counts and the violations")
    parser.add_argument("--keep", type=Path, default=None, metavar="FOLDER", help="write a file for each violation")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process; 1 if anything was wrong."""
    given = options(arguments)
    plan = Plan(given.seed, given.first, given.problems, tuple(given.kind), given.method)
    output, tally, began = Console(width=None if sys.stdout.isatty() else 120), Tally(), time.monotonic()
    interrupted = False
    try:
        show = sys.stderr.isatty()
        with (
            Progress(int(given.seconds), "attack", show=show) as bar,
            closing(run(plan, given.seconds, given.workers)) as trials,
        ):
            shown = 0
            for found in trials:
                if found is not None:
                    tally.add(*found)
                elif (passed := int(time.monotonic() - began)) > shown:
                    bar.reach(passed - 1)
                    bar.advance(f"{tally.problems:,} problems, {len(tally.violations):,} violations")
                    shown = passed
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.monotonic() - began
    _report(tally, given, output, seconds)
    return 130 if interrupted else int(bool(tally.violations))


def _report(tally: Tally, given: Namespace, output: Console, seconds: float) -> None:
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        for place, found in enumerate(tally.violations):
            name = f"{found['rule']}-{found['kind']}-{given.seed}-{found['number']}-{place}.py".replace(" ", "_")
            write_atomically(given.keep / name, found["reproduction"])
    if given.json is not None:
        content = {"seed": given.seed, "seconds": seconds, **tally.to_dict()}
        write_atomically(given.json, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for found in tally.violations[:MOST_PRINTED]:
        output.print(found["reproduction"], markup=False, highlight=False, soft_wrap=True)
    tally.show(output)
    rate = tally.problems / seconds
    output.print(f"{tally.problems:,} problems in {seconds:.0f} s ({rate:.0f} a second), seed {given.seed}")
    if tally.violations:
        more = "" if given.keep else "; --keep FOLDER writes a file for each"
        output.print(f"{len(tally.violations):,} violations, the first {MOST_PRINTED} above{more}")


if __name__ == "__main__":
    sys.exit(main())
