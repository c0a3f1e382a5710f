"""What the API answers: the records of the domain, and here only where the answer differs from the record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from triplegain.api.wire import Amount, Part, Plain, Resource, Time, tells
from triplegain.domain import agent_records, commands, records, statement, told_orders, views
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.orders import OrderRequest
from triplegain.domain.proposal import TradeProposal
from triplegain.domain.quote import Quote
from triplegain.domain.verdict import RiskApproved, RiskVerdict


@tells(views.Moment, only=("session_id", "mode", "paused", "halted"))
class Acknowledged(Resource):
    """A command that takes no time was carried out and stored."""


class Closing(Resource):
    """The way out of `positions` has begun and is stored; `left` are all that are not closed yet, those begun before
    among them. Each position tells when it is over. `margin`: pairs of which what a person holds on margin is being
    closed as well."""

    positions: list[str]
    left: list[str]
    margin: list[str]


class EmergencyBegun(Acknowledged, Closing):
    """Nothing new is opened, and the way out of these positions has begun; both are stored."""


class Cancelled(Resource):
    """Client order ids: `cancelled` now, `kept`, which protect positions or take them off, and `left`, which could not
    be cancelled, each with why."""

    session: str
    cancelled: list[str]
    kept: list[str]
    left: dict[str, str]


class Validated(Resource):
    """Nothing stands against the order now. Nothing was sent."""

    session: str
    valid: bool = True


@tells(commands.SwitchSet)
class CancelAllAfterSet(Resource):
    """All orders are cancelled at `cancels_at` unless it is set again before; null: it is off."""

    session: str


class NewSession(Resource):
    session: str
    previous: str


@tells(
    records.SessionRecord,
    only=("session_id", "status", "feed", "seed", "created_at_ns", "updated_at_ns", "market_time_ns", "ended_at_ns"),
)
class Session(Part):
    """`running`: in this process; `main`: that one is meant where none is named."""

    running: bool
    main: bool


class Sessions(Resource):
    items: list[Session]


class Refused(BaseModel):
    """Every refusal. `error_code` is one word out of a list, `error_message` says why and what to do."""

    error_code: str
    error_message: str
    details: dict[str, Any]


class Health(Resource):
    status: str


class Readiness(Health):
    """`waits_for`: what market time waits for, where it does not move."""

    waits_for: str


class RunRequested(Resource):
    """The run is stored as wanted and takes place with the market's next move."""

    session: str
    task: str


class RiskReset(Resource):
    """A reset that is stored. `ended` are the halts it ended, in words."""

    session: str
    ended: list[str]


@tells(OrderFilled, only=("fill_id", "fill_number", "time_ns", "price", "quantity", "notional", "fee", "fee_asset"))
class Fill(Part):
    """One execution; `explanation` says why at this price."""

    maker: bool
    explanation: Plain


@tells(views.OrderStanding)
class OrderStanding(Part):
    """`trigger` until it is reached, `peak`: the best trade, where that trails, `displayed`: what the book shows."""


@tells(OrderRequest, without={"quantity", "terms", "leverage", "self_trade", "origin", "options"})
@tells(records.OrderRecord, without={"request", "amended_terms"})
class Order(Resource):
    """`price` is the limit or the trigger as it stands, null for a market order, and until the exchange has worked out
    a relative or trailing one. `asked` is what was asked for, in words. `code` and `reason` tell why it was rejected.
    `standing`, of an open order, is how it stands at the exchange now. `close`: what each fill opens;
    `replaces`: the order it was edited from; `closes`: the one whose fill opened it. `fees` are in `fee_asset`."""

    order_type: str
    asked: str
    post_only: bool
    cost: Amount | None
    display_quantity: Amount | None
    fee_asset: str
    average_price: Amount | None
    reduce_only: bool
    close: str | None
    starts_at: Time | None
    deadline_at: Time | None
    replaces: str | None
    closes: str | None
    standing: OrderStanding | None = None
    fills: list[Fill] | None = None


@tells(told_orders.ToldOrder)
class OrderExplanation(Resource):
    """Why an order filled at its prices, and why what is left did not. `steps`: its fills, those of one moment
    together, with the book `before` and what was left of it `after`; `queue`: how the queue in front went; `cost` of
    all its fills against the middle at the decision, or the trigger. Of many `fills` a page is told, and the next one
    begins after `next`."""


class OrderBatch(Resource):
    """Each as the exchange answered it, in the order in which they were sent; one that it refused is rejected."""

    items: list[Order]


class OrderPages(Resource):
    items: list[Order]
    next: int | None


@tells(records.PositionRecord, without={"entry_order_number"})
class Position(Resource):
    """`quantity` is signed, 0 once closed. P&L in the quote currency, net of fees."""

    is_open: bool
    unrealised: Amount | None


