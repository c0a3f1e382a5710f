"""The books of a session compared: at each commit what it touches, from running sums; all of them each minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain

from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.ledger_entry import LedgerAccount, LedgerEntry, account_of
from triplegain.domain.money import EXACT, atoms, from_atoms
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import CloseReason, OpenRows, OrderRecord
from triplegain.execution.blotter import Blotter
from triplegain.ledger import reconcile
from triplegain.ledger.wallet import Wallet

_OURS = (LedgerAccount.WALLET, LedgerAccount.HODL, LedgerAccount.DEBT)
_ZERO = Decimal(0)

#: An account of ours and an asset in it.
Pot = tuple[LedgerAccount, str]


class Reconciliation:
    """`begin` where the session starts, `follow` at each commit. Both raise ReconcileError."""

    def __init__(self, wallet: Wallet, blotter: Blotter) -> None:
        #: When everything is compared next, in market time.
        self.due_ns = 0
        self._wallet = wallet
        self._blotter = blotter
        self._entries: Counter[Pot] = Counter()
        self._reserved: Counter[Pot] = Counter()
        self._by_order: dict[int, int] = {}
        self._fills: dict[int, Decimal] = {}
        #: By asset what the coins of positions lacked when the session was opened and lack still; never more.
        self._lacking: dict[str, Decimal] = {}

    @property
    def lacks(self) -> bool:
        """Positions own more than the wallet holds, as they did when the session was opened."""
        return any(self._lacking.values())

    def begin(self, rows: OpenRows | None = None) -> str:
        """Go on from what the components have been given; `rows` must say the same.

        Returns in words where positions own more than the wallet holds, as sessions of earlier programs may: such a
        session is opened for somebody to close them, and the difference may only become less.
        """
        for account in _OURS:
            for asset in self._wallet.assets(account):
                self._entries[account, asset] = self._wallet.total(asset, account)
        for order in self._blotter.orders.open_orders():
            self._fills[order.order_number] = order.filled_quantity
            self._reserve(order)
        short = [words for asset in self._wallet.assets() for words in self._lack(asset)]
        reconcile.check(chain(self._whole(), () if rows is None else self._rows(rows)))
        return "; ".join(short)

    def _lack(self, asset: str) -> Iterator[str]:
        owned, total = self._blotter.positions.owned(asset), from_atoms(self._wallet.total(asset))
        if owned > total:
            self._lacking[asset] = EXACT.subtract(owned, total)
        yield from reconcile.owned(asset, owned, total)

    def _rows(self, rows: OpenRows) -> Iterator[str]:
        orders = {order.order_number: order.filled_quantity for order in self._blotter.orders.open_orders()}
        for number in sorted(orders.keys() | rows.orders.keys()):
            row, fills = rows.orders.get(number, (None, None))
            yield from reconcile.stored("what is filled of order", str(number), orders.get(number), row)
            if row is not None and fills is not None:
                yield from reconcile.filled(number, row, fills)
        positions = {each.position_id: each.quantity for each in self._blotter.positions.all() if each.opened}
        for position_id in sorted(positions.keys() | rows.positions.keys()):
            both = positions.get(position_id), rows.positions.get(position_id)
            yield from reconcile.stored("the quantity of", position_id, *both)
        for asset in sorted({*self._wallet.assets(), *rows.balances}):
            total, held = rows.balances.get(asset, (_ZERO, _ZERO))
            yield from reconcile.stored("the balance of", asset, from_atoms(self._wallet.total(asset)), total)
            yield from reconcile.stored("what is held of", asset, from_atoms(self._wallet.held(asset)), held)
        for account in _OURS:
            for asset in self._wallet.assets(account):
                entries = atoms(rows.entries.get((account, asset), _ZERO))
                yield from reconcile.balance(asset, account, self._wallet.total(asset, account), entries)

    def follow(
        self,
        entries: Iterable[LedgerEntry],
        fills: Iterable[OrderFilled],
        orders: Iterable[OrderRecord],
        now_ns: int,
    ) -> None:
        """Everything since the last call: all is settled, and nothing of it is stored yet. `orders` are those that have
        changed, as they are now."""
        reconcile.check(self._changed(entries, fills, orders))
        if now_ns >= self.due_ns:
            self.due_ns = now_ns - now_ns % MINUTE_NS + MINUTE_NS
            reconcile.check(self._whole())

    def _changed(
        self, entries: Iterable[LedgerEntry], fills: Iterable[OrderFilled], orders: Iterable[OrderRecord]
    ) -> Iterator[str]:
        pots: dict[Pot, None] = {}
        positions: dict[str, None] = {}
        for entry in entries:
            if entry.account in _OURS:
                self._entries[entry.account, entry.asset] += entry.amount_atoms
                pots[entry.account, entry.asset] = None
        for fill in fills:
            number = fill.order_number
            self._fills[number] = EXACT.add(self._fills.get(number, _ZERO), fill.quantity)
        for order in orders:
            pots[self._reserve(order)] = None
            if order.request.position_id is not None:
                positions[order.request.position_id] = None
            yield from self._filled(order)
        for pot in pots:
            yield from self._pot(*pot)
        for position_id in positions:
            yield from self._on_sale(position_id)

    def _whole(self) -> Iterator[str]:
        for account in _OURS:
            for asset in self._wallet.assets(account):
                yield from self._pot(account, asset)
        for position in self._blotter.positions.all():
            yield from self._on_sale(position.position_id)

    def _reserve(self, order: OrderRecord) -> Pot:
        """What an order holds from now on, and where."""
        pot = account_of(order.request.origin), order.request.funds_asset
        number = order.order_number
        reserved = self._wallet.reserved(number)
        self._reserved[pot] += reserved - self._by_order.pop(number, 0)
        if reserved:
            self._by_order[number] = reserved
        return pot

    def _filled(self, order: OrderRecord) -> Iterator[str]:
        number = order.order_number
        yield from reconcile.filled(number, order.filled_quantity, self._fills.get(number, _ZERO))
        if order.status.is_final:
            self._fills.pop(number, None)

    def _pot(self, account: LedgerAccount, asset: str) -> Iterator[str]:
        pot, total = (account, asset), self._wallet.total(asset, account)
        yield from reconcile.balance(asset, account, total, self._entries[pot])
        if account is LedgerAccount.DEBT:
            return
        yield from reconcile.holds(asset, account, self._wallet.held(asset, account), self._reserved[pot], total)
        if account is LedgerAccount.WALLET:
            owned, lacking = self._blotter.positions.owned(asset), self._lacking.get(asset, _ZERO)
            yield from reconcile.owned(asset, EXACT.subtract(owned, lacking), from_atoms(total))
            if lacking:
                self._lacking[asset] = min(lacking, max(_ZERO, EXACT.subtract(owned, from_atoms(total))))

    def _on_sale(self, position_id: str) -> Iterator[str]:
        position = self._blotter.positions.get(position_id)
        if position is None:
            return
        sales = _ZERO
        for number in position.live_exits:
            order = self._blotter.orders.get(number)
            # One still on its way may find that the coins have gone another way, and is rejected then.
            # What the exchange liquidates ends the others as it fills.
            if order is None or order.request.purpose == CloseReason.LIQUIDATION:
                continue
            if order.status in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED):
                sales = EXACT.add(sales, EXACT.subtract(order.quantity, order.filled_quantity))
        yield from reconcile.on_sale(position_id, sales, position.held)
