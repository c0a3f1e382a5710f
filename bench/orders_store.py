"""Durable orders a second without HTTP: through the door of a running session to its store, beside bare asyncpg.

    python bench/orders_store.py [--rounds 800] [--turn 20] [--clients 1 --clients 8]

The session is that of orders_http.py, in this process: the demo market, the embedded database in a home of its own, no
delays of the exchange and no limits that bind. In turns the clients submit orders that rest far below the market, each
waiting for its answer, which comes when the order is stored; and each stores the rows that such an order leaves, with
one statement over a connection of its own. Those who wait together share a transaction of the session's.

One line of JSON for a number of clients: orders a second of both, `share` of the bare ones, p50 and p99 in ms, how many
orders a transaction took in the mean, and CPU ms of an order in this process and in the database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
from orders_http import CONFIG, Asker, Bare, Server

from triplegain.app.opening import PaperOptions
from triplegain.app.paper_system import PaperSystem
from triplegain.config import load_config
from triplegain.domain.clock import SystemClock
from triplegain.domain.commands import CancelOrder, Command, Done, PlaceOrder
from triplegain.domain.ids import Origin
from triplegain.domain.orders import Limit, OrderRequest, Side
from triplegain.domain.records import SecurityEvent
from triplegain.storage.home_database import cluster_folder, home_database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

_WARM_UP = 32
_SYMBOL, _QUANTITY, _PRICE = "BTC/USDT", Decimal("0.001"), Decimal(1000)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=800, help="orders of each line (default 800)")
    parser.add_argument("--turn", type=int, default=20, help="of one kind before the next one (default 20)")
    parser.add_argument("--clients", type=int, action="append", help="at once (default 1, 8)")
    return parser.parse_args()


@dataclass(slots=True, eq=False, kw_only=True)
class Submitter(Asker):
    """At the session's own door, as the API is."""

    system: PaperSystem

    async def place(self) -> str:
        self.placed += 1
        name = f"{self.name}-{self.placed}"
        await self._submit(PlaceOrder(OrderRequest(name, _SYMBOL, Side.BUY, _QUANTITY, Limit(_PRICE))))
        return name

    async def cancel(self, name: str) -> None:
        await self._submit(CancelOrder(name))

    async def _submit(self, command: Command[Any]) -> None:
        audit = SecurityEvent("paper_trade", "bench", "", self.name, time.time_ns())
        answer = await self.system.submit(command, Origin.HAND, audit)
        if not isinstance(answer, Done):
            raise SystemExit(f"{command} was answered {answer}")


@asynccontextmanager
async def session(folder: Path) -> AsyncIterator[PaperSystem]:
    """A running one whose market has prices."""
    home, config = folder / "home", folder / "config"
    home.mkdir(mode=0o711)
    config.mkdir()
    for name, words in CONFIG.items():
        (config / name).write_text(words)
    async with home_database(home) as database:
        clock = SystemClock()
        store, reader = SessionStore(database, clock), SessionReader(database)
        options = PaperOptions(feed="demo", candle="1h", llm="none")
        system = PaperSystem(options, load_config({}, config), home, database, store, reader, clock, {})
        await system.open()
        run = asyncio.create_task(system.run())
        while system.opened.session.prices.quote(_SYMBOL) is None:
            await asyncio.sleep(0.05)
        yield system
        system.stop()
        await run
        await store.close()


async def measure(system: PaperSystem, server: Server, count: int, rounds: int, turn: int) -> dict[str, Any]:
    """One line: `rounds` orders of `count` clients."""
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(count):
            database = await asyncpg.connect(server.dsn)
            stack.push_async_callback(database.close)
            clients.append(Submitter(server=server, database=database, name=f"s{count}-{number}", system=system))
        first, bare = clients[0], Bare()
        name = await first.place()
        await bare.learn(first, name)
        await first.cancel(name)
        await _take_turns(clients, bare, max(1, _WARM_UP // count))
        for client in clients:
            client.times.clear()
        spent = [0.0, 0.0, 0.0]
        for _ in range(max(1, rounds // (count * turn))):
            cpu = await _take_turns(clients, bare, turn)
            spent = [before + more for before, more in zip(spent, cpu, strict=True)]
    times = {what: sorted(one for client in clients for one in client.times[what]) for what in ("place", "bare")}
    rates = {what: count / statistics.fmean(each) for what, each in times.items()}
    orders = len(times["place"])
    return {
        "clients": count,
        "orders": orders,
        "orders_per_s": round(rates["place"], 1),
        "bare_per_s": round(rates["bare"], 1),
        "share": round(rates["place"] / rates["bare"], 3),
        **{f"{what}_p50_ms": round(statistics.median(each) * 1e3, 2) for what, each in times.items()},
        **{f"{what}_p99_ms": round(each[len(each) * 99 // 100] * 1e3, 2) for what, each in times.items()},
        "orders_in_a_transaction": round(orders / spent[2], 2),
        "cpu_ms": round(spent[0] / orders, 2),
        "database_cpu_ms": round(spent[1] / orders, 2),
    }


async def _take_turns(clients: list[Submitter], bare: Bare, count: int) -> list[float]:
    """Each client does each thing so often. What placing took: CPU ms here and in the database, and transactions."""
    server, stored = clients[0].server, list[str]()
    told = clients[0].system.on_stored
    told.append(lambda name, batch: stored.append(name) if batch.orders else None)
    begun = server.cpu_ms()
    named = await asyncio.gather(*[each.timed("place", count, each.place) for each in clients])
    placed = server.cpu_ms()
    told.pop()
    storing = {each: bare.storing(each, count) for each in clients}
    await asyncio.gather(*[each.timed("bare", count, doing) for each, doing in storing.items()])
    for client, names in zip(clients, named, strict=True):
        await asyncio.gather(*map(client.cancel, names))
    return [*(after - before for before, after in zip(begun, placed, strict=True)), float(len(stored))]


async def measure_all(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="tg-") as scratch:
        Path(scratch).chmod(0o711)
        async with session(Path(scratch)) as system:
            cluster = cluster_folder(Path(scratch, "home")) / "data"
            server = Server("", {}, system.opened.record.session_id, os.getpid(), cluster)
            for count in asked.clients or [1, 8]:
                print(json.dumps(await measure(system, server, count, asked.rounds, asked.turn)), flush=True)


def main() -> int:
    asyncio.run(measure_all(arguments()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
