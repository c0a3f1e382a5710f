"""Everything that can go wrong with the exchange, one at a time, under a session that trades; and what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.app.live_audit import book_levels, replay
from tests.app.live_customer import Attempt, Customer
from tests.app.live_session import SYMBOLS, LiveSession, Turn, feed_settings
from tests.session.stored_parts import stored

from triplegain.gateway.fault_desk import FaultDesk
from triplegain.gateway.faults import FaultKind, WireFault
from triplegain.gateway.local_kraken import LocalKraken
from triplegain.gateway.pacing import ServingSettings
from triplegain.venues.kraken.stream import StreamSettings

BTC, XRP = "BTC/USDT", "XRP/USDT"

#: Seconds after which a run that does not come to its end has failed.
_PATIENCE_S = 60.0
_LOOK_S = 0.005

#: Seconds into the capture when it is busy enough that a second without a connection needs the history.
_BUSY_FROM_S = 38.0

_RESET = WireFault(FaultKind.DISCONNECT)


@dataclass(frozen=True, slots=True)
class FaultCase:
    """`faults` are ordered at once, in order. `only` is the instrument it is about, empty for all.

    `words` must be among the conditions seen; empty where trading just goes on. Orders sent meanwhile are refused with
    `code`. `forever`: the fault stays, the session must get away from it. `stall_s`: our own database hangs instead.
    `away_s`: it is away, whatever is wanted.
    """

    name: str
    faults: tuple[WireFault, ...] = ()
    only: str = ""
    words: str = ""
    code: str = "EService:Unavailable"
    forever: bool = False
    stall_s: float = 0.0
    away_s: float = 0.0
    #: Settings of the feed that the case needs.
    feed: Mapping[str, object] = field(default_factory=dict)

    @property
    def concerned(self) -> set[str]:
        """Instruments that cannot be traded meanwhile."""
        if not self.words:
            return set()
        return {self.only} if self.only else set(SYMBOLS)


def fault_cases(lasting_s: float, silence_s: float) -> tuple[FaultCase, ...]:
    """All of them. `silence_s` is to be longer than the silence after which a market is stale."""
    lost, asked = "the connection to Kraken was lost", "a new one is asked for"
    kind = FaultKind
    late_requests = WireFault(kind.SLOW_READER, delay_ms=700, duration_s=2.0)
    cancel_only, post_only = "EService:Market in cancel_only mode", "EService:Market in post_only mode"
    return (
        FaultCase("connection reset", (_RESET,), words=lost),
        FaultCase("connection closed", (WireFault(kind.CLOSE),), words=lost),
        FaultCase("half-open connection", (WireFault(kind.HALF_OPEN),), words="nothing was heard", forever=True),
        FaultCase("silence", (WireFault(kind.SILENCE, duration_s=silence_s),), words="nothing was heard"),
        FaultCase("500 ms late", (WireFault(kind.DELAY, delay_ms=500, duration_s=lasting_s),)),
        FaultCase("slow writer: a message a millisecond", (WireFault(kind.SLOW_WRITER, delay_ms=1, duration_s=0.5),)),
        FaultCase("every message twice", (WireFault(kind.DUPLICATE, duration_s=lasting_s),)),
        FaultCase("book messages swapped", (WireFault(kind.REORDER, BTC, "book", times=1),), BTC, asked),
        FaultCase("trade messages swapped", (WireFault(kind.REORDER, BTC, "trade", times=3),)),
        FaultCase("wrong checksum", (WireFault(kind.BAD_CHECKSUM, BTC, "book", times=1),), BTC, "checksum"),
        FaultCase("20 book messages lost", (WireFault(kind.GAP, BTC, "book", times=20),), BTC, "checksum"),
        FaultCase("20 trade messages lost", (WireFault(kind.GAP, BTC, "trade", times=20),)),
        FaultCase("garbage, 20 times", (WireFault(kind.GARBAGE, times=20),)),
        FaultCase("maintenance", (WireFault(kind.MAINTENANCE, duration_s=lasting_s),), words="maintenance mode"),
        FaultCase(
            "cancel only", (WireFault(kind.CANCEL_ONLY, duration_s=lasting_s),), "", "cancel only mode", cancel_only
        ),
        FaultCase("post only", (WireFault(kind.POST_ONLY, duration_s=lasting_s),), "", "post only mode", post_only),
        FaultCase(
            "one instrument cancel only",
            (WireFault(kind.INSTRUMENT_STATUS, XRP, duration_s=lasting_s, status="cancel_only"),),
            XRP,
            "cancel only mode",
            cancel_only,
        ),
        FaultCase(
            "one instrument in maintenance",
            (WireFault(kind.INSTRUMENT_STATUS, XRP, duration_s=lasting_s, status="maintenance"),),
            XRP,
            "maintenance mode",
        ),
        FaultCase("reset, slow reader: requests 700 ms late", (late_requests, _RESET), words=lost),
        FaultCase(
            "one of three connections reset",
            (WireFault(kind.DISCONNECT, XRP),),
            XRP,
            lost,
            feed={"symbols_per_connection": 1},
        ),
        FaultCase(
            "half-open, REST rate limit",
            (WireFault(kind.RATE_LIMIT, times=1), WireFault(kind.HALF_OPEN)),
            words="are told",
            forever=True,
        ),
        FaultCase(
            "half-open, REST HTTP 429",
            (WireFault(kind.TOO_MANY_REQUESTS, times=1), WireFault(kind.HALF_OPEN)),
            words="are told",
            forever=True,
        ),
        FaultCase("reset, HTTP 429 at connect", (WireFault(kind.REFUSE_CONNECTS, duration_s=1.0), _RESET), words=lost),
        FaultCase("our database is away", code="database_away", away_s=lasting_s),
        FaultCase("our database hangs", words="too slow", stall_s=lasting_s, feed={"queue_lines_max": 1000}),
    )


@dataclass(slots=True)
class FaultRun:
    """What happened in one run. Times are seconds of the event loop."""

    case: FaultCase
    began_s: float = 0.0
    #: When the exchange was itself again; None where it never is.
    ended_s: float | None = None
    attempts: dict[str, deque[Attempt]] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    #: What the feed said of each market, whether or not anybody traded meanwhile.
    told: list[Turn] = field(default_factory=list)
    #: How often each kind of fault happened.
    happened: dict[str, int] = field(default_factory=dict)
    #: What must not be: differences in books, trades, money, replay. In words.
    wrong: list[str] = field(default_factory=list)
    trades: int = 0
    declared: int = 0
    fills: int = 0
    missed_trade_fills: int = 0
    counters: str = ""

    def refused(self, symbol: str) -> list[Attempt]:
        """Orders refused by the exchange after the fault began."""
        return [one for one in self.attempts[symbol] if one.code and one.sent_s >= self.began_s]

    def traded_again_s(self, symbol: str) -> float | None:
        """When the first order was accepted that a closed market would have refused; None where it was never closed."""
        opened = [turn.at_s for turn in self.turns if turn.symbol == symbol and turn.at_s >= self.began_s]
        if not opened:
            return None
        return min(
            (
                one.answered_s
                for one in self.attempts[symbol]
                if one.is_accepted and one.kind != "post_only" and one.answered_s >= opened[-1]
            ),
            default=float("inf"),
        )

    def longest_answer_s(self) -> float:
        """The longest an order waited for its answer after the fault began."""
        answered = [one for list_ in self.attempts.values() for one in list_ if one.answered_s >= self.began_s]
        return max((one.answered_s - one.sent_s for one in answered), default=0.0)

    def refusals(self) -> Counter[tuple[str, str]]:
        """How many orders were refused with which code and words."""
        return Counter((one.code, one.words) for symbol in self.attempts for one in self.refused(symbol))

    def conditions(self) -> list[str]:
        """What was told after the fault began, each once, in order."""
        return list(dict.fromkeys(turn.words for turn in self.told if turn.words and turn.at_s >= self.began_s))

    def touched(self) -> set[str]:
        """Instruments whose condition changed after the fault began."""
        return {turn.symbol for turn in self.turns if turn.words and turn.at_s >= self.began_s}


async def until(is_so: Callable[[], bool], what: str, live: LiveSession, patience_s: float = 20.0) -> None:
    """Waits for a condition. Raises AssertionError saying what did not come, at once when the session has died."""
    loop = asyncio.get_running_loop()
    late_s = loop.time() + patience_s
    while not is_so():
        if live.failed:
            await live.stop()
        assert loop.time() < late_s, f"{what}: not within {patience_s} s; {live.feed.counters.words()}"
        await asyncio.sleep(_LOOK_S)


async def run_fault(
    case: FaultCase, capture: Path, *, speed: float = 4.0, heartbeat_s: float = 0.2, **feed: object
) -> FaultRun:
    """One fault under a trading session on the local Kraken, from the first order to an audit of everything."""
    run = FaultRun(case)
    serving = ServingSettings(speed=speed, history_s=_BUSY_FROM_S, heartbeat_s=heartbeat_s)
    async with LocalKraken(capture, serving) as server:
        settings = feed_settings(server.rest_url, server.websocket_url, **{**feed, **case.feed})
        async with LiveSession(settings) as live:
            customers = [Customer(live, symbol) for symbol in SYMBOLS]
            run.attempts = {one.symbol: one.attempts for one in customers}
            run.turns, run.told = live.turns, live.told
            for customer in customers:
                customer.start()
            await until(lambda: _all_trading(customers, 0.0, 3), "trading before the fault", live)
            await _have_fault(case, run, server, live)
            since_s = run.ended_s if run.ended_s is not None else run.began_s
            await until(lambda: _recovered(run, live, customers, since_s), f"trading after {case.name}", live)
            for customer in customers:
                await customer.stop()
            await until(lambda: not _phantom_orders(live), "answers to all commands", live, 10.0)
            server.player.pause()
            await until(lambda: not _tape_differences(server, live), f"the tape after {case.name}", live, 10.0)
            await until(lambda: not _book_differences(server, live), f"the book after {case.name}", live, 10.0)
        run.happened = dict(server.faults.armed.hits)
        await _audit(run, live)
    return run


def _all_trading(customers: list[Customer], since_s: float, count: int) -> bool:
    """Each one's last `count` orders were sent since then and accepted."""
    for customer in customers:
        last = list(customer.attempts)[-count:]
        if len(last) < count or not all(one.is_accepted and one.sent_s > since_s for one in last):
            return False
    return True


