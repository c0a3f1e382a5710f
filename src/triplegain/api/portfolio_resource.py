"""The session and its portfolio, as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from triplegain.api.control import SessionView
from triplegain.api.resources import Acknowledged
from triplegain.api.wire import Amount, Plain, Resource, Time
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.quote import Quote
from triplegain.domain.records import BalanceRecord, PortfolioSnapshot
from triplegain.domain.statement import HaltPeriod


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


class HaltTime(BaseModel):
    """Nothing new was opened from `began_at` to `ends_at`; null: it holds until an administrator resets risk."""

    kind: str
    reason: str
    began_at: Time
    ends_at: Time | None


class Portfolio(Mode):
    """`summary` is the statement of the account; what has no fresh price is null, never zero. USDT counts as USD."""

    halts: list[HaltTime]
    trader: str
    models: list[str]
    candle_s: float
    configuration: str
    events: int
    events_per_s: float
    progress: float | None
    balances: list[Balance]
    summary: Plain
    prices: dict[str, Price | None]
    conditions: dict[str, str]
    feed_notes: str
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


class HistoryPages(Resource):
    items: list[HistoryPoint]
    next: int | None


def mode(view: SessionView) -> Mode:
    return Mode(**_standing(view))


def portfolio(view: SessionView, halts: Iterable[HaltPeriod] = ()) -> Portfolio:
    return Portfolio(
        **_standing(view),
        halts=[HaltTime(kind=h.kind, reason=h.reason, began_at=h.began_at_ns, ends_at=h.ends_at_ns) for h in halts],
        trader=view.traded.trader,
        models=list(view.traded.models),
        candle_s=view.traded.candle_ns / SECOND_NS,
        configuration=view.traded.configuration,
        events=view.events,
        events_per_s=view.events_per_s,
        progress=view.progress,
        balances=[_balance(each) for each in view.balances],
        summary=view.summary,
        prices={symbol: None if quote is None else _price(quote) for symbol, quote in view.quotes.items()},
        conditions=dict(view.conditions),
        feed_notes=view.feed_notes,
        last_decisions=list(view.last_decisions),
        alerts=list(view.alerts),
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
