"""Whether two exact methods agree, on hundreds of weekly rebalances of real futures."""
