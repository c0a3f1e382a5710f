"""The spot wallet: totals, reservations of open orders, and the entries that explain every total.

Amounts are integer atoms. `total - held = available`; none of the three is ever negative. A reservation belongs to
one order number and one asset and can be taken, drawn on by fills, and released once.

Beside the wallet proper lies the hodl account. Money goes there by `set_aside` and never comes back; an order that
reserves there pays from there and is paid there, so no other order can touch it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triplegain.domain.ledger_entry import EntryKind, LedgerAccount, LedgerEntry
from triplegain.ledger.entries import LedgerError

_WALLET, _HODL = LedgerAccount.WALLET, LedgerAccount.HODL

#: The reservation of an order that has none.
_NOTHING = ("", 0, _WALLET)


class Wallet:
    """Balances of one session. Deterministic, no I/O; `drain_entries` hands the new entries to whoever stores them.

    `account` is WALLET or HODL; where it can be left out, WALLET is meant.
    """

    def __init__(self) -> None:
        self._totals: dict[LedgerAccount, dict[str, int]] = {_WALLET: {}, _HODL: {}}
        self._helds: dict[LedgerAccount, dict[str, int]] = {_WALLET: {}, _HODL: {}}
        self._reservations: dict[int, tuple[str, int, LedgerAccount]] = {}
        self._entries: list[LedgerEntry] = []
        self._sequence = 0
        self._transaction = 0

    def total(self, asset: str, account: LedgerAccount = _WALLET) -> int:
        return self._totals[account].get(asset, 0)

    def held(self, asset: str, account: LedgerAccount = _WALLET) -> int:
        return self._helds[account].get(asset, 0)

    def available(self, asset: str, account: LedgerAccount = _WALLET) -> int:
        return self._totals[account].get(asset, 0) - self._helds[account].get(asset, 0)

    def available_to(self, order_number: int, asset: str) -> int:
        """What is available in the account an order has reserved in."""
        return self.available(asset, self._reservations.get(order_number, _NOTHING)[2])

    def assets(self, account: LedgerAccount = _WALLET) -> list[str]:
        return sorted(self._totals[account])

    def reserved(self, order_number: int) -> int:
        """What is still reserved for an order, in atoms of the asset it was reserved in."""
        return self._reservations.get(order_number, _NOTHING)[1]

    def deposit(self, amounts: Mapping[str, int], time_ns: int) -> None:
        """Opening balances: capital comes in."""
        for asset, amount in amounts.items():
            if amount < 0:
                raise LedgerError(f"a deposit cannot be negative: {amount} atoms of {asset}")
        self._transaction += 1
        for asset, amount in amounts.items():
            self._totals[_WALLET][asset] = self._totals[_WALLET].get(asset, 0) + amount
            self._post(time_ns, EntryKind.DEPOSIT, _WALLET, asset, amount, 0, 0)
            self._post(time_ns, EntryKind.DEPOSIT, LedgerAccount.CAPITAL, asset, -amount, 0, 0)

    def set_aside(self, asset: str, amount: int, time_ns: int) -> bool:
        """Move `amount` from the wallet to the hodl account for good. False, and nothing moved, if not available."""
        if amount <= 0:
            raise LedgerError(f"{amount} atoms of {asset} cannot be set aside")
        if self.available(asset) < amount:
            return False
        wallet, hodl = self._totals[_WALLET], self._totals[_HODL]
        wallet[asset] -= amount
        hodl[asset] = hodl.get(asset, 0) + amount
        self._transaction += 1
        self._post(time_ns, EntryKind.TRANSFER, _WALLET, asset, -amount, 0, 0)
        self._post(time_ns, EntryKind.TRANSFER, _HODL, asset, amount, 0, 0)
        return True

    def reserve(self, order_number: int, asset: str, amount: int, account: LedgerAccount = _WALLET) -> bool:
        """Move `amount` from available to held for an order. False, and nothing moved, if it is not there."""
        if amount < 0 or order_number in self._reservations:
            raise LedgerError(f"order {order_number} cannot reserve {amount} atoms of {asset}")
        if self.available(asset, account) < amount:
            return False
        held = self._helds[account]
        held[asset] = held.get(asset, 0) + amount
        self._reservations[order_number] = (asset, amount, account)
        return True

    def release(self, order_number: int) -> int:
        """Give back what is left of an order's reservation (0 if nothing is)."""
        asset, amount, account = self._reservations.pop(order_number, _NOTHING)
        if amount:
            self._helds[account][asset] -= amount
        return amount

    def resize(self, order_number: int, amount: int) -> bool:
        """Change an order's reservation to `amount`. False, and nothing changed, if that is not available."""
        asset, before, account = self._reservations[order_number]
        more = amount - before
        if more > self.available(asset, account):
            return False
        self._helds[account][asset] += more
        self._reservations[order_number] = (asset, amount, account)
        return True

    def book_fill(
        self,
        time_ns: int,
        order_number: int,
        fill_number: int,
        *,
        paid: tuple[str, int],
        received: tuple[str, int],
        fee: tuple[str, int],
        draw: int,
    ) -> None:
        """One execution: `paid` goes out, `received` comes in, `fee` goes out, as one balanced transaction.

        The account is the one the order has reserved in, the wallet for an order that has reserved nothing.
        `draw` atoms of the order's reservation are used up. Raises LedgerError if a balance would turn negative, and
        then nothing has changed.
        """
        paid_asset, paid_amount = paid
        received_asset, received_amount = received
        fee_asset, fee_amount = fee
        reserved_asset, reserved, account = self._reservations.get(order_number, _NOTHING)
        total, held = self._totals[account], self._helds[account]
        if draw > reserved:
            raise LedgerError(f"order {order_number} draws {draw} of {reserved} reserved atoms")
        after = {asset: total.get(asset, 0) for asset in (paid_asset, received_asset, fee_asset)}
        after[paid_asset] -= paid_amount
        after[received_asset] += received_amount
        after[fee_asset] -= fee_amount
        for asset in (paid_asset, fee_asset):
            holds = held.get(asset, 0) - (draw if asset == reserved_asset else 0)
            if after[asset] < holds:
                raise LedgerError(f"order {order_number} would leave {after[asset]} atoms of {asset} under its holds")
        if draw:
            self._reservations[order_number] = (reserved_asset, reserved - draw, account)
            held[reserved_asset] -= draw
        total.update(after)
        self._transaction += 1
        trade, market = EntryKind.TRADE, LedgerAccount.MARKET
        self._post(time_ns, trade, account, paid_asset, -paid_amount, order_number, fill_number)
        self._post(time_ns, trade, market, paid_asset, paid_amount, order_number, fill_number)
        self._post(time_ns, trade, account, received_asset, received_amount, order_number, fill_number)
        self._post(time_ns, trade, market, received_asset, -received_amount, order_number, fill_number)
        if fee_amount:
            self._post(time_ns, EntryKind.FEE, account, fee_asset, -fee_amount, order_number, fill_number)
            self._post(time_ns, EntryKind.FEE, LedgerAccount.FEES, fee_asset, fee_amount, order_number, fill_number)

    def _post(
        self, time_ns: int, kind: EntryKind, account: LedgerAccount, asset: str, amount: int, order: int, fill: int
    ) -> None:
        self._sequence += 1
        self._entries.append(
            LedgerEntry(self._sequence, self._transaction, time_ns, kind, account, asset, amount, order, fill)
        )

    def drain_entries(self) -> list[LedgerEntry]:
        """The entries since the last call."""
        entries, self._entries = self._entries, []
        return entries

    def state(self) -> dict[str, Any]:
        """Everything needed to go on after a restart, JSON-able (amounts as text: they exceed 2^53)."""
        return {
            "total": {asset: str(amount) for asset, amount in self._totals[_WALLET].items()},
            "hodl": {asset: str(amount) for asset, amount in self._totals[_HODL].items()},
            "reservations": {
                str(number): [asset, str(amount), account.value]
                for number, (asset, amount, account) in self._reservations.items()
            },
            "sequence": self._sequence,
            "transaction": self._transaction,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state, in place. Raises LedgerError if its reservations exceed its balances."""
        self._totals = {
            account: {asset: int(amount) for asset, amount in state.get(name, {}).items()}
            for account, name in ((_WALLET, "total"), (_HODL, "hodl"))
        }
        self._helds = {_WALLET: {}, _HODL: {}}
        self._reservations = {}
        self._entries = []
        self._sequence = state["sequence"]
        self._transaction = state["transaction"]
        for number, (asset, amount, *account) in state["reservations"].items():
            where = LedgerAccount(account[0]) if account else _WALLET
            if not self.reserve(int(number), asset, int(amount), where):
                raise LedgerError(f"the stored reservations of {asset} exceed its balance")
