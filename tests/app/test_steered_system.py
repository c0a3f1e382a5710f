"""Risk, agents and the emergency over HTTP, on a whole paper system with its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.app.steered import Steered, opened_system, running
from tests.session.stored_parts import stored

from triplegain.api.requests import RiskQuestion
from triplegain.domain.views import RiskState
from triplegain.risk.state import HaltKind

QUANTITY = "0.01"


@pytest.fixture
async def opened(database_url: str, tmp_path: Path) -> AsyncIterator[Steered]:
    async with opened_system(database_url, tmp_path) as system:
        yield system


@pytest.fixture
async def steered(opened: Steered) -> AsyncIterator[Steered]:
    async with running(opened) as system:
        yield system


async def test_the_state_of_risk_in_figures_and_words(steered: Steered) -> None:
    state = await steered.get("/risk/state")
    # 10 000 USDT and nothing traded: a trade is at most 20 %, loses at most 2 %, and a day may lose 5 %.
    assert (state["state"], state["words"], state["equity"]) == ("running", [], "10000")
    assert (state["drawdown_percent"], state["day_percent"], state["week_percent"]) == ("0", "0", "0")
    assert (state["limits"]["position_max_usd"], state["limits"]["loss_at_stop_max_usd"]) == ("2000", "200")
    acts = {each["kind"]: each["acts_at"] for each in state["breakers"]}
    assert acts == {"daily": "9500", "weekly": "9000", "drawdown": "8000"}
    bitcoin = next(each for each in state["markets"] if each["symbol"] == "BTC/USDT")
    assert (bitcoin["stop_max_percent"], bitcoin["leverage_max"]) == ("3", 1)
    paused = await steered.post("/paper/pause")
    assert paused.status_code == 200
    state = await steered.get("/risk/state")
    assert (state["state"], state["words"]) == ("paused", ["trading is paused: nothing new is opened"])


async def test_a_trade_is_judged_approved_with_a_near_stop_and_refused_with_a_far_one(steered: Steered) -> None:
    before = steered.session.risk.state()
    buy = {"symbol": "btc/usdt", "side": "BUY", "quantity": QUANTITY, "regime": "trending_bull"}
    near = (await steered.post("/risk/validate", {**buy, "stop": await steered.stop_at("0.02")})).json()
    # BTC/USDT may have a stop at most 3 % away.
    far = (await steered.post("/risk/validate", {**buy, "stop": await steered.stop_at("0.04")})).json()
    none = (await steered.post("/risk/validate", {**buy, "confidence": "0.5"})).json()
    assert (near["approved"], near["outcome"], near["quantity"]) == (True, "approved", QUANTITY)
    assert (far["approved"], [each["rule"] for each in far["reasons"]]) == (False, ["stop_max"])
    assert "farther than 3 %" in far["reasons"][0]["words"]
    assert [each["rule"] for each in none["reasons"]] == ["stop_required", "confidence"]
    stored = await steered.reader.orders(steered.system.opened.record.session_id, limit=10)
    assert stored == [] and steered.session.decisions.state.refused_by_risk == 0
    after = steered.session.risk.state()
    assert (after["cooldowns"], after["changes"]) == (before["cooldowns"], before["changes"])


async def test_a_question_changes_nothing_even_when_a_day_has_passed_unseen(steered: Steered) -> None:
    session = steered.session
    # The next real look would begin a new day, and write that down.
    session.risk.restore({**session.risk.state(), "day_start_ns": 0})
    before = stored(session)
    question = RiskQuestion.model_validate({"symbol": "BTC/USDT", "side": "buy", "stop": "50000"})
    assert steered.system.judge(question.proposal(), question.notional, question.regime).decided_at_ns == session.now_ns
    assert steered.system.see(RiskState).state == "running"
    assert stored(session) == before


async def test_what_is_too_large_is_cut_and_the_cut_is_told(steered: Steered) -> None:
    stop = await steered.stop_at("0.02")
    asked = {"symbol": "BTC/USDT", "side": "buy", "size": "9000", "stop": stop, "regime": "trending_bull"}
    cut = (await steered.post("/risk/validate", {**asked, "confidence": "0.85"})).json()
    assert cut["outcome"] == "modified"
    assert cut["clamps"][-1]["to"] == cut["quantity"]
    # 20 % of 10 000 USD.
    assert float(cut["quantity"]) * float(cut["entry"]) == pytest.approx(2000, abs=2)
    assert float(cut["clamps"][0]["from"]) * float(cut["entry"]) == pytest.approx(9000, abs=2)


async def test_a_question_about_nothing_that_is_traded_is_refused(steered: Steered) -> None:
    unknown = await steered.post("/risk/validate", {"symbol": "DOGE/USDT", "side": "buy"})
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "unknown_symbol")
    assert "BTC/USDT" in unknown.json()["error_message"]
    sale = (await steered.post("/risk/validate", {"symbol": "BTC/USDT", "side": "sell"})).json()
    assert [each["rule"] for each in sale["reasons"]] == ["no_shorts"]


async def test_a_reset_ends_the_halt_and_is_stored_with_its_audit_in_one_transaction(steered: Steered) -> None:
    steered.session.risk.restore(None)
    assert (await steered.get("/coordinator/status"))["state"] == "halted"
    halted = await steered.get("/risk/state")
    assert [halt["kind"] for halt in halted["halts"]] == [HaltKind.STATE.value]
    verdict = (await steered.post("/risk/validate", {"symbol": "BTC/USDT", "side": "buy"})).json()
    assert verdict["outcome"] == "halted"

    answer = await steered.post("/risk/reset")
    assert answer.status_code == 200 and answer.json()["ended"] == ["risk state is missing: ADMIN reset"]
    session_id = steered.system.opened.record.session_id
    [change] = await steered.reader.risk(session_id, newest_first=True, limit=1)
    assert change.kind == "reset"
    assert change.state["peak_equity"] == "10000" and change.state["halts"] == []
    event = await steered.event("risk_reset")
    assert event.actor.startswith("admin:")
    ended = ["risk state is missing: ADMIN reset"]
    assert event.details == {"session": session_id, "equity": "10000", "ended": ended, "origin": "hand"}
    wrote = [
        await steered.transaction("SELECT xmin::text FROM paper_risk_history WHERE kind = 'reset'"),
        await steered.transaction("SELECT xmin::text FROM security_events WHERE kind = 'risk_reset'"),
    ]
    assert wrote[0] == wrote[1]
    state = await steered.get("/risk/state")
    assert (state["state"], state["halts"]) == ("running", [])
    assert state["leverage_one_until"] is not None and "leverage 1" in state["words"][-1]


async def test_no_reset_while_equity_is_unknown(opened: Steered) -> None:
    answer = await opened.post("/risk/reset")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "equity_unknown")
    assert "equity is unknown" in answer.json()["error_message"]
    events = [event.kind for _, event in await opened.security.security_events(limit=100)]
    assert "risk_reset" not in events


async def test_before_the_market_starts_everything_is_shown_and_no_task_runs(opened: Steered) -> None:
    agents = await opened.get("/agents")
    assert [task["next_due"] for task in agents["tasks"]] == [None, None]
    assert (await opened.get("/risk/state"))["limits"]["exposure_usd"] == "0"
    run = await opened.post("/agents/technical/run")
    assert (run.status_code, run.json()["error_code"]) == (503, "not_ready")


async def test_a_task_runs_beside_its_schedule_and_the_wish_is_audited(steered: Steered) -> None:
    forced = steered.session.decision_engine.schedule.tasks["regime"].tally
    asked = await steered.post("/agents/regime/run")
    assert (asked.status_code, asked.json()["task"]) == (202, "regime")
    await steered.until(lambda: forced.forced == 1)
    assert (await steered.event("agent_run")).details == {"task": "regime", "origin": "hand"}
    tasks = {task["name"]: task for task in (await steered.get("/agents"))["tasks"]}
    assert (tasks["regime"]["asked_for"], tasks["regime"]["interval_s"]) == (1, 300)
    assert (await steered.post("/coordinator/tasks/technical/run")).status_code == 202


async def test_a_task_this_session_does_not_have_is_refused_in_words(steered: Steered) -> None:
    refused = await steered.post("/agents/decision/run")
    assert (refused.status_code, refused.json()["error_code"]) == (404, "unknown_task")
    assert "no task decision" in refused.json()["error_message"] and "need a model" in refused.json()["error_message"]


async def test_the_agents_and_what_they_said_last(steered: Steered) -> None:
    await steered.until(lambda: steered.session.decision_engine.schedule.runs["technical"] > 2)
    # A command is stored with everything before it.
    assert (await steered.post("/paper/pause")).status_code == 200
    agents = await steered.get("/agents")
    assert (agents["level"], agents["failing"], agents["models"]) == ("normal", "", [])
    assert agents["trader"] and [task["name"] for task in agents["tasks"]] == ["technical", "regime"]
    assert {each["task"] for each in agents["latest"]} == {"technical", "regime"}
    assert {each["model"] for each in agents["latest"]} == {None}
    page = await steered.get("/agents/analyses?task=technical&symbol=btc/usdt&limit=1")
    [newest] = page["items"]
    assert (newest["task"], newest["symbol"]) == ("technical", "BTC/USDT") and page["next"] in (None, newest["number"])


async def test_an_emergency_pauses_and_closes_in_one_audited_step(steered: Steered) -> None:
    order = {"symbol": "BTC/USDT", "side": "buy", "quantity": QUANTITY, "stop": await steered.stop_at("0.02")}
    placed = await steered.post("/paper/trade", order)
    assert placed.status_code == 201, placed.text
    await steered.until(lambda: any(p.quantity for p in steered.session.desk.open_positions()))
    answer = await steered.post("/coordinator/emergency")
    assert answer.status_code == 202
    [position] = answer.json()["positions"]
    assert answer.json()["paused"] is True
    event = await steered.event("admin_override")
    assert event.details == {"act": "emergency", "positions": [position], "origin": "hand"}
    await steered.until(lambda: not steered.session.desk.open_positions())
    status = await steered.get("/coordinator/status")
    assert (status["state"], status["paused"], status["halted"]) == ("paused", True, "")


async def test_where_equity_is_unknown_nothing_is_measured_and_no_reset_is_possible(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steered.session.portfolio, "equity_usd", lambda mark=None: None)
    state = await steered.get("/risk/state")
    assert (state["equity"], state["drawdown_percent"], state["day_percent"]) == (None, None, None)
    assert (state["limits"]["position_max_usd"], state["peak_equity"]) == (None, "10000")
    assert state["words"] == ["equity is unknown or not above zero: nothing new is opened"]
    verdict = (await steered.post("/risk/validate", {"symbol": "BTC/USDT", "side": "buy"})).json()
    assert "equity" in [each["rule"] for each in verdict["reasons"]]
    assert (await steered.post("/risk/reset")).status_code == 409
