from __future__ import annotations

from triplegain.venues.kraken.connection import BookRequests


def test_a_wanted_book_is_asked_for_at_once_and_unsubscribed_first_the_next_time() -> None:
    books = BookRequests(["A", "B"], 5, lambda symbol: False)
    books.want("A", 100.0)
    assert books.take_due(100.0) == {"A": False}
    assert books.take_due(100.0) == {}
    books.want("A", 200.0)
    assert books.take_due(200.0) == {"A": True}


def test_a_book_that_goes_wrong_again_and_again_is_asked_for_ever_later() -> None:
    books = BookRequests(["A"], 1000, lambda symbol: False)
    now, waits = 100.0, []
    for _ in range(9):
        books.want("A", now)
        due = books.next_s()
        assert due is not None
        waits.append(due - now)
        now = due
        assert books.take_due(now)
    assert waits == [0, 0, 1, 2, 4, 8, 16, 30, 30]
    # After being fine for a while it is asked for at once again.
    books.want("A", now + 41)
    assert books.next_s() == now + 41


def test_what_nobody_asked_for_is_asked_for_if_it_is_still_missing() -> None:
    missing = {"A"}
    books = BookRequests(["A", "B"], 5, lambda symbol: symbol in missing)
    books.expect(100.0)
    assert books.take_due(104.0) == {}
    assert books.take_due(105.0) == {"A": False}
    assert books.next_s() == 110.0
    # No snapshot came: once more.
    assert books.take_due(110.0) == {"A": True}
    missing.clear()
    assert books.take_due(116.0) == {}
    assert books.next_s() is None


def test_instruments_of_other_connections_are_none_of_its_business() -> None:
    books = BookRequests(["A"], 5, lambda symbol: True)
    books.want("B", 100.0)
    assert books.take_due(100.0) == {} and books.next_s() is None
