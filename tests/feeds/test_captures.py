from __future__ import annotations

from pathlib import Path

import pytest

from triplegain.domain.market import MarketDepth
from triplegain.feeds.captures.capture import VerifyReport
from triplegain.feeds.captures.replay import list_captures, verify_capture
from triplegain.market.feed import CaptureError


def test_every_recorded_market_is_listed(captures: Path) -> None:
    found = {str(summary.path.relative_to(captures)): summary for summary in list_captures(captures)}
    assert len(found) == 24 and not any(summary.problem for summary in found.values())
    tape = found["kraken_trades_btcusdt_2023-11/BTC_USDT-trades.feather"]
    assert (tape.symbol, tape.depth, tape.rows) == ("BTC/USDT", MarketDepth.TAPE, 26_921)
    hours = found["kraken_ohlcv_btcusdt/XBTUSDT_60.csv"]
    assert (hours.symbol, hours.rows, hours.candle_length_ns) == ("BTC/USDT", 41_379, 3600 * 10**9)


def test_a_damaged_file_is_listed_with_its_problem(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT-1m.json").write_text("[[60000, 100.0, 101.0, 99.0, 100.5, 1.5], [1200")
    (summary,) = list_captures(tmp_path)
    assert "cut off or damaged" in summary.problem


@pytest.mark.parametrize(
    ("path", "report"),
    [
        ("kraken_wsv2_btcusd_book", VerifyReport(510, 0, 0)),
        ("kraken_wsv2_minagbp_book", VerifyReport(30, 0, 0)),
        ("binance_spot_l2_trades_btcusdt_2024-08", VerifyReport(6495, 0, 0)),
        # One trade id is missing at each page of 1000.
        ("kraken_trades_btcusdt_2023-11/BTC_USDT-trades.feather", VerifyReport(26_921, 0, 26)),
        ("kraken_ohlcv_btcusdt/XBTUSDT_60.csv", VerifyReport(41_379, 0, 0)),
        # 2018-02-08: Binance stood still for more than a day.
        ("binance_ohlcv_1h_2017_2022/BTC_USDT-1h.json", VerifyReport(45_024, 0, 1)),
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
    ],
)
def test_what_no_row_can_hold_is_refused_with_file_and_record(tmp_path: Path, name: str, text: str, words: str) -> None:
    file = tmp_path / name
    file.write_text(text.replace("{}", "1" + "0" * 18))
    with pytest.raises(CaptureError, match=words) as caught:
        verify_capture(file)
    assert name in str(caught.value) and "2" in str(caught.value)
