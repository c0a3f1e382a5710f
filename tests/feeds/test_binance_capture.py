from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from triplegain.domain.market import BestQuote, BookUpdate, PublicTrade
from triplegain.feeds.captures.binance_book import BinanceBook
from triplegain.feeds.captures.binance_capture import BinanceCapture
from triplegain.feeds.captures.binance_messages import BinanceTrade, decode_line
from triplegain.feeds.captures.replay import open_replay
from triplegain.market.depth_book import DepthBook
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import unmarked

FOLDER = "binance_spot_l2_trades_btcusdt_2024-08"


def _parts(captures: Path) -> tuple[Path, ...]:
    return tuple(sorted((captures / FOLDER).glob("*.gz")))


@pytest.mark.slow
def test_the_recording_is_whole_and_quote_and_book_agree(captures: Path) -> None:
    capture = BinanceCapture(_parts(captures))
    book = BinanceBook(capture.instrument)
    counts: Counter[type] = Counter()
    trimmed = DepthBook()
    for event in capture._follow(book, unmarked()):
        counts[type(event)] += 1
        assert event.exchange_time_ns <= event.received_at_ns
        if isinstance(event, BookUpdate):
            if event.snapshot:
                trimmed.replace(event.bids, event.asks)
            trimmed.apply(event.bids, event.asks)
        elif isinstance(event, BestQuote):
            trimmed.trim(event.bid, event.ask)
            assert (trimmed.best_bid, trimmed.best_ask) == (event.bid[0], event.ask[0])
            assert (trimmed.bids[event.bid[0]], trimmed.asks[event.ask[0]]) == (event.bid[1], event.ask[1])
        # Trimmed by the newest quotes the book never crosses.
        assert not trimmed.is_crossed
    assert (book.updates, book.mismatches, book.gaps, book.compared) == (6495, 0, 0, 1072)
    assert counts[PublicTrade] == 19_904


def test_a_capture_carries_its_own_instrument(captures: Path) -> None:
    feed = open_replay(captures / FOLDER)
    (instrument,) = feed.instruments
    assert (instrument.symbol, instrument.venue, str(instrument.tick)) == ("BTC/USDT", "binance", "0.01")


def test_a_part_without_a_snapshot_is_refused(captures: Path) -> None:
    feed = open_replay(_parts(captures)[1])
    with pytest.raises(CaptureError, match="no book snapshot"):
        for _ in feed.events():
            pass


def test_a_cut_recording_names_its_last_good_line(captures: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(_parts(captures)[0].read_bytes()[:500_000])
    with pytest.raises(CaptureError, match=r"record \d+: the compressed file is cut off") as error:
        open_replay(cut)
    assert error.value.exit_code == 6


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.gz"
    trade = b'1 {"stream":"btcusdt@trade","data":{"t":1,"p":"1.00","q":"1","T":1,"m":true}}\n'
    path.write_bytes(gzip.compress(trade * 2 + b'2 {"stream":"btcusdt@trade","data":{"t":2,"p":\n' + trade))
    with pytest.raises(CaptureError, match="record 3"):
        for _ in open_replay(path).events():
            pass


_TRADE = b'{"t":7,"p":"1.00","q":"2","T":5,"m":true}'


@pytest.mark.parametrize(
    ("text", "symbol", "number"),
    [
        (b'{"stream":"btcusdt@trade","data":' + _TRADE + b"}", "btcusdt", 7),
        (b'{"data":' + _TRADE + b',"stream":"btcusdt@trade"}', "btcusdt", 7),
        (b' {"stream" : "btcusdt@trade","more":1,"data":' + _TRADE + b"}", "btcusdt", 7),
        (b'{"stream":"btcusdt\\u0040trade","data":' + _TRADE + b"}", "btcusdt", 7),
        # The last word counts, as everywhere in JSON; a name of any length is a name.
        (b'{"stream":"xrpbtc@trade","stream":"btcusdt@trade","data":' + _TRADE + b"}", "btcusdt", 7),
        (b'{"stream":"' + b"x" * 500 + b'@trade","data":' + _TRADE + b"}", "x" * 500, 7),
        (b'{"stream":"btcusdt@kline_1m","data":{"k":[]}}', "btcusdt", None),
    ],
)
def test_a_line_is_read_however_its_words_are_put(text: bytes, symbol: str, number: int | None) -> None:
    for _ in range(2):
        received_ns, told, message = decode_line(b"1723161253937085768 " + text + b"\n")
        assert (received_ns, told) == (1_723_161_253_937_085_768, symbol)
        assert (message.number if isinstance(message, BinanceTrade) else None) == number
