"""``python -m proof_checker PROBLEM.json PROOF.json.gz``: check a proof; 1 if it is refused."""

import sys

from proof_checker.checker import verify
from proof_checker.exact import Refused
from proof_checker.report import report

if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    print(report(verify(sys.argv[1], sys.argv[2])))  # noqa: T201
except (OSError, Refused) as error:
    sys.exit(f"refused: {error}")
