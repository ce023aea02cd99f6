"""The colours of lines, on paper and on pages."""

# Okabe and Ito's, which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""As CSS and matplotlib write them, in the order in which lines take them."""
ON_DARK = ("#4DA9E6", "#FF8B45", "#2FC79A", "#E29CC4", "#F2B93B", "#9AD4F7", "#E8EDF2")
"""The same hues, lighter, in the same order: on a dark page."""
