"""House rules: the branch and bound with them, against other solvers and against itself without."""
