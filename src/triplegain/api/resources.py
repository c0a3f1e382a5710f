"""What the API shows: the records of the domain, as JSON. Every object says in which trading mode it was made."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from triplegain.api.control import SessionView
from triplegain.api.wire import Amount, Plain, Time
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.money import divide
from triplegain.domain.orders import Limit, StopLoss
from triplegain.domain.quote import Quote
from triplegain.domain.records import BalanceRecord, OrderRecord, PortfolioSnapshot, PositionRecord


class Resource(BaseModel):
    model_config = ConfigDict(frozen=True)

    mode: str = "paper"


class Acknowledged(Resource):
    """A command that takes no time was carried out and stored."""

    session: str
    paused: bool
    halted: str


class Mode(Acknowledged):
    feed: str
    source: str
    synthetic: bool
    started_at: Time
    market_time: Time


class Balance(BaseModel):
    asset: str
    total: Amount
    held: Amount
    available: Amount


class Price(BaseModel):
    bid: Amount | None
    ask: Amount | None
    last: Amount | None
    bid_quantity: Amount | None
    ask_quantity: Amount | None
    time: Time
    received_at: Time
    source: str


class Portfolio(Mode):
    """`summary` is the P&L summary; what has no fresh price is null, never zero. 1 USDT counts as 1 USD."""

    events: int
    events_per_s: float
    progress: float | None
    balances: list[Balance]
    summary: Plain
    prices: dict[str, Price | None]
    last_decisions: list[str]
    alerts: list[str]


class HistoryPoint(BaseModel):
    number: int
    time: Time
    equity: Amount | None
    buy_and_hold: Amount | None
    realised_usd: Amount | None
    unrealised_usd: Amount | None
    fees_usd: Amount | None
    open_positions: int


class Fill(BaseModel):
    """One execution; `explanation` says why at this price."""

    fill_id: str
    fill_number: int
    time: Time
    price: Amount
    quantity: Amount
    notional: Amount
    fee: Amount
    fee_asset: str
    maker: bool
    explanation: Plain


class Order(Resource):
    """`price` is the limit or the trigger, null for a market order. `code` and `reason` tell why it was rejected."""

    order_id: str
    client_order_id: str
    order_number: int
    symbol: str
    side: str
    order_type: str
    quantity: Amount
    price: Amount | None
    post_only: bool
    time_in_force: str
    expires_at: Time | None
    status: str
    filled_quantity: Amount
    filled_notional: Amount
    average_price: Amount | None
    fees: Amount
    triggered: bool
    code: str | None
    reason: str | None
    position_id: str | None
    purpose: str
    submitted_at: Time
    updated_at: Time
    fills: list[Fill] | None = None


class Position(Resource):
    """`quantity` is signed, 0 once closed. P&L in the quote currency, net of fees."""

    position_id: str
    symbol: str
    side: str
    is_open: bool
    quantity: Amount
    entry_quantity: Amount
    average_entry: Amount
    stop: Amount | None
    target: Amount | None
    unrealised: Amount | None
    realised: Amount
    realised_usd: Amount | None
    fees: Amount
    dust: bool
    opened_at: Time
    updated_at: Time
    closed_at: Time | None
    close_reason: str | None


class HistoryPages(Resource):
    items: list[HistoryPoint]
    next: int | None


class OrderPages(Resource):
    items: list[Order]
    next: int | None


class PositionPages(Resource):
    items: list[Position]
    next: int | None


class Closing(Resource):
    """The way out of these positions has begun and is stored; each position tells when it is over."""

    positions: list[str]


class NewSession(Resource):
    session: str
    previous: str


class Health(Resource):
    status: str


def mode(view: SessionView) -> Mode:
    return Mode(**_standing(view))


def portfolio(view: SessionView) -> Portfolio:
    return Portfolio(
        **_standing(view),
        events=view.events,
        events_per_s=view.events_per_s,
        progress=view.progress,
        balances=[_balance(each) for each in view.balances],
        summary=view.summary,
        prices={symbol: None if quote is None else _price(quote) for symbol, quote in view.quotes.items()},
        last_decisions=list(view.last_decisions),
        alerts=list(view.alerts),
    )


def acknowledged(view: SessionView) -> Acknowledged:
    return Acknowledged(mode=view.mode, session=view.session_id, paused=view.paused, halted=view.halted)


def order(record: OrderRecord, mode: str, fills: Iterable[OrderFilled] | None = None) -> Order:
    request, terms, filled = record.request, record.request.terms, record.filled_quantity
    asked = terms.price if isinstance(terms, Limit) else terms.trigger if isinstance(terms, StopLoss) else None
    return Order(
        mode=mode,
        order_id=record.order_id,
        client_order_id=request.client_order_id,
        order_number=record.order_number,
        symbol=request.symbol,
        side=request.side.label,
        order_type=terms.kind,
        quantity=record.quantity,
        price=asked if record.price is None else record.price,
        post_only=isinstance(terms, Limit) and terms.post_only,
        time_in_force=request.time_in_force.value,
        expires_at=request.expires_at_ns,
        status=record.status.value,
        filled_quantity=filled,
        filled_notional=record.filled_notional,
        average_price=divide(record.filled_notional, filled) if filled else None,
        fees=record.fees,
        triggered=record.triggered,
        code=record.code,
        reason=record.reason,
        position_id=request.position_id,
        purpose=request.purpose,
        submitted_at=record.submitted_at_ns,
        updated_at=record.updated_at_ns,
        fills=None if fills is None else [_fill(each) for each in fills],
    )


def position(record: PositionRecord, mode: str, unrealised: Decimal | None) -> Position:
    return Position(
        mode=mode,
        position_id=record.position_id,
        symbol=record.symbol,
        side=record.side.label,
        is_open=record.is_open,
        quantity=record.quantity,
        entry_quantity=record.entry_quantity,
        average_entry=record.average_entry,
        stop=record.stop,
        target=record.target,
        unrealised=unrealised,
        realised=record.realised,
        realised_usd=record.realised_usd,
        fees=record.fees,
        dust=record.dust,
        opened_at=record.opened_at_ns,
        updated_at=record.updated_at_ns,
        closed_at=record.closed_at_ns,
        close_reason=record.close_reason,
    )


def history_point(snapshot: PortfolioSnapshot) -> HistoryPoint:
    """A point of the equity curve; the balances behind it stay inside."""
    return HistoryPoint(
        number=snapshot.number,
        time=snapshot.time_ns,
        equity=snapshot.equity,
        buy_and_hold=snapshot.buy_and_hold,
        realised_usd=snapshot.realised_usd,
        unrealised_usd=snapshot.unrealised_usd,
        fees_usd=snapshot.fees_usd,
        open_positions=snapshot.open_positions,
    )


def _standing(view: SessionView) -> dict[str, Any]:
    return {
        "mode": view.mode,
        "session": view.session_id,
        "paused": view.paused,
        "halted": view.halted,
        "feed": view.feed,
        "source": view.source,
        "synthetic": view.synthetic,
        "started_at": view.started_at_ns,
        "market_time": view.market_time_ns,
    }


def _balance(record: BalanceRecord) -> Balance:
    available = record.total - record.held
    return Balance(asset=record.asset, total=record.total, held=record.held, available=available)


def _price(quote: Quote) -> Price:
    return Price(
        bid=quote.bid,
        ask=quote.ask,
        last=quote.last,
        bid_quantity=quote.bid_quantity,
        ask_quantity=quote.ask_quantity,
        time=quote.exchange_time_ns,
        received_at=quote.received_at_ns,
        source=quote.source.value,
    )


def _fill(event: OrderFilled) -> Fill:
    return Fill(
        fill_id=event.fill_id,
        fill_number=event.fill_number,
        time=event.time_ns,
        price=event.price,
        quantity=event.quantity,
        notional=event.notional,
        fee=event.fee,
        fee_asset=event.fee_asset,
        maker=event.maker,
        explanation=event.explanation,
    )
