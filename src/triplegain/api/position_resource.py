"""A position, as the API shows it."""

from __future__ import annotations

from decimal import Decimal

from triplegain.api.wire import Amount, Resource, Time
from triplegain.domain.records import PositionRecord


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


class PositionPages(Resource):
    items: list[Position]
    next: int | None


def position(record: PositionRecord, mode: str, unrealised: Decimal | None) -> Position:
    return Position(
        mode=mode,
        position_id=record.position_id,
        symbol=record.symbol,
        side=record.side.value,
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
