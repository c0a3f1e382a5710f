"""Values that no row holds and words that name something else, through the front door: each is answered in words, the
session lives, is killed, and starts again with what it had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.paper_process import PaperHome, Running, eventually
from tests.app.stored_record import ask, check_record, database_of
from tests.attack.watching import ESCAPES, assert_tame

from triplegain.api.address import running_folder, running_sessions
from triplegain.api.owner_socket import reachable, socket_of

pytestmark = pytest.mark.slow

ORDER = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.001"}
_ANY = 10_000_000
_LIMITS = ("address", "wrong_keys", "default", "reads", "trade", "cancel", "stop", "reset")

QUANTITIES: tuple[Any, ...] = (
    "0.0123456789", "0.000000000000000001", "0.000000019", "9999999999999999999", "0.0001999999999", "1e5", "-1", "0",
    "NaN", "Infinity", "\u0663", "1_0", " 1", "+1", "1." + "1" * 40, "1" * 40, 5, 0.1, None, [], True, "\x00",
)  # fmt: skip
PRICES = (
    "60000.123456789", "0.00000001", "1" * 30, "99999999999999", "60000.05", "9223372036854775807",
    "92233720368547758.07", "0.000000000000000001",
)  # fmt: skip
MOMENTS = (
    "106752d", "9999999d", "0s", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z",
    "2020-01-01T00:00:00Z", "2262-04-11T23:47:17Z", "9999-12-31T23:59:59-14:00", "1d\n", "\u0661d",
)  # fmt: skip
NAMES = (
    ".",
    "..",
    "a/b",
    "%00",
    "a" * 65,
    "\u202ex",
    "'; DROP TABLE paper_orders;--",
    "tg-1",
    "TG-1",
    "tg-rebalance-1",
)
PAIRS = (
    "BTCUSDT",
    "BTC-USDT",
    "XXBTZUSD",
    "BTC/USD",
    "ETH/USD",
    "\x00",
    "BTC/USDT\u202e",
    "A" * 5000 + "/B",
    "BTC/USDT/X",
)
BODIES = (
    b"", b"null", b"[]", b'"x"', b"{" * 100_000, b'{"a":' * 50_000, b"\xff\xfe{\x00}\x00",
    b'{"symbol":"BTC/USDT","side":"buy","quantity":"0.001","quantity":"5"}',
    b'{"symbol":"BTC/USDT","side":"buy","quantity":1e400}',
    b'{"symbol":"BTC/USDT","side":"buy","quantity":"\\ud800"}',
    b'{"symbol":"\\u0000","side":"buy","quantity":"1"}',
    b'{"symbol":"BTC/USDT","side":"buy","quantity":"0.001","leverage":' + b"9" * 5000 + b"}",
)  # fmt: skip
PATHS = (
    "/agents/analyses?task=%00", "/agents/analyses?symbol=%00", "/agents/analyses?task=" + "x" * 5000,
    "/decisions?symbol=%00", "/paper/orders?status=%00", "/paper/orders?symbol=%E2%80%AE", "/paper/orders/%00",
    "/paper/orders/%ff", "/paper/orders?after=9223372036854775808", "/paper/orders?after=-1", "/paper/orders?limit=1e3",
    "/paper/orders?limit=%D9%A1", "/paper/orders?limit=1&limit=2", "/snapshot/%00", "/paper/positions?closed=%00",
)  # fmt: skip


@contextmanager
def owner_of(home: PaperHome, running: Running) -> Iterator[httpx.Client]:
    """The API at the owner's socket, once there is a price."""
    eventually(lambda: running.is_over or any(running_sessions(home.path)), "the session")
    assert not running.is_over, running.wait()
    with reachable(socket_of(running_folder(home.path), running.process.pid)) as name:
        transport = httpx.HTTPTransport(uds=name)
        with httpx.Client(transport=transport, base_url="http://localhost/api/v1", timeout=60) as client:
            eventually(lambda: client.get("/paper/portfolio").json()["prices"].get("BTC/USDT"), "a price")
            yield client


