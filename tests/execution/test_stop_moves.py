"""Stops that move, against a scripted venue. BTC/USDT: tick 0.1. Bought 10 at 100, stop 90, target 120."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.execution.conftest import ScriptedVenue

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import AmendRequest
from triplegain.domain.records import CloseReason
from triplegain.execution.protection.trailing import BreakEven, ProtectionSettings, TrailingStop, TrailMode
from triplegain.execution.settings import DeskSettings

Venue = Any


def tighten(venue: Venue, trigger: str, reason: CloseReason = CloseReason.STOP_LOSS) -> bool:
    return venue.desk.tighten("pos-1", Decimal(trigger), reason, venue.now_ns)  # type: ignore[no-any-return]


def following(restarts: bool, **settings: Any) -> ScriptedVenue:
    return ScriptedVenue(restarts, DeskSettings(protection=ProtectionSettings(**settings)))


def test_a_stop_moves_up_in_place_and_the_position_shows_where_the_venue_says_it_stands(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    assert tighten(venue, "95")
    assert venue.drain_sent() == ["amend tg-stop-1 to 95"]
    assert venue.desk.positions.records()[0].stop == Decimal(90)  # not before it is acknowledged
    venue.amended("tg-stop-1", "10", "95")
    venue.deliver()
    assert venue.desk.positions.records()[0].stop == Decimal(95)
    assert venue.drain_sent() == []


@pytest.mark.parametrize("trigger", ["90", "89.9", "1"])
def test_a_stop_never_moves_down_nor_to_where_it_is(venue: Venue, trigger: str) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    assert not tighten(venue, trigger)
    assert venue.drain_sent() == []


def test_nothing_moves_for_a_position_that_is_not_there_not_filled_or_leaving_nor_off_the_tick(venue: Venue) -> None:
    assert not tighten(venue, "95")
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.deliver()
    assert not tighten(venue, "95")
    venue.fill("tg-entry-1", "10", "100")
    venue.deliver()
    with pytest.raises(InvalidValueError):
        tighten(venue, "95.05")
    venue.desk.close("pos-1", CloseReason.SIGNAL, venue.now_ns)
    assert not tighten(venue, "95")


@pytest.mark.parametrize(
    ("bid", "ask", "last", "closes"),
    [
        ("95", "95.1", "99", True),  # the bid counts
        ("95.1", "95.2", "90", False),
        (None, None, "95", True),  # without a book the last trade
        (None, None, "95.1", False),
        (None, None, None, False),  # not known: the venue will say
    ],
)
def test_a_stop_at_or_above_the_market_closes_the_position_instead_and_says_so(
    venue: Venue, bid: str | None, ask: str | None, last: str | None, closes: bool
) -> None:
    venue.protected()
    venue.quote(bid, ask, last)
    assert tighten(venue, "95", CloseReason.BREAKER)
    assert venue.drain_sent() == (["cancel tg-stop-1"] if closes else ["amend tg-stop-1 to 95"])
    venue.deliver()
    venue.alerts += venue.desk.alerts
    venue.desk.alerts.clear()
    assert [alert.kind for alert in venue.alerts] == ([AlertKind.STOP_AT_MARKET] if closes else [])
    if closes:
        venue.finish("tg-stop-1")
        venue.deliver()
        venue.accept("tg-exit-1")
        venue.fill("tg-exit-1", "10", "95")
        venue.deliver()
        assert venue.reason() is CloseReason.BREAKER


def test_a_move_waits_for_a_growth_under_way_and_goes_to_the_highest_asked_for(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.fill("tg-entry-1", "3", "100")
    venue.deliver()
    assert venue.drain_sent()[-1] == "amend tg-stop-1 to 7"
    assert tighten(venue, "94") and tighten(venue, "95")
    assert venue.drain_sent() == []  # one thing at a time
    venue.amended("tg-stop-1", "7", "90")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 95"]
    venue.fill("tg-entry-1", "3", "100")  # a fill while the move is in flight
    venue.deliver()
    assert venue.drain_sent() == []
    venue.amended("tg-stop-1", "7", "95")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 10"]
    venue.amended("tg-stop-1", "10", "95")
    venue.deliver()
    stage = venue.desk.protection("pos-1").stage
    assert (stage.covered, stage.level.trigger, stage.asked) == (Decimal(10), Decimal(95), None)


def test_a_growth_refused_while_a_move_waits_closes_the_position(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.fill("tg-entry-1", "6", "100")
    venue.deliver()
    tighten(venue, "95")
    venue.drain_sent()
    venue.refuse("tg-stop-1", "amend", AmendRequest("tg-stop-1", quantity=Decimal(10)))
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    assert [alert.kind for alert in venue.alerts] == [AlertKind.STOP_NOT_GROWN]


def test_a_stop_still_on_its_way_is_moved_once_it_rests(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "10", "100")
    venue.deliver()
    assert tighten(venue, "95")
    assert venue.drain_sent()[-1] == "tg-stop-1: sell 10 stop-loss @ 90"
    venue.accept("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 95"]


def test_a_refused_move_is_alarmed_and_asked_for_again_ever_more_slowly_until_it_is_done(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    tighten(venue, "95")
    for pause in (1, 2, 4, 8):
        assert venue.drain_sent() == ["amend tg-stop-1 to 95"]
        venue.refuse("tg-stop-1", "amend", AmendRequest("tg-stop-1", price=Decimal(95)))
        venue.deliver()
        venue.wait(pause - 0.1)
        assert venue.drain_sent() == []
        venue.wait(0.1)
    venue.amended("tg-stop-1", "10", "95")
    venue.deliver()
    venue.wait(100)
    assert venue.drain_sent() == ["amend tg-stop-1 to 95"]
    assert [alert.kind for alert in venue.alerts] == [AlertKind.STOP_NOT_AMENDED] * 4


def test_a_market_that_falls_to_a_stop_the_venue_has_not_taken_closes_the_position(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    tighten(venue, "95", CloseReason.BREAKER)
    venue.refuse("tg-stop-1", "amend", AmendRequest("tg-stop-1", price=Decimal(95)))
    venue.deliver()
    venue.drain_sent()
    assert venue.desk.next_price("BTC/USDT") == Decimal("0.1")  # any price is news now
    venue.quote("95.1", "95.2")
    assert venue.drain_sent() == []
    venue.quote("95", "95.1")
    assert venue.drain_sent() == ["cancel tg-stop-1"]


def test_a_move_that_is_never_answered_is_alarmed(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    tighten(venue, "95")
    venue.wait(29)
    assert not venue.desk.alerts
    venue.wait(2)
    assert [alert.kind for alert in venue.desk.alerts] == [AlertKind.OVERDUE]


def test_a_lost_stop_is_placed_again_where_it_was_wanted(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    tighten(venue, "95")
    venue.finish("tg-stop-1", reason="maintenance")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 95", "tg-stop-2: sell 10 stop-loss @ 95"]
    assert venue.desk.positions.records()[0].stop == Decimal(95)


def test_a_stop_that_fires_before_its_move_arrives_closes_the_position_as_it_stood(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    tighten(venue, "95", CloseReason.TRAILING_STOP)
    venue.trigger("tg-stop-1", "90")
    venue.fill("tg-stop-1", "10", "89")
    venue.refuse("tg-stop-1", "amend", AmendRequest("tg-stop-1", price=Decimal(95)))
    venue.deliver()
    assert venue.reason() is CloseReason.STOP_LOSS
    assert venue.desk.open_positions() == () and venue.desk.next_due_ns() is None


def test_a_person_may_raise_a_stop_and_not_lower_it(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    assert "only moved up" in venue.desk.amend(AmendRequest("tg-stop-1", price=Decimal(80))).reason
    assert "multiple of the tick" in venue.desk.amend(AmendRequest("tg-stop-1", price=Decimal("95.05"))).reason
    assert "give a price" in venue.desk.amend(AmendRequest("tg-stop-1")).reason
    assert venue.desk.amend(AmendRequest("tg-stop-1", price=Decimal(95))) is None
    assert venue.drain_sent() == ["amend tg-stop-1 to 95"]


def test_a_stop_moved_from_outside_is_taken_as_it_is_if_higher_and_put_back_if_lower(venue: Venue) -> None:
    venue.protected()
    venue.amended("tg-stop-1", "10", "93")
    venue.deliver()
    assert (venue.desk.protection("pos-1").stop, venue.drain_sent()) == (Decimal(93), [])
    venue.amended("tg-stop-1", "10", "80")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 93"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_trailing_stop_follows_the_bid_in_steps_and_names_itself_when_it_fires(restarts: bool) -> None:
    venue = following(restarts, trailing=TrailingStop(step=Decimal("0.01")))
    venue.protected()
    assert venue.desk.next_price("BTC/USDT") == Decimal(101)  # activation; the target is at 120
    venue.quote("100.9", "101")
    assert venue.drain_sent() == []
    venue.quote("101", "101.1")
    assert venue.drain_sent() == ["amend tg-stop-1 to 99.4"]  # 101 x 0.985 = 99.485
    venue.amended("tg-stop-1", "10", "99.4")
    venue.deliver()
    assert venue.desk.next_price("BTC/USDT") == Decimal(102)  # 99.4 x 1.01 = 100.394 -> 100.4; / 0.985 = 101.93
    venue.quote("101.9", "102")
    venue.quote("99.5", "99.6")
    assert venue.drain_sent() == []
    venue.quote("102", "102.1")
    assert venue.drain_sent() == ["amend tg-stop-1 to 100.4"]  # 100.47
    venue.amended("tg-stop-1", "10", "100.4")
    venue.deliver()
    venue.trigger("tg-stop-1", "100.4")
    venue.fill("tg-stop-1", "10", "100.3")
    venue.deliver()
    assert venue.reason() is CloseReason.TRAILING_STOP


@pytest.mark.parametrize("restarts", [False, True])
def test_a_trailing_stop_the_book_could_not_take_whole_is_finished_under_its_own_name(restarts: bool) -> None:
    venue = following(restarts, trailing=TrailingStop())
    venue.protected()
    venue.quote("102", "102.1")
    venue.amended("tg-stop-1", "10", "100.4")
    venue.deliver()
    venue.trigger("tg-stop-1", "100.4")
    venue.fill("tg-stop-1", "6", "100.3")
    venue.finish("tg-stop-1", reason="no more depth")
    venue.deliver()
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "4", "100.2")
    venue.deliver()
    assert venue._requests["tg-exit-1"].purpose == "trailing_stop"
    assert venue.reason() is CloseReason.TRAILING_STOP


@pytest.mark.parametrize("restarts", [False, True])
def test_a_stop_at_break_even_covers_both_fees_and_still_closes_as_a_stop_loss(restarts: bool) -> None:
    venue = following(restarts, break_even=BreakEven(at=Decimal("0.02")))
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "10", "100", fee="4")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    venue.drain_sent()
    assert venue.desk.next_price("BTC/USDT") == Decimal(102)
    venue.quote("102", "102.1")
    assert venue.drain_sent() == ["amend tg-stop-1 to 101"]  # 100.4 x 1.001 / 0.996 = 100.904
    venue.amended("tg-stop-1", "10", "101")
    venue.deliver()
    assert venue.desk.next_price("BTC/USDT") == Decimal(120)  # once
    venue.trigger("tg-stop-1", "101")
    venue.fill("tg-stop-1", "10", "101", fee="4.04")
    venue.deliver()
    assert venue.reason() is CloseReason.STOP_LOSS
    assert venue.closed[0].realised == Decimal("1.96")  # 1010 - 1000 - 8.04


@pytest.mark.parametrize("restarts", [False, True])
def test_a_stop_does_not_follow_a_bid_that_has_left_the_last_trade_behind(restarts: bool) -> None:
    venue = following(restarts, trailing=TrailingStop())
    venue.protected()
    venue.quote("110", "110.1", "108.3")  # 110 x 0.985 = 108.35 -> 108.3: it would fire on the last trade
    assert venue.drain_sent() == []
    venue.quote("110", "110.1", "108.4")
    assert venue.drain_sent() == ["amend tg-stop-1 to 108.3"]


@pytest.mark.parametrize("restarts", [False, True])
def test_by_atr_nothing_moves_before_it_is_known_and_what_is_no_number_is_not_known(restarts: bool) -> None:
    venue = following(restarts, trailing=TrailingStop(mode=TrailMode.ATR))
    venue.protected()
    assert venue.desk.next_price("BTC/USDT") == Decimal(120)
    venue.quote("105", "105.1")
    for nonsense in (Decimal("NaN"), Decimal("Infinity"), Decimal(0), Decimal(-1), None):
        venue.desk.set_atr("BTC/USDT", nonsense)
        assert venue.desk.next_price("BTC/USDT") == Decimal(120)
    venue.desk.set_atr("BTC/USDT", Decimal("0.02"))
    assert venue.desk.next_price("BTC/USDT") == Decimal(101)
    venue.deliver()
    venue.quote("105", "105.1")
    assert venue.drain_sent() == ["amend tg-stop-1 to 101.8"]  # 105 x (1 - 1.5 x 0.02) = 101.85
    venue.amended("tg-stop-1", "10", "101.8")
    venue.deliver()
    venue.desk.set_atr("BTC/USDT", Decimal("0.01"))  # quieter: closer, but never for a lower price than it has had
    venue.quote("103", "103.1")
    assert venue.drain_sent() == []  # 101.455
    venue.desk.set_atr("BTC/USDT", Decimal("0.05"))
    venue.quote("106", "106.1")
    assert venue.drain_sent() == []  # 98.05


def test_by_default_nothing_follows(venue: Venue) -> None:
    venue.protected()
    assert venue.desk.next_price("BTC/USDT") == Decimal(120)
    venue.quote("119", "119.1")
    assert venue.drain_sent() == []
