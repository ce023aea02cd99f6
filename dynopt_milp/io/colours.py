"""The colours of lines, on paper and on pages."""

# Okabe and Ito's, which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""As CSS and matplotlib write them, in the order in which lines take them."""
