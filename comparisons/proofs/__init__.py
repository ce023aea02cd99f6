"""Which problems have a proof that verifies, how large it is, and what it takes."""
