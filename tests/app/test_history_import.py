"""Files into the stored history: twice is once, overlaps are compared, and what a file lacks stays unknown."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.app.silent import Silent
from tests.feeds.test_feed_marks import HOUR_NS, check

from triplegain.app.history_feed import load_history_feed, parse_history
from triplegain.app.history_import import Imported, import_files
from triplegain.app.paper_system import stored_price
from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import CandleClosed, MarketDepth, PublicTrade
from triplegain.domain.quote import QuoteSource
from triplegain.domain.span import Span
from triplegain.market.feed import CaptureError, FeedError
from triplegain.storage.database import Database
from triplegain.storage.market_history import MarketHistory

BTC = KRAKEN_OFFLINE_DEFAULTS[0]
START_S = 1_700_000_040  # 2023-11-14 22:14:00, a full minute
DAY = "2023-11-14"
ALL = Span(0, 2**62)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url)
    yield database
    await database.close()


async def take(database: Database, *paths: Path) -> list[Imported]:
    return await import_files(paths, database, Silent())


def minute_rows(count: int, first: int = 0) -> list[list[float]]:
    """freqtrade's: every fourth minute is quiet, and absent."""
    return [
        [(START_S + 60 * n) * 1000, 36000.1, 36000.1 + n % 7, 35999.9, 36000.0 + n % 7, 0.5]
        for n in range(first, first + count)
        if n % 4 != 3
    ]


