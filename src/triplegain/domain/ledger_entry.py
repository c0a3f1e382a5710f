"""One line of the ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class LedgerAccount(StrEnum):
    """Whose money. WALLET is ours to trade with; the others are its counterparts."""

    WALLET = "wallet"
    MARKET = "market"
    FEES = "fees"
    CAPITAL = "capital"


class EntryKind(StrEnum):
    DEPOSIT = "deposit"
    TRADE = "trade"
    FEE = "fee"


class LedgerEntry(NamedTuple):
    """`amount_atoms` added to `account` of `asset`; entries of one `transaction` sum to zero per asset.

    `order_number` and `fill_number` are 0 for a deposit. A tuple, because six are made for every fill.
    """

    sequence: int
    transaction: int
    time_ns: int
    kind: EntryKind
    account: LedgerAccount
    asset: str
    amount_atoms: int
    order_number: int = 0
    fill_number: int = 0
