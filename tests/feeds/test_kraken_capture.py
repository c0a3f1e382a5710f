from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.feeds.recorded_lines import asset_pairs, recorded_books
from tests.plain_checksum import book_checksum
from tests.venues.followed import Followed

from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, Heartbeat, PublicTrade
from triplegain.domain.orders import Side
from triplegain.feeds.captures.instruments import capture_instrument
from triplegain.feeds.captures.replay import open_replay, recognise, verify_capture
from triplegain.market.depth_book import DepthBook
from triplegain.market.feed import CaptureError
from triplegain.venues.kraken.feed_line import ReplyLine, TickLine, write_line

SECOND = 1_000_000_000
#: 2024-01-01, when the frames made here begin.
START = 1_704_067_200 * SECOND


def _book_frame(kind: str, bids: str, asks: str, checksum: int, second: int = 0) -> bytes:
    """Levels as `price qty, price qty`."""

    def levels(text: str) -> str:
        pairs = [pair.split() for pair in text.split(",") if pair.strip()]
        return ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in pairs)

    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{levels(bids)}],'
        f'"asks":[{levels(asks)}],"checksum":{checksum},"timestamp":"2024-01-01T00:00:{second:02}.000001Z"}}]}}'
    ).encode()


def _checksum(bids: dict[int, int], asks: dict[int, int]) -> int:
    book = DepthBook()
    book.replace(tuple(bids.items()), tuple(asks.items()))
    return book_checksum(book)


SNAPSHOT = _book_frame("snapshot", "100.0 5", "100.1 1", _checksum({1000: 5 * 10**8}, {1001: 10**8}))


@pytest.mark.parametrize(
    ("file", "messages"),
    [
        ("kraken_wsv2_btcusd_book/orderbook-v2.json", 510),
        ("kraken_wsv2_minagbp_book/kraken_minagbp_d25_20260816.ndjson", 30),
    ],
)
def test_every_checksum_of_a_recorded_book_is_right(captures: Path, file: str, messages: int) -> None:
    report = verify_capture(captures / file)
    assert (report.updates, report.mismatches, report.gaps) == (messages, 0, 0)


def test_a_counter_as_clock_is_turned_into_time_of_receipt(captures: Path) -> None:
    capture = recognise(captures / "kraken_wsv2_minagbp_book" / "kraken_minagbp_d25_20260816.ndjson")
    assert capture is not None
    events = list(capture.events())
    assert sum(isinstance(event, Heartbeat) for event in events) == 60
    before = 0
    for event in events:
        # A frame may have travelled for more than a second; its moment is what it says, the feed's own time goes on.
        assert event.exchange_time_ns <= event.received_at_ns <= event.exchange_time_ns + 2 * SECOND
        if isinstance(event, Heartbeat):
            assert before <= event.exchange_time_ns
        before = max(before, event.exchange_time_ns)


