"""What the terms of an order come to at its arrival: prices in ticks, amounts in lots, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import assert_never

from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import OrderRequest, TimeInForce
from triplegain.domain.price import Offset, Price, Sign
from triplegain.domain.refusals import Code
from triplegain.domain.terms import (
    Iceberg,
    Limit,
    Market,
    MarketByCost,
    OrderTerms,
    SettlePosition,
    StopLoss,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)

#: Digits that exact arithmetic carries.
_DIGITS = 60
#: An iceberg shows at least this part of itself.
_SHOWN_PART = 15
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


@dataclass(slots=True)
class Worked:
    """`rises`: the market must rise to reach the order. `after`: a limit by its distance from the trigger."""

    rises: bool = False
    limit: int | None = None
    trigger: int | None = None
    trail: Offset | None = None
    after: Offset | None = None
    display: int | None = None
    cost: Fraction | None = None
    post_only: bool = False
    is_relative: bool = False


def is_amount(value: Decimal) -> bool:
    """A finite number above zero of no absurd size or precision."""
    if not value.is_finite() or value <= 0:
        return False
    return len(value.as_tuple().digits) <= _DIGITS // 2 and abs(value.adjusted()) <= _DIGITS // 2


def cut(quantity: Decimal, instrument: Instrument) -> int:
    """Whole lots, never rounded up."""
    return Fraction(quantity) // Fraction(instrument.lot)


class TermsReader:
    """Reads the terms of one request; `last` in ticks, None before any trade. What is wrong collects in `codes`."""

    def __init__(self, request: OrderRequest, instrument: Instrument, last: int | None) -> None:
        self.codes: set[Code] = set()
        self._request, self._instrument, self._last = request, instrument, last
        self._buys = request.side.index == 0
        self.worked = self._read(request.terms)
        if self.worked.limit is None and self.worked.after is None and request.time_in_force is TimeInForce.FOK:
            self.codes.add(Code.INVALID_TIME_IN_FORCE)
        if request.time_in_force in _AT_ONCE and (self.worked.post_only or self.worked.display is not None):
            self.codes.add(Code.INVALID_TIME_IN_FORCE)

    def _read(self, terms: OrderTerms) -> Worked:
        match terms:
            case Market():
                return Worked()
            case MarketByCost(cost=cost):
                return self._by_cost(cost)
            case Limit(limit=limit, post_only=post_only):
                return self._limited(limit, post_only)
            case Iceberg(limit=limit, display=display, post_only=post_only):
                worked = self._limited(limit, post_only)
                worked.display = self._display(display)
                return worked
            case StopLoss(trigger=trigger):
                return self._waiting(trigger, None, rises=self._buys)
            case StopLossLimit(trigger=trigger, limit=limit):
                return self._waiting(trigger, limit, rises=self._buys)
            case TakeProfit(trigger=trigger):
                return self._waiting(trigger, None, rises=not self._buys)
            case TakeProfitLimit(trigger=trigger, limit=limit):
                return self._waiting(trigger, limit, rises=not self._buys)
            case TrailingStop(offset=offset):
                return self._trailing(offset, None)
            case TrailingStopLimit(offset=offset, limit_offset=after):
                return self._trailing(offset, after)
            case SettlePosition():
                return Worked()
            case _ as never:
                assert_never(never)

    def _by_cost(self, cost: Decimal) -> Worked:
        if not self._buys or self._request.quantity != 0 or not is_amount(cost):
            self.codes.add(Code.INVALID_COST)
            return Worked()
        return Worked(cost=Fraction(cost))

    def _limited(self, limit: Price, post_only: bool) -> Worked:
        rises = not self._buys
        price = self._price(limit, ahead=rises, rises=rises)
        return Worked(rises, limit=price, post_only=post_only, is_relative=isinstance(limit, Offset))

    def _waiting(self, trigger: Price, limit: Price | None, rises: bool) -> Worked:
        worked = Worked(rises, trigger=self._price(trigger, ahead=rises, rises=rises))
        worked.is_relative = isinstance(trigger, Offset)
        if limit is not None:
            worked.limit = self._price(limit, ahead=rises, rises=not self._buys)
        return worked

    def _trailing(self, trail: Offset, after: Offset | None) -> Worked:
        worked = Worked(rises=self._buys, trail=trail, after=after)
        is_sound = after is None or after.amount == 0 or is_amount(after.amount)
        if self._last is None or not is_amount(trail.amount) or not is_sound:
            self.codes.add(Code.INVALID_PRICE)
            return worked
        worked.trigger = trailed(trail, self._last, self._buys, self._instrument)
        if worked.trigger <= 0:
            self.codes.add(Code.INVALID_PRICE)
        elif after is not None:
            worked.limit = hung(after, worked.trigger, self._buys, self._instrument)
        return worked

    def _display(self, display: Decimal) -> int | None:
        if not is_amount(display):
            self.codes.add(Code.INVALID_DISPLAY)
            return None
        shown, quantity = cut(display, self._instrument), self._request.quantity
        lots = cut(quantity, self._instrument) if is_amount(quantity) else shown
        if shows_too_little(shown, lots) or not self._instrument.lots_min <= shown <= lots:
            self.codes.add(Code.INVALID_DISPLAY)
        return shown

    def _price(self, price: Price, ahead: bool, rises: bool) -> int | None:
        """`ahead`: the side of the last trade that `#` means; `rises`: whoever waits there waits for a rise."""
        if isinstance(price, Offset):
            return self._relative(price, ahead, rises)
        faults = _price_faults(price, self._instrument)
        self.codes |= faults
        if faults:
            return None
        return self._instrument.ticks(price)

    def _relative(self, offset: Offset, ahead: bool, rises: bool) -> int | None:
        if self._last is None or not (offset.amount == 0 or is_amount(offset.amount)):
            self.codes.add(Code.INVALID_PRICE)
            return None
        above = ahead if offset.sign is Sign.AHEAD else offset.sign is Sign.PLUS
        distance = _distance(offset, self._last, self._instrument)
        exact = self._last + distance if above else self._last - distance
        ticks = ceil(exact) if rises else floor(exact)
        if ticks <= 0:
            self.codes.add(Code.INVALID_PRICE)
            return None
        return ticks


def closing_faults(request: OrderRequest, terms: OrderTerms, instrument: Instrument, near: int | None) -> set[Code]:
    """Why an order cannot be closed by these: limits and triggers are there for it, and what trails. `near`: what their
    prices go by, as far as it is known."""
    match terms:
        case Limit(post_only=False) | StopLoss() | StopLossLimit() | TakeProfit() | TakeProfitLimit():
            if goes_by_the_fill(terms) and near is None:
                return set()
        case TrailingStop() | TrailingStopLimit():
            pass
        case _:
            return {Code.INVALID_CLOSE}
    closing = OrderRequest("", request.symbol, request.side.opposite, request.quantity, terms)
    return TermsReader(closing, instrument, near).codes


def goes_by_the_fill(terms: OrderTerms) -> bool:
    """Its prices are distances from the price of the fill that opens it."""
    return terms.trail is None and any(isinstance(each, Offset) for each in (terms.first, terms.second))


def _price_faults(price: Decimal, instrument: Instrument) -> set[Code]:
    if not is_amount(price):
        return {Code.INVALID_PRICE}
    is_off = (Fraction(price) / Fraction(instrument.tick)).denominator != 1
    return {Code.TICK_SIZE} if is_off else set()


def shows_too_little(display: int, lots: int) -> bool:
    return display * _SHOWN_PART < lots


def trailed(trail: Offset, peak: int, buys: bool, instrument: Instrument) -> int:
    """The trigger behind a peak (sale) or above a trough (purchase), rounded away from the price."""
    distance = _distance(trail, peak, instrument)
    return ceil(peak + distance) if buys else floor(peak - distance)


def hung(after: Offset, trigger: int, buys: bool, instrument: Instrument) -> int:
    """The limit of a trailing stop, at its distance from the trigger; rounded to where it is reached later.

    No price is below one tick.
    """
    distance = _distance(after, trigger, instrument)
    exact = trigger - distance if after.sign is Sign.MINUS else trigger + distance
    return max(floor(exact) if buys else ceil(exact), 1)


def _distance(offset: Offset, near: int, instrument: Instrument) -> Fraction:
    if offset.percent:
        return near * Fraction(offset.amount) / 100
    return Fraction(offset.amount) / Fraction(instrument.tick)
