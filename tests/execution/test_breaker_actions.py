"""What circuit breakers do to positions: tighten, halve, flatten. BTC/USDT: tick 0.1; bought 10 at 100, stop 90."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.execution.conftest import halve_all

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import Limit, Market, OrderRequest, Side
from triplegain.domain.records import CloseReason

Venue = Any
ONE_PERCENT = Decimal("0.01")


def test_every_stop_goes_to_one_percent_below_the_bid(venue: Venue) -> None:
    venue.protected()
    venue.quote("98.7", "98.8")
    assert venue.desk.tighten_all(ONE_PERCENT, venue.now_ns) == ("pos-1",)
    assert venue.drain_sent() == ["amend tg-stop-1 to 97.7"]  # 98.7 x 0.99 = 97.713, down to the tick
    venue.amended("tg-stop-1", "10", "97.7")
    venue.deliver()
    venue.trigger("tg-stop-1", "97.7")
    venue.fill("tg-stop-1", "10", "97.6")
    venue.deliver()
    assert venue.reason() is CloseReason.BREAKER


def test_a_stop_that_is_closer_stays(venue: Venue) -> None:
    venue.protected()
    venue.quote("90.5", "90.6")
    venue.desk.tighten_all(ONE_PERCENT, venue.now_ns)  # 89.595
    assert venue.drain_sent() == []
    assert venue.desk.protection("pos-1").owes == ""


def test_an_old_quote_does_not_count_and_the_next_one_is_asked_for(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    venue.wait(1)
    assert venue.desk.tighten_all(ONE_PERCENT, venue.now_ns) == ("pos-1",)
    assert venue.drain_sent() == []
    assert venue.desk.moved == {"BTC/USDT"}
    assert venue.desk.next_price("BTC/USDT") == Decimal("0.1")  # any
    venue.deliver()
    venue.quote("95", "95.1")
    assert venue.drain_sent() == ["amend tg-stop-1 to 94"]  # 94.05
    assert venue.desk.next_price("BTC/USDT") == Decimal(120)


def test_a_tightening_that_finds_no_price_is_alarmed(venue: Venue) -> None:
    venue.protected()
    venue.desk.tighten_all(ONE_PERCENT, venue.now_ns)
    venue.wait(31)
    assert [alert.kind for alert in venue.desk.alerts] == [AlertKind.OVERDUE]


def test_an_entry_buys_no_more_and_what_it_has_bought_is_tightened(venue: Venue) -> None:
    venue.enter("10", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.deliver()
    venue.quote("100", "100.1")
    venue.drain_sent()
    venue.desk.tighten_all(ONE_PERCENT, venue.now_ns)
    assert venue.drain_sent() == ["cancel tg-entry-1"]
    venue.fill("tg-entry-1", "4", "100")  # before the cancel arrived
    venue.finish("tg-entry-1")
    venue.deliver()
    assert venue.drain_sent() == ["tg-stop-1: sell 4 stop-loss @ 90"]
    venue.quote("100", "100.1")
    venue.accept("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 99"]


def test_a_position_without_a_stop_gets_one(venue: Venue) -> None:
    venue.desk.place(OrderRequest("mine-1", "BTC/USDT", Side.BUY, Decimal(4), Market()))
    venue.deliver()
    venue.accept("mine-1")
    venue.fill("mine-1", "4", "100")
    venue.deliver()
    venue.quote("100", "100.1")
    venue.drain_sent()
    venue.desk.tighten_all(ONE_PERCENT, venue.now_ns)
    assert venue.drain_sent() == ["tg-stop-1: sell 4 stop-loss @ 99"]
    venue.deliver()
    assert venue.desk.positions.records()[0].stop == Decimal(99)


def test_halving_sells_half_of_each_and_cancels_entries_that_have_bought_nothing(venue: Venue) -> None:
    venue.protected()
    venue.enter("5", terms=Limit(Decimal(90)))
    venue.accept("tg-entry-2")
    venue.deliver()
    venue.drain_sent()
    assert halve_all(venue.desk, venue.now_ns) == ("pos-1", "pos-2")
    assert venue.drain_sent() == ["amend tg-stop-1 to 5", "cancel tg-entry-2"]
    venue.finish("tg-entry-2")
    venue.amended("tg-stop-1", "5", "90")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 5 market"]
    assert [position.position_id for position in venue.desk.open_positions()] == ["pos-1"]


def test_tightened_and_halved_at_once_both_are_done(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    venue.desk.tighten_all(ONE_PERCENT, venue.now_ns)
    halve_all(venue.desk, venue.now_ns)
    assert venue.drain_sent() == ["amend tg-stop-1 to 99"]
    venue.amended("tg-stop-1", "10", "99")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 5"]
    venue.amended("tg-stop-1", "5", "99")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 5 market"]
    stage = venue.desk.protection("pos-1").stage
    assert (stage.covered, stage.level.trigger) == (Decimal(5), Decimal(99))


def test_flattening_takes_over_whatever_is_under_way_and_reports_what_does_not_end(venue: Venue) -> None:
    venue.protected()
    halve_all(venue.desk, venue.now_ns)
    assert venue.desk.close_all(CloseReason.BREAKER, venue.now_ns) == ("pos-1",)
    assert venue.drain_sent() == ["amend tg-stop-1 to 5", "cancel tg-stop-1"]
    venue.amended("tg-stop-1", "5", "90")
    venue.deliver()
    venue.wait(31)  # the venue does not answer
    venue.alerts += venue.desk.alerts
    venue.desk.alerts.clear()
    assert [alert.kind for alert in venue.alerts] == [AlertKind.OVERDUE]
    venue.finish("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 10 market"]
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "10", "99")
    venue.deliver()
    assert venue.reason() is CloseReason.BREAKER


@pytest.mark.parametrize("fraction", ["0", "1", "-0.01", "NaN"])
def test_a_distance_that_makes_no_sense_is_refused(venue: Venue, fraction: str) -> None:
    venue.protected()
    with pytest.raises(InvalidValueError):
        venue.desk.tighten_all(Decimal(fraction), venue.now_ns)
