from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.gateway.small_market import ASKS, BIDS, SNAPSHOT, START, SmallFeed, at, changes, trade

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import MarketDepth
from triplegain.domain.orders import Side
from triplegain.gateway.requests import DENIED, PAGE, RestDesk
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.pairs import instruments_of
from triplegain.venues.kraken.wire.rest import read_candles, read_pairs, read_reply, read_trade_page

SYMBOLS = ("BTC/USDT", "XRP/BTC", "XRP/USDT")


def _desk(feed: SmallFeed | None = None, *, derive_xrp: bool = True) -> tuple[RestDesk, Venue]:
    venue = Venue(feed or SmallFeed(changes(100)), derive_xrp=derive_xrp)
    while venue.next_ns is not None:
        venue.step()
    return RestDesk(venue), venue


def _ask(desk: RestDesk, method: str, **query: str) -> Any:
    reply = json.loads(desk.on_public(method, query))
    assert reply["error"] == []
    return reply["result"]


def _errors(desk: RestDesk, method: str, **query: str) -> list[str]:
    found: list[str] = json.loads(desk.on_public(method, query))["error"]
    return found


def test_pairs_have_krakens_own_names_unless_asked_for_with_a_slash() -> None:
    desk, _ = _desk()
    assert list(_ask(desk, "AssetPairs")) == ["XBTUSDT", "XXRPXXBT", "XRPUSDT"]
    assert list(_ask(desk, "AssetPairs", pair="BTC/USDT,XRP/XBT,XRPXBT")) == ["BTC/USDT", "XRP/XBT", "XXRPXXBT"]
    assert list(_ask(desk, "Ticker", pair="XBTUSDT")) == ["XBTUSDT"]


def test_a_pair_has_every_field_that_clients_read() -> None:
    pair = _ask(_desk()[0], "AssetPairs")["XBTUSDT"]
    assert (pair["wsname"], pair["base"], pair["quote"], pair["status"]) == ("XBT/USDT", "XXBT", "USDT", "online")
    assert (pair["pair_decimals"], pair["lot_decimals"], pair["tick_size"]) == (1, 8, "0.1")
    assert (pair["ordermin"], pair["costmin"]) == ("0.00005", "0.5")
    assert pair["fees"][0] == [0, 0.4] and pair["fees_maker"][-1] == [10_000_000, 0]


def test_our_own_reader_finds_the_instruments_that_are_served() -> None:
    desk, venue = _desk()
    found = instruments_of(desk.on_public("AssetPairs", {}), SYMBOLS)
    for symbol in SYMBOLS:
        served = venue.markets[symbol].instrument
        assert (found[symbol].tick, found[symbol].lot) == (served.tick, served.lot)
        assert (found[symbol].quantity_min, found[symbol].fees) == (served.quantity_min, served.fees)


def test_assets_are_found_under_all_their_names() -> None:
    desk, _ = _desk()
    assert list(_ask(desk, "Assets")) == ["XXBT", "USDT", "XXRP"]
    assert list(_ask(desk, "Assets", asset="XBT,BTC,XXRP")) == ["XXBT", "XXRP"]
    assert _errors(desk, "Assets", asset="FOO") == ["EQuery:Unknown asset"]


