"""What a day costs with the exact swap-in, against the greedy search it replaces."""
