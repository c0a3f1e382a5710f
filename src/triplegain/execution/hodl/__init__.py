"""The hodl bag: what is set aside of profits, and how it becomes coins. `bag.py` is its front."""
