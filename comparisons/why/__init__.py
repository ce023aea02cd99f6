"""What explanations, alternatives and trade-offs cost, in solves of the same problem."""
