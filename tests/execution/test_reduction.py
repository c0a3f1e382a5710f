"""Selling a part. BTC/USDT: lot 0.1, smallest order 0.5. Bought 10 at 100, stop 90."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, Side
from triplegain.domain.records import CloseReason
from triplegain.execution.protection.protection import Unprotected

Venue = Any


def reduce(venue: Venue, fraction: str = "0.5", reason: CloseReason = CloseReason.SIGNAL) -> bool:
    return venue.desk.reduce("pos-1", Decimal(fraction), reason, venue.now_ns)  # type: ignore[no-any-return]


def selling(venue: Venue) -> None:
    """Half of ten is on its way to the market, the stop covers the other half."""
    venue.protected()
    assert reduce(venue)
    venue.amended("tg-stop-1", "5", "90")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 5", "tg-exit-1: sell 5 market"]


def kinds(venue: Venue) -> list[AlertKind]:
    return [alert.kind for alert in (*venue.alerts, *venue.desk.alerts)]


def test_the_stop_is_cut_first_and_the_part_sold_when_that_is_acknowledged(venue: Venue) -> None:
    venue.protected()
    assert reduce(venue)
    assert venue.drain_sent() == ["amend tg-stop-1 to 5"]
    venue.quote("110", "110.1")
    assert venue.drain_sent() == []  # the stop still holds all the coins
    venue.amended("tg-stop-1", "5", "90")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 5 market"]
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "5", "110")
    venue.deliver()
    (position,) = venue.desk.open_positions()
    assert (position.quantity, position.leaving, position.entry_over) == (Decimal(5), False, True)
    assert venue.desk.protection("pos-1").reduction is None
    assert venue.desk.positions.records()[0].realised == Decimal(50)
    venue.wait(100)
    assert venue.drain_sent() == [] and kinds(venue) == []
    assert venue.desk.delays.count == 1  # selling is no delay of protection


def test_the_part_is_cut_to_the_lot_so_that_never_more_than_asked_is_sold(venue: Venue) -> None:
    venue.protected("2.1")
    reduce(venue)
    assert venue.drain_sent() == ["amend tg-stop-1 to 1.1"]  # 1.05 -> 1 sold


@pytest.mark.parametrize(
    ("quantity", "fraction", "sent", "kind"),
    [
        ("0.9", "0.5", None, AlertKind.NOT_REDUCED),  # 0.4 cannot be sold, 0.5 could stay
        ("0.8", "0.5", "cancel tg-stop-1", AlertKind.CLOSED_WHOLE),  # 0.4 and 0.4
        ("1", "0.6", "cancel tg-stop-1", AlertKind.CLOSED_WHOLE),  # 0.4 would stay
        ("1", "0.4", None, AlertKind.NOT_REDUCED),  # 0.4 cannot be sold
        ("10", "0.001", None, AlertKind.NOT_REDUCED),
    ],
)
def test_what_would_be_too_small_closes_the_whole_or_is_left_alone_and_is_said(
    venue: Venue, quantity: str, fraction: str, sent: str | None, kind: AlertKind
) -> None:
    venue.protected(quantity)
    begun = reduce(venue, fraction)
    assert begun == (sent is not None)
    assert venue.drain_sent() == ([] if sent is None else [sent])
    assert kinds(venue) == [kind]
    venue.wait(100)
    assert venue.drain_sent() == []


@pytest.mark.parametrize("fraction", ["0", "1", "-0.5", "1.5", "NaN", "Infinity"])
def test_a_fraction_lies_between_nothing_and_all(venue: Venue, fraction: str) -> None:
    venue.protected()
    with pytest.raises(InvalidValueError):
        reduce(venue, fraction)
    assert venue.drain_sent() == []


def test_an_exit_the_market_took_in_part_goes_back_under_the_stop_and_is_tried_again(venue: Venue) -> None:
    selling(venue)
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "2", "99")
    venue.finish("tg-exit-1", reason="no more depth")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 8"]
    venue.amended("tg-stop-1", "8", "90")
    venue.deliver()
    venue.wait(3.9)
    assert venue.drain_sent() == []
    venue.wait(0.1)
    assert venue.drain_sent() == ["amend tg-stop-1 to 5"]
    venue.amended("tg-stop-1", "5", "90")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-2: sell 3 market"]
    venue.accept("tg-exit-2")
    venue.fill("tg-exit-2", "3", "99")
    venue.deliver()
    assert venue.desk.open_positions()[0].quantity == Decimal(5)
    assert venue.desk.protection("pos-1").reduction is None
    assert kinds(venue) == [AlertKind.EXIT_INCOMPLETE]


def test_rejected_exits_are_tried_ever_more_slowly_under_the_stop(venue: Venue) -> None:
    selling(venue)
    for number, pause in ((1, 1), (2, 2), (3, 4)):
        venue.reject(f"tg-exit-{number}", "EService:Unavailable")
        venue.deliver()
        assert venue.drain_sent() == ["amend tg-stop-1 to 10"]
        venue.amended("tg-stop-1", "10", "90")
        venue.deliver()
        venue.wait(pause - 0.1)
        assert venue.drain_sent() == []
        venue.wait(0.1)
        venue.amended("tg-stop-1", "5", "90")
        venue.deliver()
        assert venue.drain_sent() == ["amend tg-stop-1 to 5", f"tg-exit-{number + 1}: sell 5 market"]
    assert kinds(venue) == [AlertKind.EXIT_REJECTED] * 3


def test_a_rest_too_small_to_be_sold_stays_under_the_stop(venue: Venue) -> None:
    selling(venue)
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "4.6", "99")  # 0.4 left to sell
    venue.finish("tg-exit-1", reason="no more depth")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 5.4"]
    assert kinds(venue) == [AlertKind.EXIT_INCOMPLETE, AlertKind.NOT_REDUCED]


def test_a_part_the_venue_finds_too_cheap_is_kept_and_nothing_is_written_off(venue: Venue) -> None:
    selling(venue)
    venue.reject("tg-exit-1", "EOrder:Cost minimum not met")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 10"]
    assert venue.desk.open_positions()[0].quantity == Decimal(10) and venue.closed == []
    assert kinds(venue) == [AlertKind.NOT_REDUCED]


def test_a_stop_that_may_not_be_cut_is_asked_again(venue: Venue) -> None:
    venue.protected()
    reduce(venue)
    venue.refuse("tg-stop-1", "amend", AmendRequest("tg-stop-1", quantity=Decimal(5)))
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 5"]
    venue.wait(1)
    assert venue.drain_sent() == ["amend tg-stop-1 to 5"]
    assert kinds(venue) == [AlertKind.STOP_NOT_AMENDED]


def test_coins_waiting_to_be_sold_for_long_are_alarmed(venue: Venue) -> None:
    selling(venue)
    venue.wait(5)
    assert kinds(venue) == [AlertKind.PROTECTION_LATE]
    venue.wait(26)
    assert kinds(venue) == [AlertKind.PROTECTION_LATE, AlertKind.OVERDUE]


def test_a_stop_that_fires_before_it_is_cut_has_sold_everything(venue: Venue) -> None:
    venue.protected()
    reduce(venue)
    venue.trigger("tg-stop-1", "90")
    venue.fill("tg-stop-1", "10", "89")
    venue.refuse("tg-stop-1", "amend", AmendRequest("tg-stop-1", quantity=Decimal(5)))
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 5"]
    assert venue.reason() is CloseReason.STOP_LOSS


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_stop_that_fires_while_a_part_is_sold_and_the_part_add_up_to_the_position(
    venue: Venue, stop_first: bool
) -> None:
    selling(venue)
    venue.accept("tg-exit-1")

    def stop_fires() -> None:
        venue.trigger("tg-stop-1", "90")
        venue.fill("tg-stop-1", "5", "89")

    if stop_first:
        stop_fires()
        venue.deliver()
        assert venue.drain_sent() == []  # the other half is being sold: selling it again would sell it twice
        venue.fill("tg-exit-1", "5", "89")
    else:
        venue.fill("tg-exit-1", "5", "89")
        venue.deliver()
        stop_fires()
    venue.deliver()
    assert venue.closed[0].quantity == 0 and venue.drain_sent() == []
    assert venue.desk.open_positions() == () and venue.desk.next_due_ns() is None


def test_a_part_rejected_while_the_stop_fires_is_sold_with_the_rest(venue: Venue) -> None:
    selling(venue)
    venue.trigger("tg-stop-1", "90")
    venue.fill("tg-stop-1", "5", "89")
    venue.reject("tg-exit-1", "EService:Unavailable")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-2: sell 5 market"]


def test_closing_waits_for_the_part_that_is_being_sold(venue: Venue) -> None:
    selling(venue)
    assert venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)
    assert not reduce(venue)  # on its way out: there is nothing to halve
    venue.finish("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "3", "99")
    venue.finish("tg-exit-1", reason="no more depth")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-2: sell 7 market"]


def test_a_stop_lost_while_a_part_is_sold_is_placed_for_what_is_left(venue: Venue) -> None:
    selling(venue)
    venue.finish("tg-stop-1", reason="maintenance")
    venue.deliver()
    assert venue.drain_sent() == []  # until the part is sold or not, nobody knows how much that is
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "5", "99")
    venue.deliver()
    assert venue.drain_sent() == ["tg-stop-2: sell 5 stop-loss @ 90"]


def test_halving_twice_leaves_a_quarter_even_while_the_first_half_is_being_sold(venue: Venue) -> None:
    selling(venue)
    assert reduce(venue, "0.5", CloseReason.BREAKER)
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "5", "99")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 2.5"]
    venue.amended("tg-stop-1", "2.5", "90")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-2: sell 2.5 market"]


def test_two_reductions_before_anything_is_sold_count_both(venue: Venue) -> None:
    venue.enter("10", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "8", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    venue.drain_sent()
    reduce(venue, "0.5")
    reduce(venue, "0.5")
    assert venue.drain_sent() == ["cancel tg-entry-1"]  # what it still buys is not known yet
    venue.fill("tg-entry-1", "1", "100")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 9"]  # and stays protected
    venue.finish("tg-entry-1")
    venue.deliver()
    assert venue.drain_sent() == []
    venue.amended("tg-stop-1", "9", "90")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 2.3"]  # 9 x 0.75 = 6.75 -> 6.7 sold


def test_a_refused_cancel_of_the_entry_is_sent_again(venue: Venue) -> None:
    venue.enter("10", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "8", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    venue.drain_sent()
    reduce(venue)
    venue.refuse("tg-entry-1", "cancel")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-entry-1"]
    venue.wait(1)
    assert venue.drain_sent() == ["cancel tg-entry-1"]


def test_a_position_without_a_stop_is_reduced_at_market(venue: Venue) -> None:
    venue.desk.place(OrderRequest("mine-1", "BTC/USDT", Side.BUY, Decimal(4), Market()))
    venue.deliver()
    venue.accept("mine-1")
    venue.fill("mine-1", "4", "100")
    venue.deliver()
    venue.drain_sent()
    assert reduce(venue)
    assert venue.drain_sent() == ["tg-exit-1: sell 2 market"]
    venue.reject("tg-exit-1", "EService:Unavailable")
    venue.deliver()
    venue.wait(1)
    assert venue.drain_sent() == ["tg-exit-2: sell 2 market"]
    venue.accept("tg-exit-2")
    venue.fill("tg-exit-2", "2", "99")
    venue.deliver()
    assert venue.desk.protection("pos-1").stage == Unprotected()
    assert venue.desk.open_positions()[0].quantity == Decimal(2)


def reduce_by(venue: Venue, quantity: str, held: str) -> Any:
    return venue.desk.reduce_by("pos-1", Decimal(quantity), Decimal(held), CloseReason.MANUAL, venue.now_ns)


@pytest.mark.parametrize("filled_meanwhile", ["0.1", "3", "6"])
def test_a_quantity_stays_that_quantity_while_the_entry_fills_on(venue: Venue, filled_meanwhile: str) -> None:
    venue.enter("10", stop="90", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    assert reduce_by(venue, "2", "4") is None
    venue.fill("tg-entry-1", filled_meanwhile, "100")
    if filled_meanwhile != "6":
        venue.finish("tg-entry-1")
    venue.deliver()
    left = Decimal(4) + Decimal(filled_meanwhile) - 2
    # The stop covers what has come, and is then cut to what stays.
    while (sent := venue.drain_sent()[-1]).startswith("amend tg-stop-1 to "):
        venue.amended("tg-stop-1", sent.removeprefix("amend tg-stop-1 to "), "90")
        venue.deliver()
    assert sent.replace("2.0", "2") == "tg-exit-1: sell 2 market"
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "2", "110")
    venue.deliver()
    (position,) = venue.desk.open_positions()
    assert (position.quantity, venue.desk.protection("pos-1").reduction) == (left, None)


@pytest.mark.parametrize(
    ("quantity", "words"), [("9.8", "what stays, 0.2 BTC, is below"), ("10", "sell less"), ("0.4", "minimum 0.5")]
)
def test_a_quantity_that_would_leave_too_little_closes_nothing(venue: Venue, quantity: str, words: str) -> None:
    venue.protected()
    refused = reduce_by(venue, quantity, "10")
    assert words in refused.reason
    venue.wait(10)
    assert venue.drain_sent() == [] and kinds(venue) == []


def test_of_a_stop_that_fires_meanwhile_no_more_is_sold_than_was_asked_for(venue: Venue) -> None:
    """4 of 10 are to be sold; the stop sells 5.8 before it is cut. Of the 4.2 that are left 0.2 could not stay."""
    venue.protected()
    venue.drain_sent()
    assert reduce_by(venue, "4", "10") is None
    venue.trigger("tg-stop-1", "90")
    venue.fill("tg-stop-1", "6", "90")
    venue.finish("tg-stop-1")
    venue.deliver()
    venue.wait(5)
    sold = [each for each in venue.drain_sent() if each.startswith("tg-exit")]
    assert sold == ["tg-exit-1: sell 4 market"]  # the stop's way out, and nothing beside it


def test_a_breaker_halves_what_a_quantity_leaves(venue: Venue) -> None:
    venue.enter("10", stop="90", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "8", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    assert reduce_by(venue, "2", "8") is None
    assert reduce(venue, "0.5", CloseReason.BREAKER)
    venue.finish("tg-entry-1")
    venue.deliver()
    assert venue.drain_sent()[-1] == "amend tg-stop-1 to 3"  # 8 - 2 = 6, of which half stays
