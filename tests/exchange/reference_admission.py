"""What the reference exchange refuses, by Kraken's codes, and the counter of commands per pair.

The documents name what is refused, not what is looked at first: every code that holds is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_terms import cut, is_amount

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState
from triplegain.domain.orders import OrderRequest, TimeInForce
from triplegain.domain.refusals import Code
from triplegain.domain.terms import MarketByCost, SettlePosition

_SECOND_NS = 10**9
_MONTH_NS = 31 * 86_400 * _SECOND_NS
#: How long after it was sent an order may ask to have arrived.
_DEADLINES_NS = (_SECOND_NS // 2, 60 * _SECOND_NS)
#: The counter is read in thousandths, rounded up.
_PARTS = 1000


def bad_arguments(request: OrderRequest, instrument: Instrument, now_ns: int) -> set[Code]:
    """What cannot be, whatever its terms are and the market does."""
    codes: set[Code] = set()
    by_cost = isinstance(request.terms, MarketByCost)
    if not by_cost and not is_amount(request.quantity):
        codes.add(Code.INVALID_VOLUME)
    elif not by_cost and cut(request.quantity, instrument) < instrument.lots_min:
        codes.add(Code.ORDER_MINIMUM)
    start = max(request.options.starts_at_ns or 0, now_ns)
    date, is_dated = request.expires_at_ns, request.time_in_force is TimeInForce.GTD
    if is_dated != (date is not None) or (date is not None and not start < date <= now_ns + _MONTH_NS):
        codes.add(Code.INVALID_EXPIRY)
    if request.leverage < 1:
        codes.add(Code.INVALID_LEVERAGE)
    if request.leverage > 1:
        codes.add(Code.MARGIN_ALLOWANCE)
    if isinstance(request.terms, SettlePosition):
        codes.add(Code.INVALID_LEVERAGE if request.leverage == 1 else Code.NOTHING_TO_SETTLE)
    elif request.options.reduce_only:
        codes.add(Code.REDUCE_ONLY)
    return codes


def bad_options(request: OrderRequest, sent_ns: int, now_ns: int) -> set[Code]:
    """What its moments rule out."""
    codes: set[Code] = set()
    deadline, starts = request.options.deadline_ns, request.options.starts_at_ns
    if deadline is not None and not _DEADLINES_NS[0] <= deadline - sent_ns <= _DEADLINES_NS[1]:
        codes.add(Code.INVALID_DEADLINE)
    if deadline is not None and deadline < now_ns:
        codes.add(Code.DEADLINE_ELAPSED)
    if starts is not None and starts > now_ns + _MONTH_NS:
        codes.add(Code.INVALID_START)
    return codes


def closed_for(state: FeedState, order: ReferenceOrder) -> set[Code]:
    """Why a market in this state takes no orders of this kind."""
    match state:
        case FeedState.SYNCED:
            return set()
        case FeedState.CANCEL_ONLY:
            return {Code.CANCEL_ONLY_MODE}
        case FeedState.POST_ONLY:
            return set() if order.is_post_only else {Code.POST_ONLY_MODE}
        case FeedState.LIMIT_ONLY:
            is_limit = order.limit is not None and order.trigger is None
            return set() if is_limit else {Code.LIMIT_ONLY_MODE}
        case FeedState.REDUCE_ONLY:
            return {Code.REDUCE_ONLY_MODE}
        case _:
            return {Code.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Limits:
    """Of an account's tier: where the counter stands still, what it loses a second, open orders a pair."""

    threshold: int
    decay: Fraction
    open_orders: int


LIMITS = {
    "starter": Limits(60, Fraction(1), 60),
    "intermediate": Limits(125, Fraction("2.34"), 80),
    "pro": Limits(180, Fraction("3.75"), 225),
    "unlimited": None,
}
#: (younger than seconds, cost), first match counts.
_AMEND = ((5, 3), (10, 2), (15, 1))
_EDIT = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
_CANCEL = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))


def amend_cost(age_ns: int) -> int:
    return next((cost for seconds, cost in _AMEND if age_ns < seconds * _SECOND_NS), 0)


def edit_cost(age_ns: int) -> int:
    return next((cost for seconds, cost in _EDIT if age_ns < seconds * _SECOND_NS), 0)


def batch_cost(count: int) -> Fraction:
    return Fraction(count, 2)


def cancel_cost(age_ns: int) -> int:
    return next((cost for seconds, cost in _CANCEL if age_ns < seconds * _SECOND_NS), 0)


class Counter:
    def __init__(self, tier: str) -> None:
        self.limits = LIMITS[tier]
        self.value = Fraction(0)
        self._at_ns = 0

    def charge(self, cost: Fraction | int, now_ns: int) -> bool:
        """Charges in any case; False where the counter stood at the limit before."""
        if self.limits is None:
            return True
        self.value = max(self.value - self.limits.decay * (now_ns - self._at_ns) / _SECOND_NS, Fraction(0))
        self._at_ns = now_ns
        has_room = ceil(self.value * _PARTS) < self.limits.threshold * _PARTS
        self.value += cost
        return has_room

    def is_full_of_orders(self, count: int) -> bool:
        return self.limits is not None and count >= self.limits.open_orders
