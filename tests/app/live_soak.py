"""A live session for long, at a high rate, with faults at random: do memory, handles and lag stay where they are?"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from tests.app.live_audit import BookLevels, LagTable, TapeAudit, book_levels
from tests.app.live_customer import Customer
from tests.app.live_session import SYMBOLS, LiveSession, feed_settings

from triplegain.domain.clock import SECOND_NS
from triplegain.gateway.fault_desk import FaultSchedule
from triplegain.venues.kraken.rest import KrakenRest
from triplegain.venues.kraken.wire.frames import BOOK_START, read_book_frame
from triplegain.venues.kraken.wire.rest import read_reply, read_trade_page

_ROOT = Path(__file__).resolve().parent.parent.parent
_PATIENCE_S = 60.0

#: Of prctl(2).
_PARENT_DEATH_SIGNAL = 1


@dataclass(frozen=True, slots=True)
class Addresses:
    rest_url: str
    websocket_url: str


def _end_with_parent() -> None:
    """Whoever kills us has not killed the server yet."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


@contextlib.asynccontextmanager
async def served(capture: Path, speed: str) -> AsyncIterator[Addresses]:
    """The local Kraken in a process of its own, lap after lap."""
    command = ["-m", "triplegain", "local-kraken", str(capture), "--speed", speed, "--loop", "--past", "60", "--json"]
    environment = os.environ | {"PYTHONPATH": str(_ROOT / "src")}
    process: Process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, env=environment, preexec_fn=_end_with_parent
    )
    try:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())["environment"]
        yield Addresses(told["TRIPLEGAIN_KRAKEN_REST_URL"], told["TRIPLEGAIN_KRAKEN_WS_URL"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """`speed` as the command takes it; `faults_every_s` on average, 0: none; `pace_s` between two orders."""

    duration_s: float
    speed: str = "20"
    seed: int = 1
    faults_every_s: float = 5.0
    sample_every_s: float = 10.0
    pace_s: float = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """The process and the session at one moment; lags in milliseconds and counts since the sample before it."""

    at_s: float
    rss_mb: float
    handles: int
    tasks: int
    threads: int
    queue_longest: int
    frames: int
    lag_p50: float
    lag_p99: float
    lag_max: float
    market_s: float
    accepted: int
    refused: int
    fills: int
    reconnects: int
    mismatches: int
    dropped: int
    cpu_s: float


@dataclass(slots=True)
class Soak:
    """What came of it. `wrong` is what must not be, in words."""

    samples: list[Sample] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    lags: LagTable = field(default_factory=LagTable)
    fill_lags: LagTable = field(default_factory=LagTable)
    wrong: list[str] = field(default_factory=list)
    trades: int = 0
    declared: int = 0
    orders: int = 0
    fills: int = 0
    longest_pause_s: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)


async def soak(capture: Path, plan: SoakPlan, on_sample: Callable[[Sample], None] = lambda sample: None) -> Soak:
    """Runs one; the end is an audit with the market standing still."""
    outcome = Soak()
    async with served(capture, plan.speed) as addresses:
        settings = feed_settings(addresses.rest_url, addresses.websocket_url)
        async with LiveSession(settings, keep_lines=False) as live, aiohttp.ClientSession() as http:
            live.session.journal.is_kept = False
            customers = [Customer(live, symbol, plan.pace_s) for symbol in SYMBOLS]
            for customer in customers:
                customer.start()
            control = f"{addresses.rest_url}/control"
            worried = asyncio.create_task(_have_faults(http, control, plan, outcome.faults))
            try:
                await _watch(live, customers, plan, outcome, on_sample)
            finally:
                worried.cancel()
                await asyncio.gather(worried, return_exceptions=True)
            await http.delete(f"{control}/faults")
            await _until(lambda: not any(map(live.condition, SYMBOLS)), "trading at the end", live, outcome)
            for customer in customers:
                await customer.stop()
            await http.post(f"{control}/pause", json={})
            await _audit(http, addresses, live, outcome)
    return outcome


async def _have_faults(http: aiohttp.ClientSession, control: str, plan: SoakPlan, counted: Counter[str]) -> None:
    if not plan.faults_every_s:
        return
    for wait_s, fault in FaultSchedule(plan.seed, SYMBOLS, plan.faults_every_s):
        await asyncio.sleep(wait_s)
        async with http.post(f"{control}/faults", json=asdict(fault)) as answer:
            assert answer.status == 200, await answer.text()
        counted[fault.kind] += 1


async def _watch(
    live: LiveSession,
    customers: list[Customer],
    plan: SoakPlan,
    outcome: Soak,
    on_sample: Callable[[Sample], None],
) -> None:
    """Samples until the time is over, or the session has died."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    market_ns = 0
    last: dict[str, float] = {}
    while loop.time() < began_s + plan.duration_s and not live.failed:
        await asyncio.sleep(plan.sample_every_s)
        market_ns = market_ns or live.session.now_ns
        session, counters = live.session, live.feed.counters
        totals: dict[str, float] = {
            "frames": counters.frames,
            "fills": live.books.fills,
            "reconnects": counters.reconnects,
            "mismatches": counters.mismatches,
            "dropped": counters.dropped,
            "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
        }
        since = {name: total - last.get(name, 0.0) for name, total in totals.items()}
        last = totals
        accepted, refused = _drain(customers, outcome)
        lags, session.lags = session.lags, LagTable()
        outcome.lags.merge(lags)
        sample = Sample(
            at_s=round(loop.time() - began_s, 1),
            rss_mb=_rss_mb(),
            handles=len(os.listdir("/proc/self/fd")),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            queue_longest=live.feed.queue_longest,
            lag_p50=lags.share(0.5) * 1e3,
            lag_p99=lags.share(0.99) * 1e3,
            lag_max=lags.most_ns / 1e6,
            market_s=(session.now_ns - market_ns) / SECOND_NS,
            accepted=accepted,
            refused=refused,
            frames=int(since["frames"]),
            fills=int(since["fills"]),
            reconnects=int(since["reconnects"]),
            mismatches=int(since["mismatches"]),
            dropped=int(since["dropped"]),
            cpu_s=since["cpu_s"],
        )
        outcome.samples.append(sample)
        outcome.wrong += live.books.differences(session.wallet)
        _forget_turns(live, outcome)
        on_sample(sample)


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _drain(customers: list[Customer], outcome: Soak) -> tuple[int, int]:
    """Orders accepted and refused since the last time; what was kept of them is let go."""
    accepted = refused = 0
    for customer in customers:
        while customer.attempts:
            one = customer.attempts.popleft()
            accepted += one.is_accepted
            refused += not one.is_accepted
            if one.code:
                outcome.refusals[one.code] += 1
    return accepted, refused


def _forget_turns(live: LiveSession, outcome: Soak) -> None:
    """The longest pause so far; pauses that are over are let go."""
    live.told.clear()
    open_since: dict[str, float] = {}
    for turn in live.turns:
        if turn.words:
            open_since.setdefault(turn.symbol, turn.at_s)
        elif (began_s := open_since.pop(turn.symbol, None)) is not None:
            outcome.longest_pause_s = max(outcome.longest_pause_s, turn.at_s - began_s)
    live.turns[:] = [turn for turn in live.turns if turn.symbol in open_since and turn.at_s >= open_since[turn.symbol]]


async def _until(is_so: Callable[[], bool], what: str, live: LiveSession, outcome: Soak) -> None:
    """Waits for a condition; one that does not come is among what is wrong."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while not is_so() and not live.failed:
                await asyncio.sleep(0.05)
    if not is_so():
        outcome.wrong.append(f"{what}: not within {_PATIENCE_S:g} s")


async def _audit(http: aiohttp.ClientSession, addresses: Addresses, live: LiveSession, outcome: Soak) -> None:
    """Trades, books and money against the exchange, whose market stands still."""
    async with KrakenRest(addresses.rest_url, 10.0, requests_per_s=100) as rest:
        for symbol, tape in live.tapes.items():
            page = read_trade_page(read_reply(await rest.get(f"/0/public/Trades?pair={symbol}&count=1")).result)
            newest = page.rows[-1].trade_id
            await _until(partial(_is_whole, tape, newest), f"{symbol}: every trade up to the last", live, outcome)
            if tape.missing or tape.doubled:
                outcome.wrong.append(f"{symbol}: {len(tape.missing)} trades missing, {len(tape.doubled)} told twice")
            outcome.trades += tape.count
            outcome.declared += len(tape.declared)
    for symbol in SYMBOLS:
        theirs = await _book(http, addresses.websocket_url, live, symbol)
        await _until(partial(_holds, live, symbol, theirs), f"{symbol}: the book", live, outcome)
    outcome.wrong += live.books.differences(live.session.wallet)
    outcome.orders, outcome.fills = live.books.orders, live.books.fills
    outcome.fill_lags = live.session.fill_lags
    outcome.counters = {name: count for name, count in asdict(live.feed.counters).items() if count}


def _is_whole(tape: TapeAudit, number: int) -> bool:
    return tape.last == number and not tape.missing


def _holds(live: LiveSession, symbol: str, theirs: BookLevels) -> bool:
    return book_levels(live.session, symbol, live.settings.book_depth) == theirs


async def _book(http: aiohttp.ClientSession, url: str, live: LiveSession, symbol: str) -> BookLevels:
    """A new client's snapshot of a book: lots by price in ticks, bids and asks."""
    instrument = live.session.exchange.markets[symbol].instrument
    params: dict[str, Any] = {"channel": "book", "symbol": [symbol], "depth": live.settings.book_depth}
    async with http.ws_connect(url) as socket:
        await socket.send_json({"method": "subscribe", "params": params})
        frame = b""
        while not frame.startswith(BOOK_START):
            frame = (await socket.receive_str()).encode()
    (book,) = read_book_frame(frame).data
    bids, asks = (
        {instrument.ticks(Decimal(one.price)): instrument.lots(Decimal(one.qty)) for one in side}
        for side in (book.bids, book.asks)
    )
    return bids, asks
