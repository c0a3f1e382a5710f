"""Orders over HTTP: placed once, in exact amounts, with the audit beside them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.api.alone import Alone
from tests.api.conftest import Bench

from triplegain.api.app import create_app
from triplegain.api.requests import Amendment
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderStatus, OrderTerms, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import (
    Iceberg,
    MarketByCost,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)
from triplegain.domain.views import OrderStanding


async def test_an_order_is_stored_with_who_sent_it_before_it_is_answered(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader:
        answer = await trader.post("/api/v1/paper/trade", json={**order, "stop": "800", "target": "1200"})
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/v1/paper/orders/mine"
    shown = answer.json()
    assert (shown["mode"], shown["status"], shown["quantity"], shown["price"]) == ("paper", "open", "0.1", "900")
    assert bench.control.protection == (Decimal(800), Decimal(1200))
    stored = await bench.reader.order(bench.control.session_id, client_order_id="mine")
    assert stored is not None and stored.request.terms == Limit(Decimal(900))
    [told] = await bench.events("paper_trade")
    assert told.actor.startswith("trader:") and told.address == "127.0.0.1"
    assert told.request_id == answer.headers["x-request-id"]
    assert told.details["client_order_id"] == "mine" and told.details["quantity"] == "0.1"


async def test_the_same_key_sent_many_times_at_once_is_one_order(bench: Bench, order: dict[str, Any]) -> None:
    del order["client_order_id"]
    async with bench.client("trader") as trader:
        headers = {"Idempotency-Key": "once"}
        answers = await asyncio.gather(*(trader.post("/paper/trade", json=order, headers=headers) for _ in range(10)))
        later = await trader.post("/paper/trade", json=order, headers=headers)
    assert 201 in {answer.status_code for answer in answers} <= {200, 201}
    assert later.status_code == 200
    assert len({answer.json()["order_number"] for answer in (*answers, later)}) == 1
    assert len(await bench.events("paper_trade")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": "0.2"},
        {"price": "901"},
        {"side": "sell"},
        {"expires": "1h"},
        {"post_only": True},
        {"self_trade": "cancel_both"},
        {"fee_preference": "base"},
    ],
)
async def test_an_id_used_again_for_another_order_is_a_conflict(
    bench: Bench, order: dict[str, Any], change: dict[str, Any]
) -> None:
    async with bench.client("trader") as trader:
        await trader.post("/paper/trade", json=order)
        answer = await trader.post("/paper/trade", json={**order, **change})
    assert (answer.status_code, answer.json()["error_code"]) == (409, "client_order_id_in_use")
    assert len(bench.control.orders) == 1


async def test_a_rejected_order_is_an_error_with_krakens_code_and_the_order(
    bench: Bench, order: dict[str, Any]
) -> None:
    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/trade", json={**order, "leverage": 2})
        unknown = await trader.post("/paper/trade", json={**order, "symbol": "DOGE/USDT"})
    body = answer.json()
    assert answer.status_code == 422 and set(body) == {"error_code", "error_message", "details"}
    assert body["error_code"] == "EOrder:Margin allowance exceeded"
    assert (body["details"]["order"]["status"], body["details"]["order"]["mode"]) == ("rejected", "paper")
    assert unknown.status_code == 409, "the id belongs to the rejected order by now"


async def test_an_order_that_was_taken_out_before_anything_of_it_was_filled_is_not_placed(
    bench: Bench, order: dict[str, Any]
) -> None:
    bench.control.taken_out = "taken out: a row is out of range"
    async with bench.client("trader") as trader:
        answers = [await trader.post("/paper/trade", json=order) for _ in range(2)]
    for answer in answers:
        body = answer.json()
        assert (answer.status_code, body["error_code"]) == (422, "commit_refused")
        assert body["error_message"] == "taken out: a row is out of range"
        assert body["details"]["order"]["status"] == "error"


@pytest.mark.parametrize("amount", [0.1, 1, "0", "NaN"])
async def test_a_wrong_amount_is_refused_by_the_name_of_its_field(
    bench: Bench, order: dict[str, Any], amount: object
) -> None:
    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/trade", json={**order, "quantity": amount})
    assert (answer.status_code, answer.json()["error_code"]) == (422, "invalid_request")
    assert [each["field"] for each in answer.json()["details"]["errors"]] == ["quantity"]
    assert bench.control.orders == {}


async def test_the_fee_is_taken_in_the_currency_that_was_asked_for(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader:
        coins = await trader.post("/paper/trade", json={**order, "fee_preference": "Base"})
        usual = await trader.post("/paper/trade", json={**order, "client_order_id": "b"})
        wrong = await trader.post("/paper/trade", json={**order, "client_order_id": "c", "fee_preference": "kfee"})
    assert [answer.json()["fee_asset"] for answer in (coins, usual)] == ["BTC", "USDT"]
    assert [each["field"] for each in wrong.json()["details"]["errors"]] == ["fee_preference"]


async def test_entry_price_is_another_word_for_price(bench: Bench, order: dict[str, Any]) -> None:
    order["entry_price"] = order.pop("price")
    async with bench.client("trader") as trader:
        assert (await trader.post("/paper/trade", json=order)).json()["price"] == "900"
        both = await trader.post("/paper/trade", json={**order, "price": "901", "client_order_id": "b"})
    assert both.status_code == 422


async def test_broken_json_is_an_error_in_the_one_shape(bench: Bench) -> None:
    json_type = {"Content-Type": "application/json"}
    async with bench.client("trader") as trader:
        for content in (b"{", b"[" * 100_000, b'"x"', b"\xff", b"", b'{"quantity": ' + b"1" * 5000 + b"}"):
            answer = await trader.post("/paper/trade", content=content, headers=json_type)
            assert answer.status_code in (400, 422), content[:20]
            assert set(answer.json()) == {"error_code", "error_message", "details"}


async def test_an_order_is_shown_with_its_fills_and_their_explanation_by_either_id(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        mine = (await viewer.get("/paper/orders/c-1")).json()
        same = (await viewer.get(f"/paper/orders/{mine['order_id']}")).json()
        missing = await viewer.get("/paper/orders/c-9")
    assert mine == same
    # 100 / 0.1 = 1000.
    assert (mine["status"], mine["average_price"], mine["fees"]) == ("filled", "1000", "0.4")
    [fill] = mine["fills"]
    assert (fill["price"], fill["quantity"], fill["fee"]) == ("1000", "0.1", "0.4")
    assert fill["explanation"]["levels"] == [["1000", "0.1"]]
    assert (missing.status_code, missing.json()["error_code"]) == (404, "unknown_order")


async def test_lists_are_filtered_before_they_are_cut_and_paged_by_cursor(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader:
        await trader.post("/paper/trade", json=order)
        newest = (await trader.get("/paper/orders", params={"limit": 2})).json()
        rest = (await trader.get("/paper/orders", params={"limit": 2, "after": newest["next"]})).json()
        filled = (await trader.get("/paper/orders", params={"status": "filled", "limit": 1})).json()
        other = (await trader.get("/paper/orders", params={"symbol": "xrp/usdt"})).json()
        for wrong in ("stauts=open", "status=done", "limit=0", "limit=1001", "after=-1", f"after={2**63}"):
            assert (await trader.get(f"/paper/orders?{wrong}")).status_code == 422, wrong
    names = [each["client_order_id"] for each in newest["items"] + rest["items"]]
    assert (names, rest["next"]) == (["mine", "c-2", "c-1"], None)
    assert [each["client_order_id"] for each in filled["items"]] == ["c-2"]
    assert other["items"] == []


async def test_an_order_is_amended_and_cancelled_once(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader:
        number = (await trader.post("/paper/trade", json=order)).json()["order_id"]
        amended = await trader.patch(f"/paper/orders/{number}", json={"price": "905.5"})
        nothing = await trader.patch("/paper/orders/mine", json={})
        cancelled = await trader.delete("/paper/orders/mine")
        again = await trader.delete("/paper/orders/mine")
        filled = await trader.delete("/paper/orders/c-1")
    assert (amended.json()["price"], amended.json()["quantity"]) == ("905.5", "0.1")
    assert nothing.status_code == 422
    assert (cancelled.json()["status"], again.json()["status"]) == ("cancelled", "cancelled")
    assert (filled.status_code, filled.json()["error_code"]) == (409, "order_final")
    assert bench.control.orders["mine"].status is OrderStatus.CANCELLED
    assert [event.details["client_order_id"] for event in await bench.events("order_cancel")] == ["mine"]
    assert [event.details["price"] for event in await bench.events("order_amend")] == ["905.5"]


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"price": "905.5", "quantity": "2"}, AmendRequest("x", Decimal(2), Decimal("905.5"))),
        ({"price": "+2%"}, AmendRequest("x", trail=Offset(Sign.PLUS, Decimal(2), percent=True))),
        ({"limit_price": "900"}, AmendRequest("x", limit_price=Decimal(900))),
        ({"limit_price": "-1"}, AmendRequest("x", limit_price=Offset(Sign.MINUS, Decimal(1)))),
        ({"display_quantity": "0.5"}, AmendRequest("x", display=Decimal("0.5"))),
        (
            {"price": "905.5", "post_only": True, "deadline": "5s"},
            AmendRequest("x", None, Decimal("905.5"), post_only=True, deadline_ns=5 * 10**9 + 7),
        ),
        ({"deadline": "5s", "post_only": True}, None),  # nothing is different
        ({"price": "-0", "quantity": "0"}, None),
        ({"price": "2 %"}, None),
        ({"price": "1", "deadline": "soon"}, None),
        ({"trail": "+1"}, None),
    ],
)
def test_what_a_body_asks_to_be_amended(body: dict[str, Any], asked: AmendRequest | None) -> None:
    try:
        made = Amendment.model_validate(body).request("x", 7)
    except ValueError:
        assert asked is None
    else:
        assert made == asked


async def test_all_orders_are_cancelled_in_one_request_beside_the_budget_of_trading(
    bench: Bench, order: dict[str, Any]
) -> None:
    async with bench.client("trader") as trader:
        for number in range(30):
            placed = await trader.post("/paper/trade", json={**order, "client_order_id": f"mine-{number}"})
            assert placed.status_code == 201
        # 30 a minute: nothing more may be placed.
        assert (await trader.post("/paper/trade", json={**order, "client_order_id": "late"})).status_code == 429
        answer = await trader.post("/paper/orders/cancel-all")
    assert answer.status_code == 200
    assert (len(answer.json()["cancelled"]), answer.json()["kept"]) == (30, ["tg-stop-1"])
    assert {each.status for each in bench.control.orders.values()} == {OrderStatus.CANCELLED}


async def test_a_command_that_takes_too_long_goes_on_and_its_id_finds_it(bench: Bench, order: dict[str, Any]) -> None:
    bench.app = create_app(Alone(bench.control), bench.reader, bench.guard, command_timeout_s=0.0)
    bench.control.held_up = asyncio.Event()
    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/trade", json=order)
        assert (answer.status_code, answer.json()["error_code"]) == (504, "outcome_unknown")
        assert "mine" in answer.json()["error_message"]
        bench.control.held_up.set()
        async with asyncio.timeout(10):
            await bench.control.stored.wait()
        assert (await trader.get("/paper/orders/mine")).json()["status"] == "open"


EVERY_TYPE: list[tuple[dict[str, Any], OrderTerms]] = [
    ({"price": None}, Market()),
    ({"price": None, "quantity": None, "cost": "50"}, MarketByCost(Decimal(50))),
    ({"price": "-2%"}, Limit(Offset(Sign.MINUS, Decimal(2), percent=True))),
    ({"order_type": "iceberg", "display_quantity": "0.01"}, Iceberg(Decimal(900), Decimal("0.01"))),
    ({"order_type": "stop-loss"}, StopLoss(Decimal(900))),
    ({"order_type": "stop-loss-limit", "limit_price": "899"}, StopLossLimit(Decimal(900), Decimal(899))),
    ({"order_type": "take-profit"}, TakeProfit(Decimal(900))),
    (
        {"order_type": "take-profit-limit", "limit_price": "#1"},
        TakeProfitLimit(Decimal(900), Offset(Sign.AHEAD, Decimal(1))),
    ),
    ({"order_type": "trailing-stop", "price": "+100"}, TrailingStop(Offset(Sign.PLUS, Decimal(100)))),
    (
        {"order_type": "trailing-stop-limit", "price": "+2%", "limit_price": "-10"},
        TrailingStopLimit(Offset(Sign.PLUS, Decimal(2), percent=True), Offset(Sign.MINUS, Decimal(10))),
    ),
]


@pytest.mark.parametrize(("change", "terms"), EVERY_TYPE, ids=lambda each: getattr(each, "kind", None))
async def test_every_type_is_placed_stored_and_shown(
    bench: Bench, order: dict[str, Any], change: dict[str, Any], terms: OrderTerms
) -> None:
    body = {**order, **change, "time_in_force": "fok" if terms.limited and terms.display is None else None}
    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/trade", json=body)
        again = await trader.post("/paper/trade", json=body)
        shown = (await trader.get("/paper/orders/mine")).json()
    assert (answer.status_code, again.status_code) == (201, 200), answer.text
    assert (shown["order_type"], shown["asked"]) == (terms.kind.value, terms.words)
    assert shown["cost"] == change.get("cost") and shown["display_quantity"] == change.get("display_quantity")
    stored = await bench.reader.order(bench.control.session_id, client_order_id="mine")
    assert stored is not None and stored.request.terms == terms
    assert stored.request.time_in_force.value == (body["time_in_force"] or "gtc")


async def test_an_open_order_shows_how_it_stands_at_the_exchange(bench: Bench, order: dict[str, Any]) -> None:
    bench.control.standings["mine"] = OrderStanding(
        trigger=Decimal("880"), limit=None, peak=Decimal("980"), displayed=None
    )
    async with bench.client("trader") as trader:
        await trader.post("/paper/trade", json={**order, "order_type": "trailing-stop", "price": "+100"})
        shown = (await trader.get("/paper/orders/mine")).json()
        listed = (await trader.get("/paper/orders")).json()["items"]
    assert shown["standing"] == {
        "trigger": "880", "limit": None, "peak": "980", "displayed": None, "ahead": None, "traded": None,
        "nearest": None, "nearest_at": None,
    }  # fmt: skip
    assert [each["standing"] for each in listed if each["client_order_id"] != "mine"] == [None, None]


async def test_an_order_is_explained_by_each_of_its_ids(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        shown = (await viewer.get("/paper/orders/c-1")).json()
        found = (await viewer.get("/paper/orders/c-1/explanation")).json()
        others = [
            (await viewer.get(f"/paper/orders/{name}/explanation")).json()
            for name in (shown["order_id"], shown["fills"][0]["fill_id"])
        ]
        unknown = await viewer.get("/paper/orders/nobody/explanation")
        nothing_more = (await viewer.get("/paper/orders/c-1/explanation?limit=1&after=1")).json()
        for wrong in ("limit=0", "limit=1001", "after=-1", f"after={2**63}", "before=1", "after=x", "limit=1&limit=x"):
            assert (await viewer.get(f"/paper/orders/c-1/explanation?{wrong}")).status_code == 422, wrong
    assert (nothing_more["steps"], nothing_more["fills"], nothing_more["next"]) == ([], 1, None)
    assert others == [found, found]
    assert (found["client_order_id"], found["status"], found["why_not"]) == ("c-1", "filled", [])
    [step] = found["steps"]
    assert step["words"].startswith("Bought 0.1 BTC at 1,000.") and step["fills"][0]["price"] == "1000"
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "unknown_order")
