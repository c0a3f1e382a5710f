"""Stored rows as the records of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from triplegain.domain.clock import from_datetime
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount, LedgerEntry
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderRequest, OrderStatus, OrderTerms, SelfTradePrevention, Side, TimeInForce
from triplegain.domain.records import (
    BalanceRecord,
    CloseReason,
    DecisionRecord,
    OrderRecord,
    PortfolioSnapshot,
    PositionRecord,
    PositionSnapshot,
    SecurityEvent,
    SessionRecord,
    SessionStatus,
)

Row = Mapping[str, Any] | asyncpg.Record


def session_record(row: Row) -> SessionRecord:
    ended_at = row["ended_at"]
    return SessionRecord(
        session_id=row["session_id"],
        status=SessionStatus(row["status"]),
        feed=row["feed"],
        seed=row["seed"],
        created_at_ns=from_datetime(row["created_at"]),
        updated_at_ns=from_datetime(row["updated_at"]),
        initial_balances={asset: Decimal(amount) for asset, amount in row["initial_balances"].items()},
        settings=row["settings"],
        market_time_ns=row["market_time_ns"],
        ended_at_ns=None if ended_at is None else from_datetime(ended_at),
    )


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


def balance(row: Row) -> BalanceRecord:
    return BalanceRecord(row["asset"], row["total"], row["held"])


def position(row: Row) -> PositionRecord:
    reason = row["close_reason"]
    return PositionRecord(
        position_id=row["position_id"],
        symbol=row["symbol"],
        side=Side.parse(row["side"]),
        entry_order_number=row["entry_order_number"],
        quantity=row["quantity"],
        entry_quantity=row["entry_quantity"],
        average_entry=row["average_entry"],
        realised=row["realised"],
        realised_usd=row["realised_usd"],
        fees=row["fees"],
        opened_at_ns=row["opened_at_ns"],
        updated_at_ns=row["updated_at_ns"],
        stop=row["stop"],
        target=row["target"],
        closed_at_ns=row["closed_at_ns"],
        close_reason=None if reason is None else CloseReason(reason),
        dust=row["dust"],
    )


def decision(row: Row) -> DecisionRecord:
    return DecisionRecord(
        number=row["number"],
        time_ns=row["time_ns"],
        symbol=row["symbol"],
        agent=row["agent"],
        action=row["action"],
        confidence=row["confidence"],
        outcome=row["outcome"],
        reasons=tuple(row["reasons"]),
        client_order_id=row["client_order_id"],
        details=row["details"],
    )


def portfolio_snapshot(row: Row) -> PortfolioSnapshot:
    return PortfolioSnapshot(
        number=row["number"],
        time_ns=row["time_ns"],
        equity=row["equity"],
        buy_and_hold=row["buy_and_hold"],
        balances=tuple(
            BalanceRecord(each["asset"], Decimal(each["total"]), Decimal(each["held"])) for each in row["balances"]
        ),
        realised_usd=row["realised_usd"],
        unrealised_usd=row["unrealised_usd"],
        fees_usd=row["fees_usd"],
        open_positions=row["open_positions"],
    )


def position_snapshot(row: Row) -> PositionSnapshot:
    return PositionSnapshot(
        number=row["number"],
        time_ns=row["time_ns"],
        position_id=row["position_id"],
        symbol=row["symbol"],
        quantity=row["quantity"],
        mark=row["mark"],
        unrealised=row["unrealised"],
    )


def security_event(row: Row) -> SecurityEvent:
    return SecurityEvent(
        kind=row["kind"],
        actor=row["actor"],
        address=row["address"],
        request_id=row["request_id"],
        recorded_at_ns=from_datetime(row["recorded_at"]),
        details=row["details"],
    )
