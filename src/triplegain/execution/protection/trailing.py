"""How positions are protected: where a stop is to follow the price to, and when the venue is asked again.

The rules of moving a stop are pure: prices in, a level or a price out. Nothing has to be remembered but the
stop itself: it never goes back, so the best price so far is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.configured import Key, key, part
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import ceil_to, floor_to
from triplegain.domain.orders import Side
from triplegain.domain.written import BOOLEAN, POSITIVE, choice, exact, exact_hours, fraction_of_percent

_DIGITS = 60
#: A percentage of a price that leaves something of it.
_SHARE = exact(gt=0, lt=100).into(fraction_of_percent)


class TrailMode(StrEnum):
    """What the distance of a trailing stop is measured in: the price, or its average true range."""

    PERCENT = "percent"
    ATR = "atr"


@dataclass(frozen=True, slots=True)
class EntryCost:
    """What a coin of a position cost (of a short: brought) on average in the quote currency, without and with the fees
    paid for it."""

    price: Decimal
    with_fees: Decimal


@dataclass(frozen=True, slots=True)
class TrailingStop:
    """Fractions: follow once the price is `activate` above the entry (of a short: below it), at `trail` (or `trail_atr`
    times the ATR).

    A stop moves only if that takes it up by at least `step` of itself, so that not every tick sends an amendment.
    """

    activate: Decimal = key(
        "activate_pct", 1, _SHARE, "a stop starts to follow once the bid is this far above the entry, in percent"
    )
    mode: TrailMode = key(
        "mode", "percent", choice(TrailMode),
        "what the distance is measured in: `percent` (trail_pct) or `atr` (trail_atr)",
    )  # fmt: skip
    trail: Decimal = key("trail_pct", "1.5", _SHARE, "distance from the bid in percent of it")
    trail_atr: Decimal = key("trail_atr", "1.5", POSITIVE, "distance from the bid in average true ranges")
    step: Decimal = key(
        "step_pct", "0.1", _SHARE, "a stop moves only if that takes it up by at least this percentage of itself"
    )

    def distance(self, atr: Decimal | None) -> Decimal | None:
        """How far behind the price, as a fraction of it. None where the ATR (a fraction as well) is not known."""
        if self.mode is TrailMode.PERCENT:
            return self.trail
        distance = None if atr is None else self.trail_atr * atr
        return None if distance is None or distance >= 1 else distance

    def activation(self, entry: Decimal, tick: Decimal, side: Side = Side.BUY) -> Decimal:
        """The first price at which it starts to follow: the lowest, of a short the highest."""
        if side is Side.SELL:
            return floor_to(entry * (1 - self.activate), tick)
        return ceil_to(entry * (1 + self.activate), tick)

    def level(
        self, stop: Decimal, price: Decimal, tick: Decimal, atr: Decimal | None, side: Side = Side.BUY
    ) -> Decimal | None:
        """Where the stop is to stand with the market at `price`; None: where it stands."""
        distance = self.distance(atr)
        if distance is None:
            return None
        if side is Side.SELL:
            level = ceil_to(price * (1 + distance), tick)
            return level if level <= self._next(stop, tick, side) else None
        level = floor_to(price * (1 - distance), tick)
        return level if level >= self._next(stop, tick, side) else None

    def wakes_at(self, stop: Decimal, tick: Decimal, atr: Decimal | None, side: Side = Side.BUY) -> Decimal | None:
        """The first price at which `level` is not None: the lowest, of a short the highest."""
        distance = self.distance(atr)
        if distance is None:
            return None
        with localcontext(prec=_DIGITS):
            if side is Side.SELL:
                return floor_to(self._next(stop, tick, side) / (1 + distance), tick)
            price = self._next(stop, tick, side) / (1 - distance)
        return ceil_to(price, tick)

    def _next(self, stop: Decimal, tick: Decimal, side: Side) -> Decimal:
        if side is Side.SELL:
            return min(floor_to(stop * (1 - self.step), tick), stop - tick)
        return max(ceil_to(stop * (1 + self.step), tick), stop + tick)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Fractions: once the price is `at` above the entry, a stop that gives `buffer` more than the position cost."""

    at: Decimal = key("at_pct", 1, _SHARE, "moved once the bid is this far above the entry, in percent")
    buffer: Decimal = key(
        "buffer_pct", "0.1", exact(ge=0, lt=100).into(fraction_of_percent),
        "above the entry with the fees of buying and selling, in percent",
    )  # fmt: skip

    def level(self, cost: EntryCost, instrument: Instrument, side: Side = Side.BUY) -> Decimal:
        """Leaving here pays the cost, both fees and the buffer: the exit's fee at the highest rate there is."""
        with localcontext(prec=_DIGITS):
            rate = Decimal(instrument.fees.tiers[0].taker_ppm) / RATE_UNIT
            if side is Side.SELL:
                return floor_to(cost.with_fees * (1 - self.buffer) / (1 + rate), instrument.tick)
            price = cost.with_fees * (1 + self.buffer) / (1 - rate)
        return ceil_to(price, instrument.tick)

    def wakes_at(self, cost: EntryCost, instrument: Instrument, side: Side = Side.BUY) -> Decimal:
        """The first price at which the stop moves there: never one the stop would fire at."""
        level, tick = self.level(cost, instrument, side), instrument.tick
        if side is Side.SELL:
            return min(floor_to(cost.price * (1 - self.at), tick), level - tick)
        return max(ceil_to(cost.price * (1 + self.at), tick), level + tick)


@dataclass(frozen=True, slots=True)
class ProtectionSettings:
    """`retry_ns` is the first pause before what the venue refused is asked for again.

    `late_ns`: coins without a stop are alarmed after this; `overdue_ns`: so is a way out, a sale of a part or a higher
    stop that is not done. None: no trailing stop, no break-even move.
    """

    max_holding_ns: int = key(
        "max_holding_hours", 48, exact_hours(gt=0), "a position older than this is closed (time_exit)"
    )
    retry_ns: int = SECOND_NS
    late_ns: int = 5 * SECOND_NS
    overdue_ns: int = 30 * SECOND_NS
    trailing: TrailingStop | None = part(
        TrailingStop, "trailing_stop", switch=Key("enabled", False, BOOLEAN, "whether stops follow the price")
    )
    break_even: BreakEven | None = part(
        BreakEven, "break_even", switch=Key("enabled", False, BOOLEAN, "whether stops are moved to break-even")
    )
