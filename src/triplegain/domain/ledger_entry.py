"""One line of the ledger."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from triplegain.domain.ids import Origin


class LedgerAccount(StrEnum):
    """Whose money. WALLET is ours to trade with, HODL ours to keep, DEBT what we owe the exchange (0 or below); the
    others are their counterparts."""

    WALLET = "wallet"
    MARKET = "market"
    FEES = "fees"
    CAPITAL = "capital"
    HODL = "hodl"
    DEBT = "debt"


class EntryKind(StrEnum):
    """MARGIN is the gain or loss of what was closed of a position on margin, OPENING_FEE and ROLLOVER what lending for
    it costs, SETTLED what it was settled with; BORROWED is what the wallet lacked for these, REPAID what came back."""

    DEPOSIT = "deposit"
    TRADE = "trade"
    FEE = "fee"
    TRANSFER = "transfer"
    MARGIN = "margin"
    OPENING_FEE = "opening_fee"
    ROLLOVER = "rollover"
    SETTLED = "settled"
    BORROWED = "borrowed"
    REPAID = "repaid"


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
