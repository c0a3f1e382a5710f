"""What an order over HTTP costs, beside the least that a durable order can cost on the same database.

    python bench/orders_http.py [--rounds 200] [--turn 1] [--open 10 --open 600] [--clients 1 --clients 8]
                                [--program PATH/TO/tg]

A session of the demo market with its embedded database runs in a home of its own: no delays of the exchange, no limits
that bind. In turns clients ask three things over connections that are kept: POST /paper/trade (a limit order that rests
far below the market), GET /paper/mode, and, straight from asyncpg, one statement in one transaction that stores the
very rows an order left behind (order, events, audit, balance, parts, where the session stands) into tables with the
same columns and indexes. Orders that were measured are cancelled again, so that as many rest as the line says.

One line of JSON each: p50 in ms of the three, p99 of POST, orders a second over HTTP and bare; `ratio` = (p50 of POST -
p50 of GET) / p50 of the bare statement; `state_bytes`, the JSON of the parts that an order's commits left, for one;
in how many `commits` it was stored; and the CPU ms of session and database for an order and for a GET. Several clients
ask at once, each over its own connections. What HTTP adds is the difference to orders_store.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from triplegain.storage.embedded import EmbeddedCluster

_START_S = 60.0
_WARM_UP = 32
#: Orders, and GETs, over which CPU is counted.
_CPU_OVER = 80
CONFIG = {
    "execution.yaml": """
paper_trading:
  initial_balance: {USDT: 100000000}
  fill_delay_ms: 0
  account_tier: unlimited
""",
    "api.yaml": """
port: 18733
limits_per_minute: {address: 10000000, default: 10000000, reads: 10000000, trade: 10000000, cancel: 10000000}
""",
}
#: Where an order leaves rows, and whether they take the place of those before.
_TABLES = {
    "paper_orders": False,
    "paper_order_events": False,
    "security_events": False,
    "paper_balances": True,
    "paper_session_parts": True,
}
_COMMITS = """
WITH commits AS (
    SELECT DISTINCT e.xmin::text AS id FROM paper_order_events e JOIN paper_orders o USING (session_id, order_number)
    WHERE o.session_id = $1 AND o.client_order_id = $2)
"""
_STATE = f"""{_COMMITS}
SELECT (SELECT coalesce(sum(octet_length(state::text)), 0) FROM paper_session_parts
        WHERE session_id = $1 AND xmin::text IN (SELECT id FROM commits)) AS bytes,
       (SELECT count(*) FROM paper_orders WHERE session_id = $1 AND xmin::text IN (SELECT id FROM commits)) AS orders,
       (SELECT count(*) FROM commits) AS commits
"""
_KEY = """
SELECT a.attname, a.attnum = ANY (i.indkey) AS is_key
FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="orders of each line (default 200)")
    parser.add_argument("--turn", type=int, default=1, help="of one kind before the next one (default 1)")
    parser.add_argument("--open", type=int, action="append", help="orders that rest meanwhile (default 10, 600)")
    parser.add_argument("--clients", type=int, action="append", help="at once (default 1, 8)")
    parser.add_argument("--program", type=Path, default=Path(__file__).resolve().parent.parent / "tg")
    return parser.parse_args()


@dataclass(slots=True)
class Server:
    """A running session: where it answers, a key, its process, and the folder of its database."""

    url: str
    headers: dict[str, str]
    session: str
    pid: int
    cluster: Path

    def cpu_ms(self) -> tuple[float, float]:
        """Spent so far by the session, and by its database with all that ever connected to it."""
        processes, postmaster = _processes(), int(self._postmaster(0))
        backends = sum(cpu for parent, cpu in processes.values() if parent == postmaster)
        return processes[self.pid][1], processes[postmaster][1] + backends

    @property
    def dsn(self) -> str:
        return EmbeddedCluster(self.cluster.parent).start()

    def _postmaster(self, line: int) -> str:
        return (self.cluster / "postmaster.pid").read_text().split("\n")[line]


def _processes() -> dict[int, tuple[int, float]]:
    """By pid: the parent, and CPU in ms with that of children that are gone."""
    tick_ms = 1000 / os.sysconf("SC_CLK_TCK")
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(folder.name)] = int(words[1]), sum(map(int, words[11:15])) * tick_ms
    return found


@contextmanager
def session(program: Path) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tg-") as scratch:
        Path(scratch).chmod(0o711)
        home, config = Path(scratch, "home"), Path(scratch, "config")
        home.mkdir(mode=0o711)
        config.mkdir()
        for name, words in CONFIG.items():
            (config / name).write_text(words)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRIPLEGAIN_", "PG"))}
        environ = clean | {"TRIPLEGAIN_HOME": str(home), "TRIPLEGAIN_CONFIG_DIR": str(config)}
        command = [str(program.resolve()), "paper", "--feed", "demo", "--json"]
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield _answering(home, process)
            finally:
                process.send_signal(signal.SIGINT)


