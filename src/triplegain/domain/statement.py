"""The statement of an account: what it began with, what it is worth, and what lies between the two.

The live view, the report, its JSON and the API tell these figures and no others of their own. Amounts are USD (USDT
counts as 1); None is unknown, never zero. `realised` is at average cost, with every fee counted when it is paid, so
opening + realised + unrealised is equity for whoever trades against dollars and has set nothing aside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.money import EXACT, divide
from triplegain.domain.records import SessionRecord


def difference(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """`one` less `other`; unknown where either is."""
    return None if one is None or other is None else EXACT.subtract(one, other)


def percent_of(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """None where either is unknown or `whole` is zero."""
    return divide(part * 100, whole) if part is not None and whole else None


class Drawdown(msgspec.Struct, frozen=True):
    """The deepest fall from a peak, in USD. Peak and trough are the same where equity never fell."""

    peak: Decimal
    peak_at_ns: int
    trough: Decimal
    trough_at_ns: int

    @property
    def percent(self) -> Decimal:
        """Of the peak; 0 or above."""
        return divide(EXACT.subtract(self.peak, self.trough) * 100, self.peak)

    def is_deeper_than(self, other: Drawdown) -> bool:
        """By share of the peak, exactly."""
        ours, theirs = EXACT.subtract(self.peak, self.trough), EXACT.subtract(other.peak, other.trough)
        return EXACT.multiply(ours, other.peak) > EXACT.multiply(theirs, self.peak)


class EquitySoFar(msgspec.Struct, frozen=True):
    """Peak and deepest fall of the equities seen, one after the other; of several equal ones the last peak, the first
    fall."""

    peak: Decimal | None = None
    peak_at_ns: int = 0
    drawdown: Drawdown | None = None

    def after(self, equity: Decimal | None, time_ns: int) -> EquitySoFar:
        """With one more; an unknown equity, or nothing left, changes nothing."""
        if equity is None:
            return self
        peak, peak_at_ns = self.peak, self.peak_at_ns
        if peak is None or equity >= peak:
            peak, peak_at_ns = equity, time_ns
        deepest = self.drawdown
        if peak <= 0 or (deepest is not None and equity >= deepest.trough and peak <= deepest.peak):
            # From no higher a peak to no lower a trough is no deeper.
            is_same = (peak, peak_at_ns) == (self.peak, self.peak_at_ns)
            return self if is_same else EquitySoFar(peak, peak_at_ns, deepest)
        fall = Drawdown(peak, peak_at_ns, equity, time_ns)
        is_deepest = deepest is None or fall.is_deeper_than(deepest)
        return EquitySoFar(peak, peak_at_ns, fall if is_deepest else deepest)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """`opening` is what the opening balances were worth when all of them first had a price; dollars need none.

    `buy_and_hold` is the yardstick: the opening balances left alone or, where they are dollars only, all of them put
    into the first pair's coin at its first price, without fees.
    """

    opening: Decimal | None
    equity: Decimal | None
    buy_and_hold: Decimal | None
    realised_usd: Decimal | None
    unrealised_usd: Decimal | None
    fees_usd: Decimal | None
    drawdown: Drawdown | None

    @property
    def profit(self) -> Decimal | None:
        """Equity less opening."""
        return difference(self.equity, self.opening)

    @property
    def profit_percent(self) -> Decimal | None:
        return percent_of(self.profit, self.opening)

    @property
    def buy_and_hold_profit(self) -> Decimal | None:
        return difference(self.buy_and_hold, self.opening)

    @property
    def buy_and_hold_percent(self) -> Decimal | None:
        return percent_of(self.buy_and_hold_profit, self.opening)

    @property
    def ahead_of_holding(self) -> Decimal | None:
        """Equity less buy-and-hold."""
        return difference(self.equity, self.buy_and_hold)

    @property
    def max_drawdown_percent(self) -> Decimal | None:
        return self.drawdown.percent if self.drawdown else None


class AccountSummary(Statement, frozen=True, kw_only=True):
    """The statement of a running session, with what was traded for it. `realised` goes by symbol, `fees` by asset.

    The hodl bag is beside all of it: `hodl` is what lies in its account by asset, `hodl_usd` what that is worth now.
    What was set aside is gone from `equity` and so from `profit`; `profit_with_hodl` counts it as ours.
    """

    realised: Mapping[str, Decimal | None]
    fees: Mapping[str, Decimal]
    trade_count: int
    wins: int
    losses: int
    hodl: Mapping[str, Decimal] = {}
    hodl_usd: Decimal | None = Decimal(0)

    @property
    def win_rate_percent(self) -> Decimal | None:
        """Of the trades won or lost; None before the first."""
        return percent_of(Decimal(self.wins), Decimal(self.wins + self.losses))

    @property
    def profit_with_hodl(self) -> Decimal | None:
        profit = self.profit
        return None if profit is None or self.hodl_usd is None else EXACT.add(profit, self.hodl_usd)

    def as_summary(self) -> dict[str, Any]:
        """By the names under which the API tells them."""
        return {
            "initial_equity": self.opening, "current_equity": self.equity, "buy_and_hold": self.buy_and_hold,
            "buy_and_hold_profit": self.buy_and_hold_profit, "buy_and_hold_percent": self.buy_and_hold_percent,
            "ahead_of_holding": self.ahead_of_holding, "total": self.profit, "total_percent": self.profit_percent,
            "max_drawdown_percent": self.max_drawdown_percent, "realised": self.realised,
            "realised_usd": self.realised_usd, "unrealised_usd": self.unrealised_usd, "fees": self.fees,
            "fees_usd": self.fees_usd, "trade_count": self.trade_count, "wins": self.wins, "losses": self.losses,
            "win_rate_percent": self.win_rate_percent, "hodl": self.hodl, "hodl_usd": self.hodl_usd,
            "total_with_hodl": self.profit_with_hodl,
        }  # fmt: skip


class Traded(msgspec.Struct, frozen=True):
    """Who decides in a session: `trader` goes by rules or is the vote of `models`.

    `configuration` is the SHA-256 of what the session keeps of its configuration: equal ones trade alike.
    """

    trader: str = ""
    models: tuple[str, ...] = ()
    candle_ns: int = 0
    configuration: str = ""


def traded_of(record: SessionRecord, deciders: Sequence[str], voters: Sequence[str]) -> Traded:
    """`deciders` made its decisions and `voters` voted; without any, the word of its configuration stands."""
    config = record.settings.get("config", {})
    named = str(config.get("agents", {}).get("trader", ""))
    digest = hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()
    return Traded(", ".join(deciders) or named, tuple(voters), int(record.settings.get("candle_ns", 0)), digest)


class HaltPeriod(msgspec.Struct, frozen=True):
    """Nothing new was opened from `began_at_ns` to `ends_at_ns`; None: it holds until a person ends it."""

    kind: str
    reason: str
    began_at_ns: int
    ends_at_ns: int | None

    def holds(self, now_ns: int) -> bool:
        return self.ends_at_ns is None or now_ns < self.ends_at_ns


#: The halts of risk at a time, each (kind, until, reason).
HaltsAt = tuple[int, Sequence[tuple[str, int | None, str]]]


def halt_periods(changes: Iterable[HaltsAt]) -> tuple[HaltPeriod, ...]:
    """From the halts as they stood after each change of risk's state, in order of time."""
    standing: dict[tuple[str, int | None, str], int] = {}
    over: list[HaltPeriod] = []
    for time_ns, halts in changes:
        for halt in [each for each in standing if each not in halts]:
            kind, until_ns, reason = halt
            end_ns = time_ns if until_ns is None else min(until_ns, time_ns)
            over.append(HaltPeriod(kind, reason, standing.pop(halt), end_ns))
        for halt in halts:
            standing.setdefault(halt, time_ns)
    over += [HaltPeriod(kind, reason, began, until) for (kind, until, reason), began in standing.items()]
    return tuple(sorted(over, key=lambda each: each.began_at_ns))


def halted_for_ns(periods: Iterable[HaltPeriod], now_ns: int) -> int:
    """Market time in which at least one of them held."""
    total_ns, covered_ns = 0, 0
    for each in sorted(periods, key=lambda each: each.began_at_ns):
        end_ns = now_ns if each.ends_at_ns is None else min(each.ends_at_ns, now_ns)
        total_ns += max(end_ns - max(each.began_at_ns, covered_ns), 0)
        covered_ns = max(covered_ns, end_ns)
    return total_ns
