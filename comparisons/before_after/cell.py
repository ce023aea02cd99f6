"""One cell of a gap study through the package of a checkout: prints its CPU seconds and figures. Run by path."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

START, END = "2005-01-01", "2019-12-31"
FIGURES = ("rebalances", "mean_gap", "largest_gap")


def main() -> None:
    """Arguments: the checkout, a price folder, capital, λ."""
    root = Path(sys.argv[1]).resolve()
    sys.path = [str(root), *sys.path[1:]]
    warnings.simplefilter("ignore")
    import dynopt_milp
    from dynopt_milp.data import read_market
    from dynopt_milp.gap import GapGrid, run_gap_study
    from dynopt_milp.solvers.branch_and_bound.solver import warm_up

    assert Path(dynopt_milp.__file__).is_relative_to(root)
    market = read_market(sys.argv[2])
    grid = GapGrid(
        capitals=(float(sys.argv[3]),), cost_multipliers=(float(sys.argv[4]),), buffer_rules=("book",),
        paths=("greedy",), start=START, end=END,
    )  # fmt: skip
    warm_up()
    with TemporaryDirectory() as folder:
        began = time.process_time()
        found = run_gap_study(market, grid, folder)
        seconds = time.process_time() - began
    print(json.dumps([seconds, [float(found[name].iloc[0]) for name in FIGURES]]))


if __name__ == "__main__":
    main()
