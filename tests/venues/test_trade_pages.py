"""Paging through a tape: every trade exactly once, whatever the exchange means by `since`."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from tests.venues.tape_server import TapeServer

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.span import Span, merged
from triplegain.market.feed import FeedError
from triplegain.venues.kraken import trade_pages as paging
from triplegain.venues.kraken.trade_pages import TradePage, trade_pages

BTC = KRAKEN_OFFLINE_DEFAULTS[0]
START_NS = 1_700_000_000_000_000_000
#: Distances between trades in nanoseconds: some happen at one moment, as the fills of one order do.
_STEPS = (7_000_000_123, 0, 0, 61_000_000_007, 999, 0, 130_000_001)


def tape(count: int, missing: tuple[int, ...] = ()) -> list[PublicTrade]:
    trades, time = [], START_NS
    for number in range(1, count + 1):
        time += _STEPS[number % len(_STEPS)]
        side = Side.BUY if number % 3 else Side.SELL
        if number not in missing:
            trades.append(PublicTrade("BTC/USDT", time, time, 360_000 + number % 50, number, side, str(number)))
    return trades


async def pages_of(server: TapeServer, span: Span, last_number: int = 0) -> list[TradePage]:
    return [page async for page in trade_pages(server, BTC, span, last_number)]


def numbers(pages: list[TradePage]) -> list[int]:
    return [int(trade.trade_id) for page in pages for trade in page.trades]


def whole(trades: list[PublicTrade]) -> Span:
    return Span(START_NS, trades[-1].exchange_time_ns + 10**9)


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("size", [4, 5, 7, 50, 100, 101, 1000])
async def test_no_trade_is_lost_or_told_twice_between_two_pages(
    monkeypatch: pytest.MonkeyPatch, inclusive: bool, size: int
) -> None:
    monkeypatch.setattr(paging, "TRADES_PER_PAGE", size)
    trades = tape(100)
    server = TapeServer(BTC, trades, page=size, inclusive=inclusive)
    pages = await pages_of(server, whole(trades))
    assert numbers(pages) == list(range(1, 101))
    assert not any(page.holes for page in pages)
    assert merged(page.span for page in pages) == [whole(trades)]
    for page, after in pairwise(pages):
        assert page.span.to_ns == after.span.from_ns
    # prices and sizes are those of the tape, times within a microsecond
    told = [trade for page in pages for trade in page.trades]
    assert [(each.price, each.quantity, each.side) for each in told] == [
        (each.price, each.quantity, each.side) for each in trades
    ]
    assert all(abs(a.exchange_time_ns - b.exchange_time_ns) < 1000 for a, b in zip(told, trades, strict=True))


@pytest.mark.parametrize("fault", ["short", "middle", "head"])
@pytest.mark.parametrize("at", [1, 2, 5, 9])
async def test_a_page_that_lacks_some_of_its_trades_is_asked_for_again(fault: str, at: int) -> None:
    trades = tape(100)
    server = TapeServer(BTC, trades, page=10, faults=[*[None] * at, fault])
    pages = await pages_of(server, whole(trades))
    assert numbers(pages) == list(range(1, 101))
    assert not any(page.holes for page in pages)


async def test_a_page_never_claims_to_be_whole_beyond_the_trades_it_tells() -> None:
    trades = tape(100)
    server = TapeServer(BTC, trades, page=30, faults=["short"])
    first, *_ = await pages_of(server, whole(trades))
    # ten of thirty were told: `last` is the thirtieth, and a crash now must not lose the twenty between
    assert numbers([first]) == list(range(1, 11))
    assert first.span.to_ns <= trades[10].exchange_time_ns


async def test_numbers_the_exchange_itself_lacks_are_told_and_do_not_stop_the_load() -> None:
    trades = tape(100, missing=(20, 21, 60))
    server = TapeServer(BTC, trades, page=10)
    pages = await pages_of(server, whole(trades))
    assert numbers(pages) == [number for number in range(1, 101) if number not in (20, 21, 60)]
    assert [hole for page in pages for hole in page.holes] == [(20, 21), (60, 60)]


async def test_a_load_goes_on_where_it_was_stopped_and_misses_nothing_at_the_seam() -> None:
    trades = tape(100)
    for stop in range(12):
        server = TapeServer(BTC, trades, page=9)
        seen: list[TradePage] = []
        reached = START_NS
        async for page in trade_pages(server, BTC, whole(trades)):
            if len(seen) == stop:
                break
            seen.append(page)
            reached = page.span.to_ns
        known = [number for number in numbers(seen) if trades[number - 1].exchange_time_ns < reached]
        rest = await pages_of(server, Span(reached, whole(trades).to_ns), max(known, default=0))
        assert sorted({*numbers(seen), *numbers(rest)}) == list(range(1, 101))
        assert not any(page.holes for page in rest)


async def test_trades_after_the_span_are_left_out() -> None:
    trades = tape(100)
    end = trades[49].exchange_time_ns
    server = TapeServer(BTC, trades, page=10)
    pages = await pages_of(server, Span(START_NS, end))
    inside = [int(each.trade_id) for each in trades if each.exchange_time_ns < end]
    assert numbers(pages) == inside
    assert pages[-1].span.to_ns == end
    assert len(server.requests) < 8


async def test_a_moment_that_fills_a_page_is_no_end_and_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "TRADES_PER_PAGE", 5)
    moment = [
        PublicTrade("BTC/USDT", START_NS + (number > 5) * 10**9, 0, 1, 1, Side.BUY, str(number))
        for number in range(1, 9)
    ]
    pages = await pages_of(TapeServer(BTC, moment, page=5), Span(START_NS, START_NS + 10**10))
    assert numbers(pages) == list(range(1, 9))
    inclusive = TapeServer(BTC, moment, page=5, inclusive=True)
    with pytest.raises(FeedError, match="does not go on"):
        await pages_of(inclusive, Span(START_NS, START_NS + 10**10))


async def test_old_prices_may_be_finer_than_todays_tick() -> None:
    class OldSource:
        async def trades_page(self, symbol: str, since_ns: int, count: int = 1000) -> bytes:
            rows = [["7140.05000", "0.5", 1.5, "b", "l", "", 1], ["7140.10000", "0.5", 2.5, "s", "m", "", 2]]
            kept = [row for row in rows if float(str(row[2])) * 10**9 > since_ns]
            return json.dumps({"error": [], "result": {"XBTUSDT": kept, "last": "2500000000"}}).encode()

    (page, *_) = [page async for page in trade_pages(OldSource(), BTC, Span(0, 3 * 10**9))]
    assert [str(page.instrument.price(trade.price)) for trade in page.trades] == ["7140.05", "7140.1"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["1.0", "1.0", 1.5, "b", "l", ""], "lack their numbers"),
        (["1.0", "1.0", 1.5, "x", "l", "", 1], "lack their numbers or sides"),
        (["-1.0", "1.0", 1.5, "b", "l", "", 1], "cannot be used"),
        (["1.0", "1e-12", 1.5, "b", "l", "", 1], "cannot be used"),
        (["word", "1.0", 1.5, "b", "l", "", 1], "cannot be used"),
        (["1.0"], "cannot be read"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_refused(row: list[object], words: str) -> None:
    class Nonsense:
        async def trades_page(self, symbol: str, since_ns: int, count: int = 1000) -> bytes:
            return json.dumps({"error": [], "result": {"XBTUSDT": [row], "last": "1"}}).encode()

    with pytest.raises(FeedError, match=words):
        [page async for page in trade_pages(Nonsense(), BTC, Span(0, 3 * 10**9))]
