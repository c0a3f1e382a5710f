"""What the risk engine remembers between two proposals: measured equity, losses, halts, cool-downs, markets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.candle_time import TIMEFRAMES, WEEK_NS, candle_open_ns
from triplegain.risk.limits import CoolDownKind
from triplegain.risk.numbers import known

DAY_NS = TIMEFRAMES["1d"]


class HaltKind(StrEnum):
    """Why trading stands still. STATE: the record of the risk state is missing or damaged."""

    DAILY = "daily"
    WEEKLY = "weekly"
    DRAWDOWN = "drawdown"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Halt:
    """No new trades until `until_ns`; None: until an administrator resets. It never ends earlier by itself."""

    kind: HaltKind
    until_ns: int | None
    reason: str

    def holds(self, now_ns: int) -> bool:
        return self.until_ns is None or now_ns < self.until_ns


@dataclass(frozen=True, slots=True)
class CoolDown:
    """No new trades in `symbol` (empty: in any) until `until_ns`."""

    kind: CoolDownKind
    symbol: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """Lowest and highest price seen from `start_ns` to `last_ns`."""

    start_ns: int
    last_ns: int
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class MarketMemory:
    """Of one market: the last ATRs, oldest first, whether the newest is a spike, and its recent prices."""

    atrs: tuple[float, ...] = ()
    spike: bool = False
    prices: tuple[PriceSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class RiskState:
    """Everything; immutable, so that what was stored is what was decided on. Equity in USD, unrealised included.

    `peak_equity`, `day_equity` and `week_equity` are None until equity has been known once. `day_start_ns` is the
    midnight (UTC), `week_start_ns` the Monday they were measured after. `halve_next`: the next opening is of half
    size. `leverage_one_until_ns` lies in the past unless an administrator has just reset. `changes` counts the
    records written of it.
    """

    day_start_ns: int
    week_start_ns: int
    peak_equity: Decimal | None = None
    day_equity: Decimal | None = None
    week_equity: Decimal | None = None
    equity: Decimal | None = None
    equity_at_ns: int = 0
    losses_in_a_row: int = 0
    last_loss_ns: int = 0
    halve_next: bool = False
    leverage_one_until_ns: int = 0
    halts: tuple[Halt, ...] = ()
    cooldowns: tuple[CoolDown, ...] = ()
    markets: Mapping[str, MarketMemory] = field(default_factory=dict)
    changes: int = 0

    @classmethod
    def opening(cls, equity: Decimal | None, now_ns: int) -> RiskState:
        """Of a brand-new session. Without a known `equity` above zero the first one that is counts as the opening."""
        equity = known(equity)
        if equity is not None and equity <= 0:
            equity = None
        return cls(
            day_start_ns=candle_open_ns(now_ns, DAY_NS),
            week_start_ns=candle_open_ns(now_ns, WEEK_NS),
            peak_equity=equity,
            day_equity=equity,
            week_equity=equity,
            equity=equity,
            equity_at_ns=now_ns,
        )

    @classmethod
    def damaged(cls, why: str) -> RiskState:
        """Of a session whose record cannot be trusted: halted until an administrator resets."""
        return cls(0, 0, halts=(Halt(HaltKind.STATE, None, f"risk state is {why}: ADMIN reset"),))

    @property
    def is_damaged(self) -> bool:
        return any(halt.kind is HaltKind.STATE for halt in self.halts)

    def halts_in_force(self, now_ns: int) -> tuple[Halt, ...]:
        return tuple(halt for halt in self.halts if halt.holds(now_ns))

    def losses(self, now_ns: int, memory_ns: int) -> int:
        """Losses in a row; forgotten once `memory_ns` have passed without another one."""
        return self.losses_in_a_row if now_ns - self.last_loss_ns < memory_ns else 0

    def market(self, symbol: str) -> MarketMemory:
        return self.markets.get(symbol, _NOTHING_SEEN)


_NOTHING_SEEN = MarketMemory()