async def test_kraken_archive_files_are_whole_and_quiet_minutes_flat(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "XBTUSDT_1.csv"
    path.write_text("".join(f"{START_S + 60 * n},36000.1,36001.0,36000.0,36000.5,0.25,3\n" for n in (0, 1, 4)))
    (done,) = await take(database, path)
    assert (done.kind, done.symbol, done.venue, done.candles.stored) == ("candles 1m", "BTC/USDT", "kraken", 3)
    found = await MarketHistory(database).candles(BTC, MINUTE_NS, ALL)
    assert [(each.volume, each.trades) for each in found] == [
        (25_000_000, 3), (25_000_000, 3), (0, 0), (0, 0), (25_000_000, 3),
    ]  # fmt: skip


async def test_an_import_twice_is_one_and_an_overlap_that_differs_is_told(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m.json"
    path.write_text(json.dumps(minute_rows(40)))
    history = MarketHistory(database)
    await take(database, path)
    before = await history.candles(BTC, MINUTE_NS, ALL)
    # The first and the last candle of such a file may be cut, so they are not taken.
    assert (before[0].open_time_ns, before[-1].open_time_ns) == (
        (START_S + 60) * 10**9,
        (START_S + 60 * 37) * 10**9,
    )
    (again,) = await take(database, path)
    assert (again.candles.stored, again.different) == (0, 0)
    rows = minute_rows(60)
    rows[10][4] = 36000.1
    rows[10][5] = 0.75
    with gzip.open(tmp_path / "BTC_USDT-1m.json.gz", "wt") as file:
        json.dump(rows, file)
    (other,) = await take(database, tmp_path / "BTC_USDT-1m.json.gz")
    assert (other.candles.different, other.candles.stored > 10) == (1, True)
    after = await history.candles(BTC, MINUTE_NS, ALL)
    assert after[: len(before)] == before


async def test_files_that_follow_each_other_make_one_span(database: Database, tmp_path: Path) -> None:
    for number, first in enumerate((0, 20)):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = [[(START_S + 60 * n) * 1000, 36000.1, 36000.1, 36000.1, 36000.1, 1.5] for n in range(first, first + 20)]
        (folder / "BTC_USDT-1m.json").write_text(json.dumps(rows))
    await take(database, tmp_path)
    known = await MarketHistory(database).known("kraken", "BTC/USDT", MINUTE_NS)
    assert known == [Span((START_S + 60) * 10**9, (START_S + 60 * 39) * 10**9)]


@pytest.mark.parametrize(("every", "stretches"), [(1, 2), (2, 1)])
async def test_what_the_quiet_of_a_market_does_not_explain_is_not_called_whole(
    database: Database, tmp_path: Path, every: int, stretches: int
) -> None:
    path = tmp_path / "XBTUSDT_1.csv"
    # Five minutes are missing: none is where all others are there; of every other one 300 x 0.5^5 = 9 such are usual.
    times = [START_S + 60 * n for n in (*range(0, 300, every), *range(305, 605, every))]
    path.write_text("".join(f"{time},36000.1,36001.0,36000.0,36000.5,0.25,3\n" for time in times))
    await take(database, path)
    assert len(await MarketHistory(database).known("kraken", "BTC/USDT", MINUTE_NS)) == stretches


async def test_kraken_trades_without_numbers_become_whole_minutes_once(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "XBTUSDT.csv"
    # two equal trades of one second are two trades; the first and the last minute may be cut
    rows = [(5, "36000.1"), (70, "36000.2"), (70, "36000.2"), (200, "36000.0"), (250, "36000.0")]
    path.write_text("".join(f"{START_S + second},{price},0.01000000\n" for second, price in rows))
    for stored in (3, 0):
        (done,) = await take(database, path)
        assert (done.trades.stored, done.different) == (stored, 0)
    found = await MarketHistory(database).candles(BTC, MINUTE_NS, ALL)
    assert [(each.close, each.volume, each.trades) for each in found] == [
        (360_002, 2_000_000, 2), (360_002, 0, 0), (360_000, 1_000_000, 1),
    ]  # fmt: skip
    # Kraken's archive does not tell the side: up is a buy, the same again the same, down a sell
    assert [each.side.value for each in await MarketHistory(database).trades(BTC, ALL)] == ["buy", "buy", "sell"]


async def test_hours_that_contradict_their_minutes_are_told_and_the_minutes_used(
    database: Database, tmp_path: Path
) -> None:
    start = START_S // 3600 * 3600
    minutes, hours = tmp_path / "XBTUSDT_1.csv", tmp_path / "XBTUSDT_60.csv"
    minutes.write_text("".join(f"{start + 60 * n},36000.1,36000.1,36000.1,36000.1,1.00000000,1\n" for n in range(120)))
    rows = [(start, "36000.1"), (start + 3600, "36009.0")]
    hours.write_text("".join(f"{time},36000.1,{high},36000.1,36000.1,60.0,60\n" for time, high in rows))
    done = await take(database, tmp_path)
    assert [(each.kind, each.unlike_minutes) for each in done] == [("candles 1m", 0), ("candles 1h", 1)]
    found = await MarketHistory(database).candles(BTC, 60 * MINUTE_NS, ALL)
    assert [each.high for each in found] == [360_001, 360_001]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("README.md", "no history", "holds no history"),
        ("XBTUSDT_1.csv", f"{START_S},1.0,1.0,1.0,1.0,1.0,1\n{START_S + 60},1.0,1.0\n", "cut off or damaged"),
        ("BTC_USDT-1m.json", "[[60000, 1.0, 1.0, 1.0, 1.0, 1.5], [1200", "cut off or damaged"),
    ],
)
async def test_a_file_that_is_none_is_refused_with_words(
    database: Database, tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CaptureError, match=words):
        await take(database, tmp_path / name)
    with pytest.raises(CaptureError, match="does not exist"):
        await take(database, tmp_path / "nowhere")


async def test_a_stored_period_is_a_feed_the_same_every_time(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "XBTUSDT_1.csv"
    path.write_text("".join(f"{START_S + 60 * n},36000.1,36001.0,36000.0,36000.5,0.25,3\n" for n in range(0, 30, 2)))
    await take(database, path)
    name = f"history:XBT/USDT:{DAY}T22:14..{DAY}T22:43"
    feed = await load_history_feed(name, database)
    assert (feed.name, feed.source, dict(feed.depth)) == (
        name, QuoteSource.HISTORICAL, {"BTC/USDT": MarketDepth.CANDLES},
    )  # fmt: skip
    events = list(feed.events())
    assert len(events) == 29
    assert events == list(feed.events())
    assert all(isinstance(each, CandleClosed) and each.candle.close == 360_005 for each in events)
    assert len(list((await load_history_feed(f"history:BTC/USDT:{DAY}T22:15..{DAY}T22:40:5m", database)).events())) == 5
    with pytest.raises(FeedError, match="tg data download"):
        await load_history_feed(f"history:BTC/USDT:{DAY}T22:14..{DAY}T22:50", database)
    with pytest.raises(FeedError, match="nothing of XRP/USDT"):
        await load_history_feed(f"history:XRP/USDT:{DAY}T22:14..{DAY}T22:50", database)


async def test_a_period_whose_trades_are_all_stored_is_told_by_trades(database: Database, captures: Path) -> None:
    await take(database, captures / "kraken_trades_xrp_2022-05" / "XRP_USDT-trades.json.gz")
    feed = await load_history_feed("history:XRP/USDT:2022-05-14..2022-05-16", database)
    events = list(feed.events())
    assert dict(feed.depth) == {"XRP/USDT": MarketDepth.TAPE}
    assert len(events) > 100
    assert all(isinstance(each, PublicTrade) for each in events)
    times = [each.exchange_time_ns for each in events]
    assert times == sorted(times)
    assert check(feed, HOUR_NS) > 5
    quote = await stored_price(MarketHistory(database), "XRP/USDT", 1_652_600_000 * 10**9)
    assert quote is not None
    assert (quote.source, quote.exchange_time_ns) == (QuoteSource.HISTORICAL, 1_652_600_000 * 10**9)


@pytest.mark.parametrize(
    "name",
    ["history:", "history:BTC/USDT", "history:BTC/USDT:2024-01-01", "history:BTC/USDT:2024-01-02..2024-01-01",
     "history:BTC/USDT:2024-01-01..2024-01-02:7m", "history:BTC/USDT:monday..2024-01-02"],
)  # fmt: skip
def test_a_name_that_is_no_stored_history_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_history(name)


async def test_times_of_january_1970_are_no_history(database: Database, tmp_path: Path) -> None:
    """Seconds where milliseconds should be: 2023 becomes the 20th of January 1970."""
    path = tmp_path / "BTC_USDT-1m.json"
    path.write_text(json.dumps([[START_S + 60_000 * n, 1, 1, 1, 1, 1] for n in range(3)]))
    with pytest.raises(CaptureError, match="begins in January 1970"):
        await take(database, path)
