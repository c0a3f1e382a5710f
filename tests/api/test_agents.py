"""Agents, decisions and the coordinator over HTTP."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.api.conftest import Bench
from tests.storage.scripted_session import START_NS

from triplegain.domain.agent_records import AnalysisRecord, VoteRecord
from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.records import DecisionRecord, Outcome

ANALYSIS = AnalysisRecord(
    number=1,
    time_ns=START_NS,
    task="technical",
    symbol="BTC/USDT",
    model="qwen",
    abstained=False,
    confidence=Decimal("0.60"),
    answer={"bias": "long"},
    reason="the averages crossed",
    latency_ns=1500 * MILLISECOND_NS,
)
VOTE = VoteRecord(1, START_NS, 1, "BTC/USDT", "qwen", "qwen3:4b", "buy", Decimal("0.70"), Decimal(1000))


async def test_agents_are_told_with_what_each_said_last(bench: Bench) -> None:
    abstained = replace(ANALYSIS, number=2, abstained=True, confidence=None, answer={}, reason="timeout", model=None)
    await bench.control.store_step(analyses=(ANALYSIS, abstained, replace(ANALYSIS, number=3, task="regime")))
    async with bench.client("viewer") as viewer:
        agents = (await viewer.get("/api/v1/agents")).json()
        page = (await viewer.get("/api/v1/agents/analyses", params={"task": "technical", "limit": 1})).json()
        rest = (await viewer.get("/api/v1/agents/analyses", params={"after": page["next"]})).json()
    assert (agents["level"], agents["tasks"][0]["skipped"], agents["tasks"][1]["next_due"]) == (
        "reduced", {"paused": 3}, None,
    )  # fmt: skip
    assert agents["models"] == [{"name": "qwen", "provider": "ollama", "roles": ["decision", "regime"]}]
    assert [(each["task"], each["abstained"]) for each in agents["latest"]] == [("regime", False), ("technical", True)]
    assert (page["items"][0]["number"], page["items"][0]["reason"]) == (2, "timeout")
    [first] = rest["items"]
    assert (first["confidence"], first["latency_ms"], first["answer"]) == ("0.6", 1500, {"bias": "long"})


async def test_decisions_are_paged_newest_first_with_their_votes(bench: Bench) -> None:
    third = DecisionRecord(3, START_NS, "XRP/USDT", "consensus", "buy", Decimal("0.50"), Outcome.REFUSED, ("unsure",))
    third = replace(third, details={"rules": ["confidence"]})
    await bench.control.store_step(decisions=(third,), votes=(VOTE,))
    async with bench.client("viewer") as viewer:
        page = (await viewer.get("/api/v1/decisions", params={"limit": 2})).json()
        rest = (await viewer.get("/api/v1/decisions", params={"limit": 2, "after": page["next"]})).json()
        refused = (await viewer.get("/api/v1/decisions", params={"outcome": "refused"})).json()
        wrong = await viewer.get("/api/v1/decisions", params={"outcome": "won"})
    assert [each["number"] for each in page["items"]] == [3, 2] and rest["next"] is None
    [first], [newest] = rest["items"], refused["items"]
    assert (first["outcome"], first["client_order_id"], page["items"][0]["votes"]) == ("sent", "c-1", [])
    assert [(vote["model"], vote["action"], vote["confidence"]) for vote in first["votes"]] == [("qwen", "buy", "0.7")]
    assert (newest["symbol"], newest["reasons"], newest["confidence"]) == ("XRP/USDT", ["unsure"], "0.5")
    assert newest["details"] == {"rules": ["confidence"]}
    assert wrong.status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/agents/regime/run", "/api/v1/coordinator/tasks/regime/run"])
async def test_a_run_is_wanted_and_audited(bench: Bench, path: str) -> None:
    async with bench.client("trader") as trader:
        asked = await trader.post(path)
        unknown = await trader.post("/api/v1/agents/decision/run")
        bench.control.paused = True
        not_now = await trader.post(path)
        odd = await trader.post("/api/v1/agents/DROP%20TABLE/run")
    assert asked.status_code == 202
    assert asked.json() == {"mode": "paper", "session": bench.control.session_id, "task": "regime"}
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "unknown_task")
    assert (not_now.status_code, not_now.json()["error_code"]) == (409, "not_now")
    assert odd.status_code == 422
    [event] = await bench.events("agent_run")
    assert event.actor.startswith("trader:") and event.details == {"task": "regime"}


async def test_the_status_of_the_coordinator_is_the_mode_and_more(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        mode = (await viewer.get("/paper/mode")).json()
        status = (await viewer.get("/api/v1/coordinator/status")).json()
    assert mode.items() <= status.items()
    assert (status["state"], status["level"], status["failing"]) == (
        "running", "reduced", "ollama failed 3 times: timeout",
    )  # fmt: skip
    assert status["decisions"] == {"sent": 1, "refused": 2, "held": 3, "abstained": 4}
    assert [task["runs"] for task in status["tasks"]] == [12, 0]


async def test_a_trader_may_stop_everything_but_not_start_it_again(bench: Bench) -> None:
    async with bench.client("trader") as trader:
        stopped = await trader.post("/api/v1/coordinator/emergency")
        resumed = await trader.post("/paper/resume")
    assert stopped.status_code == 202
    assert (stopped.json()["paused"], stopped.json()["positions"]) == (True, ["p-1", "p-2"])
    assert resumed.status_code == 403 and bench.control.paused
    [event] = await bench.events("admin_override")
    assert event.actor.startswith("trader:") and event.details == {"act": "emergency"}
