"""Numbers of the book: Robert Carver, *Advanced Futures Trading Strategies*."""

from __future__ import annotations

DAYS_A_YEAR = 256
"""Business days; a round number whose square root is 16."""
BOOK_RISK_TARGET = 0.2
"""Annual standard deviation aimed at, share of capital."""
BOOK_MULTIPLIER_CAP = 2.5
"""Largest diversification multiplier (IDM) that is believed, strategy four."""
BOOK_VOLATILITY_SPAN = 32
"""Of the exponential volatility, days; strategy three."""
BOOK_CORRELATION_SPAN = 25
"""Of the exponential correlation, weeks (half a year); strategy twenty-five."""
BOOK_COST_MULTIPLIER = 50.0
"""λ, the weight of the trading cost in the objective; strategy twenty-five."""
BOOK_BUFFER_FRACTION = 0.05
"""Buffer B as a share of the risk target; strategy twenty-five."""