def unlimited(folder: Path) -> PaperHome:
    """A home without limits of requests and of orders."""
    config = folder / "config"
    config.mkdir()
    limits = ", ".join(f"{name}: {_ANY}" for name in _LIMITS)
    (config / "api.yaml").write_text(f"limits_per_minute: {{{limits}}}\n")
    (config / "execution.yaml").write_text("paper_trading:\n  account_tier: unlimited\n")
    return PaperHome(folder / "home", {"TRIPLEGAIN_CONFIG_DIR": str(config)})


@pytest.fixture
def home(home: PaperHome) -> PaperHome:
    return unlimited(home.path.parent)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PaperHome, httpx.Client]]:
    """One that several attack, who leave alone what is the others'."""
    home = unlimited(tmp_path_factory.mktemp("shared"))
    with home.running("paper", "--feed", "demo", "--llm", "none", "--session", "s") as running:
        with owner_of(home, running) as client:
            yield home, client
        assert running.interrupt().code == 0
    with database_of(home) as url:
        check_record(url, "s")


class Attack:
    """Sends orders, each under a name of its own, and keeps what was answered as it must not be."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.sent = 0
        self.wrong: list[str] = []

    def order(self, **changes: Any) -> httpx.Response:
        self.sent += 1
        body = ORDER | {"client_order_id": f"odd-{self.sent}"} | changes
        return self.judged(self.client.post("/paper/trade", json=body), str(changes))

    def judged(self, answer: httpx.Response, what: str) -> httpx.Response:
        """Done, or not done for a reason in the one shape; never a fault of ours, nor the database's words."""
        told = answer.json()
        assert_tame(answer.text, what)
        fine = answer.is_success or (answer.is_client_error and set(told) == {"error_code", "error_message", "details"})
        if not fine or told.get("error_code") in ("storage", "commit_refused", "internal_error", "outcome_unknown"):
            self.wrong.append(f"{what[:100]}: {answer.status_code} {answer.text[:300]}")
        return answer

    def all_values(self) -> None:
        terms: tuple[dict[str, Any], ...] = ({}, {"price": "50000"}, {"stop": "59000", "target": "70000"})
        for quantity in QUANTITIES:
            for more in (*terms, {"order_type": "stop-loss", "price": "70000"}, {"symbol": "XRP/BTC"}):
                self.order(quantity=quantity, **more)
                self.order(quantity=quantity, side="sell", **more)
        for price in PRICES:
            for more in (
                {"price": price},
                {"order_type": "stop-loss", "price": price},
                {"stop": price, "target": price},
            ):
                self.order(**more)
        for moment in MOMENTS:
            for more in (*terms[:2], {"order_type": "stop-loss", "price": "70000"}):
                assert self.order(expires=moment, **more).status_code == 422, moment

    def all_words(self) -> None:
        for name in NAMES:
            assert self.order(client_order_id=name, price="50000").status_code in (409, 422), name
        for pair in PAIRS:
            assert self.order(symbol=pair).status_code in (404, 422), pair
        for body in BODIES:
            for path in ("/paper/trade", "/risk/validate"):
                headers = {"content-type": "application/json"}
                answer = self.judged(self.client.post(path, content=body, headers=headers), f"{body[:40]!r}")
                assert answer.status_code in (400, 422), body[:80]
        for path in PATHS:
            assert self.judged(self.client.get(path), path).status_code == 422, path
        for method, path in (
            ("PATCH", "/paper/orders/nobody"), ("DELETE", "/paper/orders/nobody"),
            ("POST", "/paper/positions/nobody/close"), ("POST", "/agents/nobody/run"),
        ):  # fmt: skip
            content = {"quantity": "1"} if method == "PATCH" else None
            assert self.judged(self.client.request(method, path, json=content), path).status_code == 404, path

    def all_amendments(self) -> None:
        for number, values in (("quantity", QUANTITIES), ("price", PRICES)):
            for value in values:
                self.judged(self.client.patch("/paper/orders/resting", json={number: value}), f"{number} {value!r}")


