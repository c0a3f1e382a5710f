from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from triplegain.domain.market import BookUpdate, CandleClosed, MarketDepth, PublicTrade
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.captures.capture import VerifyReport
from triplegain.feeds.captures.replay import open_replay, verify_capture
from triplegain.market.feed import CaptureError

MINUTE_MS = 60_000
MINUTE = MINUTE_MS * 1_000_000


def _candles(path: Path, minutes: range, step: int = 1, close: float = 100.5) -> None:
    path.write_text(json.dumps([[m * MINUTE_MS, 100.0, 101.0, 99.0, close, 1.5] for m in minutes[::step]]))


def _trades(path: Path, seconds: range) -> None:
    path.write_text(json.dumps([[s * 1000, str(s), "market", "buy", 100.0, 0.5, 50.0] for s in seconds]))


def test_a_missing_interval_becomes_a_flat_candle_without_volume(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m.json"
    path.write_text(json.dumps([[m * MINUTE_MS, 100.0, 101.0, 99.0, 100.5, 1.5] for m in (1, 2, 5)]))
    events = list(open_replay(path).events())
    assert all(isinstance(event, CandleClosed) for event in events)
    candles = [event.candle for event in events if isinstance(event, CandleClosed)]
    assert [candle.open_time_ns // MINUTE for candle in candles] == [1, 2, 3, 4, 5]
    assert [candle.volume for candle in candles] == [150_000_000, 150_000_000, 0, 0, 150_000_000]
    assert (candles[2].open, candles[2].high, candles[2].low, candles[2].close) == (1005,) * 4
    assert [event.exchange_time_ns // MINUTE for event in events] == [2, 3, 4, 5, 6]  # told at the close


@pytest.mark.parametrize(
    ("minutes", "told", "gaps"),
    [
        # 300 of 302: p = 0.7 %, any missing candle is a hole.
        ([*range(150), *range(152, 302)], 300, 1),
        # 300 of 600: p = 0.5; 300 x 0.5^18 = 0.0011 is quiet, 300 x 0.5^19 = 0.0006 a hole.
        ([*range(0, 563, 2), *range(581, 599)], 600 - 1, 0),
        ([*range(0, 561, 2), *range(580, 599)], 600 - 1 - 19, 1),
    ],
)
def test_a_hole_is_what_the_markets_own_quiet_does_not_explain(
    tmp_path: Path, minutes: list[int], told: int, gaps: int
) -> None:
    path = tmp_path / "BTC_USDT-1m.json"
    path.write_text(json.dumps([[m * MINUTE_MS, 100.0, 101.0, 99.0, 100.5, 1.5] for m in minutes]))
    assert len(list(open_replay(path).events())) == told
    assert verify_capture(path) == VerifyReport(300, 0, gaps)


def test_trades_are_preferred_to_candles_and_the_finest_candles_to_others(tmp_path: Path) -> None:
    _candles(tmp_path / "BTC_USDT-1m.json", range(10))
    _candles(tmp_path / "BTC_USDT-5m.json", range(10), 5)
    (tmp_path / "README.md").write_text("nothing to see")
    feed = open_replay(tmp_path)
    assert feed.depth == {"BTC/USDT": MarketDepth.CANDLES} and feed.candle_length_ns == {"BTC/USDT": MINUTE}
    assert feed.source is QuoteSource.REPLAY and not feed.synthetic
    _trades(tmp_path / "BTC_USDT-trades.json", range(60, 90))
    feed = open_replay(tmp_path)
    assert feed.depth == {"BTC/USDT": MarketDepth.TAPE}
    assert len(list(feed.events())) == 30


def test_several_instruments_run_over_their_common_period_in_order_of_time(tmp_path: Path) -> None:
    _candles(tmp_path / "BTC_USDT-1m.json", range(10))
    _candles(tmp_path / "XRP_USDT-1m.json", range(4, 20))
    feed = open_replay(tmp_path)
    # XRP's first candle closes at 5, BTC's last at 10.
    assert feed.span_ns == (5 * MINUTE, 10 * MINUTE)
    told = [(event.exchange_time_ns // MINUTE, event.symbol) for event in feed.events()]
    assert told == [(minute, symbol) for minute in range(5, 11) for symbol in ("BTC/USDT", "XRP/USDT")]


def test_instruments_without_a_common_period_are_refused(tmp_path: Path) -> None:
    _candles(tmp_path / "BTC_USDT-1m.json", range(10))
    _candles(tmp_path / "XRP_USDT-1m.json", range(40, 50))
    with pytest.raises(CaptureError, match="no period in common"):
        open_replay(tmp_path)


def test_equal_duplicates_merge_and_parts_are_chained(tmp_path: Path) -> None:
    _candles(tmp_path / "BTC_USDT-1m.json", range(10))
    shutil.copy(tmp_path / "BTC_USDT-1m.json", tmp_path / "BTC_USDT-1m-copy.json")
    assert len(list(open_replay(tmp_path).events())) == 10
    _candles(tmp_path / "BTC_USDT-1m-more.json", range(7, 15))
    _candles(tmp_path / "BTC_USDT-1m-later.json", range(15, 20))
    events = list(open_replay(tmp_path).events())
    assert [event.exchange_time_ns // MINUTE for event in events] == list(range(1, 21))


def test_recordings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    _candles(tmp_path / "BTC_USDT-1m.json", range(10))
    _candles(tmp_path / "BTC_USDT-1m-other.json", range(9, 15), close=100.6)
    with pytest.raises(CaptureError, match="two different recordings of BTC/USDT overlap"):
        open_replay(tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty", "README.md"])
def test_nothing_to_replay_says_what_was_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").write_text("words")
    with pytest.raises(CaptureError, match=r"does not exist|looked for Kraken WebSocket v2"):
        open_replay(tmp_path / name)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ([3 * MINUTE_MS, 100.0, 101.0, 99.0, 100.55, 1.5], "not a multiple"),
        ([3 * MINUTE_MS, -100.0, 101.0, 99.0, 100.5, 1.5], "negative"),
        ([3 * MINUTE_MS, 100.0, 101.0, 99.0, 100.5, -1.5], "negative"),
        ([3 * MINUTE_MS, 100.0, 101.0, 100.5, 100.5, 1.5], "between low and high"),
        ([3 * MINUTE_MS, 100.0, 1e15, 99.0, 100.5, 1.5], "more than 1,000,000 times its low"),
        ([3 * MINUTE_MS, 0, 0, 0, 0, 0], "above zero"),
        ([2 * MINUTE_MS, 100.0, 101.0, 99.0, 100.5, 1.5], "not later"),
    ],
)
def test_an_impossible_candle_is_refused_with_its_number(tmp_path: Path, row: list[float], problem: str) -> None:
    path = tmp_path / "BTC_USDT-1m.json"
    rows = [[m * MINUTE_MS, 100.0, 101.0, 99.0, 100.5, 1.5] for m in (1, 2)]
    path.write_text(json.dumps([*rows, row]))
    with pytest.raises(CaptureError, match=f"record 3.*{problem}"):
        list(open_replay(path).events())


def test_a_file_that_does_not_name_its_pair_or_names_an_unknown_one_is_refused(tmp_path: Path) -> None:
    _candles(tmp_path / "1m.json", range(3))
    with pytest.raises(CaptureError, match="BASE_QUOTE"):
        open_replay(tmp_path / "1m.json")
    _candles(tmp_path / "FOO_USDT.json", range(3))
    with pytest.raises(CaptureError, match="FOO/USDT are not known"):
        open_replay(tmp_path / "FOO_USDT.json")


def test_a_truncated_trades_file_is_refused(captures: Path, tmp_path: Path) -> None:
    for name in (
        "kraken_trades_xrp_2022-05/XRP_USDT-trades.json.gz",
        "kraken_trades_btcusdt_2023-11/ETH_BTC-trades.feather",
    ):
        whole = captures / name
        cut = tmp_path / whole.name
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        with pytest.raises(CaptureError, match="cut off or damaged"):
            open_replay(cut)


def test_a_book_starts_a_common_period_with_a_snapshot(captures: Path, tmp_path: Path) -> None:
    source = captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json"
    shutil.copy(source, tmp_path)
    span = open_replay(source).span_ns
    assert span is not None
    first, last = span
    middle_ms = (first + last) // 2 // 1_000_000
    rows = [[middle_ms + s, None, "market", "buy", 0.5, 10.0, 5.0] for s in range(5)]
    (tmp_path / "XRP_USDT-trades.json").write_text(json.dumps(rows))
    events = list(open_replay(tmp_path).events())
    books = [event for event in events if isinstance(event, BookUpdate)]
    assert events[0] is books[0] and books[0].snapshot and books[0].exchange_time_ns == middle_ms * 1_000_000
    assert len(books[0].bids) == len(books[0].asks) == 10
    assert sum(isinstance(event, PublicTrade) for event in events) == 5


@pytest.mark.parametrize(
    ("folder", "events"),
    [
        pytest.param("kraken_trades_xrp_2022-05", 226_241, marks=pytest.mark.slow),
        ("kraken_ohlcv_btcusdt", 35_071),
        pytest.param("binance_ohlcv_1m_three_pairs_2021-05", 128_743, marks=pytest.mark.slow),
        ("xrpbtc_ohlcv_1h_2017_2019", 15_305),
    ],
)
def test_recorded_folders_replay_in_order(captures: Path, folder: str, events: int) -> None:
    before = count = 0
    for event in open_replay(captures / folder).events():
        assert event.exchange_time_ns >= before
        before = event.exchange_time_ns
        count += 1
    assert count == events
