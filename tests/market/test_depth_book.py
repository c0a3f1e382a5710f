from __future__ import annotations

import pytest

from triplegain.domain.errors import InvalidValueError
from triplegain.market.depth_book import DepthBook


def _book() -> DepthBook:
    book = DepthBook(depth=3)
    book.replace(((100, 5), (99, 1), (98, 1)), ((101, 1), (102, 10), (103, 1)))
    return book


def test_a_level_pushed_out_of_the_depth_is_forgotten_without_a_delete() -> None:
    book = _book()
    book.apply(((97, 7),), ((104, 7),))
    assert 97 not in book.bids and 104 not in book.asks
    book.apply((), ((100, 0), (101, 0)))
    # 104 does not come back when 101 goes.
    assert book.levels()[1] == ((102, 10), (103, 1))


def test_levels_of_one_message_apply_in_order() -> None:
    book = _book()
    book.apply(((100, 0), (100, 4)), ())
    assert [side[0] for side in book.levels()] == [(100, 4), (101, 1)]


def test_the_best_prices_follow_deletes_and_better_levels() -> None:
    book = _book()
    book.apply(((100, 0),), ((101, 0),))
    assert (book.best_bid, book.best_ask) == (99, 102)
    book.apply(((100, 1),), ((101, 1),))
    assert (book.best_bid, book.best_ask) == (100, 101)
    book.replace((), ())
    assert (book.best_bid, book.best_ask, book.is_crossed) == (0, 0, False)


def test_a_locked_book_counts_as_crossed() -> None:
    book = _book()
    book.apply(((101, 1),), ())
    assert book.is_crossed


def test_a_newer_best_quote_trims_what_stands_beyond_it() -> None:
    book = _book()
    book.trim((99, 4), (102, 2))
    assert book.levels() == (((99, 4), (98, 1)), ((102, 2), (103, 1)))


def test_a_level_at_price_zero_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="price 0"):
        _book().apply(((0, 1),), ())
