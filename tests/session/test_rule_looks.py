"""Looks by rules: worked out late they say what they would have said at once; a verdict that stays is stored once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.market.test_glance import START_NS, quote_of
from tests.session.crash_day import WITHOUT_REBALANCE, crash_settings, play, warm
from tests.session.crash_market import crash_events
from tests.session.scripted_models import SIX, ScriptedModels

from triplegain.agents.answer import Abstain
from triplegain.agents.regime import REGIME, RegimeMemory, regime_rules
from triplegain.agents.spec import AgentSpec, MarketAnalysis
from triplegain.agents.technical import TECHNICAL, technical_rules
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.decision.by_rules import Look, RuleLooks, verdict_of
from triplegain.decision.record import RecordLog
from triplegain.decision.settings import DecisionSettings, ModelAssignment
from triplegain.decision.signals import Analysts, LatestSignals
from triplegain.domain.agent_records import AnalysisRecord
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.parts import Parts
from triplegain.feeds.demo.demo import DemoMarket
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.sighting import Sighting
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot
from triplegain.session.trading_session import TradingSession

RULES: dict[AgentSpec, Any] = {TECHNICAL: technical_rules, REGIME: regime_rules}


@dataclass
class Seen:
    """One look of one agent: what it is kept as, and what the rules say to the whole snapshot of the moment."""

    agent: AgentSpec
    symbol: str
    time_ns: int
    sighted: Sighting
    said: TypedAnswer | Abstain


def looks_at_a_demo_market(minutes: int) -> Iterator[Seen]:
    """As candles close, and at other prices before the next; each to be looked at before the market goes on. Whole
    snapshots are those of another view: with them everything is worked out."""
    feed = DemoMarket(5, START_NS, duration_ns=minutes * 60 * SECOND_NS)
    settings = feed.instruments, SnapshotSettings(primary="1m"), IndicatorSettings(), True
    view, whole = MarketView(*settings), MarketView(*settings)
    for number, event in enumerate(feed.events()):
        whole.on_event(event)
        if not view.on_event(event) and number % 97:
            continue
        for instrument in feed.instruments:
            symbol, now_ns = instrument.symbol, event.exchange_time_ns
            quote = quote_of(symbol, f"1.{number % 89 + 10}", now_ns)
            sighted, snapshot = view.sight(symbol, now_ns, quote), whole.snapshot(symbol, now_ns, quote, None)
            if isinstance(sighted, Sighting) and isinstance(snapshot, Snapshot):
                for agent, rules in RULES.items():
                    yield Seen(agent, symbol, now_ns, sighted, rules(snapshot))


def test_a_look_that_is_worked_out_after_the_market_has_gone_on_says_what_it_said_then() -> None:
    looks = RuleLooks({})
    kept: list[tuple[Seen, Look]] = []
    for seen in looks_at_a_demo_market(10):
        assert isinstance(seen.agent.work, MarketAnalysis)
        kept.append((seen, looks.look(seen.agent, seen.agent.work, seen.symbol, seen.sighted)))
    answers = [(seen.said, look.verdict, look.answer) for seen, look in kept]
    assert [said for said, _, _ in answers] == [answer for _, _, answer in answers]
    assert [verdict_of(said) for said, _, _ in answers] == [verdict for _, verdict, _ in answers]
    assert len({seen.time_ns for seen, _ in kept}) > 40 and any(isinstance(said, TypedAnswer) for said, _, _ in answers)


def analysts() -> tuple[Analysts, RecordLog]:
    settings, record = DecisionSettings(), RecordLog()
    signals = LatestSignals(RegimeMemory(), settings.agreement, settings.sentiment, settings.fresh_ns)
    return Analysts(settings, signals, record, RuleLooks({})), record


def test_a_verdict_is_stored_once_and_the_last_look_when_the_run_ends() -> None:
    desk, record = analysts()
    last: dict[tuple[str, str], Seen] = {}
    expected = []
    for seen in looks_at_a_demo_market(10):
        before = last.get((seen.agent.name, seen.symbol))
        if before is None or verdict_of(before.said) != verdict_of(seen.said):
            expected.append((seen.agent.name, seen.symbol, seen.time_ns))
        last[seen.agent.name, seen.symbol] = seen
        desk.by_rules(seen.agent, seen.symbol, seen.sighted, seen.time_ns)
    news = {(agent, symbol): time_ns for agent, symbol, time_ns in expected}
    waiting = [(each.task, each.symbol, each.time_ns, each.number) for each in desk.unstored]
    assert sorted(waiting) == sorted((*key, seen.time_ns, 0) for key, seen in last.items() if seen.time_ns > news[key])
    assert waiting
    desk.store_last()
    assert desk.unstored == ()
    stored = [(each.task, each.symbol, each.time_ns) for each in record.take()["analyses"]]
    assert stored == [*expected, *(each[:3] for each in waiting)]


def test_what_was_stored_last_is_known_after_a_restart_and_a_model_makes_all_of_it_news() -> None:
    desk, record = analysts()
    nothing = NoSnapshot("BTC/USDT", START_NS, "no_price", "there is no fresh price of BTC/USDT")
    parts, again_parts = Parts(), Parts()
    desk.register(parts)
    desk.by_rules(TECHNICAL, "BTC/USDT", nothing, START_NS)
    desk.by_rules(REGIME, "BTC/USDT", nothing, START_NS)
    desk.by_rules(REGIME, "BTC/USDT", nothing, START_NS + 5)
    again, again_record = analysts()
    again.register(again_parts)
    again_parts.restore({(each.part, each.key): each.state for each in parts.changes() if each.state is not None})
    # What was said last is there, though it is no row.
    assert again.unstored == desk.unstored
    assert [(each.task, each.time_ns, each.reason) for each in again.unstored] == [
        ("regime", START_NS + 5, nothing.reason)
    ]
    again.store_last("ETH/USDT")
    assert len(again_record) == 0
    again.store_last("BTC/USDT")
    assert len(again_record) == 1 and again.unstored == ()
    assert [each.key for each in again_parts.changes() if each.part == "decision.looks"] == ["regime BTC/USDT"]
    again.by_rules(TECHNICAL, "BTC/USDT", nothing, START_NS + 1)
    assert (len(record), len(again_record), len(again.unstored)) == (2, 1, 1)
    again.could_not_ask(TECHNICAL, "BTC/USDT", "qwen", "nobody there", START_NS + 2)
    again.by_rules(TECHNICAL, "BTC/USDT", nothing, START_NS + 3)
    assert [each.model for each in again_record.take()["analyses"]] == [None, "qwen", None] and again.unstored == ()


class AtTheRecord(ScriptedModels):
    """Whoever is asked for votes reads what is in the record: `by_then` at that moment, `looks` at any."""

    def __init__(self, silent: tuple[str, ...] = ()) -> None:
        super().__init__(silent)
        self.looks: list[AnalysisRecord] = []
        self.by_then: list[AnalysisRecord] = []

    def answer(self, session: TradingSession) -> None:
        before = len(self.asked)
        super().answer(session)
        if any(each.kind == "decision" for each in self.asked[before:]):
            self.by_then += session.take_batch(0, 0).analyses


def voting(models: AtTheRecord, minutes: int, timeout_s: int = 30) -> set[tuple[str, int]]:
    """What was decided on and when."""
    before, events = crash_events()
    assigned = ModelAssignment({"decision": SIX}, providers={model: model for model in SIX})
    decision = DecisionSettings(tasks=WITHOUT_REBALANCE, assigned=assigned, vote_timeout_ns=timeout_s * SECOND_NS)
    session = warm(TradingSession(crash_settings(decision=decision)), before)
    models.looks += play(session, events[: 3 * minutes], models).all("analyses")
    return {(each.subject, each.asked_at_ns) for each in models.asked if each.kind == "decision"}


def test_whoever_is_asked_for_a_vote_finds_the_looks_of_that_moment_in_the_record() -> None:
    """Whatever they said before: at the second hour most say the same again."""
    models = AtTheRecord()
    asked = voting(models, minutes=62)
    assert len(asked) == 2 * 3
    rows = {(each.task, each.symbol, each.time_ns) for each in models.by_then}
    assert {(task, *each) for each in asked for task in ("technical", "regime")} <= rows
    # No more of them than a look each at a decision, and new verdicts.
    assert len([each for each in (*models.by_then, *models.looks) if each.task == "technical"]) < 62 * 3 / 2


def test_the_looks_by_which_votes_are_weighed_are_in_the_record() -> None:
    """The votes come to an end after 150 s; the looks of 120 s after the question are the last before that."""
    models = AtTheRecord(SIX)
    asked = voting(models, minutes=6, timeout_s=150)
    rows = {(each.symbol, each.time_ns) for each in models.looks if each.task == "technical"}
    assert len(asked) == 3
    assert {(symbol, at_ns + 120 * SECOND_NS) for symbol, at_ns in asked} <= rows
    assert not {(symbol, at_ns + 60 * SECOND_NS) for symbol, at_ns in asked} <= rows


def test_all_who_go_by_rules_look_at_a_market_once_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first moment, and at five minutes, both do: six moments, and a look at each market in each."""
    looks: list[tuple[str, int]] = []
    sight = TradingSession.sight

    def counted(session: TradingSession, symbol: str) -> Sighting | NoSnapshot:
        looks.append((symbol, session.now_ns))
        return sight(session, symbol)

    monkeypatch.setattr(TradingSession, "sight", counted)
    models = AtTheRecord()
    voting(models, minutes=7)
    assert len(looks) == len(set(looks)) == 6 * 3
    assert {each.task for each in models.by_then} == {"technical", "regime"}
