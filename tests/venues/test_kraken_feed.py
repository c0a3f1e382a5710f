from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.feeds.small_exchange import SECOND, START
from tests.venues.scripted_kraken import ScriptedKraken

from triplegain.domain.clock import SteadyClock
from triplegain.domain.market import (
    BookUpdate,
    FeedState,
    FeedStatus,
    MarketDepth,
    MarketEvent,
    PastCandles,
    PublicTrade,
    TimePassed,
)
from triplegain.domain.quote import QuoteSource
from triplegain.market.feed import FeedError
from triplegain.venues.kraken import backlog as kraken_backlog
from triplegain.venues.kraken import feed as kraken_feed
from triplegain.venues.kraken import rest as kraken_rest
from triplegain.venues.kraken.feed import KrakenFeed, open_kraken_feed
from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine, OverrunLine, ReplyLine, TickLine
from triplegain.venues.kraken.settings import FeedSettings
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings

SYMBOL, OTHER = "BTC/USD", "ETH/USD"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of seconds are milliseconds here, and a loopback takes any number of requests."""
    monkeypatch.setattr(kraken_feed, "_SUBSCRIBE_WAIT_S", (0.01,))
    monkeypatch.setattr(kraken_feed, "_TICK_S", 0.01)
    monkeypatch.setattr(kraken_backlog, "_PAUSE_S", 0.01)
    monkeypatch.setattr(kraken_rest, "_BURST", 1000)


def settings_for(kraken: ScriptedKraken, **changes: Any) -> FeedSettings:
    usual = FeedSettings(
        symbols=tuple(kraken.exchanges),
        rest_url=kraken.rest_url,
        websocket_url=kraken.websocket_url,
        book_depth=10,
        symbols_per_connection=10,
        answer_within_s=1,
        stale_after_s=3,
        reconnect_after_s=5,
        queue_lines_max=1000,
    )
    return replace(usual, **changes)


class Session:
    """Takes a feed's batches in the background and keeps what was told."""

    def __init__(self, kraken: ScriptedKraken, **changes: Any) -> None:
        self.kraken = kraken
        self.settings = settings_for(kraken, **changes)
        self.events: list[MarketEvent] = []
        self.lines: list[FeedLine] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.feed: KrakenFeed
        self._taking: asyncio.Task[None]

    async def start(self, **how: Any) -> Session:
        self.feed = await open_kraken_feed(self.settings, SteadyClock(), self.lines.append)
        self._taking = asyncio.create_task(self._take(how))
        return self

    async def _take(self, how: dict[str, Any]) -> None:
        async with aclosing(self.feed.batches(**how)) as batches:
            async for batch in batches:
                self.events += batch
                await self.may_take.wait()

    async def until(self, condition: Callable[[], bool], within_s: float = 5) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                if self._taking.done():
                    self._taking.result()
                await asyncio.sleep(0.002)

    async def stop(self) -> None:
        self._taking.cancel()
        with suppress(asyncio.CancelledError):
            await self._taking
        await self.feed.aclose()

    def states(self, symbol: str = SYMBOL) -> list[FeedState]:
        return [one.state for one in self.events if isinstance(one, FeedStatus) and one.symbol == symbol]

    def trades(self) -> list[str]:
        return [one.trade_id for one in self.events if isinstance(one, PublicTrade)]

    def books(self, symbol: str = SYMBOL) -> int:
        return sum(isinstance(one, BookUpdate) and one.symbol == symbol for one in self.events)

    def is_synced(self) -> bool:
        return all(not self.feed._stream.is_waiting(symbol) for symbol in self.settings.symbols)


async def test_a_feed_tells_books_and_trades_and_its_lines_replay_to_the_same() -> None:
    async with ScriptedKraken(SYMBOL, OTHER).serving() as kraken:
        session = await Session(kraken).start(candle_lengths_ns=[60 * SECOND])
        assert [one.symbol for one in session.feed.instruments] == [SYMBOL, OTHER]
        assert (session.feed.name, session.feed.source, session.feed.synthetic) == ("live", QuoteSource.LIVE, False)
        assert session.feed.depth == {SYMBOL: MarketDepth.BOOK, OTHER: MarketDepth.BOOK}
        await session.until(lambda: session.is_synced() and any(isinstance(e, PastCandles) for e in session.events))
        await kraken.tell(kraken.exchange.update(bids=[(990, 5)]))
        await kraken.tell(kraken.exchange.trade())
        await session.until(lambda: session.trades() == ["2"] and session.books() == 2)
        await session.until(lambda: any(isinstance(line, TickLine) for line in session.lines))
        await session.stop()
        assert ("subscribe", "trade", (SYMBOL, OTHER)) in kraken.asked
        assert ("subscribe", "instrument", ("",)) in kraken.asked
    assert isinstance(session.lines[0], ReplyLine) and session.lines[0].path.startswith("/0/public/AssetPairs?pair=")
    stream = KrakenStream((SYMBOL, OTHER), StreamSettings(10, 3 * SECOND))
    assert [event for line in session.lines for event in stream.on_line(line)] == session.events


