"""Parts of a session's state: a commit stores what changed, a restart reads what was stored."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.parts import PartChange, Parts


class Place(msgspec.Struct, frozen=True):
    ahead: int
    price: Decimal


class Room:
    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.count = 0
        self.parts = Parts()
        self.touch = self.parts.keyed("place", Place, self.places.get, self.places.update, self.places.keys)
        self.parts.single("count", int, lambda: self.count, self._take_count)

    def _take_count(self, count: int) -> None:
        self.count = count

    def put(self, key: str, place: Place | None) -> None:
        if place is None:
            del self.places[key]
        else:
            self.places[key] = place
        self.touch(key)


def test_only_what_has_changed_is_handed_out() -> None:
    room = Room()
    room.put("1", Place(5, Decimal("100.10")))
    room.put("2", Place(0, Decimal("99")))
    seen = [(change.part, change.key) for change in room.parts.changes()]
    assert seen == [("place", "1"), ("place", "2"), ("count", "")]
    assert list(room.parts.changes()) == []
    room.put("2", Place(0, Decimal("99")))
    assert list(room.parts.changes()) == [], "told to look, and it is what it was"
    room.put("1", None)
    room.count = 7
    assert list(room.parts.changes()) == [PartChange("place", "1", None), PartChange("count", "", b"7")]


def test_what_was_stored_comes_back_and_is_not_stored_again() -> None:
    room = Room()
    room.put("1", Place(5, Decimal("100.10")))
    room.count = 3
    rows = {(change.part, change.key): change.state for change in room.parts.changes() if change.state is not None}
    rows["place", "1"] = b' { "price": "100.10",  "ahead": 5 } '
    again = Room()
    again.parts.restore(rows)
    assert (again.places, again.count) == (room.places, 3)
    assert list(again.parts.changes()) == []


def test_rows_of_a_part_that_nobody_has_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="'horoscope'"):
        Room().parts.restore({("horoscope", ""): b"1"})


@pytest.mark.parametrize("state", [b'{"ahead": 5}', b"[1", b"null", b'{"ahead": "x", "price": "1"}'])
def test_a_row_that_is_no_value_of_its_part_is_named(state: bytes) -> None:
    with pytest.raises(InvalidValueError, match=r"the stored part place 1 of the session is damaged \(.*--reset"):
        Room().parts.restore({("place", "1"): state})


def test_a_name_is_given_once() -> None:
    room = Room()
    with pytest.raises(ValueError, match="count"):
        room.parts.single("count", int, lambda: 0, lambda _: None)


def test_what_another_session_has_left_in_a_retired_part_is_deleted_once() -> None:
    room = Room()
    room.parts.retire("trader")
    room.parts.restore({("trader", "BTC/USDT"): b"1", ("count", ""): b"0"})
    assert list(room.parts.changes()) == [PartChange("trader", "BTC/USDT", None)]
    assert list(room.parts.changes()) == []


def test_a_value_that_was_never_said_to_have_changed_is_there_all_the_same() -> None:
    room = Room()
    room.places["1"] = Place(5, Decimal(1))
    assert list(room.parts.changes()) == [PartChange("count", "", b"0")]
    assert ("place", "1") in room.parts.whole() and ("place", "1") not in room.parts.rows
