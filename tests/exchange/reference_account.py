"""The account of the reference exchange: its orders, what they hold and pay, and what it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tests.exchange.reference_admission import Counter
from tests.exchange.reference_book import ReferenceBook
from tests.exchange.reference_money import Purse
from tests.exchange.reference_order import ReferenceOrder

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import PRICED_STATES, FeedState
from triplegain.exchange.seeded import draw


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    place_delay_ns: int = 0
    cancel_delay_ns: int = 0
    response_delay_ns: int = 0
    tier: str = "unlimited"
    slippage_ppm: int = 1000
    partial_fills: bool = True
    volume_usd: int = 0
    seed: int = 0
    jitter_ns: int = 0
    queue_model: str = "back_of_queue"
    queue_power: int = 2
    #: In rising order; none: the delays above count.
    measured_ns: tuple[int, ...] = ()


#: Closed by the exchange: it takes no cancels either.
CLOSED = (FeedState.MAINTENANCE, FeedState.WORK_IN_PROGRESS, FeedState.DELISTED)


class Told(NamedTuple):
    """One answer. `said` depends on its kind; where any of several things may be said it is a frozenset."""

    kind: str
    name: str
    time_ns: int
    visible_ns: int
    said: tuple[object, ...]


class ReferenceAccount:
    def __init__(self, instrument: Instrument, balances: dict[str, Fraction], settings: ReferenceSettings) -> None:
        self.instrument = instrument
        self.settings = settings
        self.purse = Purse(instrument, dict(balances), Fraction(settings.volume_usd))
        self.book = ReferenceBook()
        self.state = FeedState.SYNCED
        self.now_ns = 0
        #: Open orders by name, in the order in which they were sent.
        self.open: dict[str, ReferenceOrder] = {}
        self.counter = Counter(settings.tier)
        self._turns = 0
        self._delays = 0
        self.queue_draws = 0
        self._answered_ns = 0
        self._told: list[Told] = []

    def drain(self) -> list[Told]:
        told, self._told = self._told, []
        return told

    def price_now(self, side: int) -> int | None:
        """What a market order of `side` is measured by; None: nobody is there."""
        raise NotImplementedError

    def asked(self, lots: int) -> list[Fraction]:
        """What a market purchase costs as far as can be seen, price by price, before it is rounded."""
        raise NotImplementedError

    @property
    def is_matched(self) -> bool:
        return self.state is FeedState.SYNCED

    @property
    def is_away(self) -> bool:
        """Trades of the time away are told, of which no book will ever be known."""
        return self.state is FeedState.CATCH_UP

    @property
    def is_closed(self) -> bool:
        return self.state in CLOSED

    @property
    def is_blind(self) -> bool:
        """It goes on, and we do not see it."""
        return not self.is_closed and self.state not in PRICED_STATES

    def is_back(self, was_closed: bool, was_unseen: bool) -> bool:
        """Open again, or seen again."""
        return not self.is_closed and (was_closed or (was_unseen and not self.is_blind))

    def next_turn(self) -> int:
        self._turns += 1
        return self._turns

    def delayed(self, delay_ns: int) -> int:
        """Each message is late by a number of its own, drawn in their order."""
        jitter_ns, measured_ns = self.settings.jitter_ns, self.settings.measured_ns
        if not jitter_ns and not measured_ns:
            return delay_ns
        self._delays += 1
        drawn = draw(self.settings.seed, self._delays)
        if not measured_ns:
            return delay_ns + drawn % (jitter_ns + 1)
        place = Fraction(drawn, 2**64) * (len(measured_ns) - 1)
        below, above = measured_ns[math.floor(place)], measured_ns[math.ceil(place)]
        return math.floor(below + (above - below) * (place - math.floor(place)))

    def tell(self, kind: str, name: str, *said: object) -> None:
        """An answer, on its way to us."""
        self._told.append(Told(kind, name, self.now_ns, self.answer_ns(), said))

    def answer_ns(self) -> int:
        """When an answer that leaves now is known: behind those before it."""
        self._answered_ns = max(self._answered_ns, self.now_ns + self.delayed(self.settings.response_delay_ns))
        return self._answered_ns

    def filled(self, order: ReferenceOrder, price: int, lots: int) -> None:
        """What its fill may open; `lots` came, or went."""
        raise NotImplementedError

    def tell_sent(self, name: str, arrives_ns: int) -> None:
        """What we do ourselves we know at once."""
        self._told.append(Told("submitted", name, self.now_ns, self.now_ns, (arrives_ns,)))

    # -- what happens to an order -----------------------------------------------------------------------------------

    def fill(self, order: ReferenceOrder, price: int, lots: int, maker: bool) -> None:
        order.filled += lots
        order.spent += self.purse.paid(price, lots)
        order.fills += 1
        there = self.purse.total[self.instrument.quote]
        fee = self.purse.settle(order.bill, order.side, price, lots, maker, self._funds(order))
        status = "partially_filled" if order.left else "filled"
        if order.left:
            self._hold_rest(order, there - self.purse.total[self.instrument.quote])
        else:
            self.forget(order)
        asset = self.instrument.base if order.bill.in_base else self.instrument.quote
        self.tell("filled", order.name, price, lots, maker, fee, asset, order.filled, status)
        is_less = order.bill.in_base and order.is_purchase
        self.filled(order, price, lots - int(fee / self.purse.lot) if is_less else lots)

    def end(self, order: ReferenceOrder, why: str, status: str = "cancelled") -> None:
        self.forget(order)
        self.tell("cancelled", order.name, status, why, order.filled)

    # -- holds -----------------------------------------------------------------------------------------------------

    def held_asset(self, order: ReferenceOrder) -> str:
        return self.instrument.quote if order.is_purchase else self.instrument.base

    def worst(self, order: ReferenceOrder, lots: int, price: int | None = None) -> Fraction:
        """What an order holds while `lots` are left of it; `price` in place of the one that it waits for or at."""
        if not order.is_purchase:
            return self.purse.coins_with_fee(order.bill, lots)
        prices = [each for each in (price or self.price_of(order), order.limit) if each is not None]
        if order.terms.cost is not None:
            worths = [order.terms.cost]
        elif not prices:
            worths = self.asked(lots)
        else:
            worths = [self.purse.cost(max(prices) if order.trigger is not None else prices[0], lots)]
        return sum((self.purse.with_fee(order.bill, worth) for worth in worths), Fraction(0))

    def payable(self, order: ReferenceOrder, price: int, lots: int) -> int:
        """How many of `lots` it can pay for at a price."""
        if not order.is_purchase:
            return lots
        funds = self.purse.free(self.instrument.quote) + self.purse.hold_of(order.number)
        return self.purse.affordable(order.bill, price, lots, funds)

    def _funds(self, order: ReferenceOrder) -> Fraction:
        """What a fill that has just happened can pay: what is free, and what the rest of the order does not hold."""
        asset = self.held_asset(order)
        keeps = order.limit is not None or not order.is_purchase
        kept = self.worst(order, order.left) if keeps else Fraction(0)
        return self.purse.free(asset) + max(self.purse.hold_of(order.number) - kept, Fraction(0))

    def _hold_rest(self, order: ReferenceOrder, spent: Fraction) -> None:
        """After a fill. A purchase without a price keeps what it has not spent."""
        if order.is_purchase and self.price_of(order) is None:
            held = max(self.purse.hold_of(order.number) - spent, Fraction(0))
        else:
            held = self.worst(order, order.left)
        self.purse.hold(order.number, self.held_asset(order), held)

    def forget(self, order: ReferenceOrder) -> None:
        self.purse.release(order.number)
        self.open.pop(order.name, None)

    def price_of(self, order: ReferenceOrder) -> int | None:
        """Where it waits for the market: at its trigger, else at its limit."""
        return order.limit if order.trigger is None else order.trigger

    def set_price(self, order: ReferenceOrder, price: int | None) -> None:
        if order.trigger is None:
            order.limit = price
        else:
            order.trigger = price
