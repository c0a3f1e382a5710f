"""Stored rows as the records of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import asyncpg
import msgspec

from triplegain.domain.clock import from_datetime
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount, LedgerEntry
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderRequest, OrderStatus, OrderTerms, SelfTradePrevention, Side, TimeInForce
from triplegain.domain.records import (
    OrderRecord,
    PositionRecord,
    SecurityEvent,
    SessionRecord,
)

Row = Mapping[str, Any] | asyncpg.Record
Record = TypeVar("Record")


def read(kind: type[Record], row: Row) -> Record:
    """A row as the record whose fields are its columns."""
    return msgspec.convert(dict(row), kind)


def session_record(row: Row) -> SessionRecord:
    ended_at = row["ended_at"]
    times = {
        "created_at_ns": from_datetime(row["created_at"]),
        "updated_at_ns": from_datetime(row["updated_at"]),
        "ended_at_ns": None if ended_at is None else from_datetime(ended_at),
    }
    return read(SessionRecord, {**row, **times})


def order_record(row: Row) -> OrderRecord:
    request = OrderRequest(
        client_order_id=row["client_order_id"],
        symbol=row["symbol"],
        side=Side.parse(row["side"]),
        quantity=row["requested_quantity"],
        terms=msgspec.convert(row["terms"], OrderTerms),
        time_in_force=TimeInForce(row["time_in_force"]),
        expires_at_ns=row["expires_at_ns"],
        leverage=row["leverage"],
        self_trade=SelfTradePrevention(row["self_trade"]),
        position_id=row["position_id"],
        purpose=row["purpose"],
    )
    return OrderRecord(
        order_number=row["order_number"],
        order_id=row["order_id"],
        request=request,
        status=OrderStatus(row["status"]),
        submitted_at_ns=row["submitted_at_ns"],
        updated_at_ns=row["updated_at_ns"],
        quantity=row["quantity"],
        price=row["price"],
        filled_quantity=row["filled_quantity"],
        filled_notional=row["filled_notional"],
        fees=row["fees"],
        code=row["code"],
        reason=row["reason"],
        triggered=row["triggered"],
    )


def fill(row: Row) -> OrderFilled:
    return OrderFilled(
        sequence=row["sequence"],
        time_ns=row["time_ns"],
        visible_at_ns=row["visible_at_ns"],
        order_number=row["order_number"],
        client_order_id=row["client_order_id"],
        fill_number=row["fill_number"],
        fill_id=row["fill_id"],
        symbol=row["symbol"],
        side=Side.parse(row["side"]),
        price=row["price"],
        quantity=row["quantity"],
        notional=row["notional"],
        fee=row["fee"],
        fee_asset=row["fee_asset"],
        maker=row["maker"],
        cumulative_quantity=row["cumulative_quantity"],
        status=OrderStatus(row["status"]),
        explanation=row["explanation"],
    )


def ledger_entry(row: Row) -> LedgerEntry:
    return LedgerEntry(
        sequence=row["sequence"],
        transaction=row["ledger_transaction"],
        time_ns=row["time_ns"],
        kind=EntryKind(row["kind"]),
        account=LedgerAccount(row["account"]),
        asset=row["asset"],
        amount_atoms=atoms(row["amount"]),
        order_number=row["order_number"],
        fill_number=row["fill_number"],
    )


def position(row: Row) -> PositionRecord:
    return read(PositionRecord, {**row, "side": Side.parse(row["side"])})


def security_event(row: Row) -> SecurityEvent:
    return read(SecurityEvent, {**row, "recorded_at_ns": from_datetime(row["recorded_at"])})
