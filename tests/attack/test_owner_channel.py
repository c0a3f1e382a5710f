"""Whoever is on this machine or reaches it tries to keep the owner from his session, to take his key, or to fill it."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.paper_process import PaperHome, Running, eventually
from tests.app.stored_record import ask, database_of
from tests.attack.flood import flooded
from tests.yardstick import timed

from triplegain.api.owner_socket import reachable, socket_of

pytestmark = pytest.mark.slow

LIMIT = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.01", "price": "1000"}


def note(home: PaperHome) -> dict[str, Any]:
    """Where the one session says that it answers."""
    [path] = eventually(lambda: list((home.path / "running").glob("*.json")), "a session that answers")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@contextmanager
def by_key(home: PaperHome) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {(home.path / 'admin.key').read_text().strip()}"}
    url = f"http://127.0.0.1:{note(home)['port']}/api/v1"
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@contextmanager
def running(home: PaperHome) -> Iterator[Running]:
    with home.running("paper", "--feed", "demo", "--llm", "none", "--json") as process:
        note(home)
        yield process
        assert process.interrupt().code == 0


def test_the_owner_stops_everything_within_a_second_under_any_flood_and_strangers_leave_a_few_rows(
    home: PaperHome, record_testsuite_property: Callable[[str, object], None]
) -> None:
    took_s = []
    with running(home):
        told = note(home)
        with flooded(told["port"]), by_key(home) as trader:
            path = socket_of(home.path / "running", told["pid"])
            with reachable(path) as name, httpx.Client(transport=httpx.HTTPTransport(uds=name)) as owner:
                for _ in range(20):
                    with timed() as took:
                        answer = owner.post("http://localhost/api/v1/coordinator/emergency")
                    took_s.append(took.seconds)
                    assert answer.status_code == 202, answer.text
            assert json.loads(home.run("emergency", "--json").stdout)["paused"] is True
            # A right key that is shown for the first time is let in at the network, too.
            assert trader.get("/paper/mode").status_code == 200
            foreign = httpx.get(f"http://127.0.0.1:{told['port']}/health/live", headers={"Host": "evil.example"})
            assert foreign.status_code in (421, 429)
    record_testsuite_property("emergency_worst_ms", round(max(took_s) * 1000))
    assert max(took_s) < 1, took_s
    with database_of(home) as url:
        stored = ask(url, "SELECT kind, count(*) AS n FROM security_events GROUP BY kind")
    rows = {row["kind"]: row["n"] for row in stored}
    assert rows["admin_override"] == 21
    # Each minute, and once at the end, a row for this machine.
    assert rows["auth_failure"] <= 3, rows


def test_a_stale_note_gives_nothing_to_whoever_listens_where_it_leads(home: PaperHome) -> None:
    heard: list[str] = []

    class Thief(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(str(self.headers))

        def log_message(self, *_: object) -> None:
            pass

    with running(home):
        pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Thief)
    with closing(server.socket):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for pid in (1, os.getpid()):
            told = {"session": "live", "pid": pid, "host": "127.0.0.1", "port": server.server_port, "feed": "demo"}
            stale = home.path / "running" / "live.json"
            stale.write_text(json.dumps(told | {"started_at_ns": 1}))
            said = home.run("emergency", "--json")
            assert (said.code, said.error["error_code"]) == (8, "not_running")
            assert not stale.exists()
        server.shutdown()
    assert heard == []


def test_cancelling_all_is_not_refused_for_what_was_placed_and_takes_orders_on_their_way_with_it(
    home: PaperHome, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "execution.yaml").write_text("paper_trading: {fill_delay_ms: 3000}\n")
    home = PaperHome(home.path, {"TRIPLEGAIN_CONFIG_DIR": str(tmp_path / "config")})
    with running(home), by_key(home) as trader, ThreadPoolExecutor(32) as pool:
        eventually(lambda: trader.get("/paper/portfolio").json()["prices"].get("BTC/USDT"), "a price")
        placing = [
            pool.submit(trader.post, "/paper/trade", json=LIMIT | {"client_order_id": f"c-{n}"}) for n in range(30)
        ]
        # On their way for three seconds of the market, and none of them is at the exchange yet.
        eventually(lambda: len(trader.get("/paper/orders?status=pending").json()["items"]) == 30, "orders on their way")
        assert trader.post("/paper/trade", json=LIMIT).status_code == 429
        told = json.loads(home.run("order", "cancel", "--all", "--json").stdout)
        for each in placing:
            each.result()
        assert (sorted(told["cancelled"]), told["kept"], told["left"]) == (sorted(f"c-{n}" for n in range(30)), [], {})
        assert json.loads(home.run("order", "list", "--json").stdout)["orders"] == []


def test_one_id_is_one_order_and_an_amendment_leaves_something(home: PaperHome) -> None:
    with running(home), by_key(home) as trader, ThreadPoolExecutor(20) as pool:
        eventually(lambda: trader.get("/paper/portfolio").json()["prices"].get("BTC/USDT"), "a price")
        order = LIMIT | {"client_order_id": "one", "stop": "900"}
        answers = pool.map(lambda _: trader.post("/paper/trade", json=order).status_code, range(20))
        assert sorted(answers) == [200] * 19 + [201]
        assert trader.post("/paper/trade", json=order | {"stop": "800"}).status_code == 409
        for nothing in ("0.000000000000000001", "0.000000001"):
            amended = trader.patch("/paper/orders/one", json={"quantity": nothing})
            assert amended.status_code == 422, amended.text
        assert trader.get("/paper/orders/one").json()["status"] == "open"


def test_what_others_can_reach_is_not_used(home: PaperHome) -> None:
    home.path.mkdir(mode=0o700)
    for name, mode in ((".", 0o777), (".", 0o755), (".env", 0o644), ("admin.key", 0o640)):
        loose = home.path / name
        if name != ".":
            loose.write_text("A=1\n")
        loose.chmod(mode)
        said = home.run("paper", "--feed", "demo", "--llm", "none", "--duration", "1s", "--json")
        assert said.code in (3, 8), name
        assert "chmod go-rw" in said.error["error_message"], name
        loose.chmod(0o700)
