"""Branch and bound for integer tracking programs: the package's own exact method. Each file is one idea."""

from dynopt_milp.solvers.branch_and_bound.solver import solve_branch_and_bound

__all__ = ["solve_branch_and_bound"]
