"""Constants of the book: Advanced Futures Trading Strategies, strategy twenty-five."""

from __future__ import annotations

BOOK_BUFFER_FRACTION = 0.05
"""Buffer B as a share of the risk target."""
BOOK_RISK_TARGET = 0.2
"""Annual standard deviation aimed at, share of capital."""
BOOK_COST_MULTIPLIER = 50.0
"""λ, the weight of the trading cost in the objective."""
