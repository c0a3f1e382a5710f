"""What the API asks of the running session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from triplegain.domain.commands import Door
from triplegain.domain.quote import Quote
from triplegain.domain.records import BalanceRecord, OrderRecord, PositionRecord
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
class Moment:
    """The running session in a few words, at no cost. `halted` is the reason, empty while trading."""

    session_id: str
    mode: str
    market_time_ns: int
    paused: bool
    halted: str


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


class SessionControl(Door, Protocol):
    """The views of a running session, and the one door for commands to it."""

    def moment(self) -> Moment: ...

    def view(self) -> SessionView:
        """Everything, valued at the prices of now."""
        ...

    def snapshot(self, symbol: str, compact: bool) -> SnapshotText:
        """Of a market as it stands now. Raises RefusedError, NO_SNAPSHOT with the reason where nothing can be shown."""
        ...

    def risk(self) -> RiskState: ...

    def judge(self, question: RiskQuestion) -> RiskVerdict:
        """Risk's verdict on a trade nobody sends; nothing changes. Raises RefusedError for an unknown symbol."""
        ...

    def agents(self) -> Mind: ...

    def coordinator(self) -> CoordinatorState: ...
