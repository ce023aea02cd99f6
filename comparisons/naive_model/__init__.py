"""What a naive cvxpy model claims, against the truth."""
