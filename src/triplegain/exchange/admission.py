"""What an order must be before the engine takes it: the exchange's checks in its order, with its codes."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState, MarketDepth
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import TimeInForce
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import is_usable
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.venue_market import VenueMarket


def read_terms(order: WorkingOrder) -> Refusal | None:
    """Scale the request to ticks and lots. Quantities are cut to the lot, prices must be on the tick."""
    request, instrument = order.request, order.instrument
    if not is_usable(request.quantity) or request.quantity <= 0:
        return Refusal(Code.INVALID_VOLUME, f"the quantity must be above zero and usable, it is {request.quantity}")
    order.lots = order.left = instrument.whole_lots(request.quantity)
    price, order.post_only = request.terms.price, request.terms.post_only
    if price is not None:
        ticks = ticks_or_refusal(instrument, price)
        if isinstance(ticks, Refusal):
            return ticks
        order.price = ticks
    return None


def tradable(instrument: Instrument, quantity: Decimal) -> Decimal | None:
    """What the exchange can trade of it: cut to the lot, never up. None where it is no quantity at all."""
    if not is_usable(quantity) or quantity <= 0:
        return None
    return instrument.quantity(instrument.whole_lots(quantity))


def ticks_or_refusal(instrument: Instrument, price: Decimal) -> int | Refusal:
    """A positive price on the tick, in ticks."""
    if not is_usable(price) or price <= 0:
        return Refusal(Code.INVALID_PRICE, f"the price must be above zero and usable, it is {price}")
    try:
        return instrument.ticks(price)
    except InvalidValueError:
        return Refusal(
            Code.TICK_SIZE, f"{text(price)} is not a multiple of {instrument.symbol}'s tick {instrument.tick:f}"
        )


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
    if order.lots < max(instrument.lots_min, 1):
        quantity, minimum = text(request.quantity), text(instrument.quantity_min)
        return Refusal(
            Code.ORDER_MINIMUM, f"{quantity} {instrument.base} is below {instrument.symbol}'s minimum {minimum}"
        )
    price: int | None = order.price or market.quotes()[1 - order.side]
    if price is None:
        return Refusal(Code.UNAVAILABLE, f"nobody is quoting the other side of {instrument.symbol}")
    cost = price * order.lots * instrument.atoms_per_tick_lot
    if cost < instrument.cost_min_atoms:
        below = f"{text(from_atoms(cost))} {instrument.quote} is below the minimum cost {text(instrument.cost_min)}"
        return Refusal(Code.COST_MINIMUM, below)
    if request.time_in_force is TimeInForce.GTD and (request.expires_at_ns or 0) <= now_ns:
        return Refusal(Code.INVALID_EXPIRY, "the order had expired when it arrived")
    if request.time_in_force is not TimeInForce.GTD and request.expires_at_ns is not None:
        return Refusal(Code.INVALID_EXPIRY, "an expiry time needs time in force gtd")
    if request.time_in_force is TimeInForce.IOC and order.post_only:
        return Refusal(Code.INVALID_TIME_IN_FORCE, "post-only contradicts immediate or cancel")
    if order.post_only and market.would_take(order):
        return Refusal(Code.POST_ONLY, "a post-only order at this price would take liquidity")
    return None