def _recovered(run: FaultRun, live: LiveSession, customers: list[Customer], since_s: float) -> bool:
    """Something happened, it is over, and everybody trades."""
    if not run.touched() >= run.case.concerned:
        return False
    return not any(live.condition(symbol) for symbol in SYMBOLS) and _all_trading(customers, since_s, 4)


async def _have_fault(case: FaultCase, run: FaultRun, server: LocalKraken, live: LiveSession) -> None:
    """Orders the faults and waits for their end."""
    loop = asyncio.get_running_loop()
    run.began_s = loop.time()
    if case.stall_s:
        live.books.stall_s = case.stall_s
        await until(lambda: not live.books.stall_s, "a commit", live)
        await asyncio.sleep(case.stall_s)
    if case.away_s:
        live.books.is_away = True
        await until(lambda: bool(live.runner.steps.watch.away), "a commit", live)
        # Of the others each may have something on its way, which waits.
        late = Customer(live, SYMBOLS[0])
        await late.ask_once()
        run.attempts[SYMBOLS[0]].extend(late.attempts)
        await asyncio.sleep(case.away_s)
        live.books.is_away = False
    desk: FaultDesk = server.faults
    for fault in case.faults:
        desk.order(fault)
    if not case.forever:
        await until(lambda: not desk.armed.in_force and not _late(server), f"the end of {case.name}", live)
        run.ended_s = loop.time()