def test_a_wrong_checksum_stops_the_book_until_the_next_snapshot(captures: Path, tmp_path: Path) -> None:
    document = json.loads((captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json").read_text())
    document["updates"][99]["data"][0]["checksum"] ^= 1
    document["updates"].insert(300, document["init"])
    damaged = tmp_path / "book.json"
    damaged.write_text(json.dumps(document))
    assert verify_capture(damaged).mismatches > 0
    capture = recognise(damaged)
    assert capture is not None
    events = list(capture.events())
    # The snapshot and 99 updates pass, the 100th update does not; then silence until the snapshot put in.
    assert all(isinstance(event, BookUpdate) for event in events[:100])
    assert isinstance(events[100], FeedStatus) and events[100].state is FeedState.CHECKSUM_MISMATCH
    assert isinstance(events[101], BookUpdate) and events[101].snapshot
    assert isinstance(events[102], FeedStatus) and events[102].state is FeedState.SYNCED


def test_one_wrong_checksum_is_one_mismatch(captures: Path, tmp_path: Path) -> None:
    text = (captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json").read_text()
    damaged = tmp_path / "book.json"
    damaged.write_text(re.sub(r'"checksum": 3547452596', '"checksum": 1', text))
    report = verify_capture(damaged)
    assert (report.updates, report.mismatches) == (510, 1)


def test_a_truncated_document_is_refused(captures: Path, tmp_path: Path) -> None:
    whole = (captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json").read_bytes()
    cut = tmp_path / "book.json"
    cut.write_bytes(whole[:100_000])
    with pytest.raises(CaptureError, match="not whole JSON"):
        verify_capture(cut)


def test_a_cut_line_is_named(captures: Path, tmp_path: Path) -> None:
    whole = (captures / "kraken_wsv2_minagbp_book" / "kraken_minagbp_d25_20260816.ndjson").read_bytes()
    cut = tmp_path / "book.ndjson"
    cut.write_bytes(whole[:-20])
    with pytest.raises(CaptureError, match="record 94"):
        verify_capture(cut)


def _lines(*frames: bytes) -> bytes:
    return b"".join(b'{"rx_ns":%d,"frame":%b}\n' % (START + number * SECOND, one) for number, one in enumerate(frames))


@pytest.mark.parametrize(
    ("bids", "asks", "problem"),
    [
        ("100.05 1", "", "not a multiple"),
        ("-1.0 1", "", "negative"),
        ("100.0 -1", "", "negative"),
        ("0.0 1", "", "price 0"),
        ("NaN 1", "", "JSON"),
    ],
)
def test_a_frame_that_cannot_be_right_says_why(tmp_path: Path, bids: str, asks: str, problem: str) -> None:
    path = tmp_path / "book.ndjson"
    path.write_bytes(_lines(SNAPSHOT, _book_frame("update", bids, asks, 1, 1)))
    with pytest.raises(CaptureError, match=f"record 2: .*{problem}"):
        verify_capture(path)


def test_a_second_instrument_in_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.ndjson"
    path.write_bytes(_lines(SNAPSHOT, SNAPSHOT.replace(b"BTC/USD", b"XRP/USD")))
    with pytest.raises(CaptureError, match="record 2: has more than one instrument"):
        verify_capture(path)


def test_a_crossed_book_waits_for_the_next_snapshot_whichever_door_it_comes_through(tmp_path: Path) -> None:
    """A file of frames, and a log of a feed, which says its instruments: the same pause, the same going on."""
    both = _checksum({1000: 5 * 10**8, 1002: 10**8}, {1001: 10**8})
    frames = [
        SNAPSHOT,
        _book_frame("update", "100.2 1", "", both, 1),
        SNAPSHOT.replace(b"00:00.000001", b"00:02.000001"),
    ]
    path = tmp_path / "book.ndjson"
    path.write_bytes(_lines(*frames))
    log = tmp_path / "sent.jsonl"
    log.write_bytes(write_line(asset_pairs(START)) + _lines(*frames))
    told = [[getattr(event, "state", "book") for event in open_replay(file).events()] for file in (path, log)]
    assert told == [["book", FeedState.CROSSED, "book", FeedState.SYNCED]] * 2
    assert verify_capture(path).mismatches == 1


def test_a_trade_frame_becomes_trades_once_and_holes_are_counted() -> None:
    def frame(number: int) -> bytes:
        return (
            '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":105944.2,'
            f'"qty":0.00027625,"ord_type":"limit","trade_id":{number},"timestamp":"2023-10-06T17:35:55.440295Z"}}]}}'
        ).encode()

    at = 1696613755440295000
    decoder = Followed([capture_instrument("BTC/USD")], at)
    assert decoder.take(frame(7), at + 5) == [PublicTrade("BTC/USD", at, at + 5, 1059442, 27625, Side.SELL, "7")]
    assert decoder.take(frame(7), at + 6) == []
    assert len(decoder.take(frame(9), at + 7)) == 1
    assert decoder.counters.gaps == 1


def test_a_first_snapshot_of_trades_is_the_past_and_a_later_one_fills_the_hole() -> None:
    def frame(kind: str, *numbers: int) -> bytes:
        trades = [
            f'{{"symbol":"BTC/USD","side":"buy","price":100.0,"qty":1.0,"ord_type":"market","trade_id":{number},'
            f'"timestamp":"2024-01-01T00:00:{number:02}.000000Z"}}'
            for number in numbers
        ]
        return f'{{"channel":"trade","type":"{kind}","data":[{",".join(trades)}]}}'.encode()

    decoder = Followed([capture_instrument("BTC/USD")], START)
    told = [
        [event.trade_id for event in decoder.take(data) if isinstance(event, PublicTrade)]
        for data in (frame("snapshot", 5, 6), frame("update", 7), frame("snapshot", 6, 7, 8, 9), frame("update", 10))
    ]
    assert told == [[], ["7"], ["8", "9"], ["10"]]
    assert decoder.counters.gaps == 0


def test_maintenance_is_told_for_every_instrument_and_so_is_its_end() -> None:
    decoder = Followed([capture_instrument("BTC/USD")], START)
    decoder.take(SNAPSHOT)
    status = '{"channel":"status","type":"update","data":[{"system":"%s"}]}'
    states = []
    for word in ("online", "maintenance", "maintenance", "online"):
        for event in decoder.take((status % word).encode()):
            assert isinstance(event, FeedStatus) and event.symbol == "BTC/USD"
            states.append(event.state)
    assert states == [FeedState.MAINTENANCE, FeedState.SYNCED]


def test_frames_of_acknowledged_depth_are_cut_to_it() -> None:
    decoder = Followed([capture_instrument("BTC/USD")], START)
    ack = b'{"method":"subscribe","result":{"channel":"book","depth":25,"symbol":"BTC/USD"},"success":true}'
    assert decoder.take(ack) == []
    event = decoder.take(SNAPSHOT)[0]
    assert isinstance(event, BookUpdate) and event.depth == 25 and event.snapshot


def test_a_plain_log_of_a_feed_is_a_capture_with_the_instruments_of_its_time(captures: Path, tmp_path: Path) -> None:
    """As a local Kraken or another program may write it: lines of a feed, not compressed."""
    pairs, *frames = recorded_books(captures)[:511]
    assert isinstance(pairs, ReplyLine)
    of_the_time = replace(pairs, reply=pairs.reply.replace(b'"ordermin":"0.00005"', b'"ordermin":"0.0002"'))
    path = tmp_path / "sent.jsonl"
    path.write_bytes(b"".join(map(write_line, [of_the_time, TickLine(pairs.received_at_ns), *frames])))
    capture = recognise(path)
    assert capture is not None and (capture.format, capture.rows) == ("kraken-v2-frames", 510)
    assert capture.instrument.quantity_min == Decimal("0.0002")
    assert sum(isinstance(event, BookUpdate) for event in capture.events()) == 510
