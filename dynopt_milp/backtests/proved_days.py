"""Rebalances of a run that are proved and verified in exact arithmetic: one in so many, by their dates."""

from __future__ import annotations

import math
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dynopt_milp.errors import ProofError
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, Status
from dynopt_milp.solvers.solving import PROVABLE
from proof_checker import Refused, Verified

if TYPE_CHECKING:
    from dynopt_milp.proof import Proof

PROOF = "proof"
"""The field of an entry: what came of its proof."""
VERIFIED, REFUSED = "verified", "refused: "
"""An outcome, and how one begins that must not be."""
SECONDS = 60.0
"""That a proof may take."""
NOTHING = "nothing claims to be optimal"


def is_chosen(date: str, share: float) -> bool:
    """Whether the rebalance of a day is proved: whatever else is rebalanced, and the same days whenever asked."""
    return zlib.crc32(date.encode()) < share * 2**32


def proof_of_day(problem: Problem, solutions: Iterable[Solution], gap: float) -> dict[str, Any]:
    """Prove and verify the first solution that claims to be optimal.

    Returns
    -------
    dict
        ``outcome``: ``"verified"``, or why not; ``leaves``; ``prove_seconds``, ``verify_seconds``.
    """
    from dynopt_milp.proof import accepted, proofs_of  # which loads numba

    known = [one for one in solutions if one.status is Status.OPTIMAL and one.formulation in PROVABLE]
    if not known:
        return {"outcome": NOTHING}
    began, proved = time.perf_counter(), []

    def verified(proof: Proof) -> Verified:
        proved.append(time.perf_counter())
        return proof.verify()

    try:  # with the covariance that was solved
        proof, _ = accepted(proofs_of(problem.replace(), known[0].contracts, gap, SECONDS), verified)
    except ProofError as error:
        return {"outcome": " ".join(str(error).split())}
    except Refused as error:
        return {"outcome": f"{REFUSED}{error}"}
    return {
        "outcome": VERIFIED, "leaves": proof.leaves, "prove_seconds": proved[-1] - began,
        "verify_seconds": time.perf_counter() - proved[-1],
    }  # fmt: skip


def proofs_in_figures(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What came of the proofs of a run.

    Returns
    -------
    dict
        How many were ``asked`` for and ``verified``; ``leaves``, ``prove_seconds`` and ``verify_seconds`` of these
        together; ``others``: how often what stood in the way. Empty if none was asked for.
    """
    proofs = [entry[PROOF] for entry in entries if entry.get(PROOF)]
    if not proofs:
        return {}
    verified = [proof for proof in proofs if proof["outcome"] == VERIFIED]
    others = Counter(proof["outcome"] for proof in proofs if proof["outcome"] != VERIFIED)
    sums = {name: math.fsum(proof[name] for proof in verified) for name in ("prove_seconds", "verify_seconds")}
    leaves = sum(proof["leaves"] for proof in verified)
    return {"asked": len(proofs), "verified": len(verified), "leaves": leaves} | sums | {"others": dict(others)}
