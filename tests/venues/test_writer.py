from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Level
from triplegain.domain.orders import Side
from triplegain.market.scaling import Scale
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.wire.frames import (
    read_book_frame,
    read_frame,
    read_status,
    read_subscribed,
    read_trade_frame,
)
from triplegain.venues.kraken.wire.writer import (
    HEARTBEAT,
    CandleFigures,
    PairWriter,
    TapeTrade,
    TickerFigures,
    TimeText,
    acknowledgement,
    fixed,
    instruments,
    pong,
    refusal,
    status,
)

MINA = "kraken_wsv2_minagbp_book/kraken_minagbp_d25_20260816.ndjson"
NOON = 1_700_000_000_000_000_000

levels = st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**14)), max_size=5)
places = st.integers(0, 8)


class TickerMessage(msgspec.Struct):
    """`data[0]` of the ticker channel."""

    symbol: str
    bid: Any
    bid_qty: Any
    ask: Any
    ask_qty: Any
    last: Any
    volume: Any
    timestamp: str = ""


class PairMessage(msgspec.Struct):
    """One pair of the instrument channel: its rules and its `status` (online, cancel_only, post_only, ...)."""

    symbol: str
    base: str
    quote: str
    status: str
    price_increment: Any
    qty_increment: Any
    qty_min: Any
    cost_min: Any
    price_precision: int
    qty_precision: int
    cost_precision: int = 0


class InstrumentMessage(msgspec.Struct):
    """`data` of the instrument channel: an object, not a list."""

    pairs: list[PairMessage] = []


read_ticker = msgspec.json.Decoder(list[TickerMessage], float_hook=str).decode
read_instruments = msgspec.json.Decoder(InstrumentMessage, float_hook=str).decode


def _scaled(raw: list[Any], price_places: int, quantity_places: int) -> list[Level]:
    """Levels of a message as ticks and lots; each number must have exactly its places."""
    found = []
    for one in raw:
        price, size = str(one.price), str(one.qty)
        assert len(price.partition(".")[2]) == price_places and len(size.partition(".")[2]) == quantity_places
        found.append((int(price.replace(".", "")), int(size.replace(".", ""))))
    return found


@given(levels, levels, places, places, st.integers(0, 2**32 - 1), st.integers(0, 4 * 10**18))
def test_the_reader_reads_the_book_that_was_written(
    bids: list[Level], asks: list[Level], price_places: int, quantity_places: int, checksum: int, time_ns: int
) -> None:
    writer = PairWriter("BTC/USDT", price_places, quantity_places)
    frame = read_book_frame(writer.book("update", bids, asks, checksum, time_ns))
    (book,) = frame.data
    assert (frame.channel, frame.type, book.symbol, book.checksum) == ("book", "update", "BTC/USDT", checksum)
    assert _scaled(book.bids, price_places, quantity_places) == bids
    assert _scaled(book.asks, price_places, quantity_places) == asks
    assert rfc3339_ns(book.timestamp) == time_ns // 1000 * 1000


def test_frames_recorded_from_kraken_are_written_byte_for_byte(captures: Path) -> None:
    writer = PairWriter("MINA/GBP", 4, 8)
    seen = []
    for line in (captures / MINA).read_bytes().splitlines()[1:]:
        recorded = json.loads(line)
        if recorded.get("dir") == "tx":
            continue
        text = line.partition(b'"frame": ')[2][:-1]
        frame = read_frame(text)
        if frame.channel == "book":
            (book,) = read_book_frame(text).data
            price, quantity = Scale(Decimal("0.0001")).exact, Scale(Decimal("1e-8")).exact
            bids, asks = (
                [(price(str(one.price)), quantity(str(one.qty))) for one in side] for side in (book.bids, book.asks)
            )
            written = writer.book(frame.type, bids, asks, book.checksum, rfc3339_ns(book.timestamp))
        elif frame.channel == "status":
            written = status("online", recorded["frame"]["data"][0]["connection_id"])
        elif frame.channel == "heartbeat":
            written = HEARTBEAT
        else:
            result = recorded["frame"]["result"]
            written = acknowledgement("subscribe", result, None, frame.time_in, frame.time_out)
        assert written == text
        seen.append(frame.channel or frame.method)
    assert {name: seen.count(name) for name in seen} == {"status": 1, "subscribe": 1, "book": 30, "heartbeat": 60}


@given(st.integers(0, 10**18), places)
def test_a_number_keeps_its_places_and_its_value(count: int, at: int) -> None:
    text = fixed(count, at)
    assert len(text.partition(".")[2]) == at and int(text.replace(".", "")) == count
    assert fixed(-count, at).lstrip("-") == text


