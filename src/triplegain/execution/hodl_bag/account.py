"""The hodl account as the bag sees it, and how it is kept in a paper session."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import EXACT, atoms, from_atoms
from triplegain.execution.order_desk import OrderDesk
from triplegain.ledger.wallet import Wallet


class HodlAccount(Protocol):
    """Where money is put out of trading's reach."""

    def free(self, asset: str) -> Decimal:
        """What of the trading account belongs to no position and no order, and so may be set aside."""
        ...

    def set_aside(self, asset: str, amount: Decimal, now_ns: int) -> bool:
        """Move money from the trading account to the hodl account, for good. False, and nothing moved, if short."""
        ...


class PaperHodlAccount:
    """The wallet's hodl account. The desk is told what left, so that it does not spend it."""

    def __init__(self, wallet: Wallet, desk: OrderDesk) -> None:
        self._wallet = wallet
        self._desk = desk

    def free(self, asset: str) -> Decimal:
        """The lesser of what the wallet has and what the desk, which knows of orders on their way, counts as free."""
        return min(from_atoms(self._wallet.available(asset)), self._desk.free(asset))

    def set_aside(self, asset: str, amount: Decimal, now_ns: int) -> bool:
        if self.free(asset) < amount or not self._wallet.set_aside(asset, atoms(amount), now_ns):
            return False
        self._desk.moved(asset, EXACT.minus(amount))
        return True

    def total(self, asset: str) -> Decimal:
        """What lies in the hodl account, money for purchases included."""
        return from_atoms(self._wallet.total(asset, LedgerAccount.HODL))
