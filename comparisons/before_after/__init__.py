"""Whether this checkout is as fast as another, and gives the same answers: both in one run, call by call in turn."""
