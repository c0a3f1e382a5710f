"""A running session whose database is killed again and again while orders come in, and what must be true afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import partial
from pathlib import Path

import asyncpg
import httpx
from tests.app.paper_process import PaperHome, Running, eventually
from tests.app.stored_record import ask, check_record, database_of

from triplegain.storage.home_database import cluster_folder
from triplegain.storage.postmaster import read_postmaster

SESSION = "killed"
_TRADERS = 3
_AWAIT_S = 60.0
_ORDERS = """
SELECT client_order_id, order_id, status::text, filled_quantity FROM paper_orders
WHERE session_id = $1 AND client_order_id LIKE 'test-%'
"""
_ALERTS = "SELECT message FROM paper_alerts WHERE session_id = $1 AND kind = 'database_away'"


class Victim(StrEnum):
    """Who is killed: the database's first process, or one of those that serve us or itself, upon which it restarts."""

    SERVER = "server"
    BACKEND = "backend"
    CHECKPOINTER = "checkpointer"


@dataclass(slots=True)
class Told:
    """One order: how its placing was answered, and its cancelling where that was asked for."""

    placed: httpx.Response
    cancelled: httpx.Response | None = None


@dataclass(slots=True)
class Toll:
    """What came of it. `seconds`: from each blow to the first order that was placed after it, by victim."""

    told: dict[str, Told] = field(default_factory=dict)
    seconds: dict[Victim, list[float]] = field(default_factory=dict)

    @property
    def answers(self) -> dict[str, int]:
        """How often each status and code was told."""
        responses = [r for each in self.told.values() for r in (each.placed, each.cancelled) if r is not None]
        return dict(Counter(f"{r.status_code} {r.json().get('error_code', '')}".strip() for r in responses))


def prepared(folder: Path) -> PaperHome:
    """A home with room for many orders a minute, at its own door and at the exchange's."""
    (folder / "config").mkdir(parents=True)
    budgets = "".join(f"  {name}: 100000\n" for name in ("trade", "reads", "cancel", "default"))
    (folder / "config" / "api.yaml").write_text(f"limits_per_minute:\n{budgets}")
    (folder / "config" / "execution.yaml").write_text("paper_trading:\n  account_tier: unlimited\n")
    (folder / "home").mkdir(mode=0o700)
    return PaperHome(folder / "home", {"TRIPLEGAIN_CONFIG_DIR": str(folder / "config")})


class Trader(threading.Thread):
    """Places one order after the other, and cancels most of those that rest."""

    def __init__(self, client: httpx.Client, number: int, chance: random.Random, toll: Toll) -> None:
        super().__init__(name=f"trader {number}")
        self.client = client
        self.chance = chance
        self._number = number
        self._toll = toll
        self.over = threading.Event()
        #: When the last order was placed that was answered as placed.
        self.placed_at_s = 0.0

    def run(self) -> None:
        count = 0
        while not self.over.is_set():
            count += 1
            self._place(f"test-{self._number}-{count}", self.next_order())

    def next_order(self) -> dict[str, str]:
        """What is asked for, without its id; one with a price is far from the market."""
        market = self.chance.random() < 0.2
        terms = {"quantity": "10"} if market else {"quantity": "12", "price": "0.5"}
        return {"symbol": "XRP/USDT", "side": "buy", **terms}

    def _place(self, name: str, order: dict[str, str]) -> None:
        began_s = time.monotonic()
        told = Told(self.client.post("/paper/trade", json={"client_order_id": name, **order}))
        if told.placed.status_code == 201:
            self.placed_at_s = began_s
            self.was_placed(name, order, told)
        else:
            self.over.wait(0.02)
        self._toll.told[name] = told

    def was_placed(self, name: str, order: dict[str, str], told: Told) -> None:
        if "price" in order:
            told.cancelled = self.client.delete(f"/paper/orders/{name}")


@contextmanager
def trading(home: PaperHome, *words: str, speed: str = "5") -> Iterator[tuple[Running, httpx.Client]]:
    """A session on the demo market that takes orders."""
    note = home.path / "running" / f"{SESSION}.json"
    common = ("paper", "--feed", "demo", "--speed", speed, "--session", SESSION, "--llm", "none", "--json")
    with home.running(*common, *words) as running:
        eventually(lambda: note.exists() or running.is_over, "the running session's address")
        assert not running.is_over, running.wait()
        place = json.loads(note.read_text())
        key = (home.path / "admin.key").read_text().strip()
        url = f"http://{place['host']}:{place['port']}/api/v1"
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            eventually(lambda: client.get("/paper/portfolio").is_success, "the market")
            yield running, client


def _server(home: PaperHome, title: bytes = b" triplegain ") -> list[int]:
    """The database's first process, and those with `title`, who serve somebody; empty where there is none."""
    found = read_postmaster(cluster_folder(home.path) / "data")
    serving = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            parent = (proc / "stat").read_text().rpartition(")")[2].split()[1]
            if found is not None and int(parent) == found.pid and title in (proc / "cmdline").read_bytes():
                serving.append(int(proc.name))
        except (OSError, IndexError):
            continue
    return [found.pid, *serving] if found and serving else []


