"""Stored rows of what the mind leaves behind, as the records of the domain."""

from __future__ import annotations

from triplegain.domain.agent_records import (
    AlertRecord,
    AnalysisRecord,
    HodlRecord,
    ModelCall,
    OutcomeRecord,
    RiskRecord,
    VoteRecord,
)
from triplegain.domain.clock import from_datetime
from triplegain.storage.rows import Row


def analysis(row: Row) -> AnalysisRecord:
    return AnalysisRecord(
        number=row["number"],
        time_ns=row["time_ns"],
        task=row["task"],
        symbol=row["symbol"],
        model=row["model"],
        abstained=row["abstained"],
        confidence=row["confidence"],
        answer=row["answer"],
        reason=row["reason"],
        snapshot_hash=row["snapshot_hash"],
        request_id=row["request_id"],
        latency_ns=row["latency_ns"],
    )


def vote(row: Row) -> VoteRecord:
    return VoteRecord(
        number=row["number"],
        time_ns=row["time_ns"],
        decision_number=row["decision_number"],
        symbol=row["symbol"],
        model=row["model"],
        model_id=row["model_id"],
        action=row["action"],
        confidence=row["confidence"],
        price=row["price"],
        stop_bps=row["stop_bps"],
        target_bps=row["target_bps"],
        reasoning=row["reasoning"],
        failure=row["failure"],
        snapshot_hash=row["snapshot_hash"],
        request_id=row["request_id"],
        latency_ns=row["latency_ns"],
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        cost_usd=row["cost_usd"],
    )


def outcome(row: Row) -> OutcomeRecord:
    return OutcomeRecord(row["vote_number"], row["horizon_ns"], row["time_ns"], row["price"], row["move"], row["net"])


def risk(row: Row) -> RiskRecord:
    return RiskRecord(row["number"], row["time_ns"], row["kind"], row["reason"], row["state"])


def alert(row: Row) -> AlertRecord:
    return AlertRecord(row["number"], row["time_ns"], row["kind"], row["symbol"], row["position_id"], row["message"])


def hodl(row: Row) -> HodlRecord:
    return HodlRecord(
        number=row["number"],
        time_ns=row["time_ns"],
        kind=row["kind"],
        asset=row["asset"],
        quantity=row["quantity"],
        usd=row["usd"],
        position_id=row["position_id"],
        client_order_id=row["client_order_id"],
        details=row["details"],
    )


def model_call(row: Row) -> ModelCall:
    """`started_at_ns` comes back cut to microseconds."""
    return ModelCall(
        call_id=row["call_id"],
        session_id=row["session_id"],
        request_id=row["request_id"],
        agent=row["agent"],
        provider=row["provider"],
        model=row["model"],
        model_id=row["model_id"],
        status=row["status"],
        reason=row["reason"],
        prompt_hash=row["prompt_hash"],
        request=row["request"],
        response=row["response"],
        latency_ns=row["latency_ns"],
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        reserved_usd=row["reserved_usd"],
        cost_usd=row["cost_usd"],
        attempts=row["attempts"],
        asked_at_ns=row["asked_at_ns"],
        started_at_ns=from_datetime(row["started_at"]),
    )
