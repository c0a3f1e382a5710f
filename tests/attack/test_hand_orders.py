"""A person at the same account: neither his orders nor his haste come between a position and its coins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.app.stored_record import check_record, database_of
from tests.attack.test_odd_values import ORDER, owner_of

pytestmark = pytest.mark.slow

#: It is looked at as often as a test likes.
_READS = "limits_per_minute: {reads: 1000000, default: 1000000}\n"
_BUDGET = _READS.replace("{", "{trade: 3, ")


@contextmanager
def session(folder: Path, **files: str) -> Iterator[tuple[PaperHome, httpx.Client]]:
    config = folder / "config"
    config.mkdir()
    for name, text in ({"api": _READS} | files).items():
        (config / f"{name}.yaml").write_text(text)
    home = PaperHome(folder / "home", {"TRIPLEGAIN_CONFIG_DIR": str(config)})
    with home.running("paper", "--feed", "demo", "--llm", "none", "--session", "s", "--candle", "1d") as running:
        with owner_of(home, running) as client:
            yield home, client
        assert running.interrupt().code == 0
    with database_of(home) as url:
        check_record(url, "s")


def order_of(client: httpx.Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/paper/orders/{name}").json()
    return found


def stops_of(client: httpx.Client) -> list[dict[str, Any]]:
    items = client.get("/paper/orders?status=open").json()["items"]
    return [each for each in items if each["order_type"] == "stop-loss"]


def filled(client: httpx.Client, name: str, **changes: str) -> dict[str, Any]:
    answer = client.post("/paper/trade", json=ORDER | {"client_order_id": name} | changes)
    assert answer.json().get("status") == "filled", answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_coins_of_a_position_are_sold_by_its_own_way_out_only(home: PaperHome) -> None:
    """The second purchase is filled long before anybody is told of it: what may be sold is judged by what there is."""
    delays = "paper_trading: {fill_delay_ms: 100, response_delay_ms: 2000}\n"
    with session(home.path.parent, execution=delays) as (product, client):
        first = filled(client, "first", quantity="0.01")
        placing = product.start("order", "place", "BTC/USDT", "buy", "0.01", "--id", "second")
        eventually(lambda: order_of(client, "second").get("order_id"), "the second order")
        for quantity in ("0.015", "0.01", "0.001"):
            sale = client.post("/paper/trade", json=ORDER | {"side": "sell", "quantity": quantity})
            assert sale.status_code == 422, sale.text
        assert placing.wait().code == 0
        for position in (first["position_id"], order_of(client, "second")["position_id"]):
            assert client.post(f"/paper/positions/{position}/close").status_code == 202
        eventually(lambda: not client.get("/paper/positions").json()["items"], "both positions to be closed")


def test_what_was_bought_by_hand_is_sold_in_part_and_what_stays_keeps_its_stop(home: PaperHome) -> None:
    with session(home.path.parent) as (product, client):
        bought = filled(client, "bought", quantity="0.01", stop="50000")
        position = bought["position_id"]
        stop = eventually(lambda: stops_of(client), "a stop")[0]
        assert client.delete(f"/paper/orders/{stop['client_order_id']}").status_code == 422
        assert product.run("position", "close", position, "--quantity", "0.004").code == 0

        def rest() -> Any:
            (found,) = client.get("/paper/positions").json()["items"]
            return found["quantity"] == "0.006" and found

        eventually(rest, "the part to be sold")
        eventually(lambda: [each["quantity"] for each in stops_of(client)] == ["0.006"], "its stop")


def test_what_makes_safer_is_done_after_placing_has_used_up_its_budget(home: PaperHome) -> None:
    with session(home.path.parent, api=_BUDGET) as (product, client):
        bought = filled(client, "bought", quantity="0.01")
        for name in ("bid-1", "bid-2"):
            assert (
                client.post("/paper/trade", json=ORDER | {"client_order_id": name, "price": "50000"}).status_code == 201
            )
        refused = client.post("/paper/trade", json=ORDER)
        assert (refused.status_code, refused.json()["details"]["limit"]) == (429, "limits_per_minute.trade")
        assert client.delete("/paper/orders/bid-1").status_code == 200
        assert client.post(f"/paper/positions/{bought['position_id']}/close").status_code == 202
        assert json.loads(product.run("order", "cancel", "--all", "--json").stdout)["cancelled"] == ["bid-2"]
        assert product.run("pause").code == 0
        assert product.run("emergency").code == 0
        eventually(lambda: not client.get("/paper/positions").json()["items"], "the position to be closed")