def test_time_and_state_are_those_of_the_market() -> None:
    desk, venue = _desk()
    # 100 changes, one every 0.1 s: the market is 10 s on.
    assert _ask(desk, "Time") == {"unixtime": START // SECOND_NS + 10, "rfc1123": "Tue, 14 Nov 23 22:13:10 +0000"}
    assert _ask(desk, "SystemStatus") == {"status": "online", "timestamp": "2023-11-14T22:13:10Z"}
    venue.system = "cancel_only"
    assert _ask(desk, "SystemStatus")["status"] == "cancel_only"


def test_the_book_is_the_one_that_was_sent() -> None:
    desk, venue = _desk(SmallFeed((SNAPSHOT,)), derive_xrp=False)
    book = _ask(desk, "Depth", pair="XBTUSDT", count="2")["XBTUSDT"]
    second = venue.now_ns // SECOND_NS
    # 1.00000000 and 1.00000001 BTC with three places; prices with five.
    assert book["bids"] == [["37000.00000", "1.000", second], ["36999.00000", "1.000", second]]
    assert book["asks"] == [["37001.00000", "2.000", second], ["37002.00000", "2.000", second]]
    assert len(_ask(desk, "Depth", pair="XBTUSDT")["XBTUSDT"]["asks"]) == len(ASKS)


def test_the_ticker_sums_the_trades_up() -> None:
    feed = SmallFeed((SNAPSHOT, trade(1, 370_000, 10**8), trade(2, 370_100, 3 * 10**8), trade(3, 369_900, 10**8)))
    ticker = _ask(_desk(feed, derive_xrp=False)[0], "Ticker")["XBTUSDT"]
    assert (ticker["a"][0], ticker["b"][0], ticker["c"]) == (
        "37001.00000",
        "37000.00000",
        ["36990.00000", "1.00000000"],
    )
    # (37000 + 3 x 37010 + 36990) / 5 = 37004
    assert (ticker["v"][0], ticker["p"][0], ticker["t"]) == ("5.00000000", "37004.00000", [3, 3])
    assert (ticker["l"][0], ticker["h"][0], ticker["o"]) == ("36990.00000", "37010.00000", "37000.00000")


def test_before_the_first_trade_the_ticker_has_the_middle_of_the_book() -> None:
    ticker = _ask(_desk(SmallFeed((SNAPSHOT,)), derive_xrp=False)[0], "Ticker")["XBTUSDT"]
    assert (ticker["c"], ticker["v"][0], ticker["o"]) == (["37000.50000", "0.00000000"], "0.00000000", "37000.50000")
    assert BIDS[0][0] == 370_000


def test_pages_of_trades_lead_from_one_to_the_next() -> None:
    count = 2 * PAGE + 500
    # A thousand trades a millisecond: only nanoseconds tell them apart.
    feed = SmallFeed(
        tuple(trade(1 + number // 1000 / 1000, 370_000 + number % 7, 1 + number, number=str(number + 1))
              for number in range(count)),
        kind=MarketDepth.TAPE,
    )  # fmt: skip
    desk, venue = _desk(feed, derive_xrp=False)
    numbers: list[int] = []
    since, sizes = "0", []
    while True:
        page = read_trade_page(read_reply(desk.on_public("Trades", {"pair": "XBTUSDT", "since": since})).result)
        if not page.rows:
            break
        sizes.append(len(page.rows))
        numbers += [row.trade_id for row in page.rows]
        assert page.last == str(venue.markets["BTC/USDT"].tape[numbers[-1] - 1].time_ns)
        since = page.last
    assert sizes == [1000, 1000, 500]
    assert numbers == list(range(1, count + 1))
    assert page.last == since


def test_trades_look_as_kraken_writes_them() -> None:
    feed = SmallFeed((SNAPSHOT, trade(1.5, 370_000, 12_345, Side.SELL, "41"), trade(2, 370_010, 10**8, Side.BUY, "42")))
    desk, _ = _desk(feed, derive_xrp=False)
    text = desk.on_public("Trades", {"pair": "BTC/USDT"}).decode()
    assert '["37000.00000","0.00012345",1699999981.5000000,"s","m","",41]' in text
    assert _ask(desk, "Trades", pair="BTC/USDT", count="1")["BTC/USDT"][0][6] == 42
    page = read_trade_page(read_reply(desk.on_public("Trades", {"pair": "XBT/USDT", "since": str(at(1.5))})).result)
    assert [row.trade_id for row in page.rows] == [42] and page.rows[0].time == Decimal("1699999982")


def test_candles_end_with_the_open_one() -> None:
    feed = SmallFeed((SNAPSHOT, trade(1, 370_000), trade(125, 370_010), trade(130, 370_020)))
    desk, _ = _desk(feed, derive_xrp=False)
    candles = read_candles(read_reply(desk.on_public("OHLC", {"pair": "XBTUSDT"})).result)
    second = START // SECOND_NS
    assert [(row.time - second, row.close, row.vwap, row.count) for row in candles.rows] == [
        (0, "37000.0", "37000.0", 1), (60, "37000.0", "0.0", 0), (120, "37002.0", "37001.5", 2)
    ]  # fmt: skip
    assert candles.last == second + 60
    later = _ask(desk, "OHLC", pair="XBTUSDT", since=str(candles.last))
    assert [row[0] for row in later["XBTUSDT"]] == [second + 120]
    # Five-minute candles of 22:10 and 22:15.
    assert [row[7] for row in _ask(desk, "OHLC", pair="XBTUSDT", interval="5")["XBTUSDT"]] == [1, 2]


@pytest.mark.parametrize(
    ("method", "query", "error"),
    [
        ("Nonsense", {}, "EGeneral:Unknown method"),
        ("Trades", {"pair": "FOOBAR"}, "EQuery:Unknown asset pair"),
        ("Trades", {}, "EGeneral:Invalid arguments"),
        ("Depth", {"pair": "XBTUSDT,XRPUSDT"}, "EGeneral:Invalid arguments"),
        ("Trades", {"pair": "XBTUSDT", "since": "yesterday"}, "EGeneral:Invalid arguments"),
        ("OHLC", {"pair": "XBTUSDT", "interval": "7"}, "EGeneral:Invalid arguments"),
    ],
)
def test_what_cannot_be_answered_is_refused(method: str, query: dict[str, str], error: str) -> None:
    assert _errors(_desk()[0], method, **query) == [error]


def test_everything_private_is_refused() -> None:
    assert json.loads(DENIED)["error"] == ["EGeneral:Permission denied"]


def test_the_pairs_are_read_by_our_own_types() -> None:
    desk, _ = _desk()
    pairs = read_pairs(read_reply(desk.on_public("AssetPairs", {})).result)
    assert pairs["XRPUSDT"].tick_size == "0.00001" and pairs["XXRPXXBT"].pair_decimals == 8
