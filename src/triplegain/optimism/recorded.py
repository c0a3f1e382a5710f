"""A session's orders as its record tells them: what was asked when, and what came of it on our own exchange."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from msgspec import UNSET, Struct
from msgspec.structs import replace

from triplegain.domain.clock import NEVER
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.exchange_events import OrderAmended, OrderPriced, OrderTriggered
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import atoms
from triplegain.domain.orders import FeePreference, OrderStatus, TimeInForce
from triplegain.domain.price import Offset
from triplegain.domain.records import OrderRecord
from triplegain.domain.refusals import Code
from triplegain.domain.terms import OrderKind
from triplegain.optimism.asked import Asked, Shape

_SHAPES = {
    OrderKind.MARKET: Shape.MARKET,
    OrderKind.MARKET_BY_COST: Shape.MARKET,
    OrderKind.LIMIT: Shape.LIMIT,
    OrderKind.ICEBERG: Shape.LIMIT,
    OrderKind.STOP_LOSS: Shape.STOP,
    OrderKind.STOP_LOSS_LIMIT: Shape.STOP_LIMIT,
    OrderKind.TAKE_PROFIT: Shape.TAKE_PROFIT,
}
#: Refusals of our exchange that the others do not know. What lacks funds or comes too often is refused there, too.
_REFUSED_HERE = frozenset({Code.POST_ONLY, Code.ORDER_MINIMUM, Code.COST_MINIMUM})


Repricing = OrderAmended | OrderPriced | OrderTriggered


class LeftOut(StrEnum):
    """Why an order is compared with nobody's."""

    #: The others differ too much in them (trailing stops, take-profits with a limit), or trade nothing.
    KIND = "type_not_modelled"
    #: Most of the others lend nothing on spot.
    MARGIN = "on_margin"
    #: By its distance, and the record does not tell what it came to.
    RELATIVE = "relative_price"
    REFUSED = "refused_there_too"
    NOTHING_ASKED = "nothing_to_ask_for"
    NO_MARKET = "market_not_seen_again"


class Change(Struct, frozen=True):
    """From that time on the order reads so."""

    time_ns: int
    asked: Asked


class Recorded(Struct, frozen=True):
    """`over_ns` is when it was over here, `taken_back_ns` when it is taken back elsewhere: at once where it may not
    wait; never, but at its date, where it was filled or refused here. `lots`, `cost` and `fee` are what was filled
    here, in atoms of the quote currency."""

    number: int
    symbol: str
    sent_ns: int
    asked: Asked
    changes: tuple[Change, ...]
    over_ns: int
    taken_back_ns: int
    lots: int
    cost: int
    fee: int


def recorded(order: OrderRecord, events: Iterable[Repricing], instrument: Instrument) -> Recorded | LeftOut:
    """One order with its own `events` in their order, or why it is left out."""
    request, terms = order.request, order.request.terms
    shape = _SHAPES.get(terms.kind)
    if shape is None:
        return LeftOut.KIND
    if request.leverage > 1:
        return LeftOut.MARGIN
    if order.status in (OrderStatus.REJECTED, OrderStatus.ERROR) and order.code not in _REFUSED_HERE:
        return LeftOut.REFUSED
    amendments, fired_ns, price, second = list[OrderAmended](), NEVER, terms.price, terms.second
    for event in events:
        match event:
            case OrderAmended():
                amendments.append(event)
            case OrderTriggered():
                fired_ns = event.time_ns
            case OrderPriced():
                # The first is its own; when it fires its limit takes the place of it.
                price = event.price if price is None else price
            case _:
                assert_never(event)
    if isinstance(second, Offset) or (price is None and terms.first is not None):
        return LeftOut.RELATIVE
    if shape is Shape.LIMIT and getattr(terms, "post_only", False):
        shape = Shape.POST_ONLY
    quantity = request.quantity if amendments else order.quantity
    try:
        prices = (0 if each is None else instrument.ticks(each) for each in (price, second))
        asked = Asked(request.side.index, shape, instrument.whole_lots(quantity), *prices)
        changes = tuple(_changes(asked, amendments, fired_ns, instrument))
    except InvalidValueError:
        return LeftOut.NOTHING_ASKED
    if not asked.lots:
        return LeftOut.NOTHING_ASKED
    sent_ns = max(order.submitted_at_ns, request.options.starts_at_ns or 0)
    return Recorded(
        order.order_number,
        request.symbol,
        sent_ns,
        asked,
        changes,
        order.updated_at_ns if order.status.is_final else NEVER,
        _taken_back_ns(order, sent_ns),
        instrument.lots(order.filled_quantity),
        atoms(order.filled_notional),
        _fee(order),
    )


def _changes(
    asked: Asked, amendments: Iterable[OrderAmended], fired_ns: int, instrument: Instrument
) -> Iterator[Change]:
    """What has fired here has its limit for a price, and its trigger no more."""
    for each in amendments:
        second = None if each.terms is UNSET else each.terms.second
        price = instrument.ticks(each.price) if asked.price else 0
        limit = instrument.ticks(second) if isinstance(second, Decimal) else asked.limit
        if each.time_ns >= fired_ns:
            price, limit = asked.price, price
        asked = replace(asked, lots=instrument.whole_lots(each.quantity), price=price, limit=limit)
        yield Change(each.time_ns, asked)


def _taken_back_ns(order: OrderRecord, sent_ns: int) -> int:
    request, status = order.request, order.status
    match request.time_in_force:
        case TimeInForce.IOC | TimeInForce.FOK:
            return sent_ns
        case TimeInForce.GTC | TimeInForce.GTD:
            pass
        case _:
            assert_never(request.time_in_force)
    if status.is_final and status not in (OrderStatus.FILLED, OrderStatus.REJECTED, OrderStatus.ERROR):
        return order.updated_at_ns
    return NEVER if request.expires_at_ns is None else request.expires_at_ns


def _fee(order: OrderRecord) -> int:
    """In atoms of the quote currency; one in coins at the average price, against us."""
    if order.request.options.fee_preference is FeePreference.QUOTE or not order.filled_quantity:
        return atoms(order.fees)
    coins, quantity = atoms(order.fees), atoms(order.filled_quantity)
    return -(-atoms(order.filled_notional) * coins // quantity)
