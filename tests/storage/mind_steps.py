"""Records of the mind, written by hand, for the steps of a scripted session."""

from __future__ import annotations

from decimal import Decimal

from tests.storage.scripted_session import START_NS

from triplegain.domain.agent_records import (
    AlertKind,
    AlertRecord,
    AnalysisRecord,
    HodlRecord,
    HodlStep,
    ModelCall,
    OutcomeRecord,
    RiskRecord,
    VoteRecord,
)

HOUR_NS = 3_600 * 10**9
BIG = str(2**63 + 1)


def analysis(number: int, task: str = "technical", symbol: str = "BTC/USDT", abstained: bool = False) -> AnalysisRecord:
    return AnalysisRecord(
        number=number,
        time_ns=START_NS + number,
        task=task,
        symbol=symbol,
        model=None if task == "technical" else "gpt",
        abstained=abstained,
        confidence=None if abstained else Decimal("0.25"),
        answer={} if abstained else {"bias": "long", "momentum": 0.125, "levels": ["60000.10", BIG]},
        reason="the model did not answer in time" if abstained else "",
        snapshot_hash="5e",
        request_id=f"{task}/{number}",
        latency_ns=2**40 + number,
    )


def vote(
    number: int,
    *,
    model: str = "gpt",
    action: str = "buy",
    decision: int | None = 1,
    failure: str = "",
    latency_ns: int = 1_500_000_000,
    cost: str = "0.0123",
) -> VoteRecord:
    opinion = action != "abstain"
    return VoteRecord(
        number=number,
        time_ns=START_NS + number,
        decision_number=decision,
        symbol="BTC/USDT",
        model=model,
        model_id=f"{model}-1",
        action=action,
        confidence=Decimal("0.72") if opinion else None,
        price=Decimal("60000.123456789"),
        stop_bps=150 if opinion else None,
        target_bps=300 if opinion else None,
        reasoning="the trend is up" if opinion else "",
        failure=failure,
        snapshot_hash="5e",
        request_id=f"decision/1/{model}",
        latency_ns=latency_ns,
        tokens_in=4_000,
        tokens_out=200,
        cost_usd=Decimal(cost),
    )


def outcome(vote_number: int, hours: int = 1, net: str | None = "0.0012") -> OutcomeRecord:
    """The market moved by 0.8 of a per mille more than following the vote earned."""
    known = None if net is None else Decimal(net)
    return OutcomeRecord(
        vote_number=vote_number,
        horizon_ns=hours * HOUR_NS,
        time_ns=START_NS + hours * HOUR_NS,
        price=None if known is None else Decimal("60100.5"),
        move=None if known is None else known + Decimal("0.0008"),
        net=known,
    )


def risk(number: int, kind: str = "updated") -> RiskRecord:
    state = {"version": 1, "peak": "10000.00000000000000000001", "halted": kind == "halted", "until_ns": BIG}
    return RiskRecord(number, START_NS + number, kind, "equity fell", state)


def alert(number: int, kind: AlertKind = AlertKind.STOP_LOST) -> AlertRecord:
    return AlertRecord(number, START_NS + number, kind, "BTC/USDT", "p-1", "the position p-1 has no stop")


def hodl(number: int, kind: HodlStep = HodlStep.ALLOCATED, asset: str = "USDT") -> HodlRecord:
    return HodlRecord(
        number, START_NS + number, kind, asset, Decimal("0.3334"), Decimal("0.3334"), "p-1", "", {"share": "0.3334"}
    )


def call(
    call_id: str = "k-1",
    *,
    request_id: str = "decision/1/gpt",
    reserved: str = "0.10",
    cost: str = "0.04",
    started_at_ns: int = START_NS,
    model: str = "gpt",
    session_id: str = "a",
    response: str = '{"action":"buy"}',
) -> ModelCall:
    return ModelCall(
        call_id=call_id,
        session_id=session_id,
        request_id=request_id,
        agent="decision",
        provider="openai",
        model=model,
        model_id=f"{model}-2026",
        status="answered",
        reason="",
        prompt_hash="f00d",
        request={"system": "answer in JSON", "user": "what now?"},
        response=response,
        latency_ns=1_234_567_891,
        tokens_in=4_000,
        tokens_out=200,
        reserved_usd=Decimal(reserved),
        cost_usd=Decimal(cost),
        attempts=1,
        asked_at_ns=START_NS - 7,
        started_at_ns=started_at_ns,
    )
