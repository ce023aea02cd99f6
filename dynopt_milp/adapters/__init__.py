"""Swap-ins: the exact optimizer behind interfaces that other code has."""
