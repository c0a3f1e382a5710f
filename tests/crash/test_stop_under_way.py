"""Ctrl-C while orders are under way: whoever is told that nothing was placed finds nothing placed afterwards."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import pytest
from tests.app.paper_process import PaperHome, eventually

pytestmark = pytest.mark.crash

_PAPER = ("paper", "--feed", "demo", "--speed", "1", "--session", "st", "--llm", "none", "--json")
_TRADERS = 5


def _client(home: PaperHome) -> httpx.Client | None:
    note = home.path / "running" / "st.json"
    if not note.exists():
        return None
    running = json.loads(note.read_text())
    key = (home.path / "admin.key").read_text().strip()
    url = f"http://{running['host']}:{running['port']}/api/v1"
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False)


def _order(name: str) -> dict[str, str]:
    return {"client_order_id": name, "symbol": "XRP/USDT", "side": "buy", "quantity": "20"}


def _trade(client: httpx.Client, family: str, told: dict[str, httpx.Response]) -> None:
    """One order after the other, until one is not answered any more, or not placed."""
    for number in range(1_000):
        name = f"{family}-{number}"
        try:
            told[name] = client.post("/paper/trade", json=_order(name))
        except httpx.TransportError:
            return
        if told[name].status_code != 201:
            return


def test_orders_under_way_at_a_stop_are_told_as_they_are_stored(tmp_path: Path) -> None:
    """The demo market answers after 100 ms, so that at any time an order of each trader is under way."""
    home = PaperHome(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    told: dict[str, httpx.Response] = {}
    with home.running(*_PAPER) as running:
        client = eventually(lambda: _client(home), "the API")
        eventually(lambda: client.post("/paper/trade", json=_order("warm")).status_code in (200, 201), "an order")
        traders = [threading.Thread(target=_trade, args=(client, f"fly-{n}", told)) for n in range(_TRADERS)]
        for trader in traders:
            trader.start()
        eventually(lambda: len(told) > _TRADERS, "answers")
        assert running.interrupt().code == 0
        for trader in traders:
            trader.join()
    with home.running(*_PAPER) as running:
        client = eventually(lambda: _client(home), "the API")
        page = client.get("/paper/orders", params={"limit": 1000}).json()
        running.interrupt()
    rows = {order["client_order_id"]: order["status"] for order in page["items"]}
    assert "warm" in rows
    for name, answer in told.items():
        match answer.status_code:
            case 201:
                assert name in rows, answer.text
            case 503:
                assert answer.json()["error_code"] == "stopped" and name not in rows
            case 429:
                assert name not in rows
            case status:
                assert (status, answer.json()["error_code"]) == (504, "outcome_unknown"), answer.text
