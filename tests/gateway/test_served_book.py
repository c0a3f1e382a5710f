from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.gateway.small_market import ASKS, BIDS, BTC, book
from tests.plain_checksum import book_checksum
from tests.venues.test_checksum import ASKS as DOCUMENTED_ASKS
from tests.venues.test_checksum import BIDS as DOCUMENTED_BIDS

from triplegain.domain.market import BestQuote, BookUpdate, Level
from triplegain.gateway.served_book import ServedBook, SideChange
from triplegain.market.depth_book import DepthBook

DEPTH = 10
level = st.tuples(st.integers(1, 40), st.integers(0, 3))


def _served(bids: tuple[Level, ...] = BIDS, asks: tuple[Level, ...] = ASKS, depth: int = 0) -> ServedBook:
    served = ServedBook()
    list(served.on_update(book(0, bids, asks, snapshot=True, depth=depth)))
    served.watch(DEPTH)
    return served


def _told(changes: list[SideChange]) -> list[tuple[bool, list[Level]]]:
    return [(change.bids, change.told.get(DEPTH, [])) for change in changes]


def test_the_documented_book_has_the_documented_checksum() -> None:
    assert _served(DOCUMENTED_BIDS, DOCUMENTED_ASKS).checksum == 3310070434


@settings(max_examples=300)
@given(st.lists(st.tuples(st.lists(level, max_size=8), st.lists(level, max_size=8), st.booleans()), max_size=10))
@example([([(1, 1)], [(2, 1)], False), ([(1, 0), (2, 1), (2, 0)], [(1, 1)], False)])
def test_a_client_follows_any_uncrossed_book_through_messages_of_one_side_that_never_cross(
    updates: list[tuple[list[Level], list[Level], bool]],
) -> None:
    served, client, every = ServedBook(), DepthBook(DEPTH), DepthBook()
    served.watch(DEPTH)
    for bids, asks, snapshot in updates:
        # A recording is never crossed: what would cross is left out.
        trial = DepthBook()
        trial.replace(*((), ()) if snapshot else (tuple(every.bids.items()), tuple(every.asks.items())))
        trial.apply(bids, asks)
        if trial.is_crossed:
            continue
        every = trial
        for change in served.on_update(BookUpdate("BTC/USDT", 1, 1, tuple(bids), tuple(asks), snapshot)):
            told = change.told.get(DEPTH, [])
            client.apply(*(told, ()) if change.bids else ((), told))
            assert not client.is_crossed
            if told:
                assert change.checksum == book_checksum(client)
        assert (served.bids.sizes, served.asks.sizes) == (every.bids, every.asks)
        assert client.levels() == tuple(side[:DEPTH] for side in every.levels())


def test_the_side_that_gives_way_goes_first() -> None:
    up = book(1, [(370_010, 5)], [(370_010, 0)])
    served = _served()
    assert [change.bids for change in served.on_update(up)] == [False, True]
    down = book(2, [(370_010, 0), (370_000, 0)], [(370_005, 5)])
    assert [change.bids for change in served.on_update(down)] == [True, False]


def test_a_best_quote_takes_away_what_stands_beyond_it() -> None:
    served = _served()
    quote = BestQuote("BTC/USDT", 1, 1, (369_990, 7), (370_010, 2 * 10**8))
    ((bids, told),) = _told(list(served.on_best(quote)))
    # The best bid goes and the eleventh comes into view, then the new best bid has its size.
    assert (bids, told) == (True, [(370_000, 0), (369_900, 10**8 + 10), (369_990, 7)])
    assert (served.bids.best, served.asks.best) == (369_990, 370_010)


def test_a_second_snapshot_is_told_as_what_changed() -> None:
    served = _served()
    again = book(1, (*BIDS[:-1], (1, 1)), ASKS, snapshot=True)
    (change,) = served.on_update(again)
    # The twelfth bid is replaced by another: out of view of ten levels, so nobody is told.
    assert (change.bids, change.told, change.moves) == (True, {}, [(1, 1), (BIDS[-1][0], -BIDS[-1][1])])


def test_a_book_recorded_at_a_depth_has_no_more_levels_than_that() -> None:
    served = _served(BIDS[:3], ASKS[:3], depth=3)
    ((_, told),) = _told(list(served.on_update(book(1, [(370_005, 1)]))))
    # Whoever asked for ten levels is told that the fourth is gone: nobody knows what became of it.
    assert told == [(370_005, 1), (BIDS[2][0], 0)]
    assert len(served.bids) == 3


def test_depths_are_told_apart_and_only_to_those_who_watch() -> None:
    served = _served()
    served.watch(25)
    (change,) = served.on_update(book(1, [(BIDS[11][0], 1)]))
    assert change.told == {25: [(BIDS[11][0], 1)]}
    served.unwatch(25)
    (change,) = served.on_update(book(2, [(BIDS[11][0], 2)]))
    assert change.told == {}


def test_a_book_is_ready_when_both_sides_stand() -> None:
    served = ServedBook()
    list(served.on_update(book(0, BIDS)))
    assert not served.is_ready
    list(served.on_update(book(0, (), ASKS)))
    assert served.is_ready and BTC.price(served.bids.best) == 37_000
