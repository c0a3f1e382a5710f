"""The spot wallet: totals, reservations of open orders, and the entries that explain every total.

Amounts are integer atoms. `total - held = available`; none of the three is ever negative. A reservation belongs to
one order number and one asset and can be taken, drawn on by fills, and released once.

Beside the wallet proper lies the hodl account. Money goes there by `set_aside` and never comes back; an order that
reserves there pays from there and is paid there, so no other order can touch it.

What a position on margin costs and the wallet does not have is owed: the debt account holds it, at or below zero, and
is paid back from what the wallet has available.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from decimal import Decimal

import msgspec

from triplegain.domain.errors import TripleGainError
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount, LedgerEntry
from triplegain.domain.money import atoms, from_atoms
from triplegain.domain.parts import Parts, Touch, nobody

_WALLET, _HODL, _DEBT = LedgerAccount.WALLET, LedgerAccount.HODL, LedgerAccount.DEBT
_MARKET, _FEES = LedgerAccount.MARKET, LedgerAccount.FEES

_Accounts = tuple[LedgerAccount, LedgerAccount]
#: The reservation of an order that has none.
_NOTHING = ("", 0, _WALLET)


class LedgerError(TripleGainError):
    """A posting that cannot be true. Always a bug or a damaged record: the session halts."""


class Reservation(msgspec.Struct, frozen=True):
    """What is held for one order, as it is stored."""

    asset: str
    amount: Decimal
    account: LedgerAccount


class LedgerNumbers(msgspec.Struct, frozen=True):
    """The last number of an entry and of a transaction."""

    sequence: int
    transaction: int


class Wallet:
    """Balances of one session. Deterministic, no I/O; `drain_entries` hands the new entries to whoever stores them.

    `account` is WALLET or HODL; where it can be left out, WALLET is meant.
    """

    def __init__(self) -> None:
        self._totals: dict[LedgerAccount, dict[str, int]] = {_WALLET: {}, _HODL: {}, _DEBT: {}}
        self._helds: dict[LedgerAccount, dict[str, int]] = {_WALLET: {}, _HODL: {}}
        self._reservations: dict[int, tuple[str, int, LedgerAccount]] = {}
        self._entries: list[LedgerEntry] = []
        self._sequence = 0
        self._transaction = 0
        #: By asset, at or below zero: empty where nothing was ever owed.
        self.debts = self._totals[_DEBT]
        self._touch_balance: Touch = nobody
        self._touch_reservation: Touch = nobody

    def total(self, asset: str, account: LedgerAccount = _WALLET) -> int:
        return self._totals[account].get(asset, 0)

    def held(self, asset: str, account: LedgerAccount = _WALLET) -> int:
        return self._helds[account].get(asset, 0)

    def available(self, asset: str, account: LedgerAccount = _WALLET) -> int:
        return self._totals[account].get(asset, 0) - self._helds[account].get(asset, 0)

    def assets(self, account: LedgerAccount = _WALLET) -> list[str]:
        return sorted(self._totals[account])

    def totals(self, account: LedgerAccount = _WALLET) -> Mapping[str, int]:
        """Of every asset that was ever there, in no order."""
        return self._totals[account]

    def holds_only(self, assets: Container[str]) -> bool:
        """Nothing else is there or owed."""
        return all(
            asset in assets or not total
            for account in (_WALLET, _DEBT)
            for asset, total in self._totals[account].items()
        )

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
            self._post(time_ns, EntryKind.DEPOSIT, (_WALLET, LedgerAccount.CAPITAL), asset, amount)

    def set_aside(self, asset: str, amount: int, time_ns: int) -> bool:
        """Move `amount` from the wallet to the hodl account for good. False, and nothing moved, if not available."""
        if amount <= 0:
            raise LedgerError(f"{amount} atoms of {asset} cannot be set aside")
        if self.available(asset) < amount:
            return False
        self._transaction += 1
        self._post(time_ns, EntryKind.TRANSFER, (_WALLET, _HODL), asset, -amount)
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
        self._touch_reservation(str(order_number))
        return True

    def release(self, order_number: int) -> int:
        """Give back what is left of an order's reservation (0 if nothing is)."""
        asset, amount, account = self._reservations.pop(order_number, _NOTHING)
        if amount:
            self._helds[account][asset] -= amount
        self._touch_reservation(str(order_number))
        return amount

    def resize(self, order_number: int, amount: int) -> bool:
        """Change an order's reservation to `amount`. False, and nothing changed, if that is not available."""
        asset, before, account = self._reservations[order_number]
        more = amount - before
        if more > self.available(asset, account):
            return False
        self._helds[account][asset] += more
        self._reservations[order_number] = (asset, amount, account)
        self._touch_reservation(str(order_number))
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
        fee_there = total.get(fee_asset, 0) + (received_amount if fee_asset == received_asset else 0)
        after = [(fee_asset, fee_there - fee_amount - (paid_amount if fee_asset == paid_asset else 0))]
        if fee_asset != paid_asset:
            after.append((paid_asset, total.get(paid_asset, 0) - paid_amount))
        for asset, left in after:
            if left < held.get(asset, 0) - (draw if asset == reserved_asset else 0):
                raise LedgerError(f"order {order_number} would leave {left} atoms of {asset} under its holds")
        if draw:
            self._reservations[order_number] = (reserved_asset, reserved - draw, account)
            held[reserved_asset] -= draw
            self._touch_reservation(str(order_number))
        self._transaction += 1
        trade, market = EntryKind.TRADE, (account, _MARKET)
        # What rounding has made nothing is no entry.
        if paid_amount:
            self._post(time_ns, trade, market, paid_asset, -paid_amount, order_number, fill_number)
        if received_amount:
            self._post(time_ns, trade, market, received_asset, received_amount, order_number, fill_number)
        if fee_amount:
            self._post(time_ns, EntryKind.FEE, (account, _FEES), fee_asset, -fee_amount, order_number, fill_number)

    def book_margin(
        self,
        time_ns: int,
        asset: str,
        items: Sequence[tuple[EntryKind, LedgerAccount, int]],
        order_number: int = 0,
        fill_number: int = 0,
        draw: int = 0,
        kept: int = 0,
    ) -> int:
        """Gains, losses and fees of positions, as one transaction: kind, counterpart, and what the wallet gets (below
        zero: pays). What it lacks for them beside its holds is owed, and returned.

        `draw` atoms of the order's reservation become available for it first; `kept` atoms of what is available are not
        there for it.
        """
        if draw:
            self.resize(order_number, self.reserved(order_number) - draw)
        stays = min(kept, self.available(asset))
        self._transaction += 1
        for kind, counterpart, amount in items:
            if amount:
                self._post(time_ns, kind, (_WALLET, counterpart), asset, amount, order_number, fill_number)
        lacking = max(stays - self.available(asset), 0)
        if lacking:
            numbers = (order_number, fill_number)
            self._post(time_ns, EntryKind.BORROWED, (_WALLET, _DEBT), asset, lacking, *numbers)
        return lacking

    def owed(self, asset: str) -> int:
        """Atoms that the exchange has lent because the wallet lacked them."""
        return -self.total(asset, _DEBT)

    def repay(self, time_ns: int, kept: Callable[[str], int] = lambda asset: 0) -> None:
        """Pay back what is owed, as far as it is available. `kept`: how many atoms of an asset are not there for it."""
        for asset in self.assets(_DEBT):
            if not (owed := self.owed(asset)):
                continue
            back = min(owed, self.available(asset) - kept(asset))
            if back > 0:
                self._transaction += 1
                self._post(time_ns, EntryKind.REPAID, (_WALLET, _DEBT), asset, -back)

    def settle(
        self, time_ns: int, order_number: int, fill_number: int, paid: tuple[str, int], received: tuple[str, int]
    ) -> bool:
        """A position is settled with what is available. False, and nothing moved, if it is not there."""
        (paid_asset, paid_amount), (received_asset, received_amount) = paid, received
        if self.available(paid_asset) < paid_amount:
            return False
        self._transaction += 1
        for asset, amount in ((paid_asset, -paid_amount), (received_asset, received_amount)):
            between, numbers = (_WALLET, LedgerAccount.MARKET), (order_number, fill_number)
            self._post(time_ns, EntryKind.SETTLED, between, asset, amount, *numbers)
        return True

    def _post(
        self,
        time_ns: int,
        kind: EntryKind,
        between: _Accounts,
        asset: str,
        amount: int,
        order_number: int = 0,
        fill_number: int = 0,
    ) -> None:
        """`amount` comes to the first account, from the second: a balance is what its entries come to."""
        gets, gives = between
        self._change(gets, asset, amount)
        if gives in self._totals:
            self._change(gives, asset, -amount)
        sequence, of = self._sequence, self._transaction
        self._entries += (
            LedgerEntry(sequence + 1, of, time_ns, kind, gets, asset, amount, order_number, fill_number),
            LedgerEntry(sequence + 2, of, time_ns, kind, gives, asset, -amount, order_number, fill_number),
        )
        self._sequence = sequence + 2

    def _change(self, account: LedgerAccount, asset: str, by: int) -> None:
        totals = self._totals[account]
        totals[asset] = totals.get(asset, 0) + by
        self._touch_balance(_key(account, asset))

    def drain_entries(self) -> list[LedgerEntry]:
        """The entries since the last call."""
        entries, self._entries = self._entries, []
        return entries

    # -- what a session keeps ------------------------------------------------------------------------------------

    def register(self, parts: Parts) -> None:
        """Restoring raises LedgerError if the reservations exceed the balances."""
        parts.single("ledger.numbers", LedgerNumbers, self._numbers, self._restore_numbers)
        self._touch_balance = parts.keyed(
            "ledger.balance", Decimal, self._balance, self._restore_balances,
            lambda: (_key(account, asset) for account, total in self._totals.items() for asset in total),
        )  # fmt: skip
        self._touch_reservation = parts.keyed(
            "ledger.reservation", Reservation, self._reservation, self._restore_reservations,
            lambda: map(str, self._reservations),
        )  # fmt: skip

    def _numbers(self) -> LedgerNumbers:
        return LedgerNumbers(self._sequence, self._transaction)

    def _restore_numbers(self, stored: LedgerNumbers) -> None:
        self._sequence, self._transaction = stored.sequence, stored.transaction

    def _balance(self, key: str) -> Decimal | None:
        account, _, asset = key.partition(" ")
        total = self._totals[LedgerAccount(account)].get(asset)
        return None if total is None else from_atoms(total)

    def _restore_balances(self, stored: Mapping[str, Decimal]) -> None:
        for key, amount in stored.items():
            account, _, asset = key.partition(" ")
            self._totals[LedgerAccount(account)][asset] = atoms(amount)

    def _reservation(self, key: str) -> Reservation | None:
        asset, amount, account = self._reservations.get(int(key), _NOTHING)
        return Reservation(asset, from_atoms(amount), account) if asset else None

    def _restore_reservations(self, stored: Mapping[str, Reservation]) -> None:
        for key, kept in stored.items():
            if not self.reserve(int(key), kept.asset, atoms(kept.amount), kept.account):
                raise LedgerError(f"the stored reservations of {kept.asset} exceed its balance")


def _key(account: LedgerAccount, asset: str) -> str:
    """Under which a balance is stored."""
    return account + " " + asset
