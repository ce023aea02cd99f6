"""The colours of lines, on paper and on pages."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

# Okabe and Ito's, which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""As CSS and matplotlib write them, in the order in which lines take them."""
ON_DARK = ("#4DA9E6", "#FF8B45", "#2FC79A", "#E29CC4", "#F2B93B", "#9AD4F7", "#E8EDF2")
"""The same hues, lighter, in the same order: on a dark page."""
OF_OPTIMIZERS = ("exact", "greedy", "rounded", "unrounded")
"""Those that have the colour of their place here wherever they are drawn."""


def optimizer_colours(names: Iterable[str]) -> dict[str, int]:
    """The place of the colour of each optimizer: its own, or of others in turn those that no optimizer owns.

    Places beyond the last colour are the colours again, with dashes.
    """
    others = count(len(OF_OPTIMIZERS))
    return {name: OF_OPTIMIZERS.index(name) if name in OF_OPTIMIZERS else next(others) for name in names}
