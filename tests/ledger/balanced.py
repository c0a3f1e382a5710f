"""What must be true of entries."""

from __future__ import annotations

from collections.abc import Iterable

from triplegain.domain.ledger_entry import LedgerEntry


def check_balanced(entries: Iterable[LedgerEntry]) -> None:
    """Each transaction sums to zero in each asset."""
    sums: dict[tuple[int, str], int] = {}
    for entry in entries:
        key = (entry.transaction, entry.asset)
        sums[key] = sums.get(key, 0) + entry.amount_atoms
    assert not any(sums.values()), sums