async def test_instruments_are_spread_over_as_few_connections_as_they_may_share() -> None:
    async with ScriptedKraken(SYMBOL, OTHER).serving() as kraken:
        session = await Session(kraken, symbols_per_connection=1).start()
        await session.until(session.is_synced)
        await session.stop()
        assert kraken.connects == 2
        assert sorted(asked for asked in kraken.asked if asked[1] == "trade") == [
            ("subscribe", "trade", (SYMBOL,)),
            ("subscribe", "trade", (OTHER,)),
        ]


# -- the start -------------------------------------------------------------------------------------------------------


async def test_an_instrument_kraken_does_not_list_is_named() -> None:
    async with ScriptedKraken().serving() as kraken:
        with pytest.raises(FeedError, match="Kraken does not list DOGE/USD"):
            await open_kraken_feed(settings_for(kraken, symbols=(SYMBOL, "DOGE/USD")), SteadyClock())


async def test_rules_of_an_earlier_start_do_where_rest_is_away(tmp_path: Path) -> None:
    async with ScriptedKraken().serving() as kraken:
        settings = settings_for(kraken, cache_dir=tmp_path, answer_within_s=0.2)
        await (await open_kraken_feed(settings, SteadyClock())).aclose()
        kraken.rest_errors = {"AssetPairs": None}
        feed = await open_kraken_feed(settings, SteadyClock())
        assert [one.symbol for one in feed.instruments] == [SYMBOL]
        await feed.aclose()
        with pytest.raises(FeedError, match="did not answer within"):
            await open_kraken_feed(replace(settings, cache_dir=tmp_path / "empty"), SteadyClock())


async def test_a_start_without_websocket_says_which_address_is_away(tmp_path: Path) -> None:
    async with ScriptedKraken().serving() as kraken:
        away = settings_for(kraken, websocket_url="ws://127.0.0.1:1/v2", answer_within_s=0.1)
        with pytest.raises(FeedError, match=r"ws://127\.0\.0\.1:1/v2 cannot be reached"):
            await open_kraken_feed(away, SteadyClock())


async def test_a_clock_of_the_exchange_that_cannot_be_read_is_done_without() -> None:
    async with ScriptedKraken().serving() as kraken:
        kraken.rest_errors = {"Time": "EService:Busy", "OHLC": "EService:Busy"}
        session = await Session(kraken).start(candle_lengths_ns=[60 * SECOND])
        await session.until(session.is_synced)
        await session.stop()
        assert not any(isinstance(event, PastCandles) for event in session.events)


# -- faults ----------------------------------------------------------------------------------------------------------


async def test_a_wrong_checksum_is_answered_with_a_new_subscription_of_that_book() -> None:
    async with ScriptedKraken(SYMBOL, OTHER).serving() as kraken:
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        kraken.asked.clear()
        await kraken.tell(kraken.exchange.update(bids=[(990, 5)]).replace(b'"checksum":', b'"checksum":1'))
        await session.until(lambda: session.states()[-1:] == [FeedState.SYNCED] and session.is_synced())
        await session.stop()
        assert kraken.asked == [("unsubscribe", "book", (SYMBOL,)), ("subscribe", "book", (SYMBOL,))]
        assert session.states()[-2:] == [FeedState.CHECKSUM_MISMATCH, FeedState.SYNCED]
        assert session.states(OTHER) == [] or FeedState.CHECKSUM_MISMATCH not in session.states(OTHER)


async def test_trades_missed_while_reconnecting_come_before_the_book() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        for _ in range(3):
            kraken.exchange.trade_row()
        kraken.drop()
        await session.until(lambda: session.trades() == ["2", "3", "4"] and session.is_synced())
        await session.stop()
        assert session.states()[-4:] == [FeedState.GAP, FeedState.CATCH_UP, FeedState.GAP, FeedState.SYNCED]
        assert any(isinstance(line, DownLine) for line in session.lines)
        assert session.feed.counters.reconnects == 1 and kraken.connects == 2


