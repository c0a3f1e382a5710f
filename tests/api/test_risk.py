"""Risk over HTTP: the state, a question, the reset."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.api import told
from tests.api.conftest import Bench

from triplegain.domain.orders import Limit, Side
from triplegain.domain.proposal import Intent, Regime


async def test_the_state_has_money_as_text_and_times_in_utc(bench: Bench) -> None:
    bench.control.halted = "yes"
    async with bench.client("viewer") as viewer:
        state = (await viewer.get("/api/v1/risk/state")).json()
    assert (state["mode"], state["session"], state["state"]) == ("paper", bench.control.session_id, "halted")
    assert (state["equity"], state["drawdown_percent"], state["week_percent"]) == ("8000", "20", None)
    assert state["halts"] == [{"kind": "drawdown", "until": None, "reason": told.HALT}]
    # START_NS is 22:13:20; ten minutes later the cool-down ends.
    assert state["cooldowns"] == [{"kind": "loss", "symbol": None, "until": "2023-11-14T22:23:20.000000Z"}]


async def test_a_verdict_has_every_reason_rule_and_clamp(bench: Bench) -> None:
    asked = {
        "symbol": "btc/usdt",
        "side": "BUY",
        "size": "500",
        "stop": "970",
        "confidence": "0.80",
        "regime": "Choppy",
    }
    async with bench.client("viewer") as viewer:
        approved = (await viewer.post("/api/v1/risk/validate", json={**asked, "regime": "Choppy"})).json()
        refused = (await viewer.post("/api/v1/risk/validate", json={"symbol": "BTC/USDT", "side": "buy"})).json()
    assert (approved["outcome"], approved["approved"], approved["quantity"]) == ("modified", True, "0.1")
    assert approved["clamps"] == [{"rule": "size_max", "from": "0.5", "to": "0.1"}]
    assert approved["warnings"] == [{"rule": "exposure_max", "words": "exposure is at 72 % of equity"}]
    assert (approved["confidence"], approved["regime"], approved["paused"]) == ("0.8", "choppy", False)
    assert (refused["outcome"], refused["approved"]) == ("rejected", False)
    assert refused["reasons"] == [{"rule": "stop_required", "words": "a stop-loss is required"}]


async def test_a_question_arrives_as_it_was_asked(bench: Bench) -> None:
    asked = {"symbol": "BTC/USDT", "side": "buy", "notional": "500.5", "entry_price": "990", "leverage": 3}
    async with bench.client("viewer") as viewer:
        await viewer.post("/api/v1/risk/validate", json={**asked, "regime": "ranging", "stop": "970"})
    assert bench.control.asked is not None
    proposal, notional, regime = bench.control.asked
    assert (notional, proposal.terms, proposal.leverage) == (Decimal("500.5"), Limit(Decimal(990)), 3)
    assert (proposal.confidence, regime) == (Decimal("0.75"), Regime.RANGING)


async def test_a_sale_with_a_stop_asks_about_a_short_and_without_about_a_way_out(bench: Bench) -> None:
    for more, intent in (({"stop": "1010"}, Intent.OPEN), ({}, Intent.CLOSE)):
        async with bench.client("viewer") as viewer:
            await viewer.post("/api/v1/risk/validate", json={"symbol": "BTC/USDT", "side": "sell", **more})
        assert bench.control.asked is not None
        assert (bench.control.asked[0].side, bench.control.asked[0].intent) == (Side.SELL, intent)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"quantity": "1", "notional": "5"}, "not both"),
        ({"quantity": 1}, "must be text"),
        ({"quantity": "0"}, "above zero"),
        ({"side": "hold"}, "side"),
        ({"side": "sell", "target": "900"}, "with a stop as well it opens a short"),
        ({"confidence": "1.01"}, "from"),
        ({"confidence": "NaN"}, "from"),
        ({"confidence": "-0"}, "from"),
        ({"confidence": "0.1234567"}, "decimals"),
        ({"confidence": 0.75}, "must be text"),
        ({"regime": "sunny"}, "regime"),
        ({"leverage": 6}, "leverage"),
        ({"leverage": "2"}, "leverage"),
        ({"stop": "Infinity"}, "plain decimal"),
        ({"when": "now"}, "when"),
    ],
)
async def test_what_makes_no_question_is_refused(bench: Bench, wrong: dict[str, Any], words: str) -> None:
    async with bench.client("viewer") as viewer:
        answer = await viewer.post("/api/v1/risk/validate", json={"symbol": "BTC/USDT", "side": "buy", **wrong})
    assert (answer.status_code, answer.json()["error_code"]) == (422, "invalid_request")
    assert words in answer.json()["error_message"]
    assert bench.control.asked is None


async def test_a_reset_is_audited_and_says_what_it_ended(bench: Bench) -> None:
    async with bench.client("admin") as admin:
        done = await admin.post("/api/v1/risk/reset")
        bench.control.halted = "no price"
        refused = await admin.post("/api/v1/risk/reset")
    assert done.json()["ended"] == ["drawdown: -20.00 % from the peak"]
    assert (refused.status_code, refused.json()["error_code"]) == (409, "equity_unknown")
    [event] = await bench.events("risk_reset")
    assert event.actor.startswith("admin:") and event.details == {"session": bench.control.session_id}
