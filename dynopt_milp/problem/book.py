"""Constants of the book: Advanced Futures Trading Strategies, strategy twenty-five."""

from __future__ import annotations

BOOK_BUFFER_FRACTION = 0.05


BOOK_RISK_TARGET = 0.2


BOOK_COST_MULTIPLIER = 50.0  # Advanced Futures Trading Strategies, strategy twenty-five
