"""The session record: what is stored, what a restart reads back, what report and dashboard show.

Decimals are exact amounts; times are integer nanoseconds; every list is in sequence order.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from triplegain.domain.agent_records import (
    AlertRecord,
    AnalysisRecord,
    HodlRecord,
    NumberedRecord,
    OutcomeRecord,
    RiskRecord,
    VoteRecord,
)
from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled
from triplegain.domain.ledger_entry import LedgerAccount, LedgerEntry
from triplegain.domain.mark_change import MarkChange
from triplegain.domain.money import divide
from triplegain.domain.orders import OrderRequest, OrderStatus, OrderTerms, Side
from triplegain.domain.parts import PartChange
from triplegain.domain.queue_path import QueuePoint


class SessionStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Outcome(StrEnum):
    """What came of a decision. REFUSED by risk or by the order manager; HELD and ABSTAINED wanted nothing."""

    SENT = "sent"
    REFUSED = "refused"
    HELD = "held"
    ABSTAINED = "abstained"


class CloseReason(StrEnum):
    """Why a position ended."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    TIME_EXIT = "time_exit"
    SIGNAL = "signal"
    MANUAL = "manual"
    BREAKER = "breaker"
    LIQUIDATION = "liquidation"
    REBALANCE = "rebalance"


class SessionRecord(msgspec.Struct, frozen=True):
    """One paper session. `feed` is demo, live or replay:PATH; `settings` the configuration it keeps."""

    session_id: str
    status: SessionStatus
    feed: str
    seed: int
    created_at_ns: int
    updated_at_ns: int
    initial_balances: Mapping[str, Decimal]
    settings: Mapping[str, Any]
    market_time_ns: int = 0
    ended_at_ns: int | None = None


class OrderRecord(msgspec.Struct, frozen=True):
    """An order as the exchange knows it now. `fees` are in the currency that its request says. `amended_terms` stand in
    place of those that were asked for, where more than quantity and price was amended."""

    order_number: int
    order_id: str
    request: OrderRequest
    status: OrderStatus
    submitted_at_ns: int
    updated_at_ns: int
    quantity: Decimal
    price: Decimal | None = None
    filled_quantity: Decimal = Decimal(0)
    filled_notional: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    code: str | None = None
    reason: str | None = None
    triggered: bool = False
    amended_terms: OrderTerms | UnsetType = UNSET

    @property
    def request_now(self) -> OrderRequest:
        """What was asked for, with the terms as amended."""
        return self.request if self.amended_terms is UNSET else replace(self.request, terms=self.amended_terms)

    @property
    def price_now(self) -> Decimal | None:
        """The limit or the trigger, as amended; None at market, of which a cut was once told as an amendment to 0."""
        return self.price or self.request.terms.price

    @property
    def average_price(self) -> Decimal | None:
        """Of what has filled."""
        return divide(self.filled_notional, self.filled_quantity) if self.filled_quantity else None


class BalanceRecord(msgspec.Struct, frozen=True):
    asset: str
    total: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal:
        return self.total - self.held


class PositionRecord(msgspec.Struct, frozen=True):
    """One entry order with its exits. `quantity` is signed and 0 once closed; P&L in the quote currency, net of fees.

    `realised_usd` is None where the quote currency had no USD price at the time.
    """

    position_id: str
    symbol: str
    side: Side
    entry_order_number: int
    quantity: Decimal
    entry_quantity: Decimal
    average_entry: Decimal
    realised: Decimal
    realised_usd: Decimal | None
    fees: Decimal
    opened_at_ns: int
    updated_at_ns: int
    stop: Decimal | None = None
    target: Decimal | None = None
    closed_at_ns: int | None = None
    close_reason: CloseReason | None = None
    dust: bool = False

    @property
    def is_open(self) -> bool:
        return self.closed_at_ns is None


class DecisionRecord(NumberedRecord, frozen=True):
    """One run of the cycle: what was decided, what risk said, what was sent, and why not where nothing was."""

    symbol: str
    agent: str
    action: str
    confidence: Decimal
    outcome: Outcome
    reasons: tuple[str, ...]
    client_order_id: str | None = None
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


class PortfolioSnapshot(NumberedRecord, frozen=True):
    """Equity at a market time; None where an asset has no fresh price. `buy_and_hold` values the opening balances."""

    equity: Decimal | None
    buy_and_hold: Decimal | None
    balances: tuple[BalanceRecord, ...]
    realised_usd: Decimal | None
    unrealised_usd: Decimal | None
    fees_usd: Decimal | None
    open_positions: int


class PositionSnapshot(NumberedRecord, frozen=True):
    position_id: str
    symbol: str
    quantity: Decimal
    mark: Decimal | None
    unrealised: Decimal | None


class SecurityEvent(msgspec.Struct, frozen=True):
    """Who did what, when (wall time), from where. Written in the transaction of the act it tells of."""

    kind: str
    actor: str
    address: str
    request_id: str
    recorded_at_ns: int
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


class OpenRows(msgspec.Struct, frozen=True):
    """What the rows of a session say of what is open, to be compared with its parts: `orders` by number with what is
    filled and what their fills come to, `positions` by id with their quantity, `balances` by asset with total and
    held, `entries` by account and asset with the sum of the ledger."""

    orders: Mapping[int, tuple[Decimal, Decimal]]
    positions: Mapping[str, Decimal]
    balances: Mapping[str, tuple[Decimal, Decimal]]
    entries: Mapping[tuple[LedgerAccount, str], Decimal]


class CommitBatch(msgspec.Struct, frozen=True):
    """Everything one step changed: stored whole in one transaction and one round trip, or not at all.

    `feed_position` counts the feed's messages processed; `parts` are what has changed of what no record says, and
    `form` is the form they have; `mark` is how the market stood, where that is stored with this step. The names are
    those of `paper_kinds` in the database.
    """

    feed_position: int
    market_time_ns: int
    recorded_at_ns: int
    form: int
    parts: tuple[PartChange, ...] = ()
    mark: MarkChange | None = None
    events: tuple[ExchangeEvent, ...] = ()
    orders: tuple[OrderRecord, ...] = ()
    fills: tuple[OrderFilled, ...] = ()
    queue_points: tuple[QueuePoint, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    balances: tuple[BalanceRecord, ...] = ()
    positions: tuple[PositionRecord, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    portfolio_snapshots: tuple[PortfolioSnapshot, ...] = ()
    position_snapshots: tuple[PositionSnapshot, ...] = ()
    security_events: tuple[SecurityEvent, ...] = ()
    analyses: tuple[AnalysisRecord, ...] = ()
    votes: tuple[VoteRecord, ...] = ()
    outcomes: tuple[OutcomeRecord, ...] = ()
    risk: tuple[RiskRecord, ...] = ()
    alerts: tuple[AlertRecord, ...] = ()
    hodl: tuple[HodlRecord, ...] = ()
