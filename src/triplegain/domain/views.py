"""What a running session tells of itself: to the terminal and, through the API, to anybody who asks.

Money in USD unless said otherwise, unknown is None, never zero; times in nanoseconds, of the market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.agent_records import AnalysisRecord
from triplegain.domain.orders import Side
from triplegain.domain.quote import Quote
from triplegain.domain.records import BalanceRecord, OrderRecord, PositionRecord
from triplegain.domain.statement import AccountSummary, Traded


@dataclass(frozen=True, slots=True)
class DecisionSummary:
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
    """The running session in a few words, at no cost. `halted` is the reason, empty while trading; `away` is why the
    database cannot be reached, `unready` why nothing can be traded in any market, `waits_for` what market time waits
    for; empty where nothing is."""

    session_id: str
    mode: str
    feed: str
    source: str
    synthetic: bool
    started_at_ns: int
    market_time_ns: int
    paused: bool
    halted: str
    away: str
    unready: str = field(default="", kw_only=True)
    waits_for: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Beside:
    """A session that shares the market of another, in a line. `today` is what its equity gained since midnight UTC;
    `stands` is why it opens nothing, or runs no more, in words."""

    session_id: str
    equity: Decimal | None = None
    today: Decimal | None = None
    positions: int = 0
    stands: str = ""


@dataclass(frozen=True, slots=True)
class SessionView(Moment):
    """The running session now. `events` counts the feed's messages in this run, `progress` is 0..1 on a replay."""

    events: int
    events_per_s: float
    progress: float | None
    quotes: Mapping[str, Quote | None]
    balances: tuple[BalanceRecord, ...]
    positions: tuple[PositionRecord, ...]
    open_orders: tuple[OrderRecord, ...]
    summary: AccountSummary
    last_decisions: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    unrealised: Mapping[str, Decimal | None] | None = None
    #: Symbol to why matching is paused or restricted there; empty words where it is not.
    conditions: Mapping[str, str] = field(default_factory=dict)
    #: How a live connection is doing; empty for other feeds.
    feed_notes: str = ""
    decisions: DecisionSummary | None = None
    #: Who decides, by which candles and configuration.
    traded: Traded = field(default_factory=Traded)
    #: The others on its market.
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotText:
    """What agents see of one market: JSON, and the SHA-256 of the full form."""

    json: str
    hash: str


class Halt(msgspec.Struct, frozen=True):
    """Nothing new is opened until then; null: until an administrator resets."""

    kind: str
    until_ns: int | None
    reason: str


class CoolDown(msgspec.Struct, frozen=True):
    """Nothing new in `symbol` (null: in any) until then."""

    kind: str
    symbol: str | None
    until_ns: int


class Breaker(msgspec.Struct, frozen=True):
    """It acts when equity, `measured_from` there, has lost `loss_percent`: at `acts_at` USD. Null: not known yet."""

    kind: str
    loss_percent: Decimal
    measured_from: Decimal | None
    acts_at: Decimal | None


class MarketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the next opening in one market, its regime and the account's past included.

    `size_factor` is the share of the sizing rule that regime, losses and volatility leave. Stops in percent of the
    entry.
    """

    symbol: str
    regime: str
    confidence_min: Decimal
    size_factor: Decimal
    leverage_max: int
    stop_min_percent: Decimal
    stop_max_percent: Decimal
    open_positions: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The account's, in USD of equity as it is now; null where equity, or the exposure, is not known."""

    position_max_usd: Decimal | None
    loss_at_stop_max_usd: Decimal | None
    exposure_usd: Decimal | None
    exposure_max_usd: Decimal | None
    open_positions: int
    positions_max: int
    positions_per_symbol_max: int
    reward_risk_min: Decimal


