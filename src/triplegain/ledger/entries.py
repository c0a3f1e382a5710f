"""What must be true of entries. Every transaction sums to zero in each asset."""

from __future__ import annotations

from collections.abc import Iterable

from triplegain.domain.errors import TripleGainError
from triplegain.domain.ledger_entry import LedgerEntry


class LedgerError(TripleGainError):
    """A posting that cannot be true. Always a bug or a damaged record: the session halts."""


def check_balanced(entries: Iterable[LedgerEntry]) -> None:
    """Raises LedgerError unless each transaction sums to zero in each asset."""
    sums: dict[tuple[int, str], int] = {}
    for entry in entries:
        key = (entry.transaction, entry.asset)
        sums[key] = sums.get(key, 0) + entry.amount_atoms
    for (transaction, asset), total in sums.items():
        if total:
            raise LedgerError(f"ledger transaction {transaction} is out of balance by {total} atoms of {asset}")