def strike(home: PaperHome, victim: Victim, chance: random.Random | None = None) -> None:
    """One blow; whom it was meant for and who is gone by himself meanwhile is followed by another."""
    title = b" checkpointer " if victim is Victim.CHECKPOINTER else b" triplegain "
    while True:
        server, *serving = eventually(lambda: _server(home, title), "a server")
        pid = server if victim is Victim.SERVER else (chance or random.Random(0)).choice(serving)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        return


@contextmanager
def standing_still(home: PaperHome) -> Iterator[None]:
    """The database does nothing, and is not gone either."""
    stopped = eventually(lambda: _server(home), "a server")
    _send(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(stopped, signal.SIGCONT)


def _send(pids: list[int], signal_: signal.Signals) -> None:
    """To those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_)


def _has(toll: Toll, orders: int) -> bool:
    return len(toll.told) >= orders


def under_blows(home: PaperHome, victims: list[Victim], seed: int) -> Toll:
    """A session under orders; each blow comes while some are on their way. It ends by SIGTERM, with exit code 0."""
    chance, toll = random.Random(seed), Toll()
    with trading(home) as (running, client):
        traders = [Trader(client, n, random.Random(chance.random()), toll) for n in range(_TRADERS)]
        for trader in traders:
            trader.start()
        try:
            for victim in victims:
                enough = len(toll.told) + chance.randint(2, 12)
                eventually(partial(_has, toll, enough), "orders", _AWAIT_S)
                began_s = time.monotonic()
                strike(home, victim, chance)

                def goes_on(since_s: float = began_s) -> bool:
                    assert not running.is_over, running.wait()
                    return any(trader.placed_at_s > since_s for trader in traders)

                eventually(goes_on, f"an order after a blow to {victim}", _AWAIT_S)
                toll.seconds.setdefault(victim, []).append(time.monotonic() - began_s)
        except AssertionError as error:
            last = Counter(each.placed.text[:300] for each in list(toll.told.values())[-20:])
            error.add_note(f"{running.complained[-3000:]}\n{last}")
            raise
        finally:
            for trader in traders:
                trader.over.set()
            for trader in traders:
                trader.join(_AWAIT_S)
        # An order may have been placed just before the last blow; a store that is away is not waited for at the end.
        eventually(lambda: client.get("/health/ready").status_code == 200, "the session to go on", _AWAIT_S)
        # A program that was put into the background ignores Ctrl-C, and so does what it starts.
        running.process.terminate()
        finished = running.wait()
    assert finished.code == 0, finished
    assert "Traceback" not in finished.stderr, finished.stderr
    return toll


def check(home: PaperHome, toll: Toll, session: str = SESSION) -> list[str]:
    """Every answer agrees with the rows, and the books are sound; the alerts that tell of the database."""
    with database_of(home) as url:
        check_record(url, session)
        rows = {row["client_order_id"]: row for row in ask(url, _ORDERS, session)}
        alerts = [row["message"] for row in ask(url, _ALERTS, session)]
    for name, told in toll.told.items():
        row = rows.get(name)
        _check_placing(name, told.placed, row)
        if told.cancelled is not None and row is not None:
            _check_cancelling(name, told.cancelled, row)
    return alerts


def _check_placing(name: str, told: httpx.Response, row: asyncpg.Record | None) -> None:
    match told.status_code:
        case 201:
            assert row is not None, f"{name} was placed and is gone"
            answer = told.json()
            assert row["order_id"] == answer["order_id"]
            assert row["filled_quantity"] >= Decimal(answer["filled_quantity"])
        case 504:
            assert told.json()["error_code"] == "outcome_unknown"
        case 422 if told.json()["error_code"].startswith("E"):
            assert row is not None and row["status"] == "rejected", told.text
        case 422:
            # By the session itself, which sent nothing: the coins belong to positions.
            assert row is None, f"{name} was not placed ({told.text}), and is {row}"
        case 503 if told.json()["error_code"].startswith("EService:"):
            # The exchange's own word: asked, or known to be of no use.
            assert row is None or row["status"] == "rejected", f"{name} was not placed ({told.text}), and is {row}"
        case _:
            assert told.status_code == 503, told.text
            assert row is None, f"{name} was not placed ({told.text}), and is {row}"


def _check_cancelling(name: str, told: httpx.Response, row: asyncpg.Record) -> None:
    status = row["status"]
    match told.status_code:
        case 200:
            assert status == "cancelled", (name, row, told.text)
        case 504:
            pass
        case 404 | 409:
            assert status not in ("open", "pending"), (name, row, told.text)
        case _:
            assert told.status_code == 503, told.text
            # Nothing else takes an order out; the market may have filled it since.
            assert status in ("open", "partially_filled", "filled"), (name, row, told.text)
