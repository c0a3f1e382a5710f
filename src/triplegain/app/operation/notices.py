"""What a stored step says to a person: a notice for each thing, of which log and notifications are made."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from triplegain.config.operation import Subject
from triplegain.domain.agent_records import AlertKind, AlertRecord, HodlRecord, HodlStep, RiskRecord
from triplegain.domain.clock import iso
from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    MarginCalled,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPriced,
    OrderRefilled,
    OrderRejected,
    OrderScheduled,
    OrderSubmitted,
    OrderTriggered,
    PositionRolledOver,
)
from triplegain.domain.money import text
from triplegain.domain.records import CloseReason, CommitBatch, DecisionRecord, Outcome, PositionRecord

_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
#: Positions that ended because the market went against them, or far enough for them.
_STOPS = (CloseReason.STOP_LOSS, CloseReason.TRAILING_STOP, CloseReason.TAKE_PROFIT)


@dataclass(frozen=True, slots=True)
class Notice:
    """`level` is one of `logging`; `about` None: nobody is told, it only stands in the log. `kind` is a word.

    `details` are plain texts and numbers.
    """

    level: int
    kind: str
    words: str
    about: Subject | None = None
    time_ns: int = 0
    symbol: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def notices_of(step: CommitBatch) -> list[Notice]:
    """In the order in which things happened, and of one moment what was decided, what was sent, what came of it."""
    return sorted(_told(step), key=lambda notice: notice.time_ns)


def _told(step: CommitBatch) -> Iterator[Notice]:
    yield from map(_of_decision, step.decisions)
    yield from map(_of_event, step.events)
    yield from (_of_closed(position) for position in step.positions if not position.is_open)
    yield from map(_of_risk, step.risk)
    yield from map(_of_hodl, step.hodl)
    yield from map(_of_alert, step.alerts)


def _of_decision(decided: DecisionRecord) -> Notice:
    why = f": {'; '.join(decided.reasons)}" if decided.reasons else ""
    words = f"{decided.agent} {decided.action} {decided.symbol} {decided.outcome}{why}"
    # A trader that wants nothing says so at each candle.
    level = _DEBUG if decided.outcome is Outcome.HELD else _INFO
    order = {} if decided.client_order_id is None else {"order_id": decided.client_order_id}
    details = {"number": decided.number, "confidence": text(decided.confidence), **order}
    return Notice(level, "decision", words, None, decided.time_ns, decided.symbol, details)


def _of_event(event: ExchangeEvent) -> Notice:
    match event:
        case OrderSubmitted(request=asked):
            terms = asked.terms
            what = (
                f"{text(asked.quantity)} {asked.symbol}"
                if terms.cost is None
                else f"{asked.symbol} for {text(terms.cost)}"
            )
            words = f"{asked.client_order_id} sent: {asked.side} {what} {terms.words}"
            details = {"order_id": asked.client_order_id, "origin": str(asked.origin), "purpose": asked.purpose}
            return Notice(_INFO, "order", words, None, event.time_ns, asked.symbol, details)
        case OrderAccepted():
            return _of_order(event, _DEBUG, "accepted")
        case OrderScheduled():
            return _of_order(event, _INFO, f"starts at {iso(event.starts_at_ns)}")
        case OrderRejected():
            return _of_order(event, _WARNING, f"rejected: {event.code}: {event.reason}")
        case OrderTriggered():
            return _of_order(event, _INFO, f"triggered at {text(event.trigger)} by a trade at {text(event.last)}")
        case OrderPriced():
            return _of_order(event, _INFO, f"stands at {text(event.price)}")
        case OrderRefilled():
            return _of_order(event, _DEBUG, f"shows {text(event.displayed)} more")
        case OrderAmended():
            return _of_order(event, _INFO, f"amended: {text(event.quantity)} at {text(event.price)}")
        case OrderCancelled():
            return _of_order(event, _INFO, f"{event.status}: {event.reason}")
        case OrderFilled():
            return _of_fill(event)
        case CommandRefused():
            words = f"{event.client_order_id} {event.command} refused: {event.code}: {event.reason}"
            return Notice(_WARNING, "order", words, None, event.time_ns, "", {"order_id": event.client_order_id})
        case MarginCalled():
            words = f"margin level {event.level:.2%}, equity {event.equity:.2f} USD"
            return Notice(_DEBUG, "margin", words, None, event.time_ns, "", {})
        case PositionRolledOver():
            owed = f", of which {text(event.owed)} is owed" if event.owed else ""
            words = (
                f"position {event.position} {event.symbol} rolled over for {text(event.fee)} {event.fee_asset}{owed}"
            )
            return Notice(_INFO, "margin", words, None, event.time_ns, event.symbol, {})
        case _:
            assert_never(event)


_OfOrder = (
    OrderScheduled
    | OrderAccepted
    | OrderRejected
    | OrderTriggered
    | OrderPriced
    | OrderRefilled
    | OrderAmended
    | OrderCancelled
)


def _of_order(event: _OfOrder, level: int, what: str) -> Notice:
    words = f"{event.client_order_id} {event.symbol} {what}"
    return Notice(level, "order", words, None, event.time_ns, event.symbol, {"order_id": event.client_order_id})


def _of_fill(fill: OrderFilled) -> Notice:
    words = (
        f"{fill.client_order_id} filled: {fill.side} {text(fill.quantity)} {fill.symbol} at {text(fill.price)}, "
        f"fee {text(fill.fee)} {fill.fee_asset}, {'maker' if fill.maker else 'taker'}, {fill.status}"
    )
    details = {
        "order_id": fill.client_order_id,
        "fill_id": fill.fill_id,
        "side": str(fill.side),
        "quantity": text(fill.quantity),
        "price": text(fill.price),
        "fee": text(fill.fee),
        "status": str(fill.status),
    }
    return Notice(_INFO, "fill", words, Subject.FILLS, fill.time_ns, fill.symbol, details)


def _of_closed(position: PositionRecord) -> Notice:
    quote = position.symbol.partition("/")[2]
    reason = position.close_reason
    words = (
        f"{position.position_id} {position.symbol} closed: {reason or 'nothing is left of it'}, "
        f"realised {text(position.realised)} {quote} after fees of {text(position.fees)}"
    )
    about = Subject.STOPS if reason in _STOPS else None
    details = {"position_id": position.position_id, "realised": text(position.realised)}
    return Notice(_INFO, "position", words, about, position.updated_at_ns, position.symbol, details)


def _of_risk(change: RiskRecord) -> Notice:
    return Notice(_INFO, "risk", f"{change.kind}: {change.reason}", None, change.time_ns)


def _of_hodl(step: HodlRecord) -> Notice:
    level = _DEBUG if step.kind is HodlStep.VALUED else _INFO
    words = f"hodl bag {step.kind}: {text(step.quantity)} {step.asset}"
    return Notice(level, "hodl", words, None, step.time_ns, "", {"position_id": step.position_id})


def _of_alert(alert: AlertRecord) -> Notice:
    place = f"{alert.symbol} {alert.position_id}".strip()
    is_breaker = alert.kind is AlertKind.BREAKER
    return Notice(
        _ERROR if is_breaker else _WARNING,
        "alert",
        f"{place}: {alert.message}" if place else alert.message,
        Subject.BREAKERS if is_breaker else Subject.ALERTS,
        alert.time_ns,
        alert.symbol,
        {"alert": str(alert.kind)} | ({"position_id": alert.position_id} if alert.position_id else {}),
    )
