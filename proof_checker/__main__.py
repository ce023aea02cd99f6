"""Check a proof: 0 if it is verified, 1 if it is refused, 2 if a file cannot be read."""

import sys

from proof_checker.checker import verify
from proof_checker.exact import Refused
from proof_checker.report import report

if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
    print(f"usage: python -m proof_checker PROBLEM.json PROOF.json.gz\n{__doc__}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
try:
    print(report(verify(sys.argv[1], sys.argv[2])))  # noqa: T201
except Refused as error:
    sys.exit(f"refused: {error}")
except OSError as error:
    print(f"{error.filename}: {error.strerror}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
