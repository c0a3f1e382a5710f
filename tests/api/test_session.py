"""The session and its positions over HTTP."""

from __future__ import annotations

import asyncio

import pytest
from tests.api.conftest import Bench

from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent


async def test_the_mode_stands_in_every_answer(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        mode, refused = await viewer.get("/paper/mode"), await viewer.post("/paper/reset")
    assert mode.json() == {
        "mode": "paper", "session": "paper_20231114_221320", "paused": False, "halted": "", "away": "",
        "unready": "", "waits_for": "", "feed": "demo",
        "source": "demo", "synthetic": True, "started_at": "2023-11-14T22:13:20.000000Z",
        "market_time": "2023-11-14T22:13:20.000000Z",
    }  # fmt: skip
    assert mode.headers["x-trading-mode"] == refused.headers["x-trading-mode"] == "paper"


async def test_the_portfolio_is_exact_and_unknown_stays_unknown(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        shown = (await viewer.get("/api/v1/paper/portfolio")).json()
    # 9899.6 - 100.4 = 9799.2
    assert shown["balances"] == [{"asset": "USDT", "total": "9899.6", "held": "100.4", "available": "9799.2"}]
    summary = shown["summary"]
    assert (summary["current_equity"], summary["total_percent"], summary["fees"]) == ("9999.6", None, {"USDT": "10"})
    assert shown["prices"]["XRP/USDT"] is None
    assert (shown["prices"]["BTC/USDT"]["bid"], shown["prices"]["BTC/USDT"]["source"]) == ("999.9", "demo")


async def test_the_history_is_paged_and_shows_no_balances(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        first = (await viewer.get("/paper/portfolio/history", params={"limit": 1})).json()
        last = (await viewer.get("/paper/portfolio/history", params={"after": first["next"]})).json()
    # After one fee of 0.4 equity is 9999.6, after two 9999.2.
    assert [point["equity"] for point in first["items"] + last["items"]] == ["9999.6", "9999.2"]
    assert last["next"] is None
    assert "balances" not in first["items"][0]


async def test_positions_are_listed_with_what_they_would_bring_now(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        page = (await viewer.get("/paper/positions", params={"limit": 1})).json()
        rest = (await viewer.get("/paper/positions", params={"after": page["next"], "closed": "true"})).json()
    [newest], [oldest] = page["items"], rest["items"]
    assert (newest["position_id"], newest["unrealised"]) == ("p-2", None)
    assert (oldest["position_id"], oldest["unrealised"], oldest["stop"]) == ("p-1", "-0.4", "970")


async def test_a_position_is_closed_by_the_market_and_never_at_a_price_of_the_caller(bench: Bench) -> None:
    async with bench.client("trader") as trader:
        priced = await trader.post("/paper/positions/p-1/close", json={"exit_price": "9000000"})
        closed = await trader.post("/paper/positions/p-1/close")
        unknown = await trader.post("/paper/positions/p-9/close")
        part = await trader.post("/paper/positions/p-1/close", json={"quantity": "0.5"})
        wrong = [await trader.post("/paper/positions/p-1/close", json={"quantity": q}) for q in ("0", "-1", "1e3", 1)]
        flat = await trader.post("/paper/flat", json={})
    assert (priced.status_code, closed.status_code, unknown.status_code) == (422, 202, 404)
    assert (part.status_code, {each.status_code for each in wrong}) == (202, {422})
    assert closed.json() == {"mode": "paper", "positions": ["p-1"], "left": ["p-1"], "margin": []}
    assert flat.json()["positions"] == ["p-1", "p-2"]
    assert [event.details for event in await bench.events("position_close")] == [
        {"position_id": "p-1"},
        {"position_id": "p-1", "quantity": "0.5"},
    ]


@pytest.mark.parametrize("room", ["/paper", "/api/v1/paper", "/api/v1/coordinator"])
async def test_pause_and_resume_are_audited(bench: Bench, room: str) -> None:
    async with bench.client("admin") as admin:
        assert (await admin.post(f"{room}/pause")).json()["paused"] is True
        assert (await admin.get("/health/ready")).json()["status"] == "paused"
        assert (await admin.post(f"{room}/resume")).json()["paused"] is False
    assert len(await bench.events("trading_paused")) == len(await bench.events("trading_resumed")) == 1


async def test_a_reset_names_the_old_and_the_new_session_and_is_audited(bench: Bench) -> None:
    async with bench.client("admin") as admin:
        answer = await admin.post("/paper/reset")
    assert answer.status_code == 201
    assert (answer.json()["session"], answer.json()["previous"]) == ("paper_20231114_230000", "paper_20231114_221320")
    [event] = await bench.events("paper_reset")
    assert event.actor.startswith("admin:") and event.details == {"session": "paper_20231114_221320"}


async def test_a_session_that_stops_under_a_command_still_gets_an_answer_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def abandoned(command: object, origin: Origin, audit: SecurityEvent) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(bench.control, "submit", abandoned)
    async with bench.client("admin") as admin:
        answer = await admin.post("/paper/pause")
    assert (answer.status_code, answer.json()["error_code"]) == (504, "outcome_unknown")
