"""A session that thinks, on 24 recorded hours: how often, with whom, what comes of it, and the same again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate
from typing import Any

import pytest
from tests.session.crash_day import CAST, WITHOUT_REBALANCE, Played, crash_settings, play, warm
from tests.session.crash_market import FROM_NS, HOUR_NS, TO_NS, crash_events
from tests.session.scripted_models import LATENCY_S, SIX, ScriptedModels
from tests.session.stored_parts import part, stored

from triplegain.decision.settings import DecisionSettings
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.records import CloseReason
from triplegain.llm.reply import FailureKind, ModelFailure
from triplegain.session.trading_session import TradingSession

SYMBOLS = {"BTC/USDT", "XRP/USDT", "XRP/BTC"}


@pytest.fixture(scope="module")
def market() -> Any:
    return crash_events()


def run(market: Any, models: ScriptedModels | None = None, **changes: Any) -> Played:
    session = warm(TradingSession(crash_settings(**changes)), market[0])
    return play(session, market[1], models or ScriptedModels())


@pytest.fixture(scope="module")
def day(market: Any) -> Played:
    return run(market)


@pytest.mark.slow
def test_every_task_ran_exactly_as_often_as_it_is_scheduled(day: Played) -> None:
    # 24 h: every minute, five minutes, half hour and hour; the run that is due at the very end has not begun.
    assert dict(day.session.decision_engine.schedule.runs) == {
        "technical": 1440,
        "regime": 288,
        "sentiment": 48,
        "decision": 24,
    }


@pytest.mark.slow
def test_every_run_asked_for_every_market(day: Played) -> None:
    asked = Counter((each.kind, each.subject) for each in day.models.asked if each.kind != "conflict")
    strong = len(part(stored(day.session), "decision.engine")["strong_ns"])
    assert strong == 0  # the script's signals are never strong
    assert asked == {
        **{("technical", symbol): 1440 for symbol in SYMBOLS},
        **{("regime", symbol): 288 for symbol in SYMBOLS},
        **{(kind, asset): 48 for kind in ("social", "news") for asset in ("BTC", "XRP")},
        **{("decision", symbol): 24 for symbol in SYMBOLS},
    }


@pytest.mark.slow
def test_trades_were_opened_and_closed_and_the_ledger_balances_after_each_step(day: Played) -> None:
    totals: Counter[str] = Counter()
    for batch in day.batches:
        for entry in batch.entries:
            if entry.account == "wallet":
                totals[entry.asset] += entry.amount_atoms
        by_transaction: Counter[tuple[int, str]] = Counter()
        for entry in batch.entries:
            by_transaction[entry.transaction, entry.asset] += entry.amount_atoms
        assert not any(by_transaction.values())
        for balance in batch.balances:
            assert balance.total >= balance.held >= 0
    wallet = day.session.wallet
    assert {asset: total for asset, total in totals.items() if total} == {
        asset: wallet.total(asset) for asset in wallet.assets() if wallet.total(asset)
    }
    closed = {position.position_id for position in day.all("positions") if not position.is_open}
    assert len(closed) >= 5
    assert len(day.all("fills")) >= 2 * len(closed)


@pytest.mark.slow
def test_a_decision_takes_as_long_as_the_slowest_model_that_may_answer(day: Played) -> None:
    # A decision that starts on the hour waits for analysts of the same moment: three rounds of 1 s for technical and
    # regime each, five at once, sentiment of 3 and 2 s; then the six, of whom the slowest needs 6 s.
    assert max(LATENCY_S.values()) == 6
    decisions = [each for each in day.models.asked if each.kind == "decision"]
    votes = day.all("votes")
    taken_at = {vote.request_id.partition("/")[0]: vote.time_ns for vote in votes}
    assert {taken_at[each.round_id] - each.asked_at_ns for each in decisions} == {6 * SECOND_NS}


@pytest.mark.slow
def test_every_vote_is_put_down_with_the_decision_it_counted_for_and_held_against_the_market(day: Played) -> None:
    votes, decisions = day.all("votes"), {each.number: each for each in day.all("decisions")}
    assert len(votes) == 24 * 3 * 6
    for vote in votes:
        decision = decisions[vote.decision_number]
        assert (decision.symbol, decision.details["snapshot"]) == (vote.symbol, vote.snapshot_hash)
    shared = {(vote.decision_number, vote.snapshot_hash) for vote in votes}
    assert len(shared) == 24 * 3  # six votes of a decision share one snapshot
    horizons = Counter(outcome.horizon_ns for outcome in day.all("outcomes"))
    assert horizons[HOUR_NS] == 23 * 18
    assert horizons[4 * HOUR_NS] == 20 * 18


@pytest.mark.slow
def test_a_second_run_is_the_same_in_everything(day: Played, market: Any) -> None:
    again = run(market)
    for name in ("events", "entries", "decisions", "votes", "outcomes", "analyses", "risk", "alerts"):
        assert day.all(name) == again.all(name), name
    assert stored(day.session) == stored(again.session)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 362, 723, 1085])
def test_a_session_that_is_taken_up_again_thinks_on_as_if_nothing_had_been(day: Played, market: Any, stop: int) -> None:
    """Stops in the middle of rounds: the market is held at the minute after the hour, its models still thinking."""
    settings, far = crash_settings(), stop + 200
    first = warm(TradingSession(settings), market[0])
    before = play(first, market[1][:stop], ScriptedModels())
    parts = stored(first)
    second = warm(TradingSession(settings), market[0])
    for event in market[1][:stop]:
        second.observe(event)
    second.restore(parts)
    after = play(second, market[1][stop:far], ScriptedModels())
    end_ns = market[1][far - 1].exchange_time_ns
    for name in ("entries", "decisions", "votes", "outcomes", "analyses"):
        whole = [record for record in day.all(name) if record.time_ns < end_ns]
        pieces = [record for record in before.all(name) + after.all(name) if record.time_ns < end_ns]
        assert pieces == whole, name


def test_a_model_that_is_silent_costs_its_vote_and_nothing_else(market: Any) -> None:
    models = ScriptedModels(silent=["opus"])
    session = warm(TradingSession(crash_settings()), market[0])
    played = play(session, market[1][:400], models)
    silent = [vote for vote in played.all("votes") if vote.model == "opus"]
    assert silent
    assert {(vote.action, vote.failure) for vote in silent} == {("abstain", "timeout")}
    # The round waits for it until its deadline, and no longer.
    asked = {each.round_id: each.asked_at_ns for each in models.asked}
    assert {vote.time_ns - asked[vote.request_id.partition("/")[0]] for vote in silent} == {30 * SECOND_NS}
    assert [each for each in played.all("decisions") if each.outcome != "abstained"]


def test_with_less_than_a_quorum_nothing_is_opened_and_stops_stay(market: Any) -> None:
    refused = ModelFailure(FailureKind.RATE_LIMITED, "too many requests")
    models = ScriptedModels(replies=dict.fromkeys(("gpt", "grok", "opus"), refused))
    played = run((market[0], market[1][:400]), models)
    assert not played.all("fills")
    assert {decision.outcome for decision in played.all("decisions")} == {"held"}
    assert all("no quorum" in decision.reasons[0] for decision in played.all("decisions"))


def test_while_everybody_fails_nobody_is_asked_but_by_a_probe_and_the_rules_go_on(market: Any) -> None:
    away = ModelFailure(FailureKind.CONNECTION, "nobody there")
    models = ScriptedModels(replies=dict.fromkeys(SIX, away))
    played = run((market[0], market[1][: 3 * 300]), models)
    decision = played.session.decision_engine
    assert decision.level.label == "emergency"
    tally = decision.schedule.tasks["decision"].tally
    assert tally.skipped["emergency"] == 2  # of five: the first three found out
    late = [each for each in models.asked if each.asked_at_ns > FROM_NS + 2 * HOUR_NS]
    assert late
    assert all(each.notes.get("probe") for each in late)
    by_rules = [a for a in played.all("analyses") if a.model is None and a.time_ns > FROM_NS + 2 * HOUR_NS]
    assert by_rules and decision.schedule.runs["technical"] == 299
    assert decision.signals.technical("BTC/USDT", played.session.now_ns) is not None


def test_the_breakers_act_at_the_equity_they_name(market: Any) -> None:
    """Coins held through the crash: nobody trades, and equity falls with the market, minute by minute."""
    coins = {"USDT": Decimal(1_000), "BTC": Decimal("0.1"), "XRP": Decimal(3_000)}
    analyses = tuple(spec for spec in WITHOUT_REBALANCE if spec.name != "decision")
    # Its low is behind it after twenty hours.
    market = market[0], market[1][: 20 * 180]
    played = run(market, initial_balances=coins, decision=DecisionSettings(tasks=analyses))

    price = {instrument.symbol: instrument.price for instrument in played.session.settings.instruments}
    closes: dict[int, dict[str, Decimal]] = {}
    for event in market[1]:
        closes.setdefault(event.exchange_time_ns, {})[event.symbol] = price[event.symbol](event.candle.close)
    equity = {
        time_ns: 1_000 + Decimal("0.1") * of["BTC/USDT"] + 3_000 * of["XRP/USDT"] for time_ns, of in closes.items()
    }
    midnight_ns = FROM_NS - FROM_NS % (24 * HOUR_NS) + 24 * HOUR_NS
    opening = equity[midnight_ns]
    daily_ns = next(t for t in equity if t > midnight_ns and equity[t] <= opening * Decimal("0.95"))
    peaks = list(accumulate(equity.values(), max))
    drawdown_ns = next(t for t, peak in zip(equity, peaks, strict=True) if equity[t] <= peak * Decimal("0.80"))

    tripped = {record.kind: record.time_ns for record in played.all("risk")}
    assert (tripped["daily_loss"], tripped["drawdown"]) == (daily_ns, drawdown_ns)
    assert FROM_NS < daily_ns < drawdown_ns < TO_NS
    assert played.session.risk.must_be_flat
    assert [alert.kind for alert in played.all("alerts")].count("breaker") >= 2
    assert "breaker" in {alert.kind for alert in played.session.record.log.last_alerts}


@pytest.mark.slow
def test_what_is_open_when_the_drawdown_breaker_acts_is_closed_by_it(market: Any) -> None:
    coins = {"USDT": Decimal(6_000), "BTC": Decimal("0.2"), "XRP": Decimal(6_000)}
    voters = DecisionSettings(
        tasks=WITHOUT_REBALANCE, assigned=replace(CAST, models={**CAST.models, "technical": (), "regime": ()})
    )
    played = run(market, initial_balances=coins, decision=voters)
    tripped = next(record for record in played.all("risk") if record.kind == "drawdown")
    at_trip = {p.position_id: p for p in played.all("positions") if p.updated_at_ns <= tripped.time_ns}
    open_then = [p for p in at_trip.values() if p.is_open]
    last = {p.position_id: p for p in played.all("positions")}
    assert all(not position.is_open for position in last.values())
    assert all(
        last[p.position_id].close_reason in (CloseReason.BREAKER, CloseReason.STOP_LOSS, CloseReason.SIGNAL)
        for p in open_then
    )
    later = [f for f in played.all("fills") if f.time_ns > tripped.time_ns and f.side.value == "buy"]
    assert not later
    decisions = played.session.decision_engine.schedule.tasks["decision"].tally
    assert decisions.skipped["not running"] >= 1
