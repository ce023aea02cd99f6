"""A simulated universe: factors, holidays, rolls."""
