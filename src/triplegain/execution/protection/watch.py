"""Which prices and times matter: when something is to be done for a position, so that all others cost nothing."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Generic, TypeVar

from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, ceil_to, floor_to
from triplegain.domain.orders import Side
from triplegain.domain.records import CloseReason
from triplegain.execution.blotter import KnownPositions
from triplegain.execution.protection.protection import (
    Closed,
    Exiting,
    LegState,
    Protected,
    Protection,
    Selling,
    StopLevel,
    Unprotected,
    is_reached,
    is_tighter,
)
from triplegain.execution.protection.trailing import EntryCost, ProtectionSettings
from triplegain.execution.venue_room import VenueRoom

Value = TypeVar("Value", int, Decimal)
#: More ticks than any price has.
_ANY_TICKS = 10**15


class Least(Generic[Value]):
    """The least of the values of many keys; a value that changes costs no look at the others."""

    def __init__(self) -> None:
        self._of: dict[str, Value] = {}
        self._sorted: list[tuple[Value, str]] = []

    @property
    def least(self) -> Value | None:
        return self._sorted[0][0] if self._sorted else None

    def put(self, key: str, value: Value | None) -> None:
        """The value of `key` from now on; None: it has none."""
        before = self._of.pop(key, None)
        if before is not None:
            del self._sorted[bisect_left(self._sorted, (before, key))]
        if value is not None:
            self._of[key] = value
            insort(self._sorted, (value, key))


class PriceWatch:
    """Targets, trailing stops, break-even moves, and stops that wait for a price; by symbol. And what waits for time.

    `atr` holds the average true range of each symbol as a fraction of its price, where it is known.
    """

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        positions: KnownPositions,
        settings: ProtectionSettings,
        room: VenueRoom,
    ) -> None:
        self.atr: dict[str, Decimal] = {}
        #: Symbols whose `next_price` is another than it was: whoever keeps them takes them out.
        self.moved: set[str] = set()
        self._instruments = instruments
        self._positions = positions
        self._settings = settings
        self._room = room
        self._times = Least[int]()
        self._rises = defaultdict[str, Least[Decimal]](Least)
        #: Turned around: the highest is the least of these.
        self._falls = defaultdict[str, Least[Decimal]](Least)

    def look_at(self, protection: Protection) -> None:
        """It has changed, or is new, or closed."""
        position_id = protection.position_id
        is_over = isinstance(protection.stage, Closed)
        is_shut = bool(self._room.why_shut(protection.symbol))
        times = () if is_over else due_times(protection, self._settings, is_shut)
        self._times.put(position_id, min(times, default=None))
        is_short = protection.side is Side.SELL
        first = (self._falls if is_short else self._rises)[protection.symbol]
        before, prices = first.least, self._prices_of(protection) if protection.is_held else ()
        first.put(position_id, min((EXACT.minus(each) for each in prices) if is_short else prices, default=None))
        if first.least != before:
            self.moved.add(protection.symbol)

    def next_due_ns(self) -> int | None:
        """When there is something to do; None if nothing waits for time."""
        return self._times.least

    def next_price(self, symbol: str) -> Decimal | None:
        """The lowest price at which a long of this symbol has something to do: a target, a step of a stop.

        It changes with events, quotes, and what is asked of a stop. None: no price matters.
        """
        return self._rises[symbol].least

    def next_fall(self, symbol: str) -> Decimal | None:
        """The highest price at which a short of this symbol has something to do."""
        least = self._falls[symbol].least
        return None if least is None else EXACT.minus(least)

    def followed(self, protection: Protection, price: Decimal, last: Decimal | None) -> StopLevel | None:
        """Where the stop goes with the market at `price`; None: it stays. Marks a trailing stop as active.

        A stop fires on the last trade. While that lies beyond the new level, where the quote has left it behind, it
        waits.
        """
        cost, stop, side = self._positions.entry_cost(protection.position_id), protection.stop, protection.side
        if cost is None or stop is None:
            return None
        better = max if side is Side.BUY else min
        end = price if last is None else (min if side is Side.BUY else max)(price, last)
        levels = [
            level
            for level in self._levels(protection, cost, stop, price)
            if is_tighter(side, level.trigger, stop) and is_tighter(side, end, level.trigger)
        ]
        return better(levels, key=lambda level: level.trigger, default=None)

    def behind(self, protection: Protection, price: Decimal, fraction: Decimal) -> StopLevel:
        """A breaker's stop: `fraction` below `price` (of a short: above it), on the tick at or beyond it."""
        tick = self._instruments[protection.symbol].tick
        if protection.side is Side.SELL:
            return StopLevel(ceil_to(price * (1 + fraction), tick), CloseReason.BREAKER)
        return StopLevel(max(floor_to(price * (1 - fraction), tick), tick), CloseReason.BREAKER)

    def _levels(self, protection: Protection, cost: EntryCost, stop: Decimal, price: Decimal) -> Iterator[StopLevel]:
        instrument, side = self._instruments[protection.symbol], protection.side
        trailing, break_even = self._settings.trailing, self._settings.break_even
        if break_even is not None and is_reached(side, break_even.wakes_at(cost, instrument, side), price):
            yield StopLevel(break_even.level(cost, instrument, side), CloseReason.STOP_LOSS)
        if trailing is not None:
            protection.is_trailing |= is_reached(side, trailing.activation(cost.price, instrument.tick, side), price)
            level = trailing.level(stop, price, instrument.tick, self.atr.get(protection.symbol), side)
            if protection.is_trailing and level is not None:
                yield StopLevel(level, CloseReason.TRAILING_STOP)

    def _prices_of(self, protection: Protection) -> Iterator[Decimal]:
        """Prices from which on there is something to do for one position."""
        instrument, side = self._instruments[protection.symbol], protection.side
        if protection.target is not None:
            yield protection.target
        if protection.tighten is not None or protection.waits_to_move:
            yield instrument.tick * (1 if side is Side.BUY else _ANY_TICKS)  # any price
        cost, stop = self._positions.entry_cost(protection.position_id), protection.stop
        if cost is None or stop is None:
            return
        trailing, break_even = self._settings.trailing, self._settings.break_even
        if break_even is not None and is_tighter(side, break_even.level(cost, instrument, side), stop):
            yield break_even.wakes_at(cost, instrument, side)
        if trailing is None:
            return
        wakes_at = trailing.wakes_at(stop, instrument.tick, self.atr.get(protection.symbol), side)
        if wakes_at is not None:
            start = trailing.activation(cost.price, instrument.tick, side)
            later = max if side is Side.BUY else min
            yield wakes_at if protection.is_trailing else later(start, wakes_at)


