"""Questions, edits, batches and the dead man's switch over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.api.conftest import Bench
from tests.storage.scripted_session import START_NS

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Limit, OrderOptions, StopLoss

AFTER_60_S = "2023-11-14T22:14:20.000000Z"


async def test_options_reach_the_order_and_are_shown(bench: Bench, order: dict[str, Any]) -> None:
    close = {"order_type": "stop-loss", "price": "850"}
    asked = {**order, "close": close, "starts": "+60", "deadline": "500ms"}
    async with bench.client("trader") as trader:
        placed = await trader.post("/paper/trade", json=asked)
        again = await trader.post("/paper/trade", json=asked)
        other = await trader.post("/paper/trade", json={**asked, "close": {**close, "price": "860"}})
    assert (placed.status_code, again.status_code, other.status_code) == (201, 200, 409)
    request = bench.control.orders["mine"].request
    assert request.options == OrderOptions(
        close=StopLoss(Decimal(850)), deadline_ns=START_NS + SECOND_NS // 2, starts_at_ns=START_NS + 60 * SECOND_NS
    )
    shown = placed.json()
    assert (shown["close"], shown["starts_at"], shown["reduce_only"]) == ("stop-loss 850", AFTER_60_S, False)
    stored = await bench.reader.order(bench.control.session_id, client_order_id="mine")
    assert stored is not None and stored.request == request


@pytest.mark.parametrize(
    "change",
    [
        {"starts": "soon"},
        {"deadline": "5"},
        {"close": {"order_type": "market", "price": "1"}},
        {"close": {"order_type": "limit"}},
        {"close": {"order_type": "limit", "price": "1", "post_only": True}},
        {"reduce_only": "yes"},
    ],
)
async def test_options_that_make_no_sense_are_no_order(
    bench: Bench, order: dict[str, Any], change: dict[str, Any]
) -> None:
    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/trade", json={**order, **change})
    assert (answer.status_code, answer.json()["error_code"]) == (422, "invalid_request")


async def test_a_question_is_answered_and_nothing_is_placed(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader:
        good = await trader.post("/paper/orders/validate", json=order)
        bad = await trader.post("/paper/orders/validate", json={**order, "leverage": 2})
    assert (good.status_code, good.json()["valid"]) == (200, True)
    assert (bad.status_code, bad.json()["error_code"]) == (422, "EOrder:Margin allowance exceeded")
    assert bench.control.orders == {}
    assert len(await bench.events("order_validate")) == 1


async def test_an_edit_is_a_new_order_that_names_the_one_before(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader:
        await trader.post("/paper/trade", json=order)
        edited = await trader.post("/paper/orders/mine/edit", json={"price": "901", "client_order_id": "next"})
        nothing = await trader.post("/paper/orders/mine/edit", json={"deadline": "5s"})
        ghost = await trader.post("/paper/orders/ghost/edit", json={"price": "901"})
    shown = edited.json()
    assert (edited.status_code, shown["client_order_id"], shown["replaces"]) == (201, "next", "mine")
    assert (shown["price"], shown["quantity"]) == ("901", "0.1")
    assert (nothing.status_code, ghost.status_code) == (422, 404)
    assert edited.headers["location"] == "/api/v1/paper/orders/next"
    [told] = await bench.events("order_edit")
    assert told.details["replaces"] == "mine"


async def test_a_batch_is_told_order_by_order(bench: Bench, order: dict[str, Any]) -> None:
    orders = [{**order, "client_order_id": "a"}, {**order, "client_order_id": "b", "leverage": 2}]
    async with bench.client("trader") as trader:
        placed = await trader.post("/paper/orders/batch", json={"orders": orders})
        gone = await trader.post("/paper/orders/cancel-batch", json={"orders": ["a", "a"]})
    assert placed.status_code == 201
    told = [(each["client_order_id"], each["status"], each["code"]) for each in placed.json()["items"]]
    assert told == [("a", "open", None), ("b", "rejected", "EOrder:Margin allowance exceeded")]
    assert bench.control.orders["a"].request.terms == Limit(Decimal(900))
    assert gone.json()["cancelled"] == ["a"]


@pytest.mark.parametrize(("seconds", "cancels_at"), [(60, AFTER_60_S), (0, None)])
async def test_the_switch_says_when_it_goes_off(bench: Bench, seconds: int, cancels_at: str | None) -> None:
    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/orders/cancel-all-after", json={"timeout": seconds})
        wrong = await trader.post("/paper/orders/cancel-all-after", json={"timeout": -1})
    assert (answer.status_code, answer.json()["cancels_at"]) == (200, cancels_at)
    assert wrong.status_code == 422
