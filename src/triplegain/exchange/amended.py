"""What an order is to be by an amendment: the checks of its numbers, nothing else. Kraken (guide to spot amends):
quantities and prices can be amended, all else of an order cannot."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.domain.orders import AmendRequest, OrderTerms
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import is_usable
from triplegain.exchange.admission import DEADLINE_MAX_NS, check_passed
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.prices import read_prices, ticks_or_refusal
from triplegain.exchange.size_rules import check_display, whole_lots


class Amended(NamedTuple):
    """Lots in all; price and limit in ticks as `WorkingOrder` has them; the terms, and the lots that are shown."""

    lots: int
    price: int
    limit: int
    terms: OrderTerms
    shown: int


def check_amendable(order: WorkingOrder, request: AmendRequest, now_ns: int) -> Refusal | None:
    options, deadline_ns = order.request.options, request.deadline_ns
    if deadline_ns is not UNSET and deadline_ns > now_ns + DEADLINE_MAX_NS:
        return Refusal(Code.INVALID_DEADLINE, "the deadline of an amendment is at most 60 s ahead")
    if deadline_ns is not UNSET and now_ns > deadline_ns:
        late_ms = (now_ns - deadline_ns) / MILLISECOND_NS
        return Refusal(Code.DEADLINE_ELAPSED, f"the amendment arrived {late_ms:g} ms after its deadline")
    if refusal := check_passed(order):
        return refusal
    if options.close is not None or options.closes is not None:
        return Refusal(Code.INVALID_AMEND, "an order with a conditional close cannot be amended: cancel it")
    if request.quantity is None and request.price is None and not request.changes_terms:
        return Refusal(Code.INVALID_AMEND, "nothing to change: give a quantity or a price")
    if order.cost:
        return Refusal(Code.INVALID_AMEND, "an order that names its cost is not changed: cancel it")
    return None


def read_amendment(order: WorkingOrder, request: AmendRequest, whole: int | None) -> Amended | Refusal:
    """The order as it is to be. `whole`: so many lots left of it take all of a position off, and have no minimum."""
    prices = _prices(order, request)
    if isinstance(prices, Refusal):
        return prices
    price, limit, terms = prices
    lots = order.lots if request.quantity is None else _lots(order, request.quantity, whole)
    if isinstance(lots, Refusal):
        return lots
    shown, instrument = order.shown, order.instrument
    if lots > order.filled and request.display is not UNSET:
        # Of what is left, as Kraken says of amendments; what is shown already never grows where it stands.
        if refusal := check_display(instrument, request.display, lots - order.filled):
            return refusal
        shown = min(shown, whole_lots(instrument, request.display))
    elif lots > order.lots and (refusal := check_display(instrument, terms.display, lots, may_be_all=True)):
        return refusal
    cost = price * lots * instrument.atoms_per_tick_lot
    if price and lots > order.filled and cost < instrument.cost_min_atoms and not _takes_all(order, lots, whole):
        return Refusal(Code.COST_MINIMUM, f"below {instrument.symbol}'s minimum cost {text(instrument.cost_min)}")
    return Amended(lots, price, limit, terms, shown)


def _takes_all(order: WorkingOrder, lots: int, whole: int | None) -> bool:
    return whole is not None and lots - order.filled >= whole


def _lots(order: WorkingOrder, quantity: Decimal, whole: int | None) -> int | Refusal:
    instrument = order.instrument
    if not is_usable(quantity) or quantity <= 0:
        return Refusal(Code.INVALID_VOLUME, f"the quantity cannot be {quantity}")
    lots = instrument.whole_lots(quantity)
    # Less than a lot is no quantity; no more than was filled ends the order.
    too_small = order.filled < lots < instrument.lots_min and not _takes_all(order, lots, whole)
    if too_small or (not lots and not order.filled):
        return Refusal(Code.ORDER_MINIMUM, f"below {instrument.symbol}'s minimum {text(instrument.quantity_min)}")
    return lots


def _prices(order: WorkingOrder, request: AmendRequest) -> tuple[int, int, OrderTerms] | Refusal:
    """(price, limit, terms), in ticks."""
    waits, price, limit = order.role is Role.TRIGGER, order.price, order.limit
    if request.price is not None:
        if not order.price:
            return Refusal(Code.INVALID_PRICE, "a market order has no price to amend")
        if order.peak and waits:
            return Refusal(Code.INVALID_PRICE, "a trailing trigger follows the market: it has no price to amend")
        ticks = ticks_or_refusal(order.instrument, request.price)
        if isinstance(ticks, Refusal):
            return ticks
        price = ticks
    if (request.limit_price is not UNSET or request.trail is not UNSET) and not waits:
        return Refusal(Code.INVALID_PRICE, "only an order that waits for its trigger has a trail or a second price")
    try:
        terms = request.changed(order.request.terms)
    except InvalidValueError as error:
        return Refusal(Code.INVALID_PRICE if request.display is UNSET else Code.INVALID_DISPLAY, str(error))
    if terms.trail is not None and waits:
        return _trailed(order, terms)
    if isinstance(request.limit_price, Decimal):
        ticks = ticks_or_refusal(order.instrument, request.limit_price)
        if isinstance(ticks, Refusal):
            return ticks
        limit = ticks
    return price, limit, terms


def _trailed(order: WorkingOrder, terms: OrderTerms) -> tuple[int, int, OrderTerms] | Refusal:
    """Where trigger and limit stand behind the best trade until now."""
    other = copy(order)
    other.request = replace(order.request, terms=terms)
    return read_prices(other, order.peak) or (other.price, other.limit, terms)
