"""A checker of proofs that trusts nobody: Python's standard library alone, exact arithmetic, no code of the solver.

`checker` walks through a proof, `bound` bounds a box from below and prices the portfolio, `problem` reads what a
problem file says, `exact` has the numbers. ``python -m proof_checker PROBLEM.json PROOF.json.gz`` checks a proof.
"""

from proof_checker.checker import FORMAT, Verified, check, verify
from proof_checker.exact import Refused

__all__ = ["FORMAT", "Refused", "Verified", "check", "verify"]