def _late(server: LocalKraken) -> bool:
    """Whether frames of a slow connection are still under way."""
    return any(connection.unsent_bytes for connection in server.audience)


def _tape_differences(server: LocalKraken, live: LiveSession) -> list[str]:
    """Trades the exchange made and the session was not told, or was told twice."""
    wrong = []
    for symbol, tape in live.tapes.items():
        venue = server.venue.markets[symbol].tape
        newest = venue[venue.count - 1].number
        if tape.last != newest:
            wrong.append(f"{symbol}: the last trade told is {tape.last}, Kraken's is {newest}")
        if tape.missing or tape.doubled:
            wrong.append(f"{symbol}: {len(tape.missing)} trades missing, {len(tape.doubled)} told twice")
    return wrong


def _book_differences(server: LocalKraken, live: LiveSession) -> list[str]:
    """Instruments whose book in the session is not the exchange's, to the subscribed depth."""
    depth = live.settings.book_depth
    wrong = []
    for symbol in live.tapes:
        served = server.venue.markets[symbol].book
        theirs = (dict(served.bids.top(depth)), dict(served.asks.top(depth)))
        ours = book_levels(live.session, symbol, depth)
        if ours != theirs:
            wrong.append(f"{symbol}: the book is not the exchange's")
    return wrong


def _phantom_orders(live: LiveSession) -> set[str]:
    """Orders that the desk thinks are open and the exchange does not, or the other way round."""
    known = {one.request.client_order_id for one in live.session.desk.orders.open_orders()}
    return known ^ {one.request.client_order_id for one in live.session.executor.orders.open_orders()}


async def _audit(run: FaultRun, live: LiveSession) -> None:
    """Money, own orders and a replay of the lines; figures of the run."""
    run.wrong += live.books.differences(live.session.wallet)
    settings = live.settings
    stream = StreamSettings(settings.book_depth, int(settings.stale_after_s * 1e9))
    again, books = replay(live.lines, settings.symbols, stream, live.session.settings, live.session.journal)
    if books.events_sha256 != live.books.events_sha256 or books.fills != live.books.fills:
        run.wrong.append("a replay of the lines gives other fills")
    if stored(again) != stored(live.session):
        run.wrong.append("a replay of the lines ends in another state")
    run.trades = sum(tape.count for tape in live.tapes.values())
    run.declared = sum(len(tape.declared) for tape in live.tapes.values())
    run.fills, run.missed_trade_fills = live.books.fills, live.books.missed_trade_fills
    run.counters = live.feed.counters.words()
