"""The rebalance of the portfolio: a plan, its batches, its orders. `run.py` is its place in a session."""
