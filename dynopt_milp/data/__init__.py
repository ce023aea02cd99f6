"""Data the package ships: contract specifications (facts; price and volatility levels are typical round numbers)."""
