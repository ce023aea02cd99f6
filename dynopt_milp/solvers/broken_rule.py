"""Which rule a portfolio breaks, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from formulations import FloatArray, TrackingProgram


def broken_rule(program: TrackingProgram, instruments: Sequence[str], positions: FloatArray) -> str | None:
    """The first rule that a portfolio, shape (n,), breaks, as the end of a sentence; None if it keeps all.

    Parameters
    ----------
    program : TrackingProgram
    instruments : sequence of str
        Their names.
    positions : ndarray, shape (n,)
    """
    rules = program.rules
    if rules is None or program.keeps_rules(positions):
        return None
    allowed = program.allows(positions)
    if not allowed.all():
        place = int(np.argmin(allowed))
        return f"{positions[place]:g} contracts of {instruments[place]} are not among the positions that rules allow"
    excess = rules.violations(positions[None], program.previous, program.zero)[0]
    names = [f"sum {number}" for number in range(1, len(rules.rows) + 1)]
    names += [f"risk cap {number}" for number in range(1, len(rules.caps) + 1)]
    limits = [row.limit for row in rules.rows] + [cap.limit for cap in rules.caps]
    first = int(np.argmax(excess > 0))
    return f"{names[first]} of the rules, at most {limits[first]:g}, is exceeded by {excess[first]:g}"
