"""The same strategy held in fractions, rounded, greedy and exact: fifteen years, net of the costs of trades and rolls."""
