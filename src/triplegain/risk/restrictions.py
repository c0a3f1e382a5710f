"""What the account's past means for a trade in one market now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.clock import DAY_NS, WEEK_NS, to_datetime
from triplegain.domain.money import divide
from triplegain.domain.verdict import Reason, Rule
from triplegain.risk.limits import BreakerLimits, CoolDownKind, RiskLimits, StreakLimits, TradingWindow
from triplegain.risk.state import HaltKind, RiskHalt, RiskMemory


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


#: More than any rounding.
_A_LITTLE_MORE = Decimal("1.000001")

BreakerAction = TightenStops | HalvePositions | CloseEverything


#: The rule of each breaker.
BREAKER_RULES = {
    HaltKind.DAILY: Rule.DAILY_LOSS,
    HaltKind.WEEKLY: Rule.WEEKLY_LOSS,
    HaltKind.DRAWDOWN: Rule.DRAWDOWN,
}


def trips(state: RiskMemory, equity: Decimal, limits: BreakerLimits) -> Iterator[RiskHalt]:
    """The halts of the breakers that `equity` has reached, the mildest first, whether or not they have acted before."""
    day, week, peak = state.day_equity, state.week_equity, state.peak_equity
    if day is not None and _lost(day, equity, limits.daily_loss):
        until = state.day_start_ns + DAY_NS
        words = f"daily loss: {_percent(day, equity)} % today; no new trades before 00:00 UTC"
        yield RiskHalt(HaltKind.DAILY, until, words)
    if week is not None and _lost(week, equity, limits.weekly_loss):
        until = state.week_start_ns + WEEK_NS
        words = f"weekly loss: {_percent(week, equity)} % this week; no new trades before Monday 00:00 UTC"
        yield RiskHalt(HaltKind.WEEKLY, until, words)
    if peak is not None and _lost(peak, equity, limits.drawdown):
        words = f"drawdown: {_percent(peak, equity)} % from the peak; no new trades until an ADMIN reset"
        yield RiskHalt(HaltKind.DRAWDOWN, None, words)


def far_above(state: RiskMemory, limits: BreakerLimits) -> Decimal | None:
    """An equity above which no breaker acts, a little more than the highest at which one does; None where none of them
    has anything to measure from."""
    rules = (
        (state.day_equity, limits.daily_loss),
        (state.week_equity, limits.weekly_loss),
        (state.peak_equity, limits.drawdown),
    )
    acts_at = [base - base * fraction for base, fraction in rules if base is not None]
    return max(acts_at) * _A_LITTLE_MORE if acts_at else None


def orders(tripped: tuple[RiskHalt, ...], limits: BreakerLimits) -> tuple[BreakerAction, ...]:
    """What the breakers that have just acted order. Where everything is closed, nothing else needs to be done."""
    kinds = {trip.kind for trip in tripped}
    if HaltKind.DRAWDOWN in kinds:
        return (CloseEverything(next(trip.reason for trip in tripped if trip.kind is HaltKind.DRAWDOWN)),)
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


_WORDS = {
    CoolDownKind.TRADE: "after a trade",
    CoolDownKind.LOSS: "after a loss",
    CoolDownKind.LOSING_STREAK: "after losses in a row",
    CoolDownKind.LONG_LOSING_STREAK: "after many losses in a row",
    CoolDownKind.VOLATILITY_SPIKE: "after a spike of volatility",
    CoolDownKind.UNUSUAL_MOVE: "after an unusual move",
    CoolDownKind.REBALANCE: "after a rebalance",
}
_RULES = {kind: Rule(f"cooldown_{kind}") for kind in CoolDownKind}
_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Reasons by the check they belong to, and the numbers the past changes. The default is a clean record.

    `rebalance_cooldowns` hold for rebalances only; `leverage` and `size` are further limits: each rule with the most
    leverage, or the share of the size, that it leaves.
    """

    halts: tuple[Reason, ...] = ()
    cooldowns: tuple[Reason, ...] = ()
    rebalance_cooldowns: tuple[Reason, ...] = ()
    window: tuple[Reason, ...] = ()
    breakers: tuple[Reason, ...] = ()
    confidence_add: Decimal = Decimal(0)
    leverage: tuple[tuple[Rule, int], ...] = ()
    size: tuple[tuple[Rule, Decimal], ...] = ()


