"""The greedy search by carried steps against the one that evaluates every candidate in full."""