class PositionPages(Resource):
    items: list[Position]
    next: int | None


@tells(views.Moment)
class Mode(Acknowledged):
    pass


@tells(records.BalanceRecord)
class Balance(Part):
    available: Amount


@tells(Quote, without={"symbol"})
class Price(Part):
    pass


@tells(statement.HaltPeriod)
class HaltTime(Part):
    """Nothing new was opened from `began_at` to `ends_at`; null: it holds until an administrator resets risk."""


@tells(statement.Traded, without={"candle_ns"})
@tells(views.SessionView, only=("events", "events_per_s", "progress", "conditions", "feed_notes", "last_decisions"))
class Portfolio(Mode):
    """`summary` is the statement of the account; what has no fresh price is null, never zero. USDT counts as USD."""

    halts: list[HaltTime]
    candle_s: float
    balances: list[Balance]
    summary: Plain
    prices: dict[str, Price | None]
    alerts: list[str]


@tells(records.PortfolioSnapshot, without={"balances"})
class HistoryPoint(Part):
    """A point of the equity curve; the balances behind it stay inside."""


class HistoryPages(Resource):
    items: list[HistoryPoint]
    next: int | None


@tells(agent_records.AnalysisRecord, without={"request_id"})
class Analysis(Part):
    """One answer or abstention of an analyst. `model` is null for rules; an abstention's `reason` says why."""


class AnalysisPages(Resource):
    items: list[Analysis]
    next: int | None


@tells(views.AgentsView)
class Agents(Resource):
    """`latest` is what each analyst has said last of each market, abstentions included; number 0 where that is what the
    rules had said before, which is not stored again."""

    session: str
    market_time: Time
    latest: list[Analysis]


@tells(agent_records.VoteRecord, only=("model", "model_id", "action", "reasoning", "failure", "latency_ns", "cost_usd"))
class Vote(Part):
    confidence: Amount | None


@tells(records.DecisionRecord)
class Decision(Resource):
    """`outcome` is sent, refused, held or abstained; `details` has levels, clamps and rules."""

    votes: list[Vote]


class DecisionPages(Resource):
    items: list[Decision]
    next: int | None


@tells(views.CoordinatorView)
@tells(views.AgentsView, only=("level", "failing", "tasks"))
class Coordinator(Mode):
    """How the session as a whole stands. `halted` is the reason of a session that has ended in a failure."""

    last_decisions: list[str]


class Objection(Part):
    """The rule for machines, its words for people."""

    rule: str
    words: str


class Reduction(Part):
    """A rule brought a number, the quantity or the leverage, down."""

    rule: str
    before: Amount = Field(serialization_alias="from")
    after: Amount = Field(serialization_alias="to")


@tells(TradeProposal, without={"terms"})
class Verdict(Resource):
    """What risk says to a trade that nobody sent. `outcome` is approved, modified, rejected or halted.

    Quantity, entry and leverage are what would be sent; where it is refused, what was asked for.
    """

    session: str
    market_time: Time
    outcome: str
    approved: bool
    paused: bool
    reasons: list[Objection]
    warnings: list[Objection]
    clamps: list[Reduction]


def order(
    record: records.OrderRecord,
    mode: str,
    fills: Iterable[OrderFilled] | None = None,
    standing: views.OrderStanding | None = None,
) -> Order:
    terms, options = record.request_now.terms, record.request.options
    return Order.of(
        record.request,
        record,
        mode=mode,
        order_type=terms.kind,
        asked=terms.words,
        post_only=terms.post_only,
        cost=terms.cost,
        display_quantity=terms.display,
        standing=standing,
        fee_asset=record.request.fee_asset,
        price=record.price_now,
        average_price=record.average_price,
        reduce_only=options.reduce_only,
        close=None if options.close is None else options.close.words,
        starts_at=options.starts_at_ns,
        deadline_at=options.deadline_ns,
        replaces=options.replaces,
        closes=options.closes,
        fills=None if fills is None else list(fills),
    )


def portfolio(view: views.SessionView, halts: Iterable[statement.HaltPeriod] = ()) -> Portfolio:
    candle_s = view.traded.candle_ns / 10**9
    told = {"candle_s": candle_s, "prices": view.quotes, "summary": view.summary.as_summary()}
    return Portfolio.of(view, view.traded, halts=list(halts), **told)


def verdict(found: RiskVerdict, now: views.Moment) -> Verdict:
    approved = isinstance(found, RiskApproved)
    return Verdict.of(
        found.proposal,
        found,
        now,
        session=now.session_id,
        market_time=found.decided_at_ns,
        approved=approved,
        reasons=() if isinstance(found, RiskApproved) else found.objections,
        warnings=found.warnings if isinstance(found, RiskApproved) else (),
    )
