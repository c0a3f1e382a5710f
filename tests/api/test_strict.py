"""What another reader of a request could take otherwise than we do is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.conftest import Bench

GOOD = '"symbol": "BTC/USDT", "side": "buy", "price": "900"'
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (f'{{{GOOD}, "quantity": "0.1", "quantity": "5"}}'.encode(), 422, "quantity: stands twice"),
        (f'{{{GOOD}, "quantity": "0.1", "quantit\\u0079": "5"}}'.encode(), 422, "quantity: stands twice"),
        (f'{{{GOOD}, "quantity": "0.1"}}'.encode("utf-16"), 400, "UTF-8"),
        (f'{{{GOOD}, "quantity": "0.1"}}'.encode("utf-16-le"), 400, "UTF-8"),
        (f'{{{GOOD}, "quantity": "0.1"}}'.encode() + b"\0", 400, "UTF-8"),
        (f'{{{GOOD}, "quantity": "\xff"}}'.encode("latin-1"), 400, "UTF-8"),
        (b"\xef\xbb\xbf" + f'{{{GOOD}, "quantity": "0.1"}}'.encode(), 400, "UTF-8"),
        (b"[" * 100_000, 422, "deep"),
    ],
)
async def test_a_body_that_can_be_read_in_two_ways_is_refused(
    bench: Bench, body: bytes, status: int, told: str
) -> None:
    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/trade", content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["error_message"]
    assert not bench.control.orders


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/paper/orders?symbol=BTC/USDT&symbol=XRP/USDT", "symbol: stands twice"),
        ("/paper/orders?limit=1&limit=", "limit: stands twice"),
        ("/api/v1/snapshot/BTC-USDT?compact=true&compact=false", "compact: stands twice"),
        ("/paper/mode?verbose=1", "verbose: there is no such parameter"),
        ("/api/v1/openapi.json?a", "a: there is no such parameter"),
    ],
)
async def test_a_parameter_that_stands_twice_or_is_unknown_is_refused(bench: Bench, path: str, told: str) -> None:
    async with bench.client("viewer") as viewer:
        answer = await viewer.get(path)
    assert (answer.status_code, answer.json()["error_message"]) == (422, told)


async def test_a_parameter_that_may_stand_several_times_does(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        assert (await viewer.get("/paper/orders?status=open&status=filled")).status_code == 200


@pytest.mark.parametrize(("field", "value"), [("stop", "800"), ("target", "1200"), ("stop", None)])
async def test_an_id_used_again_with_another_protection_is_another_order(
    bench: Bench, order: dict[str, Any], field: str, value: str | None
) -> None:
    order = {**order, "stop": "850.0"}
    async with bench.client("trader") as trader:
        assert (await trader.post("/paper/trade", json=order)).status_code == 201
        assert (await trader.post("/paper/trade", json={**order, "stop": "850"})).status_code == 200
        again = await trader.post("/paper/trade", json={**order, field: value})
    assert (again.status_code, again.json()["error_code"]) == (409, "client_order_id_in_use")
    assert again.json()["details"] == {"differing": [field]}


async def test_an_amount_beyond_what_can_be_computed_is_refused_at_the_door(
    bench: Bench, order: dict[str, Any]
) -> None:
    async with bench.client("trader") as trader:
        for field in ("stop", "target", "quantity", "price"):
            answer = await trader.post("/paper/trade", json={**order, field: "11000000000000000000"})
            assert (answer.status_code, answer.json()["error_code"]) == (422, "invalid_request")
    assert not bench.control.orders
