"""Every feed goes on from any place that it has put down, with the very events that a whole run tells after it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.feeds.recorded_lines import asset_pairs, recorded_books
from tests.feeds.test_recording import SETTINGS, record, with_troubles
from tests.session.sessions import START_NS

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Side
from triplegain.feeds.captures.replay import open_replay
from triplegain.feeds.demo.demo import DemoMarket
from triplegain.feeds.recording import writer
from triplegain.market.feed import MarkedFeed
from triplegain.market.feed_marks import AnyPlace, FeedMark, FeedMarks
from triplegain.venues.kraken.feed_line import write_line
from triplegain.venues.kraken.stream import KrakenStream, StreamSeen, StreamSettings
from triplegain.venues.kraken.stream_clock import StreamCounters
from triplegain.venues.kraken.tape import Tape, TapeSeen
from triplegain.venues.kraken.wire.writer import TapeTrade

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
#: So many events of a feed are enough.
_MOST = 3_500


class Noted(FeedMarks):
    """Keeps every place, written down when it is put."""

    def __init__(self, start: FeedMark | None, every_ns: int) -> None:
        super().__init__(start, every_ns)
        self.all: list[FeedMark] = []
        #: Messages that were handed out.
        self.handed = self.position

    def put(self, position: int, place: AnyPlace, time_ns: int) -> None:
        super().put(position, place, time_ns)
        mark = self.latest
        assert mark is not None and mark.position <= self.handed
        self.all.append(mark)


def told(feed: MarkedFeed, marks: FeedMarks, most: int = _MOST) -> list[MarketEvent]:
    events = []
    for event in islice(feed.events(marks), most):
        events.append(event)
        if isinstance(marks, Noted):
            marks.handed += 1
    return events


def check(feed: MarkedFeed, every_ns: int, seed: int = 1) -> int:
    """How many places there were. Of some, and of places put on the way from there, the rest is compared."""
    chance, whole = Random(seed), told(feed, FeedMarks())
    assert whole == list(islice(feed.events(), _MOST))
    noted = Noted(None, every_ns)
    assert told(feed, noted) == whole
    for mark in chance.sample(noted.all, min(len(noted.all), 5)):
        again = Noted(mark, every_ns)
        left = _MOST - mark.position
        assert told(feed, again, left) == whole[mark.position :]
        if again.all:
            later = chance.choice(again.all)
            assert later.position >= mark.position
            assert told(feed, FeedMarks(later, every_ns), _MOST - later.position) == whole[later.position :]
    return len(noted.all)


def test_the_demo_market() -> None:
    assert check(DemoMarket(5, START_NS, duration_ns=200 * SECOND_NS), 5 * SECOND_NS) > 10


@pytest.mark.parametrize(
    ("path", "every_ns"),
    [
        ("kraken_wsv2_btcusd_book/orderbook-v2.json", SECOND_NS),
        ("binance_spot_l2_trades_btcusdt_2024-08", 5 * SECOND_NS),
        ("kraken_trades_btcusdt_2023-11/BTC_USDT-trades.feather", HOUR_NS),
        pytest.param("kraken_trades_btcusdt_2023-11", HOUR_NS, marks=pytest.mark.slow),
        pytest.param("kraken_trades_xrp_2022-05", HOUR_NS, marks=pytest.mark.slow),
        ("kraken_ohlcv_btcusdt/XBTUSDT_60.csv", 1000 * HOUR_NS),
    ],
)
def test_recorded_markets(captures: Path, path: str, every_ns: int) -> None:
    assert check(open_replay(captures / path), every_ns) >= 3


def _rows(path: Path, rows: list[Any]) -> None:
    path.write_text(json.dumps(rows))


def test_parts_that_overlap_with_a_silence_between_others(tmp_path: Path) -> None:
    minutes = [*range(1, 40), *range(60, 90)]
    for name, part in (("a", minutes[:50]), ("b", minutes[30:60]), ("c", minutes[60:])):
        _rows(tmp_path / f"BTC_USDT-1m-{name}.json", [[m * 60_000, 100.0, 101.0, 99.0, 100.5, m] for m in part])
    assert check(open_replay(tmp_path), 5 * MINUTE_NS) > 5


def test_trades_of_one_instrument_beside_candles_of_another(tmp_path: Path) -> None:
    chance = Random(2)
    trades = [[s * 1000, str(s), "market", "buy", 100.0 + chance.randrange(9), 0.5, 50.0] for s in range(30, 3000, 7)]
    _rows(tmp_path / "BTC_USDT-trades.json", trades)
    _rows(tmp_path / "XRP_USDT-1m.json", [[m * 60_000, 1.0, 1.1, 0.9, 1.05, 1.5] for m in range(3, 45)])
    assert check(open_replay(tmp_path), 100 * SECOND_NS) > 5


@pytest.fixture
def lines(captures: Path) -> list[Any]:
    return with_troubles(recorded_books(captures))


def recording_of_runs(folder: Path, lines: list[Any]) -> None:
    """Two runs in small files."""
    half = len(lines) // 2
    settings = replace(SETTINGS, rotate_bytes=30_000)
    record(folder, lines[:half], settings)
    record(folder, [asset_pairs(), *lines[half:]], settings)
    assert len(list(folder.glob("*.zst"))) > 2


def plain_log(folder: Path, lines: list[Any]) -> None:
    folder.mkdir()
    (folder / "log.jsonl").write_bytes(b"".join(map(write_line, lines)))


@pytest.mark.parametrize("write", [recording_of_runs, plain_log])
def test_recordings_of_the_live_feed(
    lines: list[Any], tmp_path: Path, write: Callable[[Path, list[Any]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_FRAME_BYTES", 5_000)
    write(tmp_path / "taken", lines)
    place = tmp_path / "taken" if write is recording_of_runs else tmp_path / "taken" / "log.jsonl"
    assert check(open_replay(place), SECOND_NS) >= 3


def test_places_of_other_feeds_are_refused_at_once(tmp_path: Path, lines: list[Any]) -> None:
    record(tmp_path / "taken", lines)
    _rows(tmp_path / "BTC_USDT-1m.json", [[m * 60_000, 100.0, 101.0, 99.0, 100.5, 1.0] for m in range(1, 9)])
    feeds = [DemoMarket(1, START_NS), open_replay(tmp_path / "taken"), open_replay(tmp_path / "BTC_USDT-1m.json")]
    places = []
    for feed in feeds:
        noted = Noted(None, SECOND_NS)
        told(feed, noted, 300)
        places.append(noted.all[-1])
    for number, feed in enumerate(feeds):
        for other, place in enumerate(places):
            if other != number:
                with pytest.raises(InvalidValueError):
                    feed.events(FeedMarks(place))


def test_a_file_that_changes_is_another_feed(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m.json"
    rows = [[m * 60_000, 100.0, 101.0, 99.0, 100.5, 1.0] for m in range(1, 9)]
    _rows(path, rows)
    os.utime(path, ns=(0, 0))
    before = open_replay(path).identity
    assert open_replay(path).identity == before
    _rows(path, [*rows[:-1], [8 * 60_000, 100.0, 101.0, 99.0, 100.5, 2.0]])
    os.utime(path, ns=(0, 0))
    assert open_replay(path).identity != before
    _rows(path, rows)
    os.utime(path, ns=(0, SECOND_NS))
    assert open_replay(path).identity != before


#: What is counted for the owner's eyes, and what is kept to be quick.
_NO_STATE = {"counters", "_counters", "_requests", "changed", "tenth", "_bids_text", "_asks_sum", "price", "quantity"}


_OURS = ("triplegain.venues", "triplegain.market.clock_offset")


def anatomy(each: Any) -> Any:
    """All that an object of a stream knows, to the bottom."""
    match each:
        case dict():
            return {key: anatomy(value) for key, value in each.items()}
        case list() | tuple():
            return [anatomy(value) for value in each]
        case _ if type(each).__module__.startswith(_OURS) and not isinstance(each, (str, Enum)):
            kinds = (getattr(type(each), name, ()) for name in ("__slots__", "__dataclass_fields__"))
            names = {*getattr(each, "__dict__", ()), *chain(*kinds)} - _NO_STATE
            return {name: anatomy(getattr(each, name)) for name in sorted(names)}
        case _:
            return each


def test_a_tape_with_a_hole_and_trades_that_wait_goes_on() -> None:
    trades = [TapeTrade(number, 1_000 * number, 100, 5, Side.BUY) for number in range(1, 30)]
    tape = Tape(StreamCounters())
    tape.on_snapshot(trades[:2])
    tape.on_update(trades[4:9])
    tape.cut()
    tape.on_update(trades[15:20])
    again = Tape(StreamCounters())
    again.see(msgspec.json.decode(msgspec.json.encode(tape.seen()), type=TapeSeen))
    assert anatomy(again) == anatomy(tape)
    assert again.on_page(trades) == tape.on_page(trades) and len(tape.give_up()) == 0
    assert anatomy(again) == anatomy(tape)


def test_a_stream_that_goes_on_knows_all_that_the_other_knew(lines: list[Any]) -> None:
    settings = StreamSettings(10, 3 * SECOND_NS)
    stream, compared = KrakenStream(("BTC/USD", "MINA/GBP"), settings), 0
    for number, line in enumerate(lines):
        stream.on_line(line)
        if number % 20 or (seen := stream.seen()) is None:
            continue
        again = KrakenStream(("BTC/USD", "MINA/GBP"), settings)
        again.on_line(lines[0])
        again.see(msgspec.json.decode(msgspec.json.encode(seen), type=StreamSeen))
        assert anatomy(again) == anatomy(stream)
        compared += 1
    assert compared > 10