def restrictions(
    state: RiskMemory, limits: RiskLimits, symbol: str, equity: Decimal | None, now_ns: int
) -> Restrictions:
    """`equity` finite or None for unknown; then what is measured by it is left out, and the gate refuses for that."""
    halts = state.halts_in_force(now_ns)
    halted = {halt.kind for halt in halts}
    streak = _streak(state.losses(now_ns, limits.streak_memory_ns), limits)
    cooldowns, rebalances = _cooldowns(state, symbol, now_ns)
    tripped = () if equity is None else tuple(trips(state, equity, limits.breakers))
    return Restrictions(
        halts=tuple(Reason(Rule.HALTED, f"trading is halted: {halt.reason}") for halt in halts),
        cooldowns=cooldowns,
        rebalance_cooldowns=rebalances,
        window=tuple(_banned(limits.trading_window, now_ns)),
        breakers=tuple(Reason(BREAKER_RULES[trip.kind], trip.reason) for trip in tripped if trip.kind not in halted),
        confidence_add=streak.confidence_add if streak else Decimal(0),
        leverage=tuple(_leverage(state, limits, streak, equity, now_ns)),
        size=tuple(_size(state, limits, streak, symbol)),
    )


def _streak(losses: int, limits: RiskLimits) -> StreakLimits | None:
    if losses >= limits.long_losing_streak.losses:
        return limits.long_losing_streak
    return limits.losing_streak if losses >= limits.losing_streak.losses else None


def _cooldowns(state: RiskMemory, symbol: str, now_ns: int) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """For every trade; for rebalances only."""
    general: list[Reason] = []
    rebalances: list[Reason] = []
    for cooldown in state.cooldowns:
        if cooldown.until_ns <= now_ns or cooldown.symbol not in ("", symbol):
            continue
        where = f" in {cooldown.symbol}" if cooldown.symbol else ""
        until = f"{to_datetime(cooldown.until_ns):%H:%M:%S} UTC"
        reason = Reason(_RULES[cooldown.kind], f"cool-down {_WORDS[cooldown.kind]}{where} until {until}")
        (rebalances if cooldown.kind is CoolDownKind.REBALANCE else general).append(reason)
    return tuple(general), tuple(rebalances)


def _leverage(
    state: RiskMemory, limits: RiskLimits, streak: StreakLimits | None, equity: Decimal | None, now_ns: int
) -> Iterator[tuple[Rule, int]]:
    peak = state.peak_equity
    if peak is not None and equity is not None:
        for drawdown, most in limits.drawdown_leverage:
            if peak - equity >= peak * drawdown:
                yield Rule.LEVERAGE_DRAWDOWN, most
                break
    if streak is not None:
        yield Rule.LEVERAGE_LOSING_STREAK, streak.leverage_max
    if now_ns < state.leverage_one_until_ns:
        yield Rule.LEVERAGE_AFTER_RESET, 1


def _size(
    state: RiskMemory, limits: RiskLimits, streak: StreakLimits | None, symbol: str
) -> Iterator[tuple[Rule, Decimal]]:
    if state.halve_next and streak is not None:
        yield Rule.LOSING_STREAK_SIZE, limits.long_losing_streak.size
    if state.market(symbol).spike:
        yield Rule.VOLATILITY_SPIKE, limits.volatility.spike_size


def _banned(window: TradingWindow, now_ns: int) -> Iterator[Reason]:
    if not (window.banned_minutes or window.banned_weekdays):
        return
    now = to_datetime(now_ns)
    if now.weekday() in window.banned_weekdays:
        yield Reason(Rule.TRADING_WINDOW, f"no trades on {_WEEKDAYS[now.weekday()]} (UTC)")
    minute = now.hour * 60 + now.minute
    for start, end in window.banned_minutes:
        # A span that ends before it begins goes over midnight.
        if start <= minute < end if start < end else (minute >= start or minute < end):
            span = f"{start // 60:02d}:{start % 60:02d} and {end // 60:02d}:{end % 60:02d}"
            yield Reason(Rule.TRADING_WINDOW, f"no trades between {span} UTC")
