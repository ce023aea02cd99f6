"""What is installed works: every module imports, the pages run, and so does the command line.

``make wheel-check`` runs this by the Python of a new environment, from an empty folder, with the pages as arguments;
without any it compiles the greedy search alone: the branch and bound takes minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages

from pages import check_output, run_page

PACKAGES = ("dynopt_milp", "formulations", "proof_checker")


def check_modules() -> int:
    """Import every module, also where no extra is installed; how many there are."""
    names = []
    for package in PACKAGES:
        module = import_module(package)
        assert Path(module.__path__[0]).is_relative_to(sys.prefix), f"{package} is not the installed one: {module}"
        names += [found.name for found in walk_packages(module.__path__, f"{package}.", onerror=_raise)]
    for name in names:
        if not name.endswith(".__main__"):
            import_module(name)
    for package in ("comparisons", "tests"):
        assert find_spec(package) is None, f"{package} does not belong into the wheel"
    return len(names)


def _raise(name: str) -> None:
    raise ImportError(f"{name} cannot be imported") from sys.exception()


def check_page(path: Path) -> int:
    """Run the blocks of a page; how many there are."""
    count = 0
    for printed, documented in run_page(path):
        count += 1
        if documented is not None:
            check_output(printed, documented)
    return count


def check_commands(optimizer: str) -> None:
    """Write an example, solve it and rebalance to it."""
    script = [str(Path(sys.executable).parent / "dynopt-milp")]
    _run(*script, "example", "problem.json", "--capital", "250000")
    solved = json.loads(_run(*script, "solve", "problem.json", "--optimizer", optimizer, "--json"))
    assert solved["status"] in ("optimal", "feasible" if optimizer == "greedy" else "optimal"), solved
    rebalance = (sys.executable, "-m", "dynopt_milp", "rebalance", "problem.json")
    traded = json.loads(_run(*rebalance, "--optimizer", optimizer, "--json"))
    assert traded["optimised"]["positions"] == solved["positions"], traded


def _run(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Check it all, and say what was checked."""
    print(f"{check_modules()} modules import", flush=True)
    for optimizer in ("greedy", "exact" if sys.argv[1:] else "scip"):
        check_commands(optimizer)
    print("example, solve and rebalance run", flush=True)
    for argument in sys.argv[1:]:
        print(f"{check_page(Path(argument))} blocks of {Path(argument).name} run", flush=True)


if __name__ == "__main__":
    main()
