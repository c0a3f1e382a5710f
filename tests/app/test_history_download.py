"""Back-fill from a Kraken on loopback that breaks down in every way, into a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
from tests.app.silent import Silent
from tests.venues.tape_server import TapeServer

from triplegain.app.history_import import SOURCE, Downloaded, HistoryDownload
from triplegain.app.market_data import MarketData
from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.span import Span
from triplegain.feeds.captures.candles_capture import CandlesCapture
from triplegain.feeds.captures.history_batches import trade_batches
from triplegain.feeds.captures.trades_capture import FEATHER_FORMAT, TradesCapture
from triplegain.market.candles.candles import CandleBuilder
from triplegain.market.feed import FeedError
from triplegain.storage.database import Database
from triplegain.storage.market_history import TAPE, MarketHistory
from triplegain.storage.market_writer import MarketWriter
from triplegain.venues.kraken import rest as kraken_rest
from triplegain.venues.kraken.rest import PatientRest

BTC = KRAKEN_OFFLINE_DEFAULTS[0]
FOLDER = "kraken_trades_btcusdt_2023-11"
ALL = Span(0, 2**62)


@lru_cache
def recorded_tape(folder: Path) -> TradesCapture:
    return TradesCapture(folder / FOLDER / "BTC_USDT-trades.feather", FEATHER_FORMAT, "BTC/USDT")


@lru_cache
def recorded(folder: Path) -> tuple[PublicTrade, ...]:
    return tuple(each for each in recorded_tape(folder).events() if isinstance(each, PublicTrade))


@pytest.fixture
def tape(captures: Path) -> tuple[PublicTrade, ...]:
    """26,921 trades; the recorder lost one number at the end of each page of a thousand."""
    return recorded(captures)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kraken_rest, "_RATE_LIMIT_WAITS_S", (0.0,))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url)
    yield database
    await database.close()


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


async def load(
    server: TapeServer, database: Database, span: Span | None = None, *, kind: str = "trades"
) -> list[Downloaded]:
    async with server.serving() as url, PatientRest(url, 5, 100_000, pause=no_pause) as rest:
        loader = HistoryDownload(rest, database, Silent())
        since, until = span if span is not None else (None, None)
        return await loader.load(["BTC/USDT"], kind, since, until)


def whole(tape: tuple[PublicTrade, ...]) -> Span:
    start = tape[0].exchange_time_ns
    return Span(start - start % MINUTE_NS, tape[-1].exchange_time_ns // MINUTE_NS * MINUTE_NS + MINUTE_NS)


def figures(trades: list[PublicTrade] | tuple[PublicTrade, ...]) -> list[tuple[str, int, int, str]]:
    return [(each.trade_id, each.price, each.quantity, each.side.value) for each in trades]


def built(trades: list[PublicTrade], end_ns: int) -> list[Candle]:
    """What the candle builder of the live feed makes of them."""
    builder = CandleBuilder("BTC/USDT", MINUTE_NS)
    candles = [candle for trade in trades for candle in builder.on_trade(trade)]
    return candles + builder.advance_to(end_ns)


@pytest.mark.parametrize(
    ("hours", "trades", "holes", "minutes"),
    [
        pytest.param(24, 6_501, 6, 1_136, id="a day"),
        pytest.param(None, 26_921, 26, 5_388, id="whole", marks=pytest.mark.slow),
    ],
)
async def test_all_recorded_trades_arrive_once_and_make_the_recorded_minutes(
    database: Database,
    tape: tuple[PublicTrade, ...],
    captures: Path,
    hours: int | None,
    trades: int,
    holes: int,
    minutes: int,
) -> None:
    if hours is not None:
        end_ns = whole(tape).from_ns + 60 * hours * MINUTE_NS
        tape = tuple(each for each in tape if each.exchange_time_ns < end_ns)
    (done,) = await load(TapeServer(BTC, tape), database, whole(tape))
    history = MarketHistory(database)
    stored = await history.trades(BTC, ALL)
    assert figures(stored) == figures(tape)
    # The numbers that the recording lacks are told, not hidden.
    assert (done.trades.stored, len(done.holes)) == (trades, holes)
    assert all(first == last for first, last in done.holes)
    assert await history.known("kraken", "BTC/USDT") == [whole(tape)]
    candles = await history.candles(BTC, MINUTE_NS, ALL)
    assert candles == built(stored, whole(tape).to_ns)
    capture = CandlesCapture(captures / FOLDER / "BTC_USDT-1m.feather", "candles-feather", "BTC/USDT")
    by_time = {candle.open_time_ns: candle for candle in candles}
    files = [candle for candle in capture.recorded() if candle.open_time_ns < whole(tape).to_ns]
    assert len(files) == minutes
    for candle in files:
        ours = by_time[candle.open_time_ns]
        assert (ours.open, ours.high, ours.low, ours.close) == (candle.open, candle.high, candle.low, candle.close)
        assert abs(ours.volume - candle.volume) <= 1
    # and the others were quiet
    assert sum(candle.volume > 0 for candle in candles) == minutes


@pytest.mark.parametrize("fault", ["429", "502", "rate limit", "busy", "cut", "disconnect", "short", "middle", "head"])
async def test_a_fault_is_waited_out_and_nothing_is_lost(
    database: Database, tape: tuple[PublicTrade, ...], fault: str
) -> None:
    part = tape[:3_000]
    # twice in a row, where it is asked for again at once
    server = TapeServer(BTC, part, page=300, faults=[None, fault, fault, None, None, None, fault, None, fault])
    if fault in ("short", "middle", "head"):
        server.faults = [None, fault, None, None, None, None, fault, None, None, None, fault]
    (done,) = await load(server, database, whole(part))
    history = MarketHistory(database)
    assert figures(await history.trades(BTC, ALL)) == figures(part)
    assert await history.known("kraken", "BTC/USDT") == [whole(part)]
    assert len(done.holes) == 3


async def test_killed_between_any_two_pages_it_goes_on_and_every_trade_is_there_once(
    database: Database, tape: tuple[PublicTrade, ...]
) -> None:
    part = tape[:2_500]
    span = whole(part)
    times_killed = 0
    while True:
        # Dies after two to five requests: between pages, or while it asks again for a missing number.
        server = TapeServer(BTC, part, page=100, faults=[*[None] * (2 + times_killed % 4), "kill"])
        async with server.serving() as url, _Mortal(url, server) as rest:
            loader = HistoryDownload(rest, database, Silent())
            try:
                await loader.trades(BTC, span)
                break
            except asyncio.CancelledError:
                times_killed += 1
        known = await MarketHistory(database).known("kraken", "BTC/USDT")
        stored = await MarketHistory(database).trades(BTC, ALL)
        # whatever is called whole is there
        inside = [each for each in part if known and known[0].from_ns <= each.exchange_time_ns < known[0].to_ns]
        assert figures(stored)[: len(inside)] == figures(inside)
    assert times_killed >= 5
    history = MarketHistory(database)
    stored = await history.trades(BTC, ALL)
    assert figures(stored) == figures(part)
    assert await history.candles(BTC, MINUTE_NS, ALL) == built(stored, span.to_ns)


class _Mortal(PatientRest):
    """Ends where the server says kill, as if the process were gone."""

    def __init__(self, url: str, server: TapeServer) -> None:
        super().__init__(url, 5, 100_000, pause=no_pause)
        self._server = server

    async def trades_page(self, symbol: str, since_ns: int, count: int = 1000) -> bytes:
        if self._server.faults[:1] == ["kill"]:
            raise asyncio.CancelledError
        return await super().trades_page(symbol, since_ns, count)


async def test_a_second_load_asks_for_nothing_that_is_known(database: Database, tape: tuple[PublicTrade, ...]) -> None:
    part = tape[:900]
    await load(TapeServer(BTC, part), database, whole(part))
    again = TapeServer(BTC, part)
    (done,) = await load(again, database, whole(part))
    assert (done.pages, done.trades.stored) == (0, 0)
    assert not any("Trades" in request for request in again.requests)


async def test_without_since_it_goes_on_to_the_exchanges_present(
    database: Database, tape: tuple[PublicTrade, ...]
) -> None:
    part = tape[:2_000]
    server = TapeServer(BTC, part, page=300, present_ns=part[999].exchange_time_ns)
    (first,) = await load(server, database)
    now = (part[999].exchange_time_ns // 10**9 - 5) * 10**9
    assert first.span.to_ns == now // MINUTE_NS * MINUTE_NS
    # Everything before that minute, and no half minute behind it.
    stored = await MarketHistory(database).trades(BTC, ALL)
    assert figures(stored) == figures([each for each in part if each.exchange_time_ns < first.span.to_ns])
    server = TapeServer(BTC, part, page=300)
    (second,) = await load(server, database)
    assert second.span.from_ns == first.span.from_ns
    assert figures(await MarketHistory(database).trades(BTC, ALL)) == figures(part)


async def test_what_a_file_lacks_is_found_and_loaded(
    database: Database, tape: tuple[PublicTrade, ...], captures: Path
) -> None:
    """The recording lacks 26 numbers; the exchange here has them."""
    writer, history, data = MarketWriter(database), MarketHistory(database), MarketData(database)
    instrument = recorded_tape(captures).instrument
    await writer.remember(instrument)
    for batch in trade_batches(recorded_tape(captures)):
        await writer.store_trades(instrument, batch.rows, batch.spans, "trades-feather")
    (check,) = await data.verify()
    assert len(check.tape_gaps) == 26
    assert [(hole.first, hole.told) for hole in check.holes][:2] == [(5505896, False), (5506896, False)]
    full = list(tape)
    for hole in check.holes:
        before = next(each for each in tape if each.trade_id == str(hole.first - 1))
        full.append(
            PublicTrade("BTC/USDT", before.exchange_time_ns, 0, before.price + 9_000, 7, before.side, str(hole.first))
        )
    full.sort(key=lambda each: int(each.trade_id))
    server = TapeServer(BTC, full)
    async with server.serving() as url, PatientRest(url, 5, 100_000, pause=no_pause) as rest:
        loader = HistoryDownload(rest, database, Silent())
        assert await data.mend(check, loader) == 26
    (mended,) = await data.verify()
    assert (mended.tape_gaps, mended.holes, mended.contradictions) == ((), (), 0)
    stored = await history.trades(BTC, ALL)
    assert [each.trade_id for each in stored] == [each.trade_id for each in full]
    start, end = tape[0].exchange_time_ns + MINUTE_NS, tape[-1].exchange_time_ns
    inner = Span(start - start % MINUTE_NS, end - end % MINUTE_NS)
    expected = [each for each in built(stored, inner.to_ns) if each.open_time_ns >= inner.from_ns]
    assert await history.candles(BTC, MINUTE_NS, inner) == expected


async def test_a_minute_that_was_tampered_with_is_found_and_built_again(
    database: Database, tape: tuple[PublicTrade, ...]
) -> None:
    part = tape[:1_000]
    await load(TapeServer(BTC, part), database, whole(part))
    history, data = MarketHistory(database), MarketData(database)
    before = await history.candles(BTC, MINUTE_NS, ALL)
    traded = [candle for candle in before if candle.volume]
    await database.rows("", "UPDATE candles SET high = high + 1 WHERE open_time_ns = $1", traded[3].open_time_ns)
    await database.rows("", "DELETE FROM candles WHERE open_time_ns = $1", traded[5].open_time_ns)
    (check,) = await data.verify()
    assert check.minutes_unlike_trades == (traded[3].open_time_ns, traded[5].open_time_ns)
    await data.mend(check, None)
    assert (await data.verify())[0].contradictions == 0
    assert await history.candles(BTC, MINUTE_NS, ALL) == before


def ohlc_rows(end_s: int, minutes: int, count: int) -> list[list[object]]:
    """`count` closed candles and the open one; every third is quiet."""
    rows: list[list[object]] = []
    for place in range(count + 1):
        time = end_s // (60 * minutes) * 60 * minutes - (count - place) * 60 * minutes
        price = f"{36000 + place * minutes % 70}.5"
        quiet = place % 3 == 2
        volume, vwap, trades = ("0.00000000", "0.0", 0) if quiet else ("0.50000000", price, 2)
        rows.append([time, price, price, price, price, vwap, volume, trades])
    return rows


async def test_candles_of_every_length_warm_up_a_new_start_and_never_the_open_one(
    database: Database, tape: tuple[PublicTrade, ...]
) -> None:
    end_s = whole(tape).to_ns // 10**9
    ohlc = {minutes: ohlc_rows(end_s, minutes, 720) for minutes in (1, 5, 15, 30, 60, 240, 1440)}
    server = TapeServer(BTC, tape, ohlc=ohlc, present_ns=end_s * 10**9 + 30 * 10**9)
    await load(server, database, Span(0, 2**62), kind="candles")
    history = MarketHistory(database)
    for name, minutes, count in (
        ("1m", 1, 700),
        ("15m", 15, 700),
        ("1h", 60, 700),
        ("1d", 1440, 700),
        ("1w", 10080, 90),
    ):
        found = (await history.candles(BTC, minutes * MINUTE_NS, Span(0, 2**61)))[-count:]
        assert len(found) == count, name
        length = minutes * MINUTE_NS
        assert [after.open_time_ns - before.open_time_ns for before, after in pairwise(found)] == [length] * (count - 1)
        assert found[-1].close_time_ns <= end_s * 10**9
    minutes_of_it = (await history.candles(BTC, MINUTE_NS, Span(0, 2**61)))[-4:]
    assert [bool(each.volume) for each in minutes_of_it] == [row[7] != 0 for row in ohlc[1][-5:-1]]
    (row,) = await database.rows("", "SELECT vwap FROM candles_1m ORDER BY open_time_ns DESC LIMIT 1")
    assert row["vwap"] is not None


async def test_trades_that_contradict_kraken_candles_are_reported_and_hold(
    database: Database, tape: tuple[PublicTrade, ...]
) -> None:
    part = tape[:1_000]
    end = part[-1].exchange_time_ns // MINUTE_NS * MINUTE_NS
    server = TapeServer(BTC, part, ohlc={1: ohlc_rows(end // 10**9, 1, 30)})
    await load(server, database, Span(0, 2**62), kind="candles")
    (done,) = await load(server, database, whole(part))
    assert done.trades.candles_changed > 20
    stored = await MarketHistory(database).trades(BTC, ALL)
    found = await MarketHistory(database).candles(BTC, MINUTE_NS, whole(part))
    assert found == built(stored, whole(part).to_ns)


async def test_an_exchange_that_stays_away_ends_the_load_with_what_was_stored(
    database: Database, tape: tuple[PublicTrade, ...]
) -> None:
    part = tape[:1_000]
    server = TapeServer(BTC, part, page=100, faults=[None, None, *["502"] * 50])
    with pytest.raises(FeedError, match="HTTP status 502"):
        await load(server, database, whole(part))
    known = await MarketHistory(database).known("kraken", "BTC/USDT", TAPE)
    assert known[0].from_ns == whole(part).from_ns
    (done,) = await load(TapeServer(BTC, part, page=100), database, whole(part))
    assert figures(await MarketHistory(database).trades(BTC, ALL)) == figures(part)
    assert done.trades.stored < 1_000
    assert {each.source for each in await MarketHistory(database).coverage() if each.length_ns == TAPE} == {SOURCE}


async def test_a_pair_that_kraken_does_not_have_and_an_empty_period_are_refused(
    database: Database, tape: tuple[PublicTrade, ...]
) -> None:
    server = TapeServer(BTC, tape[:10])
    async with server.serving() as url, PatientRest(url, 5, pause=no_pause) as rest:
        loader = HistoryDownload(rest, database, Silent())
        with pytest.raises(FeedError, match="does not list DOGE/USDT"):
            await loader.instruments(["DOGE/USDT"])
        with pytest.raises(InvalidValueError, match="since"):
            await loader.span("BTC/USDT", 2**61, None)
