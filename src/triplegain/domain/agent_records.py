"""What agents leave behind: analyses, votes and how they turned out, risk's changes, alerts, the hodl bag, calls.

Like `records.py`: stored with the step they belong to, numbered by the session, times are market time in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec


class NumberedRecord(msgspec.Struct, frozen=True):
    """`number` counts the records of its kind in the session."""

    number: int
    time_ns: int


class AnalysisRecord(NumberedRecord, frozen=True):
    """One answer or abstention of an analysing agent.

    `task` is technical, regime, sentiment, conflict or rebalance; `symbol` a symbol or, for sentiment, an asset;
    `model` the configured name of the model that was asked, None for rules. `answer` is the typed answer as JSON,
    empty for an abstention, whose `reason` says why.
    """

    task: str
    symbol: str
    model: str | None
    abstained: bool
    confidence: Decimal | None
    answer: Mapping[str, Any] = msgspec.field(default_factory=dict)
    reason: str = ""
    snapshot_hash: str = ""
    request_id: str = ""
    latency_ns: int = 0


class VoteRecord(NumberedRecord, frozen=True):
    """One model's vote on one decision. `action` is an Action's word or `abstain`.

    `decision_number` is the decision it counted for, None for a vote that came too late to count. `price` is the
    snapshot's mark; distances in basis points of it. `failure` is a FailureKind's word for an abstention that failed.
    """

    decision_number: int | None
    symbol: str
    model: str
    model_id: str
    action: str
    confidence: Decimal | None
    price: Decimal
    stop_bps: int | None = None
    target_bps: int | None = None
    reasoning: str = ""
    failure: str = ""
    snapshot_hash: str = ""
    request_id: str = ""
    latency_ns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)


class OutcomeRecord(msgspec.Struct, frozen=True):
    """How a vote turned out after `horizon_ns`. `move` and `net` are fractions of the vote's price.

    `move` is what the market did; `net` is what following the vote would have earned after the cost of entering and
    leaving (0 for a hold). `price` None: the market had no fresh price then, and nothing is known.
    """

    vote_number: int
    horizon_ns: int
    time_ns: int
    price: Decimal | None
    move: Decimal | None
    net: Decimal | None


class RiskRecord(NumberedRecord, frozen=True):
    """One change of the risk state: `kind` says what happened, `state` is the whole state after it."""

    kind: str
    reason: str
    state: Mapping[str, Any]


class AlertKind(StrEnum):
    BREAKER = "breaker"
    STOP_REJECTED = "stop_rejected"
    STOP_NOT_GROWN = "stop_not_grown"
    STOP_NOT_AMENDED = "stop_not_amended"
    STOP_AT_MARKET = "stop_at_market"
    STOP_LOST = "stop_lost"
    PROTECTION_LATE = "protection_late"
    EXIT_INCOMPLETE = "exit_incomplete"
    EXIT_REJECTED = "exit_rejected"
    NOT_REDUCED = "not_reduced"
    CLOSED_WHOLE = "closed_whole"
    OVERDUE = "overdue"
    BOOKS_DIFFER = "books_differ"
    CLOCK_BEHIND = "clock_behind"
    CLOCK_SET_BACK = "clock_set_back"
    MARKET_CLOSED = "market_closed"
    STEPS_CHANGED = "steps_changed"
    TRADE_DOUBTED = "trade_doubted"
    ORDERS_IN_DOUBT = "orders_in_doubt"
    ORDER_TAKEN_OUT = "order_taken_out"
    HODL_WAITING = "hodl_waiting"
    HODL_FAILED = "hodl_failed"
    HODL_SLIPPAGE = "hodl_slippage"
    SESSION_CONVERTED = "session_converted"
    DATABASE_AWAY = "database_away"
    CONFIGURATION_CHANGED = "configuration_changed"
    BACKUP_FAILED = "backup_failed"
    MARGIN_CALL = "margin_call"
    SESSION_FAILED = "session_failed"


class AlertRecord(NumberedRecord, frozen=True):
    """Something a person should know: `message` says what happened and what is being done about it.

    `position_id` is empty where it is not about one position. Number 0 until it is recorded.
    """

    kind: AlertKind
    symbol: str
    position_id: str
    message: str


class HodlStep(StrEnum):
    ALLOCATED = "allocated"
    SENT = "sent"
    BOUGHT = "bought"
    FAILED = "failed"
    VALUED = "valued"


class HodlRecord(NumberedRecord, frozen=True):
    """One step of the hodl bag.

    `quantity` of `asset`; `usd` what it was worth or cost. `position_id` is the profit it came from.
    """

    kind: HodlStep
    asset: str
    quantity: Decimal
    usd: Decimal | None
    position_id: str = ""
    client_order_id: str = ""
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


class ModelCall(msgspec.Struct, frozen=True):
    """One call to a provider, stored when it is over; its reservation was stored before it left.

    `status` is answered or a FailureKind's word. `request` and `response` hold no secrets. Times are wall time, but
    `asked_at_ns`, which is market time.
    """

    call_id: str
    session_id: str
    request_id: str
    agent: str
    provider: str
    model: str
    model_id: str
    status: str
    reason: str
    prompt_hash: str
    request: Mapping[str, Any]
    response: str
    latency_ns: int
    tokens_in: int
    tokens_out: int
    reserved_usd: Decimal
    cost_usd: Decimal
    attempts: int
    asked_at_ns: int
    started_at_ns: int


class OverBudget(msgspec.Struct, frozen=True):
    """The call may not be made; `reason` says which limit stands against it and until when."""

    reason: str
