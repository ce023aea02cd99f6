"""Whether two exact optimizers agree, on hundreds of weekly rebalances of real futures."""
