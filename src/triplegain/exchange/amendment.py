"""Changing a resting order in place. Size down keeps the queue; size up or a new price loses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triplegain.domain.exchange_events import OrderAmended
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import AmendRequest, OrderStatus
from triplegain.domain.refusals import Code
from triplegain.domain.values import is_usable
from triplegain.exchange.admission import check_market, ticks_or_refusal
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.rate_limit import AMEND_COST, amend_penalty, cancel_cost
from triplegain.exchange.refusal import (
    COST_MINIMUM,
    INSUFFICIENT_FUNDS,
    ORDER_MINIMUM,
    POST_ONLY,
    RATE_LIMIT,
    Refusal,
)
from triplegain.exchange.venue_market import VenueMarket

if TYPE_CHECKING:
    from triplegain.exchange.paper_exchange import PaperExchange


def amend_order(
    exchange: PaperExchange, market: VenueMarket, order: WorkingOrder, request: AmendRequest
) -> Refusal | None:
    """Apply the amendment, or say why not and leave the order as it was.

    A new quantity at or below what has been filled cancels the rest.
    """
    now_ns = exchange.now_ns
    age_ns = now_ns - order.touched_ns
    if not market.rate.charge(AMEND_COST, now_ns):
        return Refusal(RATE_LIMIT, f"too many order commands on {market.instrument.symbol}")
    terms = _new_terms(order, request) if not (refusal := check_market(order, market)) else refusal
    if isinstance(terms, Refusal):
        return terms
    lots, price = terms
    filled = order.lots - order.left
    if lots <= filled:
        market.rate.charge(cancel_cost(age_ns), now_ns)
        market.withdraw(order)
        exchange.finish(order, OrderStatus.CANCELLED, "amended to no more than was filled")
        return None
    if order.post_only and _would_take(order, price, market):
        return Refusal(POST_ONLY, "a post-only order at this price would take liquidity")
    if refusal := _reserve_again(exchange, market, order, lots - filled, price):
        return refusal
    market.rate.charge(amend_penalty(age_ns), now_ns)
    _apply(exchange, market, order, lots, price)
    return None


def _new_terms(order: WorkingOrder, request: AmendRequest) -> tuple[int, int] | Refusal:
    """(total lots, price in ticks) after the amendment."""
    instrument = order.instrument
    lots, price = order.lots, order.price
    if request.quantity is None and request.price is None:
        return Refusal(Code.INVALID_AMEND, "nothing to change: give a quantity or a price")
    if request.price is not None:
        if not order.price:
            return Refusal(Code.INVALID_PRICE, "a market order has no price to amend")
        ticks = ticks_or_refusal(instrument, request.price)
        if isinstance(ticks, Refusal):
            return ticks
        price = ticks
    if request.quantity is not None:
        if not is_usable(request.quantity) or request.quantity < 0:
            return Refusal(Code.INVALID_VOLUME, f"the quantity cannot be {request.quantity}")
        lots = instrument.whole_lots(request.quantity)
        filled = order.lots - order.left
        if filled < lots < instrument.lots_min:
            return Refusal(ORDER_MINIMUM, f"below {instrument.symbol}'s minimum {text(instrument.quantity_min)}")
    cost = price * lots * instrument.atoms_per_tick_lot
    if price and lots > order.lots - order.left and cost < instrument.cost_min_atoms:
        return Refusal(COST_MINIMUM, f"below {instrument.symbol}'s minimum cost {text(instrument.cost_min)}")
    return lots, price


def _would_take(order: WorkingOrder, price: int, market: VenueMarket) -> bool:
    before, order.price = order.price, price
    try:
        return market.would_take(order)
    finally:
        order.price = before


def _reserve_again(
    exchange: PaperExchange, market: VenueMarket, order: WorkingOrder, left: int, price: int
) -> Refusal | None:
    instrument = order.instrument
    if order.side == 1:
        amount = left * instrument.atoms_per_lot
    else:
        amount = order.worst_cost(left, price or market.simple.slipped(0, market.last or 0))
    if exchange.wallet.resize(order.number, amount):
        return None
    asset = instrument.base if order.side == 1 else instrument.quote
    there = text(from_atoms(exchange.wallet.available(asset)))
    return Refusal(INSUFFICIENT_FUNDS, f"needs {text(from_atoms(amount))} {asset} in all, {there} more is available")


def _apply(exchange: PaperExchange, market: VenueMarket, order: WorkingOrder, lots: int, price: int) -> None:
    queue_kept = price == order.price and lots <= order.lots
    if not queue_kept:
        market.withdraw(order)
    order.left -= order.lots - lots
    order.lots = lots
    order.price = price
    order.touched_ns = exchange.now_ns
    stamp = exchange.booking.answer()
    exchange.booking.tell(
        OrderAmended(
            *stamp,
            order.number,
            order.client_order_id,
            order.instrument.symbol,
            order.instrument.quantity(lots),
            order.instrument.price(price),
            queue_kept,
        )
    )
    if not queue_kept:
        market.admit(order)
