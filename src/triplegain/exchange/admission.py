"""What an order must be before the engine takes it: the exchange's checks in its order, with its codes."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState, MarketDepth
from triplegain.domain.money import whole_atoms
from triplegain.domain.orders import TimeInForce
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import is_usable
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.prices import read_prices
from triplegain.exchange.size_rules import check_force, check_size
from triplegain.exchange.venue_market import VenueMarket


def read_terms(order: WorkingOrder, last: int | None) -> Refusal | None:
    """Scale the request to ticks and lots. Quantities are cut to the lot, prices must be on the tick; relative ones go
    by `last`, the last trade."""
    terms = order.request.terms
    order.post_only = terms.post_only
    refusal = _read_quantity(order) if terms.cost is None else _read_cost(order, terms.cost)
    return refusal or read_prices(order, last)


def _read_quantity(order: WorkingOrder) -> Refusal | None:
    quantity = order.request.quantity
    if not is_usable(quantity) or quantity <= 0:
        return Refusal(Code.INVALID_VOLUME, f"the quantity must be above zero and usable, it is {quantity}")
    order.lots = order.left = order.instrument.whole_lots(quantity)
    return None


def _read_cost(order: WorkingOrder, cost: Decimal) -> Refusal | None:
    if order.side == 1:
        return Refusal(Code.INVALID_COST, "only a purchase can say what it is to cost")
    if not is_usable(cost) or cost <= 0:
        return Refusal(Code.INVALID_COST, f"the cost must be above zero and usable, it is {cost}")
    if order.request.quantity:
        return Refusal(Code.INVALID_COST, "an order names its quantity or its cost, not both")
    order.cost = whole_atoms(cost)
    return None


def tradable(instrument: Instrument, quantity: Decimal) -> Decimal | None:
    """What the exchange can trade of it: cut to the lot, never up. None where it is no quantity at all."""
    if not is_usable(quantity) or quantity <= 0:
        return None
    return instrument.quantity(instrument.whole_lots(quantity))


def check_market(order: WorkingOrder, market: VenueMarket) -> Refusal | None:
    """Is this instrument open for this kind of order, and is there a market to trade on?"""
    symbol, state = market.instrument.symbol, market.state
    if state is FeedState.CANCEL_ONLY:
        return Refusal(Code.CANCEL_ONLY_MODE, f"{symbol} only takes cancels at the moment")
    if state is FeedState.POST_ONLY and not order.post_only:
        return Refusal(Code.POST_ONLY_MODE, f"{symbol} only takes post-only orders at the moment")
    if state not in (FeedState.SYNCED, FeedState.POST_ONLY):
        return Refusal(Code.UNAVAILABLE, f"matching of {symbol} is paused: {market.condition}")
    if market.depth is MarketDepth.BOOK and not market.book.is_known:
        return Refusal(Code.UNAVAILABLE, f"no order book of {symbol} yet")
    return None


def check_cancel(order: WorkingOrder, market: VenueMarket) -> Refusal | None:
    """May this order still be taken back?"""
    symbol = market.instrument.symbol
    if market.is_closed:
        return Refusal(Code.UNAVAILABLE, f"{symbol} is closed, it takes no cancels either: {market.condition}")
    if order.passed:
        words = f"{symbol} has traded through the trigger: it fires as soon as its order book is back"
        return Refusal(Code.UNAVAILABLE, words)
    return None


def check_rules(order: WorkingOrder, market: VenueMarket, now_ns: int) -> Refusal | None:
    """Margin, minimum quantity, minimum cost, time in force, post-only."""
    request, instrument = order.request, order.instrument
    if request.leverage > 1:
        return Refusal(Code.MARGIN_ALLOWANCE, f"no margin is offered on {instrument.symbol}: leverage must be 1")
    if request.leverage < 1:
        return Refusal(Code.INVALID_LEVERAGE, f"leverage must be 1, it is {request.leverage}")
    if refusal := check_size(order, market):
        return refusal
    if request.time_in_force is TimeInForce.GTD and (request.expires_at_ns or 0) <= now_ns:
        return Refusal(Code.INVALID_EXPIRY, "the order had expired when it arrived")
    if request.time_in_force is not TimeInForce.GTD and request.expires_at_ns is not None:
        return Refusal(Code.INVALID_EXPIRY, "an expiry time needs time in force gtd")
    if refusal := check_force(order):
        return refusal
    if order.post_only and market.would_take(order):
        return Refusal(Code.POST_ONLY, "a post-only order at this price would take liquidity")
    return None