def time_exit_ns(protection: Protection, settings: ProtectionSettings) -> int | None:
    """When the position has been held for as long as it may be."""
    if protection.is_leaving or protection.opened_at_ns is None:
        return None
    return protection.opened_at_ns + settings.max_holding_ns


def late_alarm_ns(protection: Protection, settings: ProtectionSettings) -> int | None:
    """When coins without a stop are alarmed."""
    if protection.is_leaving or protection.alarmed or protection.unprotected_since_ns is None:
        return None
    return protection.unprotected_since_ns + settings.late_ns


def overdue_alarm_ns(protection: Protection, settings: ProtectionSettings) -> int | None:
    """When something that was begun and is not done is alarmed."""
    if protection.overdue or protection.owing_since_ns is None:
        return None
    return protection.owing_since_ns + settings.overdue_ns


def due_times(protection: Protection, settings: ProtectionSettings, is_shut: bool) -> Iterator[int]:
    """Every time at which the timer would find something to do. Where nothing can be sent that is to say so."""
    for rule in (time_exit_ns, late_alarm_ns, overdue_alarm_ns):
        if (due_ns := rule(protection, settings)) is not None:
            yield due_ns
    if is_shut:
        return
    if protection.buys_no_more and protection.entry is LegState.WORKING:
        yield protection.cancel_at_ns
    match protection.stage:
        case Selling(exit_id=None, retry_at_ns=retry_at_ns):
            yield retry_at_ns
        case Exiting(stop=stop) if LegState.WORKING in (stop, protection.entry):
            yield protection.cancel_at_ns
        # With something asked the answer comes first: a time that finds nothing to do would ring for ever.
        case Protected(asked=None) | Unprotected():
            reduction = protection.reduction
            if reduction is not None and reduction.exit_id is None and reduction.retry_at_ns:
                yield reduction.retry_at_ns
            if protection.move_is_due:
                yield protection.move_at_ns
        case _:
            pass
