"""Whether a rebalance should start from the optimum of the one before."""