def test_no_value_that_a_client_sends_ends_the_session_or_comes_back_at_its_next_start(home: PaperHome) -> None:
    words = ("paper", "--feed", "demo", "--llm", "none", "--session", "s")
    with home.running(*words) as running:
        with owner_of(home, running) as client:
            attack = Attack(client)
            more_digits = attack.order(quantity="0.0123456789")
            assert more_digits.json()["filled_quantity"] == "0.01234567"
            assert more_digits.json()["status"] == "filled"
            attack.order(client_order_id="resting", quantity="0.0112345678", price="50000")
            attack.all_values()
            attack.all_words()
            attack.all_amendments()
            assert attack.wrong == []
            assert client.get("/paper/mode").json()["halted"] == ""
        running.kill()
    with home.running(*words) as running, owner_of(home, running) as client:
        assert client.get("/paper/orders/odd-1").json()["status"] == "filled"
        assert running.interrupt().code == 0
    assert json.loads(home.run("db", "verify", "--json").stdout) == {"ok": True, "differences": []}
    with database_of(home) as url:
        check_record(url, "s")


def test_words_of_the_command_line_lead_nowhere_else_and_are_printed_tame(
    session: tuple[PaperHome, httpx.Client],
) -> None:
    home, client = session
    bid = ("order", "place", "BTC/USDT", "buy", "0.001", "--limit", "50000", "--id")
    assert home.run(*bid, "bid").code == 0
    for name in (".", "..", "x/..", ESCAPES, "x" * 5000):
        for act in (("order", "cancel", name), ("position", "close", name), ("agents", "run", name), (*bid, name)):
            said = home.run(*act)
            assert said.code in (2, 8), (act, said)
            assert_tame(said.stdout + said.stderr, act[1])
            assert len(said.stderr) < 3_000, act[:2]
    assert client.get("/paper/orders/bid").json()["status"] == "open"


#: As a value would be that the schema of tomorrow refuses and the door of today does not know.
_TRAP = "ALTER TABLE paper_orders ADD CONSTRAINT a_trap CHECK (client_order_id <> 'trapped') NOT VALID"


def test_an_order_that_the_database_refuses_ends_itself_and_not_the_session(
    session: tuple[PaperHome, httpx.Client],
) -> None:
    home, client = session
    with database_of(home) as url:
        ask(url, _TRAP)
    refused = client.post("/paper/trade", json=ORDER | {"client_order_id": "trapped"})
    assert (refused.status_code, refused.json()["error_code"]) == (422, "commit_refused"), refused.text
    placed = client.post("/paper/trade", json=ORDER | {"client_order_id": "free"})
    assert (placed.status_code, placed.json()["status"]) == (201, "filled"), placed.text


def test_headers_come_back_tame(session: tuple[PaperHome, httpx.Client]) -> None:
    home, client = session
    wild = "\u009b31m\u00ad \u0085".encode("latin-1")
    for name in ("X-Session", "Idempotency-Key", "X-Request-Id", "Origin", "Content-Type", "Host"):
        answer = client.post("/paper/trade", json=ORDER | {"quantity": "0"}, headers={name.encode(): wild})
        assert answer.is_client_error, (name, answer.text)
        assert_tame(answer.text, name)
        assert_tame("".join(answer.headers.values()), name)
    log = (home.path / "log" / "s.log").read_text()
    assert_tame(log, "log")


def _written(client: httpx.Client, url: str, name: str) -> int:
    """Bytes that the database wrote for one order that rests."""
    at = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes"
    [before] = ask(url, at)
    _rest(client, name)
    [after] = ask(url, at)
    return int(after["bytes"] - before["bytes"])


def _rest(client: httpx.Client, name: str) -> None:
    placed = client.post("/paper/trade", json=ORDER | {"quantity": "0.0001", "price": "50000", "client_order_id": name})
    assert placed.json().get("status") == "open", placed.text


def test_an_order_costs_the_database_the_same_however_many_are_open(session: tuple[PaperHome, httpx.Client]) -> None:
    """The middle one of some, for a page that is touched the first time is written whole, and the market goes on."""
    home, client = session
    assert client.post("/paper/orders/cancel-all").status_code == 200
    with database_of(home) as url:
        first = sorted(_written(client, url, f"first-{number}") for number in range(11))
        for number in range(50):
            _rest(client, f"open-{number}")
        last = sorted(_written(client, url, f"last-{number}") for number in range(11))
    assert client.post("/paper/orders/cancel-all").status_code == 200
    assert last[5] < 2 * first[5], (first, last)
