"""What an order must be before the engine takes it: the exchange's checks in its order, with its codes."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.money import whole_atoms
from triplegain.domain.orders import TimeInForce
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import is_usable
from triplegain.exchange.market_modes import MODES
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.prices import read_prices
from triplegain.exchange.size_rules import check_force, check_size
from triplegain.exchange.venue_market import VenueMarket

#: How long after it is sent an order may still arrive, where it says so.
DEADLINE_MIN_NS, DEADLINE_MAX_NS = 500 * MILLISECOND_NS, 60 * SECOND_NS


def read_terms(order: WorkingOrder, last: int | None) -> Refusal | None:
    """Scale the request to ticks and lots. Quantities are cut to the lot, prices must be on the tick; relative ones go
    by `last`, the last trade."""
    terms = order.request.terms
    order.post_only = terms.post_only
    refusal = _read_quantity(order) if terms.cost is None else _read_cost(order, terms.cost)
    return refusal or read_prices(order, last)


def _read_quantity(order: WorkingOrder) -> Refusal | None:
    if order.asked is None:
        words = f"the quantity must be above zero and usable, it is {order.request.quantity}"
        return Refusal(Code.INVALID_VOLUME, words)
    order.lots = order.left = order.asked
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


def check_market(order: WorkingOrder, market: VenueMarket) -> Refusal | None:
    """Is this instrument open for this kind of order, and is there a market to trade on?"""
    symbol, mode = market.instrument.symbol, MODES[market.state]
    if not mode.takes(order):
        only = f"{symbol} only takes {mode.only} at the moment"
        return Refusal(mode.code, only if mode.only else f"matching of {symbol} is paused: {market.condition}")
    if market.has_book and not market.public.book.is_known:
        return Refusal(Code.UNAVAILABLE, f"no order book of {symbol} yet")
    return None


def check_cancel(order: WorkingOrder, market: VenueMarket) -> Refusal | None:
    """May this order still be taken back?"""
    symbol = market.instrument.symbol
    if not MODES[market.state].cancels:
        return Refusal(Code.UNAVAILABLE, f"{symbol} is closed, it takes no cancels either: {market.condition}")
    return check_passed(order)


def check_passed(order: WorkingOrder) -> Refusal | None:
    """What the tape has gone through is sold already, though we have not seen to whom."""
    if not order.passed:
        return None
    words = f"{order.instrument.symbol} has traded through the trigger: it fires as soon as its order book is back"
    return Refusal(Code.UNAVAILABLE, words)


def check_rules(order: WorkingOrder, market: VenueMarket, now_ns: int, takes_all: bool = False) -> Refusal | None:
    """Minimum quantity, minimum cost, time in force. `takes_all`: of a position on margin."""
    request = order.request
    if refusal := check_size(order, market, takes_all):
        return refusal
    if request.time_in_force is TimeInForce.GTC and request.expires_at_ns is None:
        return None
    if request.time_in_force is TimeInForce.GTD and (request.expires_at_ns or 0) <= now_ns:
        return Refusal(Code.INVALID_EXPIRY, "the order had expired when it arrived")
    if request.expires_at_ns is not None and request.expires_at_ns <= (request.options.starts_at_ns or 0):
        return Refusal(Code.INVALID_EXPIRY, "the order would expire before it starts")
    if request.time_in_force is not TimeInForce.GTD and request.expires_at_ns is not None:
        return Refusal(Code.INVALID_EXPIRY, "an expiry time needs time in force gtd")
    return check_force(order)


def check_deadline(order: WorkingOrder, now_ns: int) -> Refusal | None:
    """An order may say until when it must have arrived."""
    deadline_ns = order.request.options.deadline_ns
    if deadline_ns is None:
        return None
    if not DEADLINE_MIN_NS <= deadline_ns - order.sent_ns <= DEADLINE_MAX_NS:
        return Refusal(Code.INVALID_DEADLINE, "a deadline is 500 ms to 60 s after the order is sent")
    if now_ns > deadline_ns:
        late_ms = (now_ns - deadline_ns) / MILLISECOND_NS
        return Refusal(Code.DEADLINE_ELAPSED, f"the order arrived {late_ms:g} ms after its deadline")
    return None


def check_taking(order: WorkingOrder, market: VenueMarket) -> Refusal | None:
    """Nobody takes who said so, and nobody where nothing is matched."""
    if order.post_only and market.would_take(order):
        return Refusal(Code.POST_ONLY, "a post-only order at this price would take liquidity")
    mode = MODES[market.state]
    if not mode.matches and market.would_take(order):
        return Refusal(mode.code, f"{market.instrument.symbol} matches nothing now, and the order would take at once")
    return None
