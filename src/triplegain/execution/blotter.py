"""Orders and positions, once, as the exchange knows them; and what we have been told of them, which is a view.

An answer travels back to us for a while. As long as one is on its way, its order and its position are kept as we have
last been told of them; of everything else what we know is what is. What guards money asks `orders` and `positions`;
who reacts to answers asks `known_orders` and `known`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from triplegain.domain.exchange_events import AccountEvent, CommandRefused, ExchangeEvent, PositionRolledOver
from triplegain.domain.orders import OrderRequest
from triplegain.domain.parts import Parts
from triplegain.domain.records import OrderRecord, PositionRecord
from triplegain.execution.order_register import OrderEvent, OrderRegister, after
from triplegain.execution.position import Position
from triplegain.execution.positions import Positions, records_of
from triplegain.execution.protection.protection import StopLevel
from triplegain.execution.protection.trailing import EntryCost

_ZERO = Decimal(0)


class ToldOrder(Struct, frozen=True):
    """An order as last told (None: not at all), and how many answers are on their way."""

    record: OrderRecord | None
    pending: int = 0


class ToldPosition(Struct, frozen=True):
    """A position as last told (None: not at all), and how many answers are on their way."""

    position: Position | None
    pending: int = 0


class KnownOrders:
    """Orders as we have been told of them."""

    def __init__(self, present: OrderRegister) -> None:
        self._present = present
        self._told: dict[int, ToldOrder] = {}
        self._touch: Callable[[str], None] = lambda number: None

    def by_client_id(self, client_order_id: str) -> OrderRecord | None:
        """The order of that name, if it is still in memory."""
        record = self._present.by_client_id(client_order_id)
        if record is None:
            # Over at the exchange, and forgotten there, before we have been told.
            told = (each.record for each in self._told.values() if each.record is not None)
            return next((each for each in told if each.request.client_order_id == client_order_id), None)
        known = self._told.get(record.order_number)
        return record if known is None else known.record

    def open_orders(self) -> tuple[OrderRecord, ...]:
        """Orders that may still fill as far as we know, in the order they were sent."""
        known = {record.order_number: record for record in self._present.open_orders()}
        for number, told in self._told.items():
            known.pop(number, None)
            if told.record is not None and not told.record.status.is_final:
                known[number] = told.record
        return tuple(known[number] for number in sorted(known))

    def happened(self, event: OrderEvent) -> None:
        """An answer is on its way to us; the present has not taken it in yet."""
        number = event.order_number
        told = self._told.get(number) or ToldOrder(self._present.get(number))
        self._told[number] = ToldOrder(told.record, told.pending + 1)
        self._touch(str(number))

    def told(self, event: OrderEvent) -> OrderRecord:
        """An answer has reached us; the order as we know it now."""
        number = event.order_number
        before = self._told[number]
        record = after(before.record, event)
        if before.pending > 1:
            self._told[number] = ToldOrder(record, before.pending - 1)
        else:
            del self._told[number]
        self._touch(str(number))
        return record

    def register(self, parts: Parts) -> None:
        self._touch = parts.table("execution.told_order", ToldOrder, self._told, int)


class KnownPositions:
    """Positions as we have been told of them. What is asked of a position is stated here, once."""

    def __init__(self, present: Positions) -> None:
        self._present = present
        self._told: dict[str, ToldPosition] = {}
        self._news: dict[str, PositionRecord] = {}
        self._touch: Callable[[str], None] = lambda position_id: None

    def begin(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> None:
        """An entry is about to be sent, with this stop and target."""
        self._present.begin(request, stop, target)

    def ask_move(self, position_id: str, level: StopLevel) -> None:
        """A stop is about to be asked to stand there."""
        self._present.ask_move(position_id, level)
        told = self._told.get(position_id)
        if told is not None and told.position is not None:
            self._keep(position_id, ToldPosition(replace(told.position, asked=level), told.pending))

    def write_off(self, position_id: str, time_ns: int) -> None:
        """End a position whose rest the venue does not take: dust."""
        position = self._get(position_id)
        assert position is not None
        self._present.write_off(position_id, time_ns)
        ended = position.ended(time_ns)
        told = self._told.get(position_id)
        if told is not None:
            self._keep(position_id, ToldPosition(ended, told.pending))
        self._news[position_id] = ended.record()

    def is_open(self, position_id: str) -> bool:
        position = self._get(position_id)
        return position is not None and bool(position.opened)

    def quantity(self, position_id: str) -> Decimal:
        """Coins the position holds, or has sold short; 0 if it is not open."""
        position = self._get(position_id)
        return _ZERO if position is None else position.held

    def entry_cost(self, position_id: str) -> EntryCost | None:
        """What a coin of an open position cost; None if it is not open."""
        position = self._get(position_id)
        if position is None or not position.opened:
            return None
        return EntryCost(position.average_entry, position.average_cost)

    def records(self) -> tuple[PositionRecord, ...]:
        """The open positions, oldest first."""
        known = [position for position in self._present.all() if position.position_id not in self._told]
        known += [told.position for told in self._told.values() if told.position is not None]
        return records_of(known)

    def drain_changed(self) -> list[PositionRecord]:
        """Each position of which there was news since the last call, as we know it now, in order of first change."""
        news = list(self._news.values())
        self._news.clear()
        return news

    def _get(self, position_id: str) -> Position | None:
        told = self._told.get(position_id)
        position = self._present.get(position_id) if told is None else told.position
        return None if position is None or position.is_over else position

    def happened(self, position_id: str) -> None:
        """An answer is on its way to us; the present has not taken it in yet."""
        told = self._told.get(position_id) or ToldPosition(self._present.get(position_id))
        self._keep(position_id, ToldPosition(told.position, told.pending + 1))

    def told(self, position_id: str, event: OrderEvent, order: OrderRecord) -> None:
        """An answer has reached us."""
        told = self._told[position_id]
        self._know(position_id, told, self._present.after(told.position, event, order.request))

    def told_rollover(self, event: PositionRolledOver) -> None:
        """The fee for another period has reached us."""
        for position_id, told in self._told.items():
            if told.position is not None and told.position.entry_order_number == event.position:
                return self._know(position_id, told, self._present.rolled_over(told.position, event))

    def _know(self, position_id: str, told: ToldPosition, position: Position | None) -> None:
        self._keep(position_id, ToldPosition(position, told.pending - 1))
        if position is not None and position.opened and position is not told.position:
            self._news[position_id] = position.record()

    def _keep(self, position_id: str, told: ToldPosition) -> None:
        if told.pending:
            self._told[position_id] = told
        else:
            del self._told[position_id]
        self._touch(position_id)

    def register(self, parts: Parts) -> None:
        self._touch = parts.table("execution.told_position", ToldPosition, self._told)


class Blotter:
    """Tell it of every event twice: when it `happened`, and when we are `told`."""

    def __init__(self, orders: OrderRegister, positions: Positions) -> None:
        self.orders = orders
        self.positions = positions
        self.known_orders = KnownOrders(orders)
        self.known = KnownPositions(positions)

    def happened(self, event: ExchangeEvent) -> OrderRecord | None:
        """The order as it is after `event`; None where no order changed.

        Raises OrderTransitionError and PositionError for what cannot be.
        """
        if isinstance(event, PositionRolledOver):
            self._rolled_over(event)
        if isinstance(event, CommandRefused | AccountEvent):
            return None
        self.known_orders.happened(event)
        record = self.orders.apply(event)
        if record is not None and (position_id := record.request.position_id) is not None:
            self.known.happened(position_id)
            self.positions.apply(event, record.request)
        return record

    def _rolled_over(self, event: PositionRolledOver) -> None:
        position = self.positions.lent_to(event.position)
        if position is not None:
            self.known.happened(position.position_id)
            self.positions.put(self.positions.rolled_over(position, event))

    def told(self, event: ExchangeEvent) -> OrderRecord | None:
        """The order as we know it after `event`; None where no order changed."""
        if isinstance(event, PositionRolledOver):
            self.known.told_rollover(event)
        if isinstance(event, CommandRefused | AccountEvent):
            return None
        record = self.known_orders.told(event)
        if (position_id := record.request.position_id) is not None:
            self.known.told(position_id, event, record)
        return record

    def register(self, parts: Parts) -> None:
        for component in (self.orders, self.positions, self.known_orders, self.known):
            component.register(parts)
