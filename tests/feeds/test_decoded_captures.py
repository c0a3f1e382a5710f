"""A capture that was decoded once tells from its file what its decoder told, whatever becomes of that file."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.feeds.test_feed_marks import Noted, check

from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    Candle,
    CandleClosed,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketEvent,
    PastCandles,
    PublicTrade,
    TimePassed,
)
from triplegain.domain.orders import Side
from triplegain.feeds.captures import decoded_capture, decoded_folder, event_columns
from triplegain.feeds.captures.decoded_capture import DecodedCapture
from triplegain.feeds.captures.decoded_file import DecodedFile, DecodedWriter
from triplegain.feeds.captures.decoded_folder import DecodedFolder
from triplegain.feeds.captures.event_columns import Place
from triplegain.feeds.captures.replay import ReplayFeed, open_replay
from triplegain.market.feed import CaptureError, MarkedFeed
from triplegain.market.feed_marks import FeedMarks
from triplegain.market.row_stream import RowStream

_BOOK = "kraken_wsv2_btcusd_book/orderbook-v2.json"
_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
_LARGEST = 2**63 - 1


@pytest.fixture
def folder(tmp_path: Path) -> DecodedFolder:
    return DecodedFolder(tmp_path / "decoded", 10**9)


def _files(folder: DecodedFolder) -> list[Path]:
    return sorted(folder.folder.iterdir())


def _random_event(chance: Random) -> MarketEvent:
    symbol, time, received = chance.choice(["BTC/USD", "XRP/BTC"]), chance.randrange(9**18), chance.choice([0, 5])
    number = chance.choice([0, 1, 62_000_00, _LARGEST])

    def levels() -> tuple[tuple[int, int], ...]:
        return tuple((chance.randrange(9), chance.choice([0, number])) for _ in range(chance.choice([0, 1, 3])))

    candle = Candle(chance.choice([symbol, "ETH/BTC"]), time, MINUTE_NS, 5, 9, 1, number, number, chance.randrange(9))
    trade_id = chance.choice(["", "0", "7", "007", "²", "a-1", str(2**63 - 1), "-1"])
    events: list[MarketEvent] = [
        BookUpdate(symbol, time, received, levels(), levels(), chance.random() < 0.5, chance.choice([0, 10, 1000])),
        BestQuote(symbol, time, received, (4, number), (6, 0)),
        PublicTrade(symbol, time, received, 5, number, chance.choice(list(Side)), trade_id),
        CandleClosed(symbol, time, received, candle),
        FeedStatus(symbol, time, received, chance.choice(list(FeedState)), "why not"),
        Heartbeat(time, received),
        TimePassed(time, received),
        PastCandles(symbol, time, received, (candle, candle), chance.choice([None, candle])),
    ]
    return chance.choice(events)


def test_whatever_a_feed_says_comes_out_of_the_columns_as_it_went_in() -> None:
    events: list[MarketEvent] = []
    for seed in range(40):
        chance = Random(seed)
        events = [_random_event(chance) for _ in range(chance.choice([0, 1, 50]))]
        places = [Place(0, 3, 4, b'{"a":1}')] * chance.randrange(3)
        again = event_columns.read(event_columns.written(events, places))
        assert list(again.events()) == events and again.places == places
        assert [type(event) for event in again.events()] == [type(event) for event in events]
    form = event_columns.written(events or [Heartbeat(1, 1)])
    for damaged in (b"", form[:-1], form[:20], form[9:]):
        with pytest.raises(InvalidValueError):
            event_columns.read(damaged)
    with pytest.raises(OverflowError):
        event_columns.written([PublicTrade("BTC/USD", 1, 1, _LARGEST + 1, 1, Side.BUY, "1")])


@pytest.mark.parametrize(
    "path",
    [
        _BOOK,
        "kraken_wsv2_minagbp_book",
        "kraken_trades_btcusdt_2023-11/ETH_BTC-trades.feather",
        "binance_ohlcv_daily_btcusdt_2020",
        pytest.param("kraken_ohlcv_btcusdt/XBTUSDT_60.csv", marks=pytest.mark.slow),
        pytest.param(_L2, marks=pytest.mark.slow),
        pytest.param("binance_ohlcv_1m_three_pairs_2021-05", marks=pytest.mark.slow),
        pytest.param("kraken_trades_xrp_2022-05", marks=pytest.mark.slow),
    ],
)
def test_every_format_tells_the_same_a_second_time(
    captures: Path, folder: DecodedFolder, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_capture, "_CHUNK", 300)
    plain = open_replay(captures / path)
    for is_second in (False, True):
        feed = open_replay(captures / path, folder)
        assert isinstance(feed, ReplayFeed)
        if is_second:
            # The decoders are not asked.
            monkeypatch.setattr(DecodedCapture, "_decoder", property(lambda capture: pytest.fail("decoded again")))
        assert all(one == other for one, other in zip_longest(feed.events(), plain.events()))
        assert (feed.identity, feed.span_ns, feed.depth) == (plain.identity, plain.span_ns, plain.depth)
        assert (feed.instruments, feed.candle_length_ns) == (plain.instruments, plain.candle_length_ns)
        assert len(_files(folder)) == len(plain.instruments)


def test_places_fit_both_ways(captures: Path, folder: DecodedFolder) -> None:
    path = captures / "kraken_trades_btcusdt_2023-11" / "ETH_BTC-trades.feather"
    plain, kept = open_replay(path), open_replay(path, folder)
    first, second, third = (Noted(None, MINUTE_NS) for _ in range(3))
    whole = _noted(plain, first)
    assert _noted(kept, second) == whole and _noted(kept, third) == whole
    assert first.all == second.all == third.all and len(first.all) > 100
    passed = Noted(None, MINUTE_NS)
    assert _passed_over(kept.events(passed), passed, Random(2)) == whole and passed.all == first.all
    assert check(kept, MINUTE_NS) > 100
    for mark in Random(1).sample(first.all, 5):
        assert list(kept.events(FeedMarks(mark))) == list(plain.events(FeedMarks(mark))) == whole[mark.position :]
    # Without its file again, from the middle and from the beginning.
    shutil.rmtree(folder.folder)
    assert list(open_replay(path, folder).events(FeedMarks(mark))) == whole[mark.position :]
    assert not folder.folder.exists()


def _noted(feed: MarkedFeed, marks: Noted) -> list[MarketEvent]:
    told = []
    for event in feed.events(marks):
        told.append(event)
        marks.handed += 1
    return told


def _passed_over(events: Iterator[MarketEvent], marks: Noted, chance: Random) -> list[MarketEvent]:
    """Told as rows, so many at once, with some messages between."""
    assert isinstance(events, RowStream)
    told: list[MarketEvent] = []
    while (here := events.here()) is not None:
        rows, number = here
        count = min(chance.randrange(1, 3_000), len(rows) - number)
        told += [rows.event(number + each) for each in range(count)]
        marks.handed += count
        events.pass_over(count)
        told += islice(events, 1)
        marks.handed = len(told)
    assert next(events, None) is None
    return told


def test_a_place_of_another_feed_is_refused_by_a_file_as_well(captures: Path, folder: DecodedFolder) -> None:
    daily = open_replay(captures / "binance_ohlcv_daily_btcusdt_2020", folder)
    noted = Noted(None, MINUTE_NS)
    _noted(daily, noted)
    book = open_replay(captures / _BOOK, folder)
    assert len(list(book.events())) == 510
    with pytest.raises(InvalidValueError):
        book.events(FeedMarks(noted.all[0]))


def _damages(form: bytes) -> Iterator[bytes]:
    for place in (*range(0, len(form), len(form) // 12), *range(len(form) - 400, len(form), 23)):
        yield form[:place] + bytes([form[place] ^ 0x10]) + form[place + 1 :]
        yield form[:place]
    yield form + b"\0"
    yield form[: len(form) // 2] + form[len(form) // 2 + 1 :]


def test_a_damaged_file_is_noticed_and_made_again_and_no_word_is_lost(
    captures: Path, folder: DecodedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_capture, "_CHUNK", 60)
    whole = list(open_replay(captures / _BOOK, folder).events())
    [path] = _files(folder)
    form = path.read_bytes()
    for number, damaged in enumerate(_damages(form)):
        path.write_bytes(damaged)
        assert list(open_replay(captures / _BOOK, folder).events()) == whole, number
        assert [each.read_bytes() for each in _files(folder)] == [form], number
    # Cut off while it is being read.
    feed = open_replay(captures / _BOOK, folder)
    events = feed.events()
    first = list(islice(events, 90))
    path.write_bytes(form[: len(form) // 4])
    assert first + list(events) == whole
    assert [each.read_bytes() for each in _files(folder)] == [form]


def test_what_was_not_finished_is_no_file(captures: Path, folder: DecodedFolder) -> None:
    whole = list(open_replay(captures / _BOOK).events())
    events = open_replay(captures / _BOOK, folder).events()
    assert list(islice(events, 100)) == whole[:100]
    [own] = _files(folder)
    # What a process that was killed has left goes, what another one is writing stays.
    left = folder.folder / "left.1-00.part"
    DecodedWriter(left).close()
    other = DecodedWriter(folder.folder / "other.2-00.part")
    other.add(event_columns.written(whole), len(whole))
    assert list(open_replay(captures / _BOOK, folder).events()) == whole
    assert not left.exists() and own.exists() and other.path.exists()
    # Two at once: each tells everything, and one file is there in the end.
    assert list(events) == whole[100:]
    other.close()
    [made] = [path for path in _files(folder) if path.suffix == ".events"]
    events = open_replay(captures / _BOOK, folder).events()
    made.unlink()
    assert list(islice(events, 9)) == whole[:9]
    events = open_replay(captures / _BOOK, folder).events()
    next(events)
    del events
    assert _files(folder) == []


def _candles(path: Path, close: float = 100.5) -> Path:
    path.write_text(json.dumps([[m * 60_000, 100.0, 101.0, 99.0, close, 1.5] for m in range(3000)]))
    return path


def test_a_capture_that_changes_has_another_file(
    tmp_path: Path, folder: DecodedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _candles(tmp_path / "BTC_USDT-1m.json")
    os.utime(path, ns=(5, 5))
    first = list(open_replay(path, folder).events())
    _candles(path, 100.6)
    os.utime(path, ns=(5, 5))
    # While it is read it is written to: what was told is of neither.
    events = open_replay(path, folder).events()
    next(events)
    _candles(path, 100.7)
    list(events)
    assert len(_files(folder)) == 1
    _candles(path, 100.6)
    assert list(open_replay(path, folder).events()) == list(open_replay(path).events()) != first
    assert len(_files(folder)) == 2
    # Other decoders, or another name, may tell something else.
    monkeypatch.setattr(decoded_folder, "_DECODERS", "others")
    list(open_replay(path, folder).events())
    list(open_replay(path.rename(tmp_path / "XRP_USDT-1m.json"), folder).events())
    assert len(_files(folder)) == 4


def test_what_was_not_used_for_the_longest_time_makes_room(tmp_path: Path) -> None:
    size = 0
    for most in (10**9, 0, 1):
        folder = DecodedFolder(tmp_path / str(most), most)
        list(open_replay(_candles(tmp_path / "BTC_USDT-1m.json"), folder).events())
        assert folder.used()[0] == (most == 10**9)
        size = max(size, folder.used()[1])
    folder = DecodedFolder(tmp_path / "three", size * 7 // 2)
    for number in range(4):
        list(open_replay(_candles(tmp_path / "BTC_USDT-1m.json", 100 + number / 10), folder).events())
        for age, found in enumerate(sorted(_files(folder), key=lambda path: path.stat().st_mtime_ns)):
            os.utime(found, ns=(age, age))
        if number == 2:
            # The first is used again.
            list(open_replay(_candles(tmp_path / "BTC_USDT-1m.json", 100.0), folder).events())
    assert folder.used()[0] == 3
    used: list[str] = []
    for number in range(4):
        path = _candles(tmp_path / "BTC_USDT-1m.json", 100 + number / 10)
        used += [str(number)] * (folder.find(folder.name_of([path])) is not None)
    assert used == ["0", "2", "3"]


def _no_folder(home: Path) -> None:
    home.write_text("a file")


def _full(home: Path) -> None:
    home.mkdir()
    (home / "decoded").mkdir()


@pytest.mark.parametrize("prepare", [_no_folder, _full])
def test_a_home_that_takes_nothing_is_gone_on_without(
    captures: Path, tmp_path: Path, prepare: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path / "home")
    folder = DecodedFolder(tmp_path / "home" / "decoded", 10**9)
    monkeypatch.setattr(decoded_folder, "free_bytes", lambda path: 1000)
    told = list(open_replay(captures / _BOOK, folder).events())
    assert told == list(open_replay(captures / _BOOK).events()) and folder.used() == (0, 0)

    def fails(*ignored: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(decoded_folder, "free_bytes", lambda path: 10**12)
    for method in ("add", "finish"):
        with monkeypatch.context() as patched:
            patched.setattr(DecodedWriter, method, fails)
            assert list(open_replay(captures / _BOOK, folder).events()) == told and folder.used() == (0, 0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (5, 4_000):
        # The disk itself refuses a part of a write.
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
        try:
            assert list(open_replay(captures / _BOOK, folder).events()) == told and folder.used() == (0, 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    if prepare is _full:
        assert list(open_replay(captures / _BOOK, folder).events()) == told and folder.used()[0] == 1
        assert DecodedFile(_files(folder)[0]).facts.files == ("orderbook-v2.json",)


def test_what_is_wrong_behind_the_period_that_captures_share_concerns_nobody(
    tmp_path: Path, folder: DecodedFolder
) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    for name, rows in (("BTC_USDT-1m.json", 3_000), ("XRP_USDT-1m.json", 50)):
        candles = [[1_600_000_020_000 + 60_000 * row, 10, 11, 9, 10, 5] for row in range(rows)]
        if rows == 3_000:
            # Low above high.
            candles[2_900][3] = 12
        (captures / name).write_text(json.dumps(candles))
    plain = list(open_replay(captures).events())
    assert list(open_replay(captures, folder).events()) == plain and len(plain) == 100
    assert folder.used()[0] == 1


def test_files_that_are_being_made_count(
    captures: Path, folder: DecodedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_capture, "_CHUNK", 60)
    whole = list(open_replay(captures / _BOOK, folder).events())
    [path] = _files(folder)
    size = path.stat().st_size
    folder = DecodedFolder(folder.folder, size * 3 // 2)
    used = folder.folder / "used.events"
    path.rename(used)
    # As this one grows the other one makes room for it, and both together never take more.
    for _ in open_replay(captures / _BOOK, folder).events():
        assert folder.used()[1] <= folder.bytes_max
    assert _files(folder) == [path]
    # A second that grows beside it has no room; what it tells is all the same.
    path.unlink()
    first = open_replay(captures / _BOOK, folder).events()
    told = list(islice(first, len(whole) - 10))
    assert list(open_replay(captures / _BOOK, folder).events()) == whole and folder.used()[0] == 0
    assert told + list(first) == whole and _files(folder) == [path]


def test_what_cannot_be_kept_is_told_to_the_last_word(
    captures: Path, folder: DecodedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(open_replay(captures / _BOOK).events())
    assert len(whole) == 510
    written = event_columns.written
    # Chunks that end with the capture, that have one event more, and one that holds all.
    for size in (51, 509, 510, 1000):
        monkeypatch.setattr(decoded_capture, "_CHUNK", size)
        path = tmp_path / f"book-{size}.json"
        path.write_bytes((captures / _BOOK).read_bytes())
        for kept in (0, 1):
            assert folder.used()[0] == kept
            assert list(open_replay(path, folder).events()) == whole
        for each in _files(folder):
            each.unlink()
        # Numbers that no column holds, from the third chunk on.
        with monkeypatch.context() as patched:
            sizes: list[int] = []

            def refuses(events: Sequence[MarketEvent], places: Sequence[Place], sizes: list[int] = sizes) -> bytes:
                sizes.append(len(events))
                if len(sizes) == 3 or len(events) > 500:
                    raise OverflowError
                return written(events, places)

            patched.setattr(event_columns, "written", refuses)
            assert list(open_replay(path, folder).events()) == whole and _files(folder) == []


def test_a_capture_that_is_damaged_is_told_up_to_there(
    captures: Path, folder: DecodedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_capture, "_CHUNK", 60)
    lines = [
        f'{1_704_067_200_000_000_000 + number * 10**9} {{"stream":"btcusdt@trade","data":{{"t":{number},"p":"100.00",'
        f'"q":"1","T":{1_704_067_200_000 + number * 1000},"m":true}}}}\n'
        for number in range(1, 200)
    ]
    path = tmp_path / "damaged.gz"
    path.write_bytes(gzip.compress("".join([*lines[:150], lines[150].replace("100.00", "0"), *lines[151:]]).encode()))
    for own in (None, folder):
        told: list[MarketEvent] = []
        with pytest.raises(CaptureError, match=r"record 151.*price 0"):
            told.extend(open_replay(path, own).events())
        assert len(told) == 150 and folder.used() == (0, 0)