def _answering(home: Path, process: subprocess.Popen[bytes]) -> Server:
    """Once it says where it is."""
    deadline = time.monotonic() + _START_S
    while not (notes := list((home / "running").glob("*.json"))):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the session did not start")
        time.sleep(0.1)
    note = json.loads(notes[0].read_text())
    headers = {"Authorization": f"Bearer {(home / 'admin.key').read_text().strip()}"}
    url = f"http://{note['host']}:{note['port']}/api/v1"
    return Server(url, headers, note["session"], note["pid"], home / "postgres" / "data")


@dataclass(slots=True, eq=False, kw_only=True)
class Asker:
    """One who asks. `times`: seconds by what was asked."""

    server: Server
    database: asyncpg.Connection[asyncpg.Record]
    name: str
    placed: int = 0
    times: dict[str, list[float]] = field(default_factory=dict)

    async def timed(self, what: str, count: int, doing: Callable[[], Awaitable[Any]]) -> list[Any]:
        """`doing` so often, one after the other."""
        done = []
        for _ in range(count):
            begun = time.perf_counter()
            done.append(await doing())
            self.times.setdefault(what, []).append(time.perf_counter() - begun)
        return done


@dataclass(slots=True, eq=False, kw_only=True)
class Client(Asker):
    """Over HTTP."""

    http: aiohttp.ClientSession

    async def post(self, price: str) -> str:
        self.placed += 1
        name = f"{self.name}-{self.placed}"
        body = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.001", "price": price, "client_order_id": name}
        await self._ask("POST", "trade", 201, body)
        return name

    async def get(self) -> None:
        await self._ask("GET", "mode", 200)

    async def cancel(self, name: str) -> None:
        await self._ask("DELETE", f"orders/{name}", 200)

    async def _ask(self, method: str, path: str, status: int, body: Any = None) -> None:
        async with self.http.request(method, f"{self.server.url}/paper/{path}", json=body) as answer:
            told = await answer.text()
        if answer.status != status:
            raise SystemExit(f"{method} {path} was answered {answer.status}: {told}")


@asynccontextmanager
async def clients_of(server: Server, name: str, count: int) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(count):
            http = await stack.enter_async_context(aiohttp.ClientSession(headers=server.headers))
            database = await asyncpg.connect(server.dsn)
            stack.push_async_callback(database.close)
            clients.append(Client(server=server, http=http, database=database, name=f"{name}-{number}"))
        yield clients


class Bare:
    """The rows of one order, stored by one statement into tables like theirs."""

    def __init__(self) -> None:
        self._statement = ""
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._given = 10**9

    async def learn(self, client: Asker, name: str) -> None:
        """Which rows the commits of this order left: those of the same transactions as its events."""
        database, session_id = client.database, client.server.session
        await database.execute("DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare")
        puts = []
        for place, (table, replaces) in enumerate(_TABLES.items(), start=1):
            await database.execute(f"CREATE TABLE bare.{table} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY)")
            query = f"{_COMMITS} SELECT * FROM {table} WHERE session_id = $1 AND xmin::text IN (SELECT id FROM commits)"
            self._rows[table] = [dict(row) for row in await database.fetch(query, session_id, name)]
            conflict = await _replacing(database, table) if replaces else ""
            puts.append(
                f"p{place} AS (INSERT INTO bare.{table} SELECT n.* FROM unnest(${place}::bare.{table}[]) n {conflict})"
            )
        await database.execute("CREATE TABLE bare.paper_session_state (LIKE paper_session_state INCLUDING ALL)")
        await database.execute("INSERT INTO bare.paper_session_state SELECT * FROM paper_session_state")
        stands = "stands AS (UPDATE bare.paper_session_state SET step = step + 1)"
        self._statement = f"WITH {', '.join(puts)}, {stands} SELECT 1"

    def storing(self, client: Asker, count: int) -> Callable[[], Awaitable[Any]]:
        """To be called so often: each time the rows are others, and ready."""
        ready = [self._renamed() for _ in range(count)]
        return lambda: client.database.fetchval(self._statement, *ready.pop())

    def _renamed(self) -> list[list[tuple[Any, ...]]]:
        """As they were, under keys that are new."""
        self._given += 10
        number, name = self._given, f"b{self._given}"
        keys: dict[str, Callable[[int], Any]] = {
            "order_number": lambda place: number,
            "order_id": lambda place: name,
            "client_order_id": lambda place: name,
            "sequence": lambda place: number + place,
            "event_number": lambda place: number + place,
        }
        told = []
        for rows in self._rows.values():
            new = [row | {key: keys[key](place) for key in row.keys() & keys} for place, row in enumerate(rows)]
            # What is kept for each order has a key of its own, what is kept once is replaced.
            new = [row | {"key": name} if row.get("key", "").isdigit() else row for row in new]
            told.append([tuple(row.values()) for row in new])
        return told


