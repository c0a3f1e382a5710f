"""Which prices and times matter: when something is to be done for a position, so that all others cost nothing."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Generic, TypeVar

from triplegain.domain.instrument import Instrument
from triplegain.domain.money import floor_to
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
)
from triplegain.execution.protection.trailing import EntryCost, ProtectionSettings
from triplegain.execution.venue_room import VenueRoom

Value = TypeVar("Value", int, Decimal)


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
        self._prices = defaultdict[str, Least[Decimal]](Least)

    def look_at(self, protection: Protection) -> None:
        """It has changed, or is new, or closed."""
        position_id = protection.position_id
        is_over = isinstance(protection.stage, Closed)
        is_shut = bool(self._room.why_shut(protection.symbol))
        times = () if is_over else due_times(protection, self._settings, is_shut)
        self._times.put(position_id, min(times, default=None))
        lowest = self._prices[protection.symbol]
        before, prices = lowest.least, self._prices_of(protection) if protection.is_held else ()
        lowest.put(position_id, min(prices, default=None))
        if lowest.least != before:
            self.moved.add(protection.symbol)

    def next_due_ns(self) -> int | None:
        """When there is something to do; None if nothing waits for time."""
        return self._times.least

    def next_price(self, symbol: str) -> Decimal | None:
        """The lowest price at which a position of this symbol has something to do: a target, a step of a stop.

        It changes with events, quotes, and what is asked of a stop. None: no price matters.
        """
        return self._prices[symbol].least

    def raised(self, protection: Protection, price: Decimal, last: Decimal | None) -> StopLevel | None:
        """Where the stop goes with the market at `price`; None: it stays. Marks a trailing stop as active.

        A stop fires on the last trade. While that lies below the new level, where the bid has left it behind, it waits.
        """
        cost, stop = self._positions.entry_cost(protection.position_id), protection.stop
        if cost is None or stop is None:
            return None
        ceiling = price if last is None else min(price, last)
        levels = [level for level in self._levels(protection, cost, stop, price) if stop < level.trigger < ceiling]
        return max(levels, key=lambda level: level.trigger, default=None)

    def below(self, symbol: str, price: Decimal, fraction: Decimal) -> StopLevel:
        """A breaker's stop: `fraction` below `price`, on the tick at or below it."""
        tick = self._instruments[symbol].tick
        return StopLevel(max(floor_to(price * (1 - fraction), tick), tick), CloseReason.BREAKER)

    def _levels(self, protection: Protection, cost: EntryCost, stop: Decimal, price: Decimal) -> Iterator[StopLevel]:
        instrument = self._instruments[protection.symbol]
        trailing, break_even = self._settings.trailing, self._settings.break_even
        if break_even is not None and price >= break_even.wakes_at(cost, instrument):
            yield StopLevel(break_even.level(cost, instrument), CloseReason.STOP_LOSS)
        if trailing is not None:
            protection.is_trailing |= price >= trailing.activation(cost.price, instrument.tick)
            level = trailing.level(stop, price, instrument.tick, self.atr.get(protection.symbol))
            if protection.is_trailing and level is not None:
                yield StopLevel(level, CloseReason.TRAILING_STOP)

    def _prices_of(self, protection: Protection) -> Iterator[Decimal]:
        """Prices from which on there is something to do for one position."""
        instrument = self._instruments[protection.symbol]
        if protection.target is not None:
            yield protection.target
        if protection.tighten is not None or protection.waits_to_move:
            yield instrument.tick  # any price
        cost, stop = self._positions.entry_cost(protection.position_id), protection.stop
        if cost is None or stop is None:
            return
        trailing, break_even = self._settings.trailing, self._settings.break_even
        if break_even is not None and stop < break_even.level(cost, instrument):
            yield break_even.wakes_at(cost, instrument)
        if trailing is None:
            return
        wakes_at = trailing.wakes_at(stop, instrument.tick, self.atr.get(protection.symbol))
        if wakes_at is not None:
            start = trailing.activation(cost.price, instrument.tick)
            yield wakes_at if protection.is_trailing else max(start, wakes_at)


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
