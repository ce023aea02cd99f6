"""How far from the best the greedy search lands on fifteen years of real futures."""
