"""The same rebalances, solved by several solvers."""
