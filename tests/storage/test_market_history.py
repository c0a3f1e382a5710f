"""Stored candles and trades: what is whole, what is quiet, and what was never loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest
from msgspec import structs

from triplegain.domain.candle_time import TIMEFRAMES
from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.span import Span
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.market_history import CandlesStored, MarketHistory, StoredPrice, TradesStored
from triplegain.storage.market_writer import MarketWriter

BTC, XRP, _ = KRAKEN_OFFLINE_DEFAULTS
ALL = Span(0, 2**62)


@pytest.fixture
def history(database: Database) -> MarketHistory:
    return MarketHistory(database)


@pytest.fixture
def writer(database: Database) -> MarketWriter:
    return MarketWriter(database)


def minutes(first: int, end: int) -> Span:
    return Span(first * MINUTE_NS, end * MINUTE_NS)


def candle(minute: int, close: int, volume: int = 100) -> Candle:
    return Candle("BTC/USDT", minute * MINUTE_NS, MINUTE_NS, 1000, max(1000, close), min(1000, close), close, volume, 2)


def flat(minute: int, close: int, length: int = 1) -> Candle:
    return Candle("BTC/USDT", minute * MINUTE_NS, length * MINUTE_NS, close, close, close, close, 0)


def trade(second: float, price: int, number: int | str, quantity: int = 5) -> PublicTrade:
    at = int(second * 10**9)
    return PublicTrade("BTC/USDT", at, at, price, quantity, Side.SELL, str(number))


async def candles(history: MarketHistory, length: int = 1, span: Span = ALL) -> list[Candle]:
    return await history.candles(BTC, length * MINUTE_NS, span)


async def test_a_minute_without_trades_is_flat_where_it_is_known_and_missing_where_it_is_not(
    history: MarketHistory, writer: MarketWriter
) -> None:
    given = [candle(2, 1002), candle(5, 1005), candle(9, 1009)]
    await writer.store_candles(BTC, MINUTE_NS, given, [minutes(1, 7), minutes(8, 10)], "file")
    # minute 1 is known to be quiet, but not at which price; minute 7 was never loaded, and 8 comes before a price
    assert await candles(history) == [
        given[0], flat(3, 1002), flat(4, 1002), given[1], flat(6, 1005), given[2],
    ]  # fmt: skip
    assert await candles(history, span=minutes(4, 6)) == [flat(4, 1002), given[1]]
    assert await history.candles(XRP, MINUTE_NS, ALL) == []


async def test_what_is_known_stays_and_what_contradicts_it_is_counted(
    history: MarketHistory, writer: MarketWriter
) -> None:
    given = [candle(minute, 1000 + minute) for minute in range(5)]
    assert await writer.store_candles(BTC, MINUTE_NS, given, [minutes(0, 5)], "one") == CandlesStored(5, 0, 0)
    assert await writer.store_candles(BTC, MINUTE_NS, given, [minutes(0, 5)], "two") == CandlesStored(0, 5, 0)
    # minute 1 has another close, minute 2 is quiet here, minute 5 is new
    other = [given[0], structs.replace(given[1], close=1000), *given[3:], candle(5, 1005)]
    stored = await writer.store_candles(BTC, MINUTE_NS, other, [minutes(0, 6)], "two")
    assert stored == CandlesStored(1, 4, 2)
    assert await candles(history) == [*given, candle(5, 1005)]
    spans = [(each.span, each.source) for each in await history.coverage()]
    assert spans == [(minutes(0, 5), "one"), (minutes(5, 6), "two")]


async def test_binary_dust_in_a_volume_is_no_contradiction(writer: MarketWriter) -> None:
    given = candle(0, 1001, volume=10**9)
    await writer.store_candles(BTC, MINUTE_NS, [given], [minutes(0, 1)], "one")
    for volume, different in ((10**9 + 1, 0), (10**9 + 100, 1)):
        again = await writer.store_candles(
            BTC, MINUTE_NS, [structs.replace(given, volume=volume)], [minutes(0, 1)], "two"
        )
        assert again.different == different


async def test_a_longer_candle_needs_all_its_minutes_known(history: MarketHistory, writer: MarketWriter) -> None:
    given = [candle(0, 1003), candle(2, 998), candle(4, 1004)]
    await writer.store_candles(BTC, MINUTE_NS, given, [minutes(0, 5)], "kraken")
    # minutes 0 to 2: open 1000, high 1003, low 998, 2 x 100 lots; minutes 3 to 5 are not over
    whole = Candle("BTC/USDT", 0, 3 * MINUTE_NS, 1000, 1003, 998, 998, 200, 4)
    assert await candles(history, 3) == [whole]
    await writer.store_candles(BTC, MINUTE_NS, [], [minutes(5, 9)], "kraken")
    after = Candle("BTC/USDT", 3 * MINUTE_NS, 3 * MINUTE_NS, 1000, 1004, 1000, 1004, 100, 2)
    assert await candles(history, 3) == [whole, after, flat(6, 1004, 3)]


async def test_a_stored_longer_candle_stands_in_where_minutes_are_not_known(
    history: MarketHistory, writer: MarketWriter
) -> None:
    hours = [structs.replace(candle(60 * hour, 1001), length_ns=60 * MINUTE_NS) for hour in range(3)]
    await writer.store_candles(BTC, 60 * MINUTE_NS, hours, [minutes(0, 180)], "file")
    await writer.store_candles(BTC, MINUTE_NS, [candle(60, 1007)], [minutes(60, 120)], "kraken")
    made = Candle("BTC/USDT", 60 * MINUTE_NS, 60 * MINUTE_NS, 1000, 1007, 1000, 1007, 100, 2)
    assert await candles(history, 60) == [hours[0], made, hours[2]]
    # four hours are not whole in either; two are, but never half of one kind and half of the other
    assert await candles(history, 240) == []
    two = Candle("BTC/USDT", 0, 120 * MINUTE_NS, 1000, 1001, 1000, 1001, 200, 4)
    assert await candles(history, 120) == [two]


async def test_every_timeframe_is_read_and_a_week_begins_on_monday(
    history: MarketHistory, writer: MarketWriter
) -> None:
    monday = 4 * 1440  # 1970-01-05
    await writer.store_candles(BTC, MINUTE_NS, [candle(monday, 1001)], [minutes(0, monday + 2 * 10_080)], "kraken")
    for length in TIMEFRAMES.values():
        last = (await history.candles(BTC, length, Span(0, 2**61)))[-1]
        assert (last.length_ns, last.close_time_ns) == (length, (monday + 2 * 10_080) * MINUTE_NS)
    assert [each.open_time_ns for each in await history.candles(BTC, TIMEFRAMES["1w"], Span(0, 2**61))] == [
        monday * MINUTE_NS,
        (monday + 10_080) * MINUTE_NS,
    ]


async def test_trades_are_stored_once_under_the_exchanges_number(history: MarketHistory, writer: MarketWriter) -> None:
    given = [trade(61, 1000, 1), trade(62, 1001, 2)]
    assert await writer.store_trades(BTC, given, [minutes(1, 2)], "kraken") == TradesStored(2, 0, 0, 1, 0)
    # told again by another source, with a time cut to milliseconds and one trade more
    again = [trade(61.001, 1000, 1), trade(62, 1001, 2), trade(125, 1002, 3)]
    assert (await writer.store_trades(BTC, again, [minutes(1, 2)], "file")).stored == 1
    assert await history.trades(BTC, ALL) == [*given, again[2]]
    assert (await writer.store_trades(BTC, [trade(61, 1009, 1)], [], "file")).different == 1


async def test_minutes_are_built_from_trades_in_the_order_of_their_numbers(
    history: MarketHistory, writer: MarketWriter
) -> None:
    # three trades of one moment: 9 comes before 10 though its text does not
    given = [trade(61, 1000, 9), trade(61, 1005, 10), trade(61, 998, 11), trade(240, 1001, 12)]
    await writer.store_trades(BTC, given, [minutes(1, 5)], "kraken")
    assert await candles(history) == [
        Candle("BTC/USDT", MINUTE_NS, MINUTE_NS, 1000, 1005, 998, 998, 15, 3),
        flat(2, 998),
        flat(3, 998),
        Candle("BTC/USDT", 4 * MINUTE_NS, MINUTE_NS, 1001, 1001, 1001, 1001, 5, 1),
    ]


async def test_trades_correct_candles_that_came_from_elsewhere(history: MarketHistory, writer: MarketWriter) -> None:
    given = [candle(1, 1003), candle(2, 1000), candle(4, 1004)]
    await writer.store_candles(BTC, MINUTE_NS, given, [minutes(0, 5)], "file")
    # minute 1 is another, minute 2 was quiet, minute 3 was not; of minute 4 half the trades are known: it stays
    stored = await writer.store_trades(
        BTC, [trade(61, 1000, 1), trade(185, 1001, 2), trade(241, 1002, 3)], [Span(60 * 10**9, 270 * 10**9)], "kraken"
    )
    assert (stored.candles_built, stored.candles_changed) == (2, 3)
    made = [Candle("BTC/USDT", MINUTE_NS, MINUTE_NS, 1000, 1000, 1000, 1000, 5, 1), flat(2, 1000)]
    made += [Candle("BTC/USDT", 3 * MINUTE_NS, MINUTE_NS, 1001, 1001, 1001, 1001, 5, 1), given[2]]
    assert await candles(history) == made


async def test_trades_without_numbers_are_never_added_to_those_that_are_known(
    history: MarketHistory, writer: MarketWriter
) -> None:
    numbered = [trade(61, 1000, 1), trade(90, 1001, 2)]
    await writer.store_trades(BTC, numbered, [Span(60 * 10**9, 100 * 10**9)], "kraken")
    tape = [trade(61, 1000, ""), trade(90, 1001, ""), trade(130, 1002, ""), trade(130, 1002, "")]
    stored = await writer.store_trades(BTC, tape, [minutes(1, 3)], "file")
    # minute 1 is half known: it agrees, stays half known, and only minute 2 is new, with two equal trades in it
    assert (stored.stored, stored.known, stored.different) == (2, 2, 0)
    assert await history.known("kraken", "BTC/USDT") == [Span(60 * 10**9, 100 * 10**9), minutes(2, 3)]
    assert (await writer.store_trades(BTC, tape, [minutes(1, 3)], "file")).stored == 0
    fewer = await writer.store_trades(BTC, tape[:3], [minutes(1, 3)], "other file")
    assert (fewer.stored, fewer.different) == (0, 1)
    # and numbers that come later do not add to what has none
    late = await writer.store_trades(BTC, [trade(130, 1002, 3), trade(131, 1003, 4)], [minutes(2, 4)], "kraken")
    assert (late.stored, late.different) == (0, 1)
    assert [each.trade_id for each in await history.trades(BTC, ALL)] == ["1", "2", "", ""]


async def test_spans_meet_overlap_and_keep_their_source(history: MarketHistory, writer: MarketWriter) -> None:
    for start, end, source in ((0, 2, "a"), (4, 6, "a"), (2, 4, "a"), (5, 9, "b"), (0, 12, "a")):
        await writer.store_candles(BTC, MINUTE_NS, [], [minutes(start, end)], source)
    assert [(each.span, each.source) for each in await history.coverage("kraken", "BTC/USDT")] == [
        (minutes(0, 6), "a"),
        (minutes(6, 9), "b"),
        (minutes(9, 12), "a"),
    ]


async def test_a_candle_across_two_sources_is_complete(
    history: MarketHistory, writer: MarketWriter, database: Database
) -> None:
    await writer.store_candles(BTC, MINUTE_NS, [candle(1, 1001)], [minutes(0, 3)], "a")
    await writer.store_candles(BTC, MINUTE_NS, [candle(3, 1002)], [minutes(3, 5)], "b")
    (found,) = await candles(history, 5)
    assert (found.close, found.volume) == (1002, 200)
    (row,) = await database.rows("", "SELECT close, minutes FROM candles_5m")
    assert (row["close"], row["minutes"]) == (Decimal("100.2"), 2)


async def test_old_trades_go_only_where_their_minutes_are_known(history: MarketHistory, writer: MarketWriter) -> None:
    # known from 30 s into minute 0: minute 0 can only be mended with its trades
    given = [trade(40, 1000, 1), trade(61, 1001, 2), trade(130, 1002, 3), trade(190, 1003, 4)]
    await writer.store_trades(BTC, given, [Span(30 * 10**9, 240 * 10**9)], "kraken")
    before = await candles(history)
    assert await writer.prune("kraken", "BTC/USDT", 3 * MINUTE_NS) == 2
    assert await history.trades(BTC, ALL) == [given[0], given[3]]
    assert await candles(history) == before
    assert await history.known("kraken", "BTC/USDT") == [Span(30 * 10**9, 60 * 10**9), minutes(3, 4)]
    # what is loaded anew does not touch the minutes whose trades are gone
    await writer.rebuild("kraken", "BTC/USDT", minutes(0, 4))
    assert await candles(history) == before


async def test_the_latest_price_stands_as_long_as_nothing_else_is_known_to_have_happened(
    history: MarketHistory, writer: MarketWriter
) -> None:
    assert await history.latest_price("BTC/USDT") is None
    await writer.store_candles(BTC, MINUTE_NS, [candle(4, 1007)], [minutes(4, 8)], "kraken")
    # 1007 ticks of 0.1 at the close of minute 4, and quiet up to minute 8
    found = StoredPrice(Decimal("100.7"), 5 * MINUTE_NS, 8 * MINUTE_NS)
    assert await history.latest_price("BTC/USDT") == found
    assert await history.latest_price("BTC/USDT", at_ns=6 * MINUTE_NS) == replace(found, stands_until_ns=6 * MINUTE_NS)
    assert await history.latest_price("BTC/USDT", at_ns=5 * MINUTE_NS - 1) is None
    assert await history.latest_price("BTC/USDT", venue="binance") is None
    await writer.store_trades(BTC, [trade(601, 1010, 1)], [Span(600 * 10**9, 610 * 10**9)], "kraken")
    assert await history.latest_price("BTC/USDT") == StoredPrice(Decimal("101.0"), 601 * 10**9, 610 * 10**9)


async def test_prices_of_two_venues_do_not_meet(history: MarketHistory, writer: MarketWriter) -> None:
    other = replace(BTC, tick=Decimal("0.01"), venue="binance")
    await writer.store_candles(other, MINUTE_NS, [candle(1, 9999)], [minutes(1, 2)], "file")
    assert await candles(history) == []
    assert [each.close for each in await history.candles(other, MINUTE_NS, ALL)] == [9999]


async def test_an_instrument_is_remembered_with_the_finest_tick_it_had(
    history: MarketHistory, writer: MarketWriter
) -> None:
    for tick in ("0.1", "0.01", "0.1"):
        await writer.remember(replace(BTC, tick=Decimal(tick)))
    assert await history.instruments() == [replace(BTC, tick=Decimal("0.01"), fees=BTC.fees)]


async def test_a_candle_whose_high_is_below_its_close_is_refused_with_all_of_its_batch(
    history: MarketHistory, writer: MarketWriter
) -> None:
    bad: Sequence[Candle] = [candle(0, 1000), structs.replace(candle(1, 1001), high=1000)]
    with pytest.raises(StorageError) as refused:
        await writer.store_candles(BTC, MINUTE_NS, bad, [minutes(0, 2)], "kraken")
    assert isinstance(refused.value.__cause__, asyncpg.CheckViolationError)
    assert (await candles(history), await history.coverage()) == ([], [])
