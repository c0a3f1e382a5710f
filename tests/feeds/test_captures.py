from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from triplegain.domain.market import MarketDepth
from triplegain.feeds.captures.capture import VerifyReport
from triplegain.feeds.captures.replay import list_captures, open_replay, verify_capture
from triplegain.market.feed import CaptureError


@pytest.mark.slow
def test_every_recorded_market_is_listed(captures: Path) -> None:
    found = {str(summary.path.relative_to(captures)): summary for summary in list_captures(captures)}
    assert len(found) == 24 and not any(summary.problem for summary in found.values())
    tape = found["kraken_trades_btcusdt_2023-11/BTC_USDT-trades.feather"]
    assert (tape.symbol, tape.depth, tape.rows) == ("BTC/USDT", MarketDepth.TAPE, 26_921)
    hours = found["kraken_ohlcv_btcusdt/XBTUSDT_60.csv"]
    assert (hours.symbol, hours.rows, hours.candle_length_ns) == ("BTC/USDT", 41_379, 3600 * 10**9)


def test_recorded_markets_are_listed_with_what_they_hold(captures: Path) -> None:
    [book] = list_captures(captures / "kraken_wsv2_btcusd_book")
    assert (book.symbol, book.depth, book.rows) == ("BTC/USD", MarketDepth.BOOK, 510)
    tape, *_ = list_captures(captures / "kraken_trades_btcusdt_2023-11" / "BTC_USDT-trades.feather")
    assert (tape.symbol, tape.depth, tape.rows) == ("BTC/USDT", MarketDepth.TAPE, 26_921)


def test_a_damaged_file_is_listed_with_its_problem(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT-1m.json").write_text("[[60000, 100.0, 101.0, 99.0, 100.5, 1.5], [1200")
    (summary,) = list_captures(tmp_path)
    assert "cut off or damaged" in summary.problem


def test_a_table_without_a_column_that_is_needed_is_listed_with_its_problem_beside_the_others(tmp_path: Path) -> None:
    """As archives write it that tell the volume in both currencies."""
    row = "2023-11-14 22:{minute}:00,BTC/USDT,100,102,99,101,3,{more}"
    both = "date,symbol,open,high,low,close,Volume BTC,Volume USDT\n" + row.format(minute="00", more="300") + "\n"
    (tmp_path / "both.csv").write_text(both)
    rows = [row.format(minute=minute, more="5") for minute in ("00", "01")]
    (tmp_path / "one.csv").write_text("\n".join(["date,symbol,open,high,low,close,volume,trades", *rows, ""]))
    wrong, right = list_captures(tmp_path)
    assert "'volume' is not in list" in wrong.problem
    assert right.problem == "" and right.rows == 2


@pytest.mark.parametrize(
    ("path", "report"),
    [
        ("kraken_wsv2_btcusd_book", VerifyReport(510, 0, 0)),
        ("kraken_wsv2_minagbp_book", VerifyReport(30, 0, 0)),
        pytest.param("binance_spot_l2_trades_btcusdt_2024-08", VerifyReport(6495, 0, 0), marks=pytest.mark.slow),
        # One trade id is missing at each page of 1000.
        ("kraken_trades_btcusdt_2023-11/BTC_USDT-trades.feather", VerifyReport(26_921, 0, 26)),
        # 1.3 % of the hours are empty: five and more in a row are a hole.
        ("kraken_ohlcv_btcusdt/XBTUSDT_60.csv", VerifyReport(41_379, 0, 11)),
        # Binance trades in every hour: it stood still 27 times, on 2018-02-08 for more than a day.
        ("binance_ohlcv_1h_2017_2022/BTC_USDT-1h.json", VerifyReport(45_024, 0, 27)),
    ],
)
def test_recorded_markets_hold_together(captures: Path, path: str, report: VerifyReport) -> None:
    assert verify_capture(captures / path) == report


def test_nothing_to_verify_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no recorded market"):
        verify_capture(tmp_path)
    with pytest.raises(CaptureError, match="does not exist"):
        list_captures(tmp_path / "nowhere")


#: One good trade, and another.
_TRADE = '[[1704538800000,"1",null,"buy",1,1,1],[T]]'


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("BTC_USDT-1m.json", "[[1700000040000,1,1,1,1,1],[1700000100000,1,1,1,1,{}]]", "is more than can be kept"),
        ("BTC_USDT-1m.json", "[[1700000040000,1,1,1,1,1],[1700000100000,1,1e18,1,1,1]]", "is more than can be kept"),
        # The year 55,983: a time in microseconds where milliseconds should be.
        ("BTC_USDT-1m.json", "[[1704538800000,1,1,1,1,1],[1704538800000000,1,1,1,1,1]]", "after the year 2200"),
        (
            "BTC_USDT-trades.json",
            '[[1704538800000,"1",null,"buy",1,1,1],[1704538800001,"2",null,"buy",1,1e18,1]]',
            "kept",
        ),
        (
            "BTC_USDT-trades.json",
            '[[1704538800000,"1",null,"buy",1,1,1],[1704538800000000,"2",null,"buy",1,1,1]]',
            "2200",
        ),
        (
            "BTC_USDT-trades.json",
            '[[1704538800000,"1",null,"buy",1,1,1],[1704538800001,"' + "x" * 65 + '",null,"buy",1,1,1]]',
            "name a trade",
        ),
        (
            "BTC_USDT-trades.json",
            '[[1704538800000,"1",null,"buy",1,1,1],[1704538800001,"\\u0000",null,"buy",1,1,1]]',
            "name a trade",
        ),
        (
            "BTC_USDT-1m.csv",
            "date,open,high,low,close,volume,trades\n1700000040,1,1,1,1,1,1\n1700000100,1,1,1,1,1,9223372036854775808\n",
            "than can be kept",
        ),
        ("XBTUSDT_1.csv", "1700000040,1,1,1,1,1,1\n1700000100,1,1,1,1,1,9223372036854775808\n", "than can be kept"),
    ],
)
def test_what_no_row_can_hold_is_refused_with_file_and_record(tmp_path: Path, name: str, text: str, words: str) -> None:
    file = tmp_path / name
    file.write_text(text.replace("{}", "1" + "0" * 18))
    with pytest.raises(CaptureError, match=words) as caught:
        verify_capture(file)
    assert name in str(caught.value) and "2" in str(caught.value)


_BOOK = {"symbol": "BTC/USD", "bids": [{"price": 100.0, "qty": 5.0}], "asks": [{"price": 100.1, "qty": 1.0}]}


def kraken_lines(second: str) -> bytes:
    """A snapshot of a book, and another line."""
    at = "2024-01-01T00:00:00.000001Z"
    frame = {"channel": "book", "type": "snapshot", "data": [{**_BOOK, "checksum": 707507595, "timestamp": at}]}
    return f'{{"rx_ns":1,"frame":{json.dumps(frame)}}}\n{{"rx_ns":2,"frame":{second}}}\n'.encode()


def kraken_trade(**changes: object) -> str:
    told = {"symbol": "BTC/USD", "side": "buy", "price": 100.0, "qty": 1.0, "trade_id": 1}
    trade = {**told, "timestamp": "2024-01-01T00:00:01Z", **changes}
    return json.dumps({"channel": "trade", "type": "update", "data": [trade]})


def kraken_level(price: float, qty: float) -> str:
    change = {**_BOOK, "bids": [{"price": price, "qty": qty}], "asks": [], "checksum": 0}
    return json.dumps({"channel": "book", "type": "update", "data": [{**change, "timestamp": "2024-01-01T00:00:02Z"}]})


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (kraken_trade(price=0.0), "price 0"),
        (kraken_trade(price=922337203685477580.8), "more than can be kept"),
        (kraken_trade(qty=92233720368.54775808 * 1.001), "more than can be kept"),
        (kraken_trade(trade_id=2**63), "trade_id"),
        (kraken_trade(trade_id=-1), "trade_id"),
        (kraken_trade(timestamp="2201-01-01T00:00:01.000000Z"), "2200"),
        (kraken_trade(timestamp="1969-12-31T23:59:59.000000Z"), "1970"),
        (kraken_trade(timestamp="2201-01-01T00:00:01Z"), "2200"),
        (kraken_level(922337203685477580.8, 1.0), "more than can be kept"),
        (kraken_level(100.0, 1e12), "more than can be kept"),
    ],
)
def test_a_line_of_kraken_that_no_row_can_hold_is_refused_with_file_and_record(
    tmp_path: Path, second: str, words: str
) -> None:
    file = tmp_path / "book.ndjson"
    file.write_bytes(kraken_lines(second))
    with pytest.raises(CaptureError, match=rf"book\.ndjson.*record 2.*{words}"):
        verify_capture(file)