def test_numbers_below_one_and_below_zero() -> None:
    assert [fixed(5, 2), fixed(0, 8), fixed(-5, 1), fixed(-1234, 2), fixed(7, 0)] == [
        "0.05", "0.00000000", "-0.5", "-12.34", "7"
    ]  # fmt: skip


@given(st.lists(st.integers(0, 4 * 10**18), min_size=1, max_size=5))
def test_times_are_written_alike_in_any_order(times: list[int]) -> None:
    text = TimeText()
    assert [rfc3339_ns(text(one)) for one in times] == [one // 1000 * 1000 for one in times]


def test_trades_are_read_as_they_were_written() -> None:
    writer = PairWriter("XRP/BTC", 8, 8)
    trades = [TapeTrade(7, NOON, 3702, 270_000, Side.BUY), TapeTrade(8, NOON + 1000, 3701, 1, Side.SELL, "limit")]
    frame = read_trade_frame(writer.trades("snapshot", trades))
    first, second = frame.data
    assert (frame.type, str(first.price), str(first.qty)) == ("snapshot", "0.00003702", "0.00270000")
    assert (first.side, first.ord_type, first.trade_id) == ("buy", "market", 7)
    assert (second.side, second.ord_type, rfc3339_ns(second.timestamp)) == ("sell", "limit", NOON + 1000)


def test_a_ticker_has_the_fields_of_kraken_and_a_change_below_zero() -> None:
    figures = TickerFigures((617000, 5), (617001, 6), 617000, 10**8, 616990, 616000, 618000, -100, "-0.02")
    text = PairWriter("BTC/USDT", 1, 8).ticker("update", figures, NOON)
    (read,) = read_ticker(read_frame(text).data)
    assert (str(read.bid), str(read.ask_qty), str(read.volume)) == ("61700.0", "0.00000006", "1.00000000")
    (row,) = json.loads(text)["data"]
    assert (row["vwap"], row["change"], row["change_pct"]) == (61699.0, -10.0, -0.02)
    assert list(row) == [
        "symbol", "bid", "bid_qty", "ask", "ask_qty", "last", "volume", "vwap", "low", "high", "change", "change_pct",
        "timestamp",
    ]  # fmt: skip


def test_candles_say_when_they_opened_to_the_nanosecond() -> None:
    text = PairWriter("BTC/USDT", 1, 8).candles("update", 5, [CandleFigures(NOON, 1, 4, 1, 2, 10, 20, 3)], NOON + 1)
    frame = json.loads(text)
    (row,) = frame["data"]
    assert (row["interval_begin"], row["timestamp"]) == (
        "2023-11-14T22:13:20.000000000Z", "2023-11-14T22:18:20.000000Z"
    )  # fmt: skip
    assert (row["open"], row["high"], row["low"], row["close"], row["trades"], row["interval"]) == (
        0.1, 0.4, 0.1, 0.2, 3, 5
    )  # fmt: skip


def test_instruments_are_read_as_they_were_written() -> None:
    pair = Instrument("XRP/USDT", Decimal("0.00001"), Decimal("1e-8"), Decimal(10), Decimal("0.5"), cost_decimals=5)
    frame = read_frame(instruments("snapshot", [(pair, "online")], ["XRP", "USDT"]))
    (read,) = read_instruments(frame.data).pairs
    assert (read.symbol, read.status, str(read.price_increment)) == ("XRP/USDT", "online", "0.00001")
    assert (read.price_precision, read.qty_precision, str(read.qty_min)) == (5, 8, "10.00000000")


def test_states_of_the_exchange() -> None:
    assert json.loads(status("maintenance")) == {
        "channel": "status", "type": "update",
        "data": [{"version": "2.0.10", "system": "maintenance", "api_version": "v2"}],
    }  # fmt: skip
    assert [one.system for one in read_status(read_frame(status("online", 7)).data)] == ["online"]


@pytest.mark.parametrize("req_id", [None, 0, 42])
def test_answers_carry_the_number_of_their_request(req_id: int | None) -> None:
    told = acknowledgement("subscribe", {"channel": "book", "depth": 25, "symbol": "A/B"}, req_id, "t1", "t2")
    frame = read_frame(told)
    subscribed = read_subscribed(frame.result)
    assert subscribed is not None and (subscribed.channel, subscribed.depth) == ("book", 25)
    refused = read_frame(refusal("subscribe", "Currency pair not supported X/Y", req_id, "t1", "t2", "X/Y"))
    assert (frame.success, refused.success, refused.error, refused.symbol) == (
        True, False, "Currency pair not supported X/Y", "X/Y"
    )  # fmt: skip
    assert frame.req_id == refused.req_id == read_frame(pong(req_id, "t1", "t2")).req_id == req_id
    assert ("req_id" in json.loads(told)) is (req_id is not None)
