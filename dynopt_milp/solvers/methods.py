"""The methods, by name. A method is a function from :class:`Task` to :class:`Answer`.

Modules are loaded when they are first used: nothing pays for a solver it does not call.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from importlib import import_module
from typing import cast

from dynopt_milp.errors import UnknownNameError
from dynopt_milp.solvers.task import Method

METHODS: dict[str, tuple[str, str]] = {
    "exact": ("dynopt_milp.solvers.exact", "solve_exact"),
    "scip": ("dynopt_milp.solvers.scip.solver", "solve_scip"),
    "scip_plain": ("dynopt_milp.solvers.scip.solver", "solve_scip_plain"),
    "branch_and_bound": ("dynopt_milp.solvers.branch_and_bound", "solve_branch_and_bound"),
    "greedy": ("dynopt_milp.solvers.greedy", "solve_greedy"),
    "enumerate": ("dynopt_milp.solvers.enumerate", "solve_enumerate"),
    "cvxpy": ("dynopt_milp.solvers.cvxpy", "solve_cvxpy"),
}
"""The methods by name: the module, which is loaded at the first use, and the function in it."""


METHOD_NAMES = tuple("cvxpy:SOLVER" if name == "cvxpy" else name for name in METHODS)
"""The methods as they are asked for: cvxpy with the name of one of its solvers."""


def find_method(name: str, field: str = "optimizer", others: Collection[str] = ()) -> Method:
    """The method of that name; ``cvxpy:NAME`` is the solver NAME through cvxpy.

    Parameters
    ----------
    name : str
    field : str
        What the name was given for, for the error.
    others : collection of str
        What else the caller takes, for the error.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if not isinstance(name, str):
        raise UnknownNameError(f"expected a name, found {name!r}", field=field)
    head, _, tail = name.partition(":")
    if head not in METHODS or (tail and head != "cvxpy") or name.endswith(":"):
        known = ", ".join((*others, *METHOD_NAMES))
        raise UnknownNameError(f"there is no {name!r}; there are {known}", field=field)
    module, function = METHODS[head]
    method = getattr(import_module(module), function)
    return cast("Method", partial(method, solver=tail) if tail else method)
