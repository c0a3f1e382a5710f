from __future__ import annotations

import pytest

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import BestQuote, BookUpdate, FeedState, FeedStatus, PublicTrade
from triplegain.domain.orders import Side
from triplegain.feeds.captures.binance_book import BinanceBook
from triplegain.feeds.captures.binance_messages import BinanceTrade, BookTicker, DepthDiff, DepthSnapshot
from triplegain.feeds.captures.instruments import capture_instrument

MS = 1_000_000


def _book() -> BinanceBook:
    return BinanceBook(capture_instrument("BTC/USDT", "binance"))


def _diff(first: int, last: int, bids: str = "", asks: str = "", time_ms: int = 1000) -> DepthDiff:
    return DepthDiff(time_ms, first, last, _levels(bids), _levels(asks))


def _levels(text: str) -> list[tuple[str, str]]:
    return [(price, quantity) for price, quantity in (pair.split() for pair in text.split(",") if pair)]


def _quote(last: int, bid: str, ask: str) -> BookTicker:
    return BookTicker(last, *bid.split(), *ask.split())


def _synced() -> BinanceBook:
    """Bids 100.00 x 5 and 99.99 x 1, asks 100.01 x 1 and 100.02 x 10 after update 10."""
    book = _book()
    book.on_message(DepthSnapshot(10, _levels("100.00 5,99.99 1"), _levels("100.01 1,100.02 10")), 1000 * MS)
    return book


LOT = 10**8


def test_diffs_wait_for_the_snapshot_that_they_bridge() -> None:
    book = _book()
    assert book.on_message(_diff(5, 8, "99.00 1"), 900 * MS) == []
    assert book.on_message(_diff(9, 12, "100.00 4"), 950 * MS) == []
    snapshot, diff = book.on_message(DepthSnapshot(10, _levels("100.00 5"), _levels("100.01 1")), 1000 * MS)
    assert isinstance(snapshot, BookUpdate) and snapshot.snapshot
    # 5-8 is older than the snapshot and gone; 9-12 contains 11, the update that follows it.
    assert isinstance(diff, BookUpdate) and diff.bids == ((10000, 4 * LOT),)


def test_a_hole_in_the_sequence_is_a_gap_until_a_new_snapshot() -> None:
    book = _synced()
    (status,) = book.on_message(_diff(12, 13, "100.00 1"), 1001 * MS)
    assert isinstance(status, FeedStatus) and status.state is FeedState.GAP and "11 to 11" in status.reason
    assert book.on_message(_diff(14, 15, "100.00 2"), 1002 * MS) == []
    assert book.on_message(_quote(16, "100.00 2", "100.01 1"), 1003 * MS) == []
    events = book.on_message(DepthSnapshot(14, _levels("100.00 3"), _levels("100.01 1")), 1004 * MS)
    assert [type(event) for event in events] == [BookUpdate, FeedStatus, BookUpdate, BestQuote]
    assert isinstance(events[1], FeedStatus) and events[1].state is FeedState.SYNCED
    assert isinstance(events[3], BestQuote) and events[3].bid == (10000, 2 * LOT)
    assert book.gaps == 1


def test_only_a_best_quote_newer_than_the_book_is_told() -> None:
    book = _synced()
    assert book.on_message(_quote(10, "100.00 5", "100.01 1"), 1001 * MS) == []
    (event,) = book.on_message(_quote(11, "99.99 1", "100.01 1"), 1002 * MS)
    assert event == BestQuote("BTC/USDT", 1002 * MS, 1002 * MS, (9999, LOT), (10001, LOT))
    assert book.on_message(_quote(11, "99.99 1", "100.01 1"), 1003 * MS) == []


def test_a_diff_older_than_the_best_quote_does_not_bring_trimmed_levels_back() -> None:
    book = _synced()
    book.on_message(_quote(20, "99.99 3", "100.02 8"), 1001 * MS)
    (update,) = book.on_message(_diff(11, 15, "100.00 4,99.99 1,99.98 2", "100.01 2,100.02 9,100.03 1"), 1002 * MS)
    assert isinstance(update, BookUpdate)
    assert update.bids == ((10000, 0), (9999, 3 * LOT), (9998, 2 * LOT))
    assert update.asks == ((10001, 0), (10002, 8 * LOT), (10003, LOT))
    # From 21 on the depth book is the newer one again.
    (update,) = book.on_message(_diff(16, 21, "100.00 4", ""), 1003 * MS)
    assert isinstance(update, BookUpdate) and update.bids == ((10000, 4 * LOT),)


def test_a_best_quote_that_returns_to_an_earlier_value_is_told_again() -> None:
    book = _synced()
    book.on_message(_quote(11, "100.00 5", "100.01 1"), 1001 * MS)
    book.on_message(_diff(11, 12, "100.00 0"), 1002 * MS)
    assert len(book.on_message(_quote(13, "100.00 5", "100.01 1"), 1003 * MS)) == 1


def test_quote_and_book_of_the_same_update_must_agree() -> None:
    book = _synced()
    book.on_message(_quote(11, "100.00 4", "100.01 1"), 1001 * MS)
    book.on_message(_quote(12, "100.00 3", "100.01 1"), 1001 * MS)
    book.on_message(_diff(11, 11, "100.00 4"), 1002 * MS)
    assert (book.compared, book.mismatches) == (1, 0)
    book.on_message(_diff(12, 12, "100.00 2"), 1003 * MS)
    assert (book.compared, book.mismatches) == (2, 1)


def test_the_moment_of_a_trade_is_the_exchanges_own() -> None:
    book = _synced()  # at 1000 ms
    (late,) = book.on_message(BinanceTrade(1, "100.00", "0.5", 990, True), 1001 * MS)
    assert late == PublicTrade("BTC/USDT", 990 * MS, 1001 * MS, 10000, LOT // 2, Side.SELL, "1")
    (trade,) = book.on_message(BinanceTrade(2, "100.01", "0.5", 1010, False), 1005 * MS)
    # Received before it happened by the recorder's clock: receipt is moved, never the moment.
    assert (trade.exchange_time_ns, trade.received_at_ns) == (1010 * MS, 1010 * MS)


def test_a_trade_told_twice_counts_once_and_a_missing_one_is_a_gap() -> None:
    book = _synced()
    assert len(book.on_message(BinanceTrade(5, "100.00", "0.5", 1001, True), 1001 * MS)) == 1
    assert book.on_message(BinanceTrade(5, "100.00", "0.5", 1001, True), 1002 * MS) == []
    assert len(book.on_message(BinanceTrade(7, "100.00", "0.5", 1002, True), 1003 * MS)) == 1
    assert book.gaps == 1


@pytest.mark.parametrize(
    "message",
    [
        _diff(11, 12, "100.01 1"),
        _diff(11, 12, "100.005 1"),
        _diff(11, 12, "nan 1"),
        _diff(11, 12, "100.00 -1"),
        _quote(11, "100.01 1", "100.01 1"),
    ],
)
def test_a_crossed_book_and_impossible_numbers_are_refused(message: DepthDiff | BookTicker) -> None:
    with pytest.raises(InvalidValueError):
        _synced().on_message(message, 1001 * MS)
