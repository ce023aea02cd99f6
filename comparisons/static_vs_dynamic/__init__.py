"""The same strategy held in fractions, rounded, greedy and exact: fifteen years, net of trades and rolls."""
