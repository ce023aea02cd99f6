"""Swap-ins: the exact optimum behind the interfaces of the book's code and of pysystemtrade."""
