"""The protection of positions, from the first coin to the last. `protections.py` is its front."""
