"""kill -9 while orders come in over the API: what was answered is there after the restart, and nothing twice."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.app.paper_process import PaperHome, Running, eventually
from tests.app.stored_record import ask, check_record, database_of

pytestmark = pytest.mark.crash

_SESSION = "acknowledged"
_ROUNDS = 4
_SEED = 11
#: Acknowledged orders in a round before the kill may come.
_ANSWERS = (3, 25)
#: An order never goes back in this list.
_PROGRESS = ("pending", "open", "partially_filled", "filled", "cancelled", "expired", "rejected", "error")
_FINAL = frozenset(_PROGRESS[3:])
_ORDERS = """
SELECT client_order_id, order_id, status::text, filled_quantity FROM paper_orders
WHERE session_id = $1 AND client_order_id LIKE 'test-%'
"""


@dataclass(slots=True)
class _Client:
    """Places one small order after the other and notes what was answered, until the line is cut."""

    connection: httpx.Client
    chance: random.Random
    round: int
    answered: dict[str, dict[str, Any]] = field(default_factory=dict)
    unanswered: dict[str, Any] | None = None
    refused: list[str] = field(default_factory=list)

    def trade(self) -> None:
        number = 0
        while True:
            number += 1
            order = self._order(f"test-{self.round}-{number}")
            self.unanswered = order
            try:
                answer = self.connection.post("/paper/trade", json=order)
            except httpx.TransportError:
                return
            if not answer.is_success and "order" not in answer.json()["details"]:
                self.refused.append(answer.text)
                return
            self.unanswered = None
            self.answered[order["client_order_id"]] = _shown(answer)

    def _order(self, name: str) -> dict[str, Any]:
        """A market order that fills, a limit far below the market that rests, one too small for the exchange."""
        kinds = ({"quantity": "10"}, {"quantity": "12", "price": "0.5"}, {"quantity": "0.001", "price": "0.5"})
        return {"client_order_id": name, "symbol": "XRP/USDT", "side": "buy", **self.chance.choice(kinds)}


def _shown(answer: httpx.Response) -> dict[str, Any]:
    """The order in an answer; one that the exchange rejected is shown in the details of the refusal."""
    body: dict[str, Any] = answer.json()
    order: dict[str, Any] = body if answer.is_success else body["details"]["order"]
    return order


@contextmanager
def _connected(home: PaperHome) -> Iterator[httpx.Client]:
    note = home.path / "running" / f"{_SESSION}.json"
    running = json.loads(note.read_text())
    key = (home.path / "admin.key").read_text().strip()
    url = f"http://{running['host']}:{running['port']}/api/v1"
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as connection:
        yield connection


def _has_market(connection: httpx.Client) -> bool:
    """The first orders need a price: until the session has seen one it refuses."""
    return bool(connection.get("/paper/portfolio").is_success)


def _stored(home: PaperHome) -> dict[str, tuple[str, str, Decimal]]:
    with database_of(home) as url:
        check_record(url, _SESSION)
        rows = ask(url, _ORDERS, _SESSION)
    assert len({row["client_order_id"] for row in rows}) == len(rows)
    return {row["client_order_id"]: (row["order_id"], row["status"], row["filled_quantity"]) for row in rows}


def _check_answered(answered: dict[str, dict[str, Any]], stored: dict[str, tuple[str, str, Decimal]]) -> None:
    for name, answer in answered.items():
        assert name in stored, f"{name} was acknowledged as {answer['status']} and is gone"
        order_id, status, filled = stored[name]
        assert order_id == answer["order_id"]
        assert filled >= Decimal(answer["filled_quantity"])
        if answer["status"] in _FINAL:
            assert (status, filled) == (answer["status"], Decimal(answer["filled_quantity"]))
        else:
            assert _PROGRESS.index(status) >= _PROGRESS.index(answer["status"])


@contextmanager
def _running(home: PaperHome) -> Iterator[tuple[Running, httpx.Client]]:
    """The session in real time times 20, and a line to its API."""
    note = home.path / "running" / f"{_SESSION}.json"
    note.unlink(missing_ok=True)
    with home.running("paper", "--session", _SESSION, "--feed", "demo", "--speed", "20") as running:
        eventually(lambda: note.exists() or running.is_over, "the running session's address")
        assert not running.is_over, running.wait()
        with _connected(home) as connection:
            eventually(lambda: _has_market(connection), "the API")
            yield running, connection


def _place_twice(connection: httpx.Client, order: dict[str, Any]) -> dict[str, Any]:
    """Whether it had arrived is unknown; asking twice more must make it exactly one order."""
    first, second = (_shown(connection.post("/paper/trade", json=order)) for _ in range(2))
    assert first["order_id"] == second["order_id"], f"{order['client_order_id']} became two orders"
    return second


def _kill_in_mid_stream(running: Running, client: _Client, enough: int) -> None:
    thread = threading.Thread(target=client.trade)
    thread.start()
    eventually(lambda: len(client.answered) >= enough or not thread.is_alive(), "acknowledgements")
    assert not client.refused, client.refused
    running.kill()
    thread.join(30)
    assert not thread.is_alive()


def test_acknowledged_orders_survive_every_kill(home: PaperHome) -> None:
    chance = random.Random(_SEED)
    answered: dict[str, dict[str, Any]] = {}
    pending: list[dict[str, Any]] = []
    retried = 0
    for number in range(_ROUNDS):
        with _running(home) as (running, connection):
            while pending:
                order = pending.pop()
                answered[order["client_order_id"]] = _place_twice(connection, order)
                retried += 1
            client = _Client(connection, random.Random(chance.random()), number)
            _kill_in_mid_stream(running, client, chance.randint(*_ANSWERS))
        answered |= client.answered
        pending = [client.unanswered] if client.unanswered else []
        _check_answered(answered, _stored(home))
    with _running(home) as (running, _):
        assert running.interrupt().code == 0
    _check_answered(answered, _stored(home))
    assert len(answered) >= _ROUNDS * _ANSWERS[0] and retried
    statuses = {answer["status"] for answer in answered.values()}
    assert {"filled", "open", "rejected"} <= statuses, statuses