async def _replacing(database: asyncpg.Connection[asyncpg.Record], table: str) -> str:
    rows = await database.fetch(_KEY, table)
    keys = ", ".join(row["attname"] for row in rows if row["is_key"])
    changes = ", ".join(f"{row['attname']} = excluded.{row['attname']}" for row in rows if not row["is_key"])
    return f"ON CONFLICT ({keys}) DO UPDATE SET {changes}"


async def measure(server: Server, resting: int, count: int, rounds: int, turn: int) -> dict[str, Any]:
    """One line: `rounds` orders of `count` clients while `resting` others rest."""
    async with clients_of(server, f"m{resting}-{count}", count) as clients:
        first, bare = clients[0], Bare()
        price = await _far_price(first)
        for _ in range(resting - await _open_orders(first)):
            await first.post(price)
        name = await first.post(price)
        await bare.learn(first, name)
        await first.cancel(name)
        await _take_turns(clients, bare, price, max(1, _WARM_UP // count))
        for client in clients:
            client.times.clear()
        for _ in range(max(1, rounds // (count * turn))):
            await _take_turns(clients, bare, price, turn)
        times = {what: [one for client in clients for one in client.times[what]] for what in first.times}
        costs = await _costs(clients, price, _CPU_OVER // count)
    p50 = {what: statistics.median(each) * 1e3 for what, each in times.items()}
    return {
        "open": resting,
        "clients": count,
        "orders": len(times["post"]),
        **{f"{what}_p50_ms": round(each, 2) for what, each in p50.items()},
        "post_p99_ms": round(statistics.quantiles(times["post"], n=100)[98] * 1e3, 2),
        "orders_per_s": round(count / statistics.fmean(times["post"]), 1),
        "bare_per_s": round(count / statistics.fmean(times["bare"]), 1),
        "ratio": round((p50["post"] - p50["get"]) / p50["bare"], 2),
        **costs,
    }


async def _take_turns(clients: list[Client], bare: Bare, price: str, count: int) -> None:
    """Each client asks each thing so often."""
    named = await asyncio.gather(*[each.timed("post", count, partial(each.post, price)) for each in clients])
    await asyncio.gather(*[each.timed("get", count, each.get) for each in clients])
    storing = {each: bare.storing(each, count) for each in clients}
    await asyncio.gather(*[each.timed("bare", count, doing) for each, doing in storing.items()])
    await _cancel(clients, named)


async def _costs(clients: list[Client], price: str, count: int) -> dict[str, float]:
    """What so many orders of each client left, and CPU of an order and of a GET."""
    first, server = clients[0], clients[0].server
    begun = server.cpu_ms()
    named = await asyncio.gather(*[each.timed("post", count, partial(each.post, price)) for each in clients])
    posted = server.cpu_ms()
    left = [await first.database.fetchrow(_STATE, server.session, names[-1]) for names in named]
    asking = server.cpu_ms()
    await asyncio.gather(*[each.timed("get", count, each.get) for each in clients])
    asked, orders = server.cpu_ms(), count * len(clients)
    await _cancel(clients, named)
    return {
        "state_bytes": round(statistics.median(row["bytes"] / row["orders"] for row in left if row)),
        "commits": max(row["commits"] for row in left if row),
        "post_cpu_ms": round((posted[0] - begun[0]) / orders, 2),
        "post_database_cpu_ms": round((posted[1] - begun[1]) / orders, 2),
        "get_cpu_ms": round((asked[0] - asking[0]) / orders, 2),
        "get_database_cpu_ms": round((asked[1] - asking[1]) / orders, 2),
    }


async def _cancel(clients: list[Client], named: list[list[str]]) -> None:
    for client, names in zip(clients, named, strict=True):
        for name in names:
            await client.cancel(name)


async def _far_price(client: Client) -> str:
    """Half of what it costs now, once the market says."""
    while True:
        async with client.http.get(f"{client.server.url}/paper/portfolio") as answer:
            price = (await answer.json())["prices"].get("BTC/USDT")
        if price and price["bid"]:
            return str(round(float(price["bid"]) / 2))
        await asyncio.sleep(0.1)


async def _open_orders(client: Client) -> int:
    query = "SELECT count(*) FROM paper_orders WHERE session_id = $1 AND status = 'open'"
    return int(await client.database.fetchval(query, client.server.session))


async def measure_all(asked: argparse.Namespace, server: Server) -> None:
    for resting in asked.open or [10, 600]:
        for count in asked.clients or [1, 8]:
            print(json.dumps(await measure(server, resting, count, asked.rounds, asked.turn)), flush=True)


def main() -> int:
    asked = arguments()
    with session(asked.program) as server:
        asyncio.run(measure_all(asked, server))
    return 0


if __name__ == "__main__":
    sys.exit(main())
