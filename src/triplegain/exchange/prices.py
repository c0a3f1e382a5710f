"""Prices as an order asks for them, in ticks: those that hang on the last trade, on a trigger, or on the best trade."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import assert_never

from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.price import Offset, Price, Sign
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import is_usable
from triplegain.exchange.order import WorkingOrder


def read_prices(order: WorkingOrder, last: int | None) -> Refusal | None:
    """Scale the prices of an arriving order to ticks. What is relative is so to `last`, the last trade, and is rounded
    to the side where the order is reached later: a limit never gets worse by it, a trigger never fires earlier."""
    terms = order.request.terms
    if (trail := terms.trail) is not None:
        return _start_trail(order, trail, last)
    heading, first, second = 1 if order.rising else -1, terms.first, terms.second
    if first is not None:
        found = _ticks(first, last, heading, heading, order.instrument)
        if isinstance(found, Refusal):
            return found
        order.price = found
    if second is not None:
        found = _ticks(second, last, heading, _limit_rounding(order.side), order.instrument)
        if isinstance(found, Refusal):
            return found
        order.limit = found
    return None


def follow(order: WorkingOrder, price: int) -> bool:
    """A trade at `price` has come: whether the trigger that trails behind the best one has moved."""
    trail = order.request.terms.trail
    if trail is None or (price >= order.peak if order.side == 0 else price <= order.peak):
        return False
    _put_peak(order, trail, price)
    return True


def _start_trail(order: WorkingOrder, trail: Offset, last: int | None) -> Refusal | None:
    if last is None:
        return _no_trade(order.instrument)
    if not is_usable(trail.amount) or trail.amount <= 0 or trail.sign is not Sign.PLUS:
        return Refusal(Code.INVALID_PRICE, f"a trailing stop follows at a distance above zero, not {trail}")
    second = order.request.terms.second
    if isinstance(second, Offset) and (not is_usable(second.amount) or second.sign is Sign.AHEAD):
        return Refusal(Code.INVALID_PRICE, f"the limit lies so much above or below the trigger, not {second}")
    if order.side == 1 and last - _distance(trail, last, order.instrument) < 1:
        return Refusal(Code.INVALID_PRICE, f"{trail} below the last trade of {order.instrument.symbol} is no price")
    _put_peak(order, trail, last)
    if not all(is_usable(order.instrument.price(each)) for each in (order.price, order.limit)):
        return Refusal(Code.INVALID_PRICE, f"{trail} of the last trade, or the limit beside it, is no usable price")
    return None


def _put_peak(order: WorkingOrder, trail: Offset, peak: int) -> None:
    """The trigger is rounded away from the price, so that it never fires early."""
    away = _distance(trail, peak, order.instrument)
    order.peak = peak
    order.price = peak + away if order.side == 0 else peak - away
    second = order.request.terms.second
    if isinstance(second, Offset):
        limit = _beside(second, order.price, 1, _limit_rounding(order.side), order.instrument)
        order.limit = max(limit, 1)


def _ticks(price: Price, last: int | None, ahead: int, rounding: int, instrument: Instrument) -> int | Refusal:
    if not isinstance(price, Offset):
        return ticks_or_refusal(instrument, price)
    if not is_usable(price.amount) or price.amount < 0:
        return Refusal(Code.INVALID_PRICE, f"{price.amount} is no distance from the last trade")
    if last is None:
        return _no_trade(instrument)
    found = _beside(price, last, ahead, rounding, instrument)
    if found < 1 or not is_usable(instrument.price(found)):
        return Refusal(Code.INVALID_PRICE, f"{price} of the last trade of {instrument.symbol} is no usable price")
    return found


def _beside(offset: Offset, near: int, ahead: int, rounding: int, instrument: Instrument) -> int:
    """The tick at this distance from `near`; `ahead` is where `#` leads, `rounding` 1 for up and -1 for down."""
    match offset.sign:
        case Sign.PLUS:
            direction = 1
        case Sign.MINUS:
            direction = -1
        case Sign.AHEAD:
            direction = ahead
        case _:
            assert_never(offset.sign)
    exact = near + direction * _exact(offset, near, instrument)
    return ceil(exact) if rounding > 0 else floor(exact)


def _distance(offset: Offset, near: int, instrument: Instrument) -> int:
    """In ticks, rounded up."""
    return ceil(_exact(offset, near, instrument))


def _exact(offset: Offset, near: int, instrument: Instrument) -> Fraction:
    amount = Fraction(offset.amount)
    return amount * near / 100 if offset.percent else amount / Fraction(instrument.tick)


def _limit_rounding(side: int) -> int:
    """A purchase's limit is rounded down, a sale's up."""
    return -1 if side == 0 else 1


def _no_trade(instrument: Instrument) -> Refusal:
    return Refusal(Code.INVALID_PRICE, f"{instrument.symbol} has no trade yet that a relative price could go by")


def ticks_or_refusal(instrument: Instrument, price: Decimal) -> int | Refusal:
    """A positive price on the tick, in ticks."""
    if not is_usable(price) or price <= 0:
        return Refusal(Code.INVALID_PRICE, f"the price must be above zero and usable, it is {price}")
    if (ticks := instrument.tick_count(price)) is not None:
        return ticks
    words = f"{text(price)} is not a multiple of {instrument.symbol}'s tick {instrument.tick:f}"
    return Refusal(Code.TICK_SIZE, words)
