"""Studies: what other ways of solving the same problems come to. Each keeps its results beside it."""
