"""What the mind leaves behind: analyses, votes and how they turned out, risk's changes, alerts, the hodl bag, calls.

Like `records.py`: stored with the step they belong to, numbered by the session, times are market time in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class AnalysisRecord:
    """One answer or abstention of an analysing agent.

    `task` is technical, regime, sentiment, conflict or rebalance; `symbol` a symbol or, for sentiment, an asset;
    `model` the configured name of the model that was asked, None for rules. `answer` is the typed answer as JSON,
    empty for an abstention, whose `reason` says why.
    """

    number: int
    time_ns: int
    task: str
    symbol: str
    model: str | None
    abstained: bool
    confidence: Decimal | None
    answer: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    snapshot_hash: str = ""
    request_id: str = ""
    latency_ns: int = 0


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """One model's vote on one decision. `action` is an Action's word or `abstain`.

    `decision_number` is the decision it counted for, None for a vote that came too late to count. `price` is the
    snapshot's mark; distances in basis points of it. `failure` is a FailureKind's word for an abstention that failed.
    """

    number: int
    time_ns: int
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


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
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


@dataclass(frozen=True, slots=True)
class RiskRecord:
    """One change of the risk state: `kind` says what happened, `state` is the whole state after it."""

    number: int
    time_ns: int
    kind: str
    reason: str
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """Something a person should know. `position_id` is empty where it is not about one position."""

    number: int
    time_ns: int
    kind: str
    symbol: str
    position_id: str
    message: str


@dataclass(frozen=True, slots=True)
class HodlRecord:
    """One step of the hodl bag: `kind` is allocated, sent, bought, failed or valued.

    `quantity` of `asset`; `usd` what it was worth or cost. `position_id` is the profit it came from.
    """

    number: int
    time_ns: int
    kind: str
    asset: str
    quantity: Decimal
    usd: Decimal | None
    position_id: str = ""
    client_order_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelCall:
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


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The call may not be made; `reason` says which limit stands against it and until when."""

    reason: str