def test_a_recorders_clock_beyond_its_years_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "book.ndjson"
    late = f'{{"rx_ns":{2**63 - 1},"frame":{kraken_trade(trade_id=2)}}}\n'.encode()
    file.write_bytes(kraken_lines(kraken_trade()) + late)
    with pytest.raises(CaptureError, match=r"record 3.*2200"):
        verify_capture(file)


def binance_line(stream: str = "trade", clock: int = 1_704_067_200_000_000_000, **changes: object) -> bytes:
    at_ms = 1_704_067_200_000
    told = {
        "trade": {"t": 1, "p": "100.00", "q": "1", "T": at_ms, "m": True},
        "depth": {"E": at_ms, "U": 2, "u": 3, "b": [["99.00", "1"]], "a": []},
        "bookTicker": {"u": 4, "b": "99.00", "B": "1", "a": "101.00", "A": "1"},
    }[stream]
    return f"{clock} {json.dumps({'stream': f'btcusdt@{stream}', 'data': {**told, **changes}})}\n".encode()


_DEPTH = b'1704067200000000000 {"lastUpdateId":1,"bids":[["99.00","1"]],"asks":[["101.00","1"]]}\n'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (binance_line(t=2, p="0"), "price 0"),
        (binance_line(t=2, p="92233720368547758.08"), "more than can be kept"),
        (binance_line(t=2, q="92233720368.54775808"), "more than can be kept"),
        (binance_line(t=2**63), r"\$\.data\.t"),
        (binance_line(T=7_289_654_400_001), r"\$\.data\.T"),
        (binance_line(T=-1), r"\$\.data\.T"),
        (binance_line("depth", E=7_289_654_400_001), r"\$\.data\.E"),
        (binance_line("depth", b=[["92233720368547758.08", "1"]]), "more than can be kept"),
        (binance_line("depth", a=[["102.00", "92233720368.54775808"]]), "more than can be kept"),
        (binance_line("depth", u=2**63), r"\$\.data\.u"),
        (binance_line("bookTicker", a="92233720368547758.08"), "more than can be kept"),
        (binance_line("bookTicker", u=2**63), r"\$\.data\.u"),
        (binance_line("bookTicker", clock=7_289_654_400_000_000_001), "2200"),
    ],
)
def test_a_line_of_binance_that_no_row_can_hold_is_refused_with_file_and_record(
    tmp_path: Path, line: bytes, words: str
) -> None:
    file = tmp_path / "lines.gz"
    file.write_bytes(gzip.compress(binance_line() + _DEPTH + line))
    with pytest.raises(CaptureError, match=rf"lines\.gz.*record 3.*{words}"):
        for _ in open_replay(file).events():
            pass
