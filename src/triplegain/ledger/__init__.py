"""Balances, reservations and balanced entries: where the money is and why."""
