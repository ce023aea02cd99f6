"""Proofs of optimality that anyone can check: how they are grown and written. What checks them is `proof_checker`."""

from dynopt_milp.proof.proof import Proof, accepted
from dynopt_milp.proof.proving import proofs_of
from proof_checker import Refused, Verified, verify

__all__ = ["Proof", "Refused", "Verified", "accepted", "proofs_of", "verify"]
