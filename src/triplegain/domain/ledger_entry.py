"""One line of the ledger."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from triplegain.domain.ids import Origin


class LedgerAccount(StrEnum):
    """Whose money. WALLET is ours to trade with, HODL ours to keep; the others are their counterparts."""

    WALLET = "wallet"
    MARKET = "market"
    FEES = "fees"
    CAPITAL = "capital"
    HODL = "hodl"


class EntryKind(StrEnum):
    DEPOSIT = "deposit"
    TRADE = "trade"
    FEE = "fee"
    TRANSFER = "transfer"


class LedgerEntry(msgspec.Struct, frozen=True):
    """`amount_atoms` added to `account` of `asset`; entries of one `transaction` sum to zero per asset.

    `order_number` and `fill_number` are 0 for a deposit.
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


def account_of(origin: Origin) -> LedgerAccount:
    """Which of our accounts an order pays from and is paid to."""
    return LedgerAccount.HODL if origin is Origin.HODL else LedgerAccount.WALLET