async def test_more_missed_trades_than_a_snapshot_holds_are_fetched() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        for _ in range(120):
            kraken.exchange.trade_row()
        kraken.drop()
        await session.until(lambda: len(session.trades()) == 120 and session.is_synced())
        await session.stop()
        assert session.trades() == [str(number) for number in range(2, 122)]
        assert sum("Trades" in path for path in kraken.paths) == 1


async def test_a_history_that_is_away_is_told_after_a_few_tries() -> None:
    async with ScriptedKraken().serving() as kraken:
        kraken.rest_errors = {"Trades": "EService:Unavailable"}
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        for _ in range(120):
            kraken.exchange.trade_row()
        kraken.drop()
        await session.until(lambda: FeedState.MISSED in session.states() and session.is_synced())
        await session.stop()
        missed = next(e for e in session.events if isinstance(e, FeedStatus) and e.state is FeedState.MISSED)
        assert missed.reason.endswith("cannot be had: Kraken refuses /0/public/Trades: EService:Unavailable")
        assert sum("Trades" in path for path in kraken.paths) == 3


async def test_a_silent_connection_is_asked_for_a_sign_of_life_and_then_given_up() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken, stale_after_s=0.1, reconnect_after_s=0.3).start()
        await session.until(session.is_synced)
        kraken.is_deaf = True
        await session.until(lambda: FeedState.GAP in session.states()[-1:])
        kraken.is_deaf = False
        await session.until(session.is_synced)
        await session.stop()
        reasons = [one.reason for one in session.events if isinstance(one, FeedStatus)]
        assert "nothing was heard from Kraken for 0.1 s" in reasons
        assert "the connection to Kraken was lost (silent for 0.3 s)" in reasons
        assert any(isinstance(event, TimePassed) for event in session.events)


async def test_an_answer_to_a_ping_alone_does_not_keep_a_subscribed_connection() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken, reconnect_after_s=0.3).start()
        await session.until(session.is_synced)
        kraken.beats_every_s = 60
        await session.until(lambda: kraken.connects >= 2)
        await session.stop()
        assert ("ping", "", ()) in kraken.asked


async def test_subscriptions_that_are_refused_or_not_answered_are_tried_again_and_told() -> None:
    async with ScriptedKraken(SYMBOL, OTHER).serving() as kraken:
        answers = {("trade", SYMBOL): ["EGeneral:Internal error"] * 2, ("book", OTHER): ["", "EService:Busy"]}

        def refuses(method: str, channel: str, symbol: str) -> str | None:
            left = answers.get((channel, symbol)) if method == "subscribe" else None
            return left.pop() if left else None

        kraken.refuses = refuses
        session = await Session(kraken, answer_within_s=0.1).start()
        await session.until(session.is_synced)
        await session.stop()
        assert not any(answers.values())
        words = f"Kraken refuses a subscription of {SYMBOL}: EGeneral:Internal error"
        assert words in [one.reason for one in session.events if isinstance(one, FeedStatus)]
        assert session.feed.counters.refusals == 3


@pytest.mark.parametrize("named", [{}, {"symbol": ""}, {"symbol": "NEVER/HEARD"}])
async def test_a_refusal_that_names_nothing_we_asked_for_does_not_count_as_done(named: dict[str, str]) -> None:
    async with ScriptedKraken().serving() as kraken:
        kraken.refused_as = named
        answers = ["EGeneral:Internal error"] * 2

        def refuses(method: str, channel: str, symbol: str) -> str | None:
            return answers.pop() if channel == "trade" and answers else None

        kraken.refuses = refuses
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        await session.stop()
        words = "Kraken refuses a subscription that it does not name: EGeneral:Internal error"
        assert words in [one.reason for one in session.events if isinstance(one, FeedStatus)]
        assert kraken.asked.count(("subscribe", "trade", (SYMBOL,))) == 3


async def test_an_answer_to_nothing_is_told_once_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        for _ in range(3):
            await kraken.tell(b'{"error":"EGeneral","method":"add_order","req_id":77,"success":false}')
        await session.until(lambda: session.feed.counters.unknown == 3)
        await session.stop()
        told = [one for one in caplog.messages if "answers what nobody asks" in one]
        assert told == ["connection 0: Kraken answers what nobody asks any more: add_order  EGeneral"]


