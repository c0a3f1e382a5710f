"""What the API asks of the running session. Commands are answered when they are stored, not before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.quote import Quote
from triplegain.domain.records import BalanceRecord, OrderRecord, PositionRecord, SecurityEvent
from triplegain.domain.statement import Traded
from triplegain.domain.verdict import RiskVerdict

if TYPE_CHECKING:
    from triplegain.api.agents_resource import CoordinatorState, Mind
    from triplegain.api.risk_requests import RiskQuestion
    from triplegain.api.risk_resource import RiskState


@dataclass(frozen=True, slots=True)
class MindView:
    """What the session thinks, in short. `runs` goes by task, `decisions` by outcome; `opinions` and `risk` in words.

    `voters` are the models that vote; without any, `trader` names who decides by rules. `level` is empty while nothing
    is left out, `warning` while the models' cost is far from the day's limit.
    """

    runs: Mapping[str, int]
    decisions: Mapping[str, int]
    opinions: tuple[str, ...]
    risk: tuple[str, ...]
    voters: tuple[str, ...]
    trader: str
    #: Why risk opens nothing new; what is open can be closed all the same.
    halted: str = ""
    level: str = ""
    warning: str = ""
    waiting: int = 0
    hodl: Mapping[str, Decimal] = field(default_factory=dict)
    refused_by_risk: int = 0


@dataclass(frozen=True, slots=True)
class SessionView:
    """The running session now. `events` counts the feed's messages in this run, `progress` is 0..1 on a replay.

    `summary` is the portfolio's P&L summary, Decimals inside; `halted` is the reason, empty while trading.
    """

    session_id: str
    mode: str
    feed: str
    source: str
    synthetic: bool
    started_at_ns: int
    market_time_ns: int
    events: int
    events_per_s: float
    progress: float | None
    paused: bool
    halted: str
    quotes: Mapping[str, Quote | None]
    balances: tuple[BalanceRecord, ...]
    positions: tuple[PositionRecord, ...]
    open_orders: tuple[OrderRecord, ...]
    summary: Mapping[str, Any]
    last_decisions: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    unrealised: Mapping[str, Decimal | None] | None = None
    #: Symbol to why matching is paused or restricted there; empty words where it is not.
    conditions: Mapping[str, str] = field(default_factory=dict)
    #: How a live connection is doing; empty for other feeds.
    feed_notes: str = ""
    mind: MindView | None = None
    #: Who decides, by which candles and configuration.
    traded: Traded = field(default_factory=Traded)


@dataclass(frozen=True, slots=True)
class SnapshotText:
    """What agents see of one market: JSON, and the SHA-256 of the full form."""

    json: str
    hash: str


class SessionControl(Protocol):
    """Every command takes the security event that is stored in the same transaction as its effect."""

    def view(self) -> SessionView: ...

    def snapshot(self, symbol: str, compact: bool) -> SnapshotText:
        """Of a market as it stands now. Raises RefusedError, NO_SNAPSHOT with the reason where nothing can be shown."""
        ...

    def risk(self) -> RiskState: ...

    def judge(self, question: RiskQuestion) -> RiskVerdict:
        """Risk's verdict on a trade nobody sends; nothing changes. Raises RefusedError for an unknown symbol."""
        ...

    def agents(self) -> Mind: ...

    def coordinator(self) -> CoordinatorState: ...

    async def place(
        self, request: OrderRequest, stop: Decimal | None, target: Decimal | None, audit: SecurityEvent
    ) -> OrderRecord:
        """The order as the exchange answered: accepted (or already filled) or rejected with its code.

        A client order id the session knows returns that order as it is now. Raises RefusedError if it was not sent.
        """
        ...

    async def cancel(self, client_order_id: str, audit: SecurityEvent) -> OrderRecord: ...

    async def amend(self, request: AmendRequest, audit: SecurityEvent) -> OrderRecord: ...

    async def close_position(self, position_id: str, audit: SecurityEvent) -> None:
        """The way out has begun and is stored; the position's record tells when it is over."""
        ...

    async def flat(self, audit: SecurityEvent) -> tuple[str, ...]:
        """Begin closing everything; the ids of the positions."""
        ...

    async def emergency(self, audit: SecurityEvent) -> tuple[str, ...]:
        """Pause and begin closing everything, in one step; the ids of the positions."""
        ...

    async def reset_risk(self, audit: SecurityEvent) -> tuple[str, ...]:
        """End the halts of risk; why each held. Raises RefusedError, EQUITY_UNKNOWN without one to measure by."""
        ...

    async def run_task(self, task: str, audit: SecurityEvent) -> None:
        """A run beside the schedule. Raises RefusedError: UNKNOWN_TASK, or NOT_NOW where it would be skipped."""
        ...

    async def pause(self, audit: SecurityEvent) -> None: ...

    async def resume(self, audit: SecurityEvent) -> None: ...

    async def reset(self, audit: SecurityEvent) -> str:
        """End and archive the session, open a new one with the same settings; its id."""
        ...
