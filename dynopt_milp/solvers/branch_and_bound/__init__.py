"""Branch and bound for integer tracking programs: the package's own exact method. Each file is one idea.

`solve_branch_and_bound` is the method; what knows that it has a `penalty` program without constraints can go through
its two steps, `prove_root` and `prove_tree`, after `warm_up`.
"""

from dynopt_milp.solvers.branch_and_bound.solver import (
    prove_root,
    prove_tree,
    solve_branch_and_bound,
    warm_up,
    warm_up_ruled,
)

__all__ = ["prove_root", "prove_tree", "solve_branch_and_bound", "warm_up", "warm_up_ruled"]