async def test_a_refused_connection_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triplegain.venues.kraken.connection._AT_LEAST_S", 0.01)
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        kraken.rejects_sockets = 2
        kraken.drop()
        await session.until(lambda: kraken.connects == 4 and session.is_synced())
        await session.stop()
        reasons = [one.reason for one in session.events if isinstance(one, FeedStatus)]
        assert any("refuses the connection with HTTP status 429" in reason for reason in reasons)


async def test_a_session_that_does_not_look_loses_books_but_no_trades_and_is_told() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken, queue_lines_max=64).start()
        await session.until(session.is_synced)
        session.may_take.clear()
        await asyncio.sleep(0.01)
        before = len(session.trades())
        for number in range(600):
            await kraken.tell(kraken.exchange.update(bids=[(990, 5 + number)]))
            if number % 10 == 0:
                await kraken.tell(kraken.exchange.trade())
                await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        session.may_take.set()
        await session.until(lambda: len(session.trades()) == before + 60 and session.is_synced())
        await session.stop()
        assert session.trades() == [str(number) for number in range(2, 62)]
        assert any(isinstance(line, OverrunLine) for line in session.lines)
        counters = session.feed.counters
        assert counters.dropped > 0 and counters.overruns > 0 and session.feed.queue_longest <= 64
        told = [one.reason for one in session.events if isinstance(one, FeedStatus)]
        assert any(reason.startswith("this program was too slow and left out") for reason in told)


async def test_garbage_on_the_wire_does_not_end_the_feed() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        for frame in (b"{", b"\x00", b'{"channel":"book","data":5}', b'{"method":"subscribe","req_id":"x"}'):
            await kraken.tell(frame)
        await kraken.tell(kraken.exchange.trade())
        await session.until(lambda: session.trades() == ["2"])
        await session.stop()
        assert session.feed.counters.garbage == 4


# -- the time away ---------------------------------------------------------------------------------------------------


async def test_a_resumed_feed_tells_the_trades_of_the_time_away_page_by_page_and_then_the_present(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kraken_backlog, "TRADES_PER_PAGE", 40)
    monkeypatch.setattr(kraken_backlog, "trades_path", lambda symbol, since: kraken_rest.trades_path(symbol, since, 40))
    async with ScriptedKraken(SYMBOL, OTHER).serving() as kraken:
        since = {symbol: one.trades[-1][1] for symbol, one in kraken.exchanges.items()}
        for _ in range(100):
            kraken.exchange.time_ns += SECOND
            kraken.exchange.trade_row()
        session = await Session(kraken).start(since_ns=since, candle_lengths_ns=[60 * SECOND])
        await session.until(lambda: session.is_synced() and any(isinstance(e, PastCandles) for e in session.events))
        await session.stop()
        assert session.trades() == [str(number) for number in range(2, 102)]
        assert session.states() == [FeedState.CATCH_UP, FeedState.GAP, FeedState.SYNCED]
        assert session.states(OTHER) == [FeedState.CATCH_UP, FeedState.GAP, FeedState.SYNCED]
        assert session.events[0].exchange_time_ns == START + 1000
        made = [e.exchange_time_ns for e in session.events if isinstance(e, PublicTrade) and e.symbol == SYMBOL]
        assert made == sorted(made)
        first_book = next(n for n, event in enumerate(session.events) if isinstance(event, BookUpdate))
        last_trade = max(n for n, event in enumerate(session.events) if isinstance(event, PublicTrade))
        assert last_trade < first_book
        lines = list(enumerate(session.lines))
        subscribed = next(n for n, one in lines if isinstance(one, FrameLine) and b'"subscribe"' in one.frame)
        assert all(n < subscribed for n, one in lines if isinstance(one, ReplyLine) and "Trades" in one.path)


async def test_a_time_away_that_is_too_long_is_told_as_missed() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken).start(since_ns={SYMBOL: START - 10 * 86_400 * SECOND})
        await session.until(session.is_synced)
        await session.stop()
        first = session.events[0]
        assert isinstance(first, FeedStatus) and first.state is FeedState.MISSED
        assert first.reason == (
            "the trades since 2023-12-22T00:00:00 UTC cannot be had: 10 days are more than the 3 that are fetched"
        )


async def test_a_feed_that_is_closed_leaves_nothing_running() -> None:
    async with ScriptedKraken().serving() as kraken:
        session = await Session(kraken).start()
        await session.until(session.is_synced)
        await session.stop()
        left = [repr(task.get_coro()) for task in asyncio.all_tasks()]
        assert not [task for task in left if "KrakenFeed" in task or "KrakenConnection" in task or "Backlog" in task]
