"""One side: loads the package of a checkout and times calls, one a line of JSON on stdin. Run by path, not imported.

Only what every version has is used: problem files, `solve`, the swap-ins.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer requests of a kind, a problem file and a number of repetitions with seconds (the least) and an answer."""
    root = Path(sys.argv[1]).resolve()
    sys.path = [str(root), *sys.path[1:]]
    warnings.simplefilter("ignore")
    import dynopt_milp
    from comparisons.swap_in.study import book_day, pysystemtrade_arguments
    from dynopt_milp.adapters.book import exact_with_costs_and_buffering
    from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction

    assert Path(dynopt_milp.__file__).is_relative_to(root)

    def call_of(kind: str, problem: Any) -> Callable[[], Any]:
        if kind == "solve":
            return lambda: dynopt_milp.solve(problem).positions.tolist()
        if kind == "book":
            day = book_day(problem)
            return lambda: exact_with_costs_and_buffering(day).tolist()
        arguments = pysystemtrade_arguments(problem)
        return lambda: list(ObjectiveFunction(**arguments).optimise_positions().values())

    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for line in sys.stdin:
        kind, path, repeats = json.loads(line)
        if (kind, path) not in calls:
            calls[kind, path] = call_of(kind, dynopt_milp.Problem.from_json(path))
            calls[kind, path]()
        call, least, answer = calls[kind, path], float("inf"), []
        for _ in range(repeats):
            began = time.perf_counter()
            answer = call()
            least = min(least, time.perf_counter() - began)
        print(json.dumps([least, [float(number) for number in answer]]), flush=True)


if __name__ == "__main__":
    main()
