"""All positions of a session, as projections of fills.

A purchase with a `position_id`, or an order with leverage that does more than reduce, is an entry and opens its
position with the first fill; every other order with that id is an exit, and its `purpose` is the close reason (of a
stop: that of its last move). Nothing here decides anything. A position ends when its entry order is over, no exit is on
its way, and nothing is left, or only dust: a rest below the instrument's minimum, which no order could take off. Dust
stays in the books of its position, is not retried, and counts as free coins. A short is on margin, where no coins are
anybody's, and never dust: it is owed until all of it is given back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from triplegain.domain.exchange_events import (
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    PositionRolledOver,
)
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT
from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.parts import Parts
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.execution.order_register import OrderEvent
from triplegain.execution.position import Position, PositionError, opens, short_leverage
from triplegain.execution.protection.protection import StopLevel, smallest_exit
from triplegain.ledger.realised import UsdPrice

_ZERO = Decimal(0)


class Results(Struct, frozen=True):
    """How many positions ended above and below zero."""

    wins: int = 0
    losses: int = 0


class Positions:
    """The open positions. One that ended leaves memory; `drain_changed` hands out its last record."""

    def __init__(self, instruments: Iterable[Instrument], usd_price: UsdPrice) -> None:
        self.results = Results()
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._usd_price = usd_price
        self._open: dict[str, Position] = {}
        self._owned: dict[str, Decimal] = {}
        self._changed: dict[str, PositionRecord] = {}
        self._touch: Callable[[str], None] = lambda position_id: None

    def begin(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> None:
        """An entry is about to be sent, with this stop and target: they show on the position from its first fill."""
        self.put(
            Position(request.position_id or "", request.symbol, stop, target, short_leverage=short_leverage(request))
        )

    def ask_move(self, position_id: str, level: StopLevel) -> None:
        """Its stop is asked to stand there. Nothing changes where the position is over already."""
        position = self._open.get(position_id)
        if position is not None:
            self.put(replace(position, asked=level))

    def after(self, position: Position | None, event: OrderEvent, request: OrderRequest) -> Position | None:
        """The position of an order as it is after `event`; changes nothing here.

        `request` is the order's. Raises PositionError for fills that cannot be.
        """
        is_entry = opens(request)
        if position is None or position.is_over:
            # The exchange liquidates dust as well.
            if not is_entry and isinstance(event, OrderFilled) and request.purpose != CloseReason.LIQUIDATION:
                raise PositionError(
                    f"order {event.order_number} takes off position {request.position_id}, which is over"
                )
            if position is not None or not is_entry or not isinstance(event, OrderSubmitted):
                return position
            return Position(request.position_id or "", request.symbol, short_leverage=short_leverage(request))
        instrument = self._instruments[position.symbol]
        match event:
            case OrderSubmitted():
                return position.submitted(event)
            case OrderAmended():
                return position.amended(request, event)
            case OrderFilled():
                position = position.filled(request, event, self._usd_price(instrument.quote))
                is_over = event.status.is_final
            case OrderCancelled() | OrderRejected():
                is_over = True
            case _:
                return position
        if not is_over:
            return position
        return position.order_over(
            event.order_number, is_entry, smallest_exit(position.side, instrument), event.time_ns
        )

    def apply(self, event: OrderEvent, request: OrderRequest) -> Position | None:
        """Take an event of an order in; the position as it is after it. Raises PositionError on a bug."""
        before = self._open.get(request.position_id or "")
        position = self.after(before, event, request)
        if position is not None and position is not before:
            self.put(position)
        return position

    def lent_to(self, entry_order_number: int) -> Position | None:
        """The position that this order has opened."""
        return next((each for each in self._open.values() if each.entry_order_number == entry_order_number), None)

    def rolled_over(self, position: Position, event: PositionRolledOver) -> Position:
        """As it is with what lending it for another period costs; changes nothing here."""
        return position.rolled_over(event.fee, event.time_ns, self._usd_price(event.fee_asset))

    def write_off(self, position_id: str, time_ns: int) -> None:
        """End a position whose rest the venue does not take although it is above the minimum quantity: dust."""
        self.put(self._open[position_id].ended(time_ns))

    def put(self, position: Position) -> None:
        """The position is so from now on."""
        position_id = position.position_id
        before = self._open.get(position_id)
        if before is not None:
            self._own(before, EXACT.minus(before.quantity))
        if position.is_over:
            self._open.pop(position_id, None)
            self._count(position)
        else:
            self._open[position_id] = position
            self._own(position, position.quantity)
        self._touch(position_id)
        if position.opened and (before is None or not before.opened or before.record() != position.record()):
            self._changed[position_id] = position.record()

    def _own(self, position: Position, change: Decimal) -> None:
        if position.side is Side.SELL:
            return
        base = self._instruments[position.symbol].base
        self._owned[base] = EXACT.add(self._owned.get(base, _ZERO), change)

    def _count(self, position: Position) -> None:
        if position.closed:
            won, lost = position.realised > 0, position.realised < 0
            self.results = Results(self.results.wins + won, self.results.losses + lost)

    def get(self, position_id: str) -> Position | None:
        """A position that is not over, or its entry under way."""
        return self._open.get(position_id)

    def all(self) -> tuple[Position, ...]:
        """Positions and entries under way."""
        return tuple(self._open.values())

    def records(self) -> tuple[PositionRecord, ...]:
        """The open positions, oldest first."""
        return records_of(self._open.values()) if self._open else ()

    def owned(self, asset: str) -> Decimal:
        """Coins of an asset that belong to open positions."""
        return self._owned.get(asset.upper(), _ZERO)

    def unrealised(self, position_id: str, mark: Decimal | None) -> Decimal | None:
        """Value at `mark` less the cost at the average entry, in the quote currency; None without a mark."""
        position = self._open[position_id]
        if mark is None:
            return None
        stays = EXACT.subtract(position.opened_notional, position.closed_share)
        return position.gain(EXACT.multiply(position.held, mark), stays)

    @property
    def has_changed(self) -> bool:
        """`drain_changed` has something to hand out."""
        return bool(self._changed)

    def drain_changed(self) -> list[PositionRecord]:
        """Each position that changed since the last call, as it is now, in order of first change."""
        changed = list(self._changed.values())
        self._changed.clear()
        return changed

    def register(self, parts: Parts) -> None:
        self._touch = parts.table("execution.position", Position, self._open, restore=self._restore)
        parts.held("execution.results", Results, self, "results")

    def _restore(self, stored: dict[str, Position]) -> None:
        for position in stored.values():
            self._open[position.position_id] = position
            self._own(position, position.quantity)


def records_of(positions: Iterable[Position]) -> tuple[PositionRecord, ...]:
    """Of those that have opened something and are not over, in the order in which they began."""
    held = (position for position in positions if position.opened and not position.is_over)
    return tuple(position.record() for position in sorted(held, key=lambda each: each.opened_by))