class RiskState(msgspec.Struct, frozen=True, kw_only=True):
    """How the account stands. `words` is everything that stands against a new trade or makes it smaller.

    `state` is running, paused or halted. Equity in USD, unrealised included, null where something held has no fresh
    price. Percentages are signed and of what they are measured from, `drawdown_percent` is 0 or above.
    """

    session_id: str
    market_time_ns: int
    state: str
    words: tuple[str, ...]
    equity: Decimal | None
    peak_equity: Decimal | None
    drawdown_percent: Decimal | None
    day_percent: Decimal | None
    week_percent: Decimal | None
    losses_in_a_row: int
    next_size_halved: bool
    leverage_one_until_ns: int | None
    halts: tuple[Halt, ...]
    cooldowns: tuple[CoolDown, ...]
    breakers: tuple[Breaker, ...]
    limits: Limits
    markets: tuple[MarketLimits, ...]


class LentPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position on margin: what is open of it, what that cost and would gain now, in its quote currency.

    `order_id` is that of the order that opened it. `price` and `unrealised` are null while no price is known; `fees`
    are all that it has cost so far, `realised` what was gained by what has been closed of it, without fees.
    """

    order_id: str
    symbol: str
    side: Side
    leverage: int
    quantity: Decimal
    cost: Decimal
    price: Decimal | None
    unrealised: Decimal | None
    realised: Decimal
    fees: Decimal
    rollovers: int
    opened_at_ns: int
    rollover_at_ns: int


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """The account as its margin level is reckoned, in USD; null where a price is not known.

    `enabled`: orders may have leverage; `dated`: of when the rates, shares and limits are. `state` is `quiet`, `called`
    or `liquidating`. `level_percent` is null where nothing is used. `owed`, `gains` and `fees` are by currency.
    """

    session_id: str
    market_time_ns: int
    enabled: bool
    dated: str
    state: str
    collateral: Decimal | None
    unrealised: Decimal | None
    equity: Decimal | None
    used: Decimal | None
    free: Decimal | None
    level_percent: Decimal | None
    owed: Mapping[str, Decimal]
    gains: Mapping[str, Decimal]
    fees: Mapping[str, Decimal]
    positions: tuple[LentPosition, ...]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task of the schedule. `runs` are all, `asked_for` those beside the grid among them.

    `missed` are moments that had passed before anybody looked, `skipped` those that passed without a run, by reason.
    `next_due` is null before the market's first message.
    """

    name: str
    interval_s: int
    runs: int
    asked_for: int
    missed: int
    skipped: Mapping[str, int]
    next_due_ns: int | None
    in_progress: bool


class Model(msgspec.Struct, frozen=True):
    """A model that takes part, with the parts it plays."""

    name: str
    provider: str
    roles: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True):
    """What counts for decisions on one market now; null where nobody has said anything fresh."""

    symbol: str
    regime: str
    technical: Mapping[str, Any] | None
    sentiment: Mapping[str, Any] | None


class AgentsView(msgspec.Struct, frozen=True, kw_only=True):
    """The agents of a running session. `level` is how much is left out because models fail, `failing` who and why.

    `trader` is the baseline that trades by itself, null without one.
    """

    level: str
    failing: str
    trader: str | None
    tasks: tuple[Task, ...]
    models: tuple[Model, ...]
    markets: tuple[Standing, ...]


class LastLooks(msgspec.Struct, frozen=True):
    """What rules have said since their last record, which says the same: number 0. To see them works them out."""

    said: tuple[AnalysisRecord, ...] = ()


class OrderStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How an open order stands at the exchange: prices in the quote currency, `displayed`, `ahead` and `traded` (of
    those in front, since it came) in base; null where it has no such thing now, or nobody knows it. `nearest`: the
    trade that came nearest while it waited."""

    trigger: Decimal | None
    limit: Decimal | None
    peak: Decimal | None
    displayed: Decimal | None
    ahead: Decimal | None = None
    traded: Decimal | None = None
    nearest: Decimal | None = None
    nearest_at_ns: int | None = None


class OrderStandings(msgspec.Struct, frozen=True):
    """Every open order, by its client order id."""

    orders: Mapping[str, OrderStanding]


class DecisionCounts(msgspec.Struct, frozen=True):
    """Over the whole session; holding or abstaining again for the same reason counts, though it is stored once."""

    sent: int
    refused: int
    held: int
    abstained: int


class CoordinatorView(msgspec.Struct, frozen=True):
    """`state` is running, paused or halted, `why` the reason in words, empty while running."""

    state: str
    why: str
    decisions: DecisionCounts
