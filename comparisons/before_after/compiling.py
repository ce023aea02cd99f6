"""One side: compiles the kernels of a checkout in an empty cache and prints the seconds. Run by path, not imported."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Print the CPU seconds of the first use, and of the first use of rules after it (null if there are none)."""
    root = Path(sys.argv[1]).resolve()
    sys.path = [str(root), *sys.path[1:]]
    from dynopt_milp.solvers import branch_and_bound

    assert Path(branch_and_bound.__file__).is_relative_to(root)
    seconds: list[float | None] = []
    for name in ("warm_up", "warm_up_ruled"):
        first_use = getattr(branch_and_bound, name, None)
        began = time.process_time()
        if first_use is not None:
            first_use()
        seconds.append(None if first_use is None else time.process_time() - began)
    print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
