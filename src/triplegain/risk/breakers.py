"""Circuit breakers: what the account's own equity orders, whatever its trader thinks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.candle_time import WEEK_NS
from triplegain.domain.money import divide
from triplegain.domain.verdict import Reason, Rule
from triplegain.risk.limits import BreakerLimits
from triplegain.risk.state import DAY_NS, Halt, HaltKind, RiskState


@dataclass(frozen=True, slots=True)
class TightenStops:
    """Move every stop to `fraction` from the bid (from the ask for shorts), and only ever closer."""

    fraction: Decimal


@dataclass(frozen=True, slots=True)
class HalvePositions:
    """Close `fraction` of each position."""

    fraction: Decimal


@dataclass(frozen=True, slots=True)
class CloseEverything:
    """Cancel every entry and close every position, until nothing is left. `reason` in words."""

    reason: str


BreakerAction = TightenStops | HalvePositions | CloseEverything


@dataclass(frozen=True, slots=True)
class Trip:
    """A breaker that equity has reached."""

    kind: HaltKind
    rule: Rule
    until_ns: int | None
    words: str

    @property
    def reason(self) -> Reason:
        return Reason(self.rule, self.words)

    @property
    def halt(self) -> Halt:
        return Halt(self.kind, self.until_ns, self.words)


def trips(state: RiskState, equity: Decimal, limits: BreakerLimits) -> Iterator[Trip]:
    """The breakers that `equity` has reached, the mildest first, whether or not they have acted before."""
    day, week, peak = state.day_equity, state.week_equity, state.peak_equity
    if day is not None and _lost(day, equity, limits.daily_loss):
        until = state.day_start_ns + DAY_NS
        words = f"daily loss: {_percent(day, equity)} % today; no new trades before 00:00 UTC"
        yield Trip(HaltKind.DAILY, Rule.DAILY_LOSS, until, words)
    if week is not None and _lost(week, equity, limits.weekly_loss):
        until = state.week_start_ns + WEEK_NS
        words = f"weekly loss: {_percent(week, equity)} % this week; no new trades before Monday 00:00 UTC"
        yield Trip(HaltKind.WEEKLY, Rule.WEEKLY_LOSS, until, words)
    if peak is not None and _lost(peak, equity, limits.drawdown):
        words = f"drawdown: {_percent(peak, equity)} % from the peak; no new trades until an ADMIN reset"
        yield Trip(HaltKind.DRAWDOWN, Rule.DRAWDOWN, None, words)


def orders(tripped: tuple[Trip, ...], limits: BreakerLimits) -> tuple[BreakerAction, ...]:
    """What the breakers that have just acted order. Where everything is closed, nothing else needs to be done."""
    kinds = {trip.kind for trip in tripped}
    if HaltKind.DRAWDOWN in kinds:
        return (CloseEverything(next(trip.words for trip in tripped if trip.kind is HaltKind.DRAWDOWN)),)
    actions: list[BreakerAction] = []
    if HaltKind.DAILY in kinds:
        actions.append(TightenStops(limits.tightened_stop))
    if HaltKind.WEEKLY in kinds:
        actions.append(HalvePositions(limits.weekly_close))
    return tuple(actions)


def _lost(base: Decimal, equity: Decimal, fraction: Decimal) -> bool:
    """Whether `equity` is `fraction` of `base` below it, or more."""
    return base - equity >= base * fraction


def _percent(base: Decimal, equity: Decimal) -> str:
    return f"{divide((equity - base) * 100, base):.2f}"
