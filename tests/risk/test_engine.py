"""The engine as a whole: what it says, writes down and remembers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.risk.base_case import (
    HOUR,
    MARKET,
    MIDNIGHT,
    MINUTE,
    NEXT_MONDAY,
    NOON,
    PORTFOLIO,
    PROPOSAL,
    D,
)

from triplegain.domain.parts import Parts
from triplegain.risk.engine import RiskEngine
from triplegain.risk.limits import RiskLimits
from triplegain.risk.state import RiskMemory, decode


def test_the_market_of_a_new_session_begins_once(engine: RiskEngine) -> None:
    before = engine.memory
    engine.begin(NEXT_MONDAY)
    assert engine.memory is before
    damaged = RiskEngine(RiskLimits(), RiskMemory.damaged("missing"))
    damaged.begin(NEXT_MONDAY)
    assert damaged.halted(NEXT_MONDAY)
    new = RiskEngine(RiskLimits(), RiskMemory.opening(None, 0))
    new.begin(NEXT_MONDAY)
    new.on_equity(D(5000), NEXT_MONDAY + 1)
    assert [change.kind for change in new.drain()] == ["opened"]
    assert new.memory.week_start_ns == NEXT_MONDAY and new.memory.week_equity == D(5000)


def test_a_verdict_says_when_it_was_given_and_how_long_it_took(engine: RiskEngine) -> None:
    verdict = engine.assess(PROPOSAL, PORTFOLIO, MARKET, NOON, 7_000_000)
    assert (verdict.decided_at_ns, verdict.elapsed_ns) == (NOON, 7_000_000)


def test_every_change_is_written_down_with_the_state_after_it(engine: RiskEngine) -> None:
    engine.on_opened("BTC/USDT", NOON)
    engine.on_closed("BTC/USDT", D(-1), NOON + 1)
    engine.on_equity(D(9400), NOON + 2)
    engine.on_equity(D(9400), MIDNIGHT)
    engine.on_equity(D(9400), NEXT_MONDAY)
    engine.reset(NEXT_MONDAY + 1, D(9400))
    changes = engine.drain()
    assert [change.kind for change in changes] == [
        "cooldown", "loss", "cooldown", "daily_loss", "day", "week", "reset",
    ]  # fmt: skip
    assert [change.number for change in changes] == list(range(1, 8))
    assert changes[-1].state == engine.state()
    assert "ended: no halt was in force" in changes[-1].reason
    assert engine.drain() == ()


def test_a_new_peak_alone_is_no_event(engine: RiskEngine) -> None:
    engine.on_equity(D(10_001), NOON + 1)
    assert engine.drain() == () and engine.memory.peak_equity == D(10_001)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("equity"), st.integers(-100, 20_000)),
        st.tuples(st.just("closed"), st.integers(-2, 2)),
        st.tuples(st.just("opened"), st.just(0)),
        st.tuples(st.just("rebalanced"), st.just(0)),
        st.tuples(st.just("price"), st.integers(80, 120)),
        st.tuples(st.just("atr"), st.integers(1, 9)),
        st.tuples(st.just("reset"), st.integers(-1, 20_000)),
    ),
    max_size=40,
)


def told(engine: RiskEngine, event: tuple[str, int], now: int) -> Any:
    kind, value = event
    match kind:
        case "equity":
            return engine.on_equity(D(value), now)
        case "closed":
            return engine.on_closed("BTC/USDT", D(value), now)
        case "opened":
            return engine.on_opened("BTC/USDT", now)
        case "rebalanced":
            return engine.on_rebalanced(now)
        case "price":
            return engine.on_price("BTC/USDT", D(value), D(value), now)
        case "atr":
            return engine.on_atr("BTC/USDT", float(value), now)
        case _:
            return engine.reset(now, D(value))


@given(EVENTS, st.integers(0, 40), st.integers(1, 10))
def test_stored_and_restored_it_goes_on_identically(events: list[tuple[str, int]], cut: int, hours: int) -> None:
    whole = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), NOON))
    parted = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), NOON))
    for number, event in enumerate(events):
        now = NOON + number * hours * HOUR
        if number == cut:
            parted = RiskEngine(RiskLimits(), decode(parted.state()))
        assert told(whole, event, now) == told(parted, event, now)
        assert whole.assess(PROPOSAL, PORTFOLIO, MARKET, now) == parted.assess(PROPOSAL, PORTFOLIO, MARKET, now)
        assert whole.memory == parted.memory


@given(EVENTS)
def test_no_deadline_and_no_halt_ever_comes_nearer_but_by_a_reset(events: list[tuple[str, int]]) -> None:
    engine = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), NOON))
    for number, event in enumerate(events):
        now = NOON + number * 7 * MINUTE
        before = engine.memory
        told(engine, event, now)
        cooldowns = {(each.kind, each.symbol): each.until_ns for each in engine.memory.cooldowns}
        for cooldown in before.cooldowns:
            if cooldown.until_ns > now:
                assert cooldowns[cooldown.kind, cooldown.symbol] >= cooldown.until_ns
        if event[0] != "reset":
            assert set(before.halts_in_force(now)) <= set(engine.memory.halts)


def test_a_commit_stores_the_market_that_moved_and_a_restart_halts_without_its_state() -> None:
    engine, parts = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), NOON)), Parts()
    engine.register(parts)
    engine.on_price("BTC/USDT", D(100), D(101), NOON)
    engine.on_atr("XRP/USDT", 0.02, NOON)
    rows = {(change.part, change.key): change.state for change in parts.changes()}
    assert set(rows) == {("risk.state", ""), ("risk.market", "BTC/USDT"), ("risk.market", "XRP/USDT")}
    engine.on_price("BTC/USDT", D(102), D(103), NOON + 1)
    later = {(change.part, change.key): change.state for change in parts.changes()}
    assert set(later) == {("risk.market", "BTC/USDT")}
    again, stored = RiskEngine(RiskLimits(), RiskMemory.opening(None, 0)), Parts()
    again.register(stored)
    again.restore(None)
    stored.restore({})
    assert again.halted(NOON) == "risk state is missing: ADMIN reset"
    stored.restore({key: state for key, state in (rows | later).items() if state is not None})
    assert again.memory == engine.memory and list(stored.changes()) == []
