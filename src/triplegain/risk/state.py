"""What the risk engine remembers between two proposals: measured equity, losses, halts, cool-downs, markets.

What is stored and cannot be read back without a doubt is not read at all: trading halts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, ValidationError, convert, json
from msgspec.structs import replace

from triplegain.domain.candle_time import candle_open_ns
from triplegain.domain.clock import DAY_NS, WEEK_NS
from triplegain.risk.limits import CoolDownKind, VolatilityLimits
from triplegain.risk.sizing import known

#: A count, or a time in nanoseconds.
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class HaltKind(StrEnum):
    """Why trading stands still. STATE: the record of the risk state is missing or damaged."""

    DAILY = "daily"
    WEEKLY = "weekly"
    DRAWDOWN = "drawdown"
    STATE = "state"


class RiskHalt(Struct, frozen=True, array_like=True):
    """No new trades until `until_ns`; None: until an administrator resets. It never ends earlier by itself."""

    kind: HaltKind
    until_ns: Natural | None
    reason: str

    def holds(self, now_ns: int) -> bool:
        return self.until_ns is None or now_ns < self.until_ns


class CoolDownEnd(Struct, frozen=True, array_like=True):
    """No new trades in `symbol` (empty: in any) until `until_ns`."""

    kind: CoolDownKind
    symbol: str
    until_ns: Natural


class PriceSpan(Struct, frozen=True, array_like=True):
    """Lowest and highest price seen from `start_ns` to `last_ns`."""

    start_ns: Natural
    last_ns: Natural
    low: Decimal
    high: Decimal


class MarketMemory(Struct, frozen=True):
    """Of one market: the last ATRs, oldest first, whether the newest is a spike, and its recent prices."""

    atrs: tuple[float, ...]
    spike: bool
    prices: tuple[PriceSpan, ...]


class RiskMemory(Struct, frozen=True):
    """Everything; immutable, so that what was stored is what was decided on. Equity in USD, unrealised included.

    `peak_equity`, `day_equity` and `week_equity` are None until equity has been known once. `day_start_ns` is the
    midnight (UTC), `week_start_ns` the Monday they were measured after. `halve_next`: the next opening is of half
    size. `leverage_one_until_ns` lies in the past unless an administrator has just reset. `changes` counts the
    records written of it.
    """

    day_start_ns: Natural
    week_start_ns: Natural
    peak_equity: Decimal | None = None
    day_equity: Decimal | None = None
    week_equity: Decimal | None = None
    equity: Decimal | None = None
    equity_at_ns: Natural = 0
    losses_in_a_row: Natural = 0
    last_loss_ns: Natural = 0
    halve_next: bool = False
    leverage_one_until_ns: Natural = 0
    halts: tuple[RiskHalt, ...] = ()
    cooldowns: tuple[CoolDownEnd, ...] = ()
    markets: Mapping[str, MarketMemory] = {}
    changes: Natural = 0

    @classmethod
    def opening(cls, equity: Decimal | None, now_ns: int) -> RiskMemory:
        """Of a brand-new session. Without a known `equity` above zero the first one that is counts as the opening."""
        equity = known(equity)
        if equity is not None and equity <= 0:
            equity = None
        return cls(
            day_start_ns=candle_open_ns(now_ns, DAY_NS),
            # The week of a session whose market has not begun would begin before all time.
            week_start_ns=max(candle_open_ns(now_ns, WEEK_NS), 0),
            peak_equity=equity,
            day_equity=equity,
            week_equity=equity,
            equity=equity,
            equity_at_ns=now_ns,
        )

    @classmethod
    def damaged(cls, why: str) -> RiskMemory:
        """Of a session whose record cannot be trusted: halted until an administrator resets."""
        return cls(0, 0, halts=(RiskHalt(HaltKind.STATE, None, f"risk state is {why}: ADMIN reset"),))

    @property
    def is_damaged(self) -> bool:
        return any(halt.kind is HaltKind.STATE for halt in self.halts)

    def halts_in_force(self, now_ns: int) -> tuple[RiskHalt, ...]:
        return tuple(halt for halt in self.halts if halt.holds(now_ns))

    def losses(self, now_ns: int, memory_ns: int) -> int:
        """Losses in a row; forgotten once `memory_ns` have passed without another one."""
        return self.losses_in_a_row if now_ns - self.last_loss_ns < memory_ns else 0

    def market(self, symbol: str) -> MarketMemory:
        return self.markets.get(symbol, _NOTHING_SEEN)


_NOTHING_SEEN = MarketMemory((), False, ())


def encode(state: RiskMemory) -> dict[str, Any]:
    """As JSON holds it: amounts as text."""
    stored: dict[str, Any] = json.decode(json.encode(state))
    return stored


def decode(stored: Mapping[str, Any] | None) -> RiskMemory:
    """The state that was stored; a missing or damaged record gives a halted one and never raises."""
    if stored is None:
        return RiskMemory.damaged("missing")
    try:
        state = convert(stored, RiskMemory)
    except ValidationError as error:
        return RiskMemory.damaged(f"damaged ({error})")
    doubt = next(_doubts(state), "") or ("" if encode(state) == stored else "it is not what would be written")
    return RiskMemory.damaged(f"damaged ({doubt})") if doubt else state


def _doubts(state: RiskMemory) -> Iterator[str]:
    bases = (state.peak_equity, state.day_equity, state.week_equity)
    if len({base is None for base in bases}) > 1:
        yield "peak, day and week are known together or not at all"
    prices = (price for memory in state.markets.values() for span in memory.prices for price in (span.low, span.high))
    if not all(amount.is_finite() and amount > 0 for amount in (*bases, *prices) if amount is not None):
        yield "an amount must be above zero"
    if state.equity is not None and not state.equity.is_finite():
        yield "equity must be finite"
    if not all(math.isfinite(atr) and atr > 0 for memory in state.markets.values() for atr in memory.atrs):
        yield "an average true range must be above zero"


#: Prices are kept as so many spans per window, each with its lowest and highest.
_SPANS = 10


def with_atr(memory: MarketMemory, atr: float, limits: VolatilityLimits) -> MarketMemory:
    """The next ATR, of a closed candle. One that is not a number above zero is not taken.

    It is a spike if it is above the ratio times the mean of the `mean_period` before it; with fewer nothing is known.
    """
    if not (math.isfinite(atr) and atr > 0):
        return memory
    before = memory.atrs[-limits.mean_period :]
    mean = math.fsum(before) / len(before) if before else 0.0
    spike = len(before) == limits.mean_period and atr > float(limits.spike_ratio) * mean
    return replace(memory, atrs=(*before, atr)[-limits.mean_period :], spike=spike)


def with_prices(
    memory: MarketMemory, low: Decimal, high: Decimal, now_ns: int, limits: VolatilityLimits
) -> tuple[MarketMemory, bool]:
    """Lowest and highest price since the last call; whether they are farther than the limit from any in the window."""
    window_ns = limits.move_window_ns
    spans = [span for span in memory.prices if span.last_ns >= now_ns - window_ns]
    lowest = min([low, *(span.low for span in spans)])
    highest = max([high, *(span.high for span in spans)])
    moved = high - lowest > limits.move * lowest or highest - low > limits.move * highest
    start_ns = now_ns - now_ns % max(1, window_ns // _SPANS)
    if spans and spans[-1].start_ns >= start_ns:
        last = spans.pop()
        spans.append(PriceSpan(last.start_ns, max(last.last_ns, now_ns), min(low, last.low), max(high, last.high)))
    else:
        spans.append(PriceSpan(start_ns, now_ns, low, high))
    return replace(memory, prices=tuple(spans)), moved
