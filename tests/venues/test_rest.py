from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from triplegain.venues.kraken.wire.rest import (
    CandleRow,
    Candles,
    TradeRow,
    Trades,
    read_candles,
    read_pairs,
    read_reply,
    read_server_time,
    read_system_status,
    read_trade_page,
    write_errors,
    write_pairs,
    write_reply,
)


def _recorded(captures: Path, name: str) -> msgspec.Raw:
    reply = read_reply((captures / "kraken_api_messages" / name).read_bytes())
    assert not reply.error
    return reply.result


def test_the_recorded_pair_is_read_with_its_fees_and_limits(captures: Path) -> None:
    pair = read_pairs(_recorded(captures, "http_asset_pairs.json"))["XBTUSDT"]
    assert (pair.wsname, pair.pair_decimals, pair.lot_decimals, pair.cost_decimals) == ("XBT/USDT", 1, 8, 5)
    assert (pair.ordermin, pair.costmin, pair.tick_size, pair.status) == ("0.00005", "0.5", "0.1", "online")
    assert (pair.fees[0].percent, pair.fees_maker[-1].percent) == (Decimal("0.4"), Decimal("0.0"))


def test_the_recorded_trades_have_contiguous_numbers_and_say_where_they_end(captures: Path) -> None:
    page = read_trade_page(_recorded(captures, "http_trades.json"))
    assert (page.pair, page.last) == ("XBTUSDT", "1762820035982277754")
    assert [row.trade_id for row in page.rows] == list(range(10218208, 10219208))
    assert page.rows[0] == TradeRow("105433.60000", "0.00027625", Decimal("1762795433.9717445"), "b", "l", "", 10218208)


def test_the_recorded_candles_end_with_the_open_one(captures: Path) -> None:
    candles = read_candles(_recorded(captures, "http_ohlc.json"))
    assert len(candles.rows) == 721
    assert (candles.last, candles.rows[-2].time, candles.rows[-1].time) == (1762820160, 1762820160, 1762820220)


def test_recorded_time_and_status_are_read(captures: Path) -> None:
    assert read_server_time(_recorded(captures, "http_server_time.json")).unixtime == 1762820224
    assert read_system_status(_recorded(captures, "http_system_status.json")).status == "online"


def test_what_is_written_is_read_back_the_same(captures: Path) -> None:
    pairs = read_pairs(_recorded(captures, "http_asset_pairs.json"))
    assert read_pairs(read_reply(write_pairs(pairs)).result) == pairs
    trades = Trades("BTC/USDT", [TradeRow("1.50", "2.000", Decimal("12.3456789"), "s", "m", "", 7)], "12345678900")
    assert read_trade_page(read_reply(write_reply(trades)).result) == trades
    candles = Candles("BTC/USDT", [CandleRow(60, "1.0", "2.0", "1.0", "1.5", "1.2", "3.00", 4)], 0)
    assert read_candles(read_reply(write_reply(candles)).result) == candles


def test_numbers_are_written_as_kraken_writes_them() -> None:
    trades = Trades("XBTUSDT", [TradeRow("1.50000", "2.00000000", Decimal("1762795433.9717445"), "b", "l", "", 9)], "5")
    assert write_reply(trades) == (
        b'{"error":[],"result":{"XBTUSDT":[["1.50000","2.00000000",1762795433.9717445,"b","l","",9]],"last":"5"}}'
    )


def test_errors_are_a_reply_without_result() -> None:
    written = write_errors(["EQuery:Unknown asset pair"])
    assert written == b'{"error":["EQuery:Unknown asset pair"]}'
    assert read_reply(written).error == ["EQuery:Unknown asset pair"]


@pytest.mark.parametrize("result", [b"null", b"{}", b'{"last":"1"}', b'{"A":[],"B":[],"last":"1"}', b'{"A":[[1]]}'])
def test_a_result_that_is_not_of_one_pair_is_refused(result: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_trade_page(result)
