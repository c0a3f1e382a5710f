"""All positions of a session, as projections of fills.

Every order to buy with a `position_id` is an entry and opens its position with the first fill; an order to sell with
that id is an exit, and its `purpose` is the close reason (of a stop: that of its last move). Nothing here decides
anything. A position ends when its entry order is over, no exit is on its way, and nothing is left, or only dust: a
rest below the instrument's minimum, which no order could sell. Dust stays in the books of its position, is not
retried, and counts as free coins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.exchange_events import (
    ExchangeEvent,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
)
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, text
from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.execution.position import Position, PositionError
from triplegain.execution.protection.protection import StopLevel
from triplegain.execution.protection.trailing import EntryCost
from triplegain.ledger.realised import UsdPrice

_ZERO = Decimal(0)


class Positions:
    """The open positions. One that ended leaves memory; `drain_changed` hands out its last record."""

    def __init__(self, instruments: Iterable[Instrument], usd_price: UsdPrice) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._usd_price = usd_price
        self._open: dict[str, Position] = {}
        self._orders: dict[int, OrderRequest] = {}
        self._plans: dict[str, tuple[Decimal | None, Decimal | None]] = {}
        self._moves: dict[str, StopLevel] = {}
        self._changed: dict[str, PositionRecord] = {}
        self.wins = 0
        self.losses = 0

    def plan(self, position_id: str, stop: Decimal | None, target: Decimal | None) -> None:
        """The stop and target its entry is sent with; they show on the position from its first fill."""
        self._plans[position_id] = (stop, target)

    def planned(self, position_id: str) -> tuple[Decimal | None, Decimal | None]:
        """(stop, target) of an entry that has not filled yet."""
        return self._plans.get(position_id, (None, None))

    def plan_move(self, position_id: str, level: StopLevel) -> None:
        """Where its stop is asked to stand, and why: the venue's answer tells the price and not the reason."""
        self._moves[position_id] = level

    def planned_move(self, position_id: str) -> StopLevel | None:
        """The move of a stop that has been asked for last and was not answered."""
        return self._moves.get(position_id)

    def apply(self, event: ExchangeEvent) -> PositionRecord | None:
        """The position as it is after `event`; None where no position changed. Raises PositionError on a bug."""
        if isinstance(event, OrderSubmitted):
            return self._follow(event)
        if not isinstance(event, OrderFilled | OrderCancelled | OrderRejected | OrderAmended):
            return None
        request = self._orders.get(event.order_number)
        if request is None or request.position_id is None:
            return None
        position = self._open.get(request.position_id)
        if isinstance(event, OrderAmended):
            return self._stop_moved(position, request, event)
        if isinstance(event, OrderFilled):
            position = self._filled(position, request, event)
        if not isinstance(event, OrderFilled) or event.status.is_final:
            self._order_over(position, request, event)
        return None if position is None else self._note(position)

    def _stop_moved(
        self, position: Position | None, request: OrderRequest, event: OrderAmended
    ) -> PositionRecord | None:
        is_stop = request.side is Side.SELL and request.terms.trigger is not None
        if position is None or not is_stop or position.stop == event.price:
            return None
        move = self._moves.get(position.position_id)
        if move is not None and move.trigger == event.price:
            position.stop_reason = self._moves.pop(position.position_id).reason
        position.stop, position.updated_at_ns = event.price, event.time_ns
        return self._note(position)

    def _follow(self, event: OrderSubmitted) -> PositionRecord | None:
        request = event.request
        if request.position_id is None:
            return None
        self._orders[event.order_number] = request
        position = self._open.get(request.position_id)
        if position is None or request.side is not Side.SELL:
            return None
        position.live_exits.add(event.order_number)
        trigger = request.terms.trigger
        if trigger is None:
            return None
        moved = position.stop != trigger
        position.stop, position.stop_reason = trigger, CloseReason(request.purpose)
        return self._note(position) if moved else None

    def _filled(self, position: Position | None, request: OrderRequest, event: OrderFilled) -> Position:
        position_id = request.position_id or ""
        if position is None:
            if request.side is Side.SELL:
                raise PositionError(f"order {event.order_number} sells from position {position_id}, which is over")
            position = Position(position_id, event.symbol, event.order_number, event.time_ns, event.time_ns)
            position.stop, position.target = self._plans.pop(position_id, (None, None))
            self._open[position_id] = position
        quote = self._instruments[event.symbol].quote
        purpose = position.stop_reason.value if request.terms.trigger is not None else request.purpose
        position.fill(request.side, purpose, event, self._usd_price(quote))
        return position

    def _order_over(
        self, position: Position | None, request: OrderRequest, event: OrderFilled | OrderCancelled | OrderRejected
    ) -> None:
        del self._orders[event.order_number]
        if position is None:
            self._plans.pop(request.position_id or "", None)
            return
        if request.side is Side.BUY:
            position.entry_over = True
        position.live_exits.discard(event.order_number)
        minimum = self._instruments[position.symbol].quantity_min
        if position.entry_over and not position.live_exits and position.quantity < minimum:
            self._end(position, event.time_ns)

    def write_off(self, position_id: str, time_ns: int) -> None:
        """End a position whose rest the venue does not take although it is above the minimum quantity: dust."""
        position = self._open[position_id]
        self._end(position, time_ns)
        self._note(position)

    def _end(self, position: Position, time_ns: int) -> None:
        position.end(time_ns)
        del self._open[position.position_id]
        self._moves.pop(position.position_id, None)
        if position.sold:
            self.wins += position.realised > 0
            self.losses += position.realised < 0

    def _note(self, position: Position) -> PositionRecord:
        record = self._changed[position.position_id] = position.record()
        return record

    def is_open(self, position_id: str) -> bool:
        return position_id in self._open

    def quantity(self, position_id: str) -> Decimal:
        """Coins the position holds now; 0 if it is not open."""
        return self._open[position_id].quantity if position_id in self._open else _ZERO

    def entry_cost(self, position_id: str) -> EntryCost | None:
        """What a coin of an open position cost; None if it is not open."""
        position = self._open.get(position_id)
        return None if position is None else EntryCost(position.average_entry, position.average_cost)

    def records(self) -> tuple[PositionRecord, ...]:
        """The open positions, oldest first."""
        return tuple(position.record() for position in self._open.values())

    def owned(self, asset: str) -> Decimal:
        """Coins of an asset that belong to open positions."""
        name = asset.upper()
        return sum((p.quantity for p in self._open.values() if self._instruments[p.symbol].base == name), _ZERO)

    def free_base(self, asset: str, total: Decimal) -> Decimal:
        """What of `total` coins belongs to no position and may be spent elsewhere."""
        return max(_ZERO, EXACT.subtract(total, self.owned(asset)))

    def unrealised(self, position_id: str, mark: Decimal | None) -> Decimal | None:
        """Value at `mark` less the cost at the average entry, in the quote currency; None without a mark."""
        position = self._open[position_id]
        if mark is None:
            return None
        worth = EXACT.multiply(position.quantity, mark)
        sold_cost = EXACT.subtract(EXACT.subtract(position.sold_notional, position.fees), position.realised)
        return EXACT.subtract(worth, EXACT.subtract(position.bought_notional, sold_cost))

    def drain_changed(self) -> list[PositionRecord]:
        """Each position that changed since the last call, as it is now, in order of first change."""
        changed = list(self._changed.values())
        self._changed.clear()
        return changed

    def state(self) -> dict[str, Any]:
        def known(value: Decimal | None) -> str | None:
            return None if value is None else text(value)

        return {
            "open": [position.state() for position in self._open.values()],
            "orders": {str(number): msgspec.to_builtins(request) for number, request in self._orders.items()},
            "plans": {pid: [known(stop), known(target)] for pid, (stop, target) in self._plans.items()},
            "moves": msgspec.to_builtins(self._moves),
            "wins": self.wins,
            "losses": self.losses,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        def known(value: str | None) -> Decimal | None:
            return None if value is None else Decimal(value)

        positions = map(Position.restore, state["open"])
        self._open = {position.position_id: position for position in positions}
        self._orders = msgspec.convert(state["orders"], dict[int, OrderRequest], strict=False)
        self._plans = {pid: (known(stop), known(target)) for pid, (stop, target) in state["plans"].items()}
        self._moves = msgspec.convert(state["moves"], dict[str, StopLevel])
        self.wins, self.losses = state["wins"], state["losses"]
        self._changed.clear()
