"""Positions on margin: their records, what they cost, the margin level of the account, and how they end."""
