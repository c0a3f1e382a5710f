"""The desk against a scripted venue. BTC/USDT here: tick 0.1, lot 0.1, smallest order 0.5. Stop 90, target 120."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, OrderStatus, Side, TimeInForce
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.records import CloseReason
from triplegain.domain.refusals import Refusal
from triplegain.domain.verdict import RiskApproved
from triplegain.execution.protection.protection import Protected, StopLevel, Unprotected

HOUR_S = 3600
Venue = Any


def manual(side: Side, quantity: str, symbol: str = "BTC/USDT", cid: str = "mine-1") -> OrderRequest:
    return OrderRequest(cid, symbol, side, Decimal(quantity), Market())


def test_a_stop_of_the_filled_quantity_follows_the_first_fill_and_grows_with_the_next(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    assert venue.drain_sent() == ["tg-entry-1: buy 10 market", "tg-stop-1: sell 4 stop-loss @ 90"]
    venue.fill("tg-entry-1", "3", "100")  # the stop is still on its way: it cannot grow yet
    venue.deliver()
    assert venue.drain_sent() == []
    venue.accept("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 7"]
    venue.fill("tg-entry-1", "3", "100")  # one amendment at a time
    venue.deliver()
    assert venue.drain_sent() == []
    venue.amended("tg-stop-1", "7", "90")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 10"]
    venue.amended("tg-stop-1", "10", "90")
    venue.deliver()
    assert venue.desk.protection("pos-1").stage == Protected("tg-stop-1", Decimal(10), StopLevel(Decimal(90)))
    assert venue.drain_sent() == []


def test_a_fill_below_the_smallest_order_waits_for_more_before_it_gets_a_stop(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "0.4", "100")  # 0.4 < 0.5
    venue.deliver()
    assert venue.drain_sent() == ["tg-entry-1: buy 10 market"]
    venue.fill("tg-entry-1", "0.1", "100")
    venue.deliver()
    assert venue.drain_sent() == ["tg-stop-1: sell 0.5 stop-loss @ 90"]


@pytest.mark.parametrize("more", [True, False])
def test_a_fill_too_cheap_for_a_stop_waits_for_more_and_is_the_venues_to_judge_if_none_comes(
    venue: Venue, more: bool
) -> None:
    # XRP/USDT: smallest order 1, smallest cost 0.5, so with a stop at 0.1 the smallest stop is for 5.
    venue.enter("10", stop="0.1", target=None, symbol="XRP/USDT")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "0.2")
    venue.deliver()
    assert venue.drain_sent() == ["tg-entry-1: buy 10 market"]
    if more:
        venue.fill("tg-entry-1", "1", "0.2")
    else:
        venue.finish("tg-entry-1")
    venue.deliver()
    assert venue.drain_sent() == [f"tg-stop-1: sell {5 if more else 4} stop-loss @ 0.1"]


def test_the_target_takes_the_stop_back_and_sells_only_after_the_cancel_is_acknowledged(venue: Venue) -> None:
    venue.protected()
    venue.quote("119.9", "120.1", "125")  # the bid counts, not the last trade
    assert venue.drain_sent() == []
    venue.quote("120", "120.1")
    venue.quote("121", "121.1")  # once is enough
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    venue.finish("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 10 market"]
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "10", "120", "4.8")
    venue.deliver()
    assert venue.reason() is CloseReason.TAKE_PROFIT
    assert venue.closed[0].realised == Decimal("195.2")  # 10 x (120 - 100) - 4.8
    assert venue.desk.open_positions() == ()
    assert venue.drain_sent() == []


def test_without_a_book_the_last_trade_reaches_the_target(venue: Venue) -> None:
    venue.protected()
    venue.quote(None, None, "120")
    assert venue.drain_sent() == ["cancel tg-stop-1"]


def test_with_only_an_ask_nothing_is_known_of_the_bid_and_the_target_waits(venue: Venue) -> None:
    venue.protected()
    venue.quote(None, "121", "125")
    assert venue.drain_sent() == []


def test_a_stop_that_fills_while_its_cancel_is_in_flight_closes_the_position_and_nothing_is_sold_twice(
    venue: Venue,
) -> None:
    venue.protected()
    venue.quote("120", "120.1")
    venue.trigger("tg-stop-1", "89")
    venue.fill("tg-stop-1", "10", "88")
    venue.refuse("tg-stop-1", "cancel")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    assert venue.reason() is CloseReason.STOP_LOSS
    assert venue.closed[0].realised == Decimal(-120)  # 10 x (88 - 100)
    venue.wait(HOUR_S)
    assert venue.drain_sent() == []


def test_a_stop_that_fills_in_part_before_its_cancel_leaves_only_the_rest_to_sell(venue: Venue) -> None:
    venue.protected()
    venue.quote("120", "120.1")
    venue.trigger("tg-stop-1", "89")
    venue.fill("tg-stop-1", "6", "88")
    venue.finish("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-stop-1", "tg-exit-1: sell 4 market"]
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "4", "87")
    venue.deliver()
    assert venue.closed[0].realised == Decimal(-124)  # 6 x -12 + 4 x -13
    assert venue.reason() is CloseReason.TAKE_PROFIT  # the order that brought it to zero


def test_a_cancel_the_venue_refuses_while_the_stop_lives_is_sent_again_after_a_second(venue: Venue) -> None:
    venue.protected()
    venue.quote("120", "120.1")
    venue.refuse("tg-stop-1", "cancel")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    venue.wait(0.9)
    assert venue.drain_sent() == []
    venue.wait(0.1)
    assert venue.drain_sent() == ["cancel tg-stop-1"]


def test_a_rejected_stop_closes_the_position_and_raises_an_alert(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.drain_sent()
    venue.reject("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-entry-1"]  # the rest of the entry would be unprotected, too
    assert [alert.kind for alert in venue.alerts] == [AlertKind.STOP_REJECTED]
    venue.finish("tg-entry-1")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 4 market"]
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "4", "99")
    venue.deliver()
    assert venue.reason() is CloseReason.BREAKER


def test_a_stop_that_may_not_grow_closes_the_position_and_raises_an_alert(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.fill("tg-entry-1", "6", "100")
    venue.deliver()
    venue.drain_sent()
    venue.refuse("tg-stop-1", "amend", AmendRequest("tg-stop-1", quantity=Decimal(10)))
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    assert [alert.kind for alert in venue.alerts] == [AlertKind.STOP_NOT_GROWN]


def test_a_stop_taken_away_from_outside_is_placed_again_three_times_and_then_the_position_is_closed(
    venue: Venue,
) -> None:
    venue.protected()
    for number in (1, 2, 3):
        venue.finish(f"tg-stop-{number}", reason="maintenance")
        venue.deliver()
        assert venue.drain_sent() == [f"tg-stop-{number + 1}: sell 10 stop-loss @ 90"]
        venue.accept(f"tg-stop-{number + 1}")
        venue.deliver()
    venue.finish("tg-stop-4", reason="maintenance")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 10 market"]
    assert [alert.kind for alert in venue.alerts] == [AlertKind.STOP_LOST] * 4


def test_what_a_thin_book_did_not_take_is_sold_again_a_second_later_until_nothing_is_left(venue: Venue) -> None:
    venue.protected()
    venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)
    venue.finish("tg-stop-1")
    venue.deliver()
    for number, (part, rest) in enumerate([("6", "10"), ("3", "4")], start=1):
        assert venue.drain_sent()[-1] == f"tg-exit-{number}: sell {rest} market"
        venue.accept(f"tg-exit-{number}")
        venue.fill(f"tg-exit-{number}", part, "99")
        venue.finish(f"tg-exit-{number}", reason="no more depth")
        venue.deliver()
        venue.quote("99", "99.1")
        assert venue.drain_sent() == []  # not yet: one try a second
        venue.wait(1)
    assert venue.drain_sent() == ["tg-exit-3: sell 1 market"]
    venue.accept("tg-exit-3")
    venue.fill("tg-exit-3", "1", "99")
    venue.deliver()
    assert venue.reason() is CloseReason.MANUAL
    assert [alert.kind for alert in venue.alerts] == [AlertKind.EXIT_INCOMPLETE] * 2


def test_a_quote_after_the_pause_retries_as_a_timer_would(venue: Venue) -> None:
    venue.protected()
    venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)
    venue.finish("tg-stop-1")
    venue.deliver()
    venue.reject("tg-exit-1", "EService:Unavailable")
    venue.deliver(0.5)
    venue.drain_sent()
    venue.now_ns += SECOND_NS
    venue.quote("99", "99.1")
    assert venue.drain_sent() == ["tg-exit-2: sell 10 market"]


def test_rejected_exits_are_tried_ever_more_slowly(venue: Venue) -> None:
    venue.protected()
    venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)
    venue.finish("tg-stop-1")
    venue.deliver()
    pauses = []
    for number in range(1, 10):
        venue.reject(f"tg-exit-{number}", "EService:Unavailable")
        venue.deliver()
        pauses.append((venue.desk.protection("pos-1").stage.retry_at_ns - venue.now_ns) // SECOND_NS)
        venue.wait(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    venue.accept("tg-exit-10")
    venue.fill("tg-exit-10", "1", "99")
    venue.finish("tg-exit-10", reason="no more depth")  # it trades again: the pause starts over
    venue.deliver()
    venue.wait(1)
    venue.reject("tg-exit-11", "EService:Unavailable")
    venue.deliver()
    assert venue.desk.next_due_ns() - venue.now_ns == SECOND_NS


@pytest.mark.parametrize("after_exit", [True, False], ids=["rest of an exit", "rest of an entry"])
def test_a_rest_below_the_smallest_order_is_dust_flagged_kept_in_the_books_and_not_retried(
    venue: Venue, after_exit: bool
) -> None:
    if after_exit:
        venue.protected()
        venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)
        venue.finish("tg-stop-1")
        venue.deliver()
        venue.accept("tg-exit-1")
        venue.fill("tg-exit-1", "9.6", "99")  # 0.4 left, less than 0.5
        venue.finish("tg-exit-1", reason="no more depth")
    else:
        venue.enter("10")
        venue.accept("tg-entry-1")
        venue.fill("tg-entry-1", "0.4", "100")
        venue.finish("tg-entry-1")
    venue.deliver()
    venue.drain_sent()
    venue.wait(100 * HOUR_S)
    assert venue.drain_sent() == []
    (record,) = venue.closed
    assert (record.dust, record.quantity, record.is_open) == (True, Decimal("0.4"), False)
    assert record.close_reason is (CloseReason.MANUAL if after_exit else None)
    assert venue.desk.free("BTC") == Decimal("2.4")  # 2 from the start, and the dust


def test_a_rest_the_venue_finds_too_cheap_is_dust_as_well(venue: Venue) -> None:
    venue.protected("0.6")
    venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)
    venue.finish("tg-stop-1")
    venue.deliver()
    venue.reject("tg-exit-1", "EOrder:Cost minimum not met")
    venue.deliver()
    assert venue.closed[0].dust and venue.desk.open_positions() == ()
    assert venue.alerts == []


def test_a_position_is_closed_after_48_hours(venue: Venue) -> None:
    venue.protected()
    venue.wait(48 * HOUR_S - 1)
    assert venue.drain_sent() == []
    venue.wait(1)
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    venue.finish("tg-stop-1")
    venue.deliver()
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "10", "101")
    venue.deliver()
    assert venue.reason() is CloseReason.TIME_EXIT
    assert venue.desk.next_due_ns() is None


def test_the_expiry_of_an_entry_ends_only_the_entry(venue: Venue) -> None:
    venue.enter("10", terms=Limit(Decimal(100)))
    record = venue.desk.orders.by_client_id("tg-entry-1")
    assert record.request.time_in_force is TimeInForce.GTD
    assert record.request.expires_at_ns == venue.now_ns + 24 * HOUR_S * SECOND_NS
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    stop = venue.desk.orders.by_client_id("tg-stop-1").request
    assert (stop.time_in_force, stop.expires_at_ns) == (TimeInForce.GTC, None)
    venue.drain_sent()
    venue.finish("tg-entry-1", OrderStatus.EXPIRED, "the order's good-till date passed")
    venue.deliver()
    assert venue.drain_sent() == []
    assert venue.desk.protection("pos-1").stage == Protected("tg-stop-1", Decimal(4), StopLevel(Decimal(90)))


def test_an_entry_that_never_fills_leaves_nothing_behind(venue: Venue) -> None:
    venue.enter("10", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.finish("tg-entry-1", OrderStatus.EXPIRED)
    venue.deliver()
    assert venue.desk.open_positions() == () and venue.closed == [] and venue.desk.next_due_ns() is None


def test_a_rejected_entry_leaves_nothing_behind(venue: Venue) -> None:
    venue.enter("10")
    venue.reject("tg-entry-1")
    venue.deliver()
    assert venue.desk.open_positions() == () and venue.drain_sent() == ["tg-entry-1: buy 10 market"]


def test_an_exit_waits_for_a_stop_still_on_its_way_before_it_cancels_it(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "10", "100")
    venue.deliver()
    venue.drain_sent()
    assert venue.desk.close("pos-1", CloseReason.SIGNAL, venue.now_ns)
    assert venue.drain_sent() == []  # a cancel could overtake the order it is meant for
    venue.accept("tg-stop-1")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-stop-1"]
    assert not venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)  # the first reason stands


def test_an_exit_cancels_the_rest_of_the_entry_and_sells_what_it_bought_until_then(venue: Venue) -> None:
    venue.enter("10", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    venue.drain_sent()
    venue.desk.close("pos-1", CloseReason.SIGNAL, venue.now_ns)
    assert venue.drain_sent() == ["cancel tg-entry-1", "cancel tg-stop-1"]
    venue.finish("tg-stop-1")
    venue.fill("tg-entry-1", "2", "100")  # before its cancel arrived
    venue.deliver()
    assert venue.drain_sent() == []
    venue.finish("tg-entry-1")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 6 market"]


def test_a_stop_that_fires_while_the_entry_still_buys_ends_both(venue: Venue) -> None:
    venue.enter("10", terms=Limit(Decimal(100)))
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "4", "100")
    venue.deliver()
    venue.accept("tg-stop-1")
    venue.deliver()
    venue.drain_sent()
    venue.trigger("tg-stop-1", "90")
    venue.fill("tg-stop-1", "4", "89")
    venue.fill("tg-entry-1", "1", "89")
    venue.deliver()
    assert venue.drain_sent() == ["cancel tg-entry-1"]
    venue.finish("tg-entry-1")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 1 market"]


def test_a_stop_the_book_could_not_take_whole_is_finished_at_market(venue: Venue) -> None:
    venue.protected()
    venue.trigger("tg-stop-1", "90")
    venue.fill("tg-stop-1", "7", "85")
    venue.finish("tg-stop-1", reason="no more depth")
    venue.deliver()
    assert venue.drain_sent() == ["tg-exit-1: sell 3 market"]
    venue.accept("tg-exit-1")
    venue.fill("tg-exit-1", "3", "84")
    venue.deliver()
    assert venue.reason() is CloseReason.STOP_LOSS


def test_flat_takes_everything_off_entries_included(venue: Venue) -> None:
    venue.protected()
    venue.enter("5", terms=Limit(Decimal(90)))
    venue.accept("tg-entry-2")
    venue.deliver()
    venue.drain_sent()
    assert venue.desk.close_all(CloseReason.MANUAL, venue.now_ns) == ("pos-1", "pos-2")
    assert venue.drain_sent() == ["cancel tg-stop-1", "cancel tg-entry-2"]
    venue.finish("tg-entry-2")
    venue.deliver()
    assert [position.position_id for position in venue.desk.open_positions()] == ["pos-1"]


def test_the_time_between_fill_and_stop_is_measured_and_alarmed(venue: Venue) -> None:
    venue.enter("10")
    venue.accept("tg-entry-1")
    venue.fill("tg-entry-1", "10", "100")
    venue.deliver()
    venue.wait(4.9)
    assert not venue.desk.alerts
    venue.wait(1.1)
    assert [alert.kind for alert in venue.desk.alerts] == [AlertKind.PROTECTION_LATE]
    venue.accept("tg-stop-1")
    venue.deliver()
    assert (venue.desk.delays.count, venue.desk.delays.longest_ns) == (1, 6 * SECOND_NS)


def test_a_manual_buy_without_stop_is_a_position_that_can_be_closed(venue: Venue) -> None:
    request = venue.desk.place(manual(Side.BUY, "3"))
    venue.deliver()
    assert request.position_id == "pos-1"
    venue.accept("mine-1")
    venue.fill("mine-1", "3", "100")
    venue.deliver()
    assert venue.desk.protection("pos-1").stage == Unprotected()
    venue.drain_sent()
    venue.desk.close("pos-1", CloseReason.MANUAL, venue.now_ns)
    assert venue.drain_sent() == ["tg-exit-1: sell 3 market"]


def test_a_manual_buy_sent_twice_is_one_order_and_one_position(venue: Venue) -> None:
    first = venue.desk.place(manual(Side.BUY, "3"), stop=Decimal(90))
    assert venue.desk.place(manual(Side.BUY, "3"), stop=Decimal(90)) == first
    venue.deliver()
    assert venue.desk.place(manual(Side.BUY, "3"), stop=Decimal(90)) == first
    assert venue.drain_sent() == ["mine-1: buy 3 market"]


def test_a_manual_sell_may_use_free_coins_and_never_those_of_a_position(venue: Venue) -> None:
    venue.protected()  # 2 from the start and 10 more, which are the position's
    refused = venue.desk.place(manual(Side.SELL, "2.1"))
    assert isinstance(refused, Refusal) and "only 2 are free" in refused.reason
    assert isinstance(venue.desk.place(manual(Side.SELL, "1.5")), OrderRequest)
    refused = venue.desk.place(manual(Side.SELL, "0.6", cid="mine-2"))  # 1.5 of the 2 are spoken for
    assert isinstance(refused, Refusal) and "only 0.5 are free" in refused.reason
    venue.deliver()
    assert isinstance(venue.desk.place(manual(Side.SELL, "0.6", cid="mine-2")), Refusal)
    assert isinstance(venue.desk.place(manual(Side.SELL, "0.5", cid="mine-2")), OrderRequest)


def test_an_order_by_hand_may_not_grow_into_the_coins_of_a_position(venue: Venue) -> None:
    venue.protected()  # 2 from the start and 10 more, which are the position's
    venue.desk.place(msgspec.structs.replace(manual(Side.SELL, "1"), terms=Limit(Decimal(110))))
    venue.deliver()
    venue.accept("mine-1")
    venue.deliver()
    refused = venue.desk.amend(AmendRequest("mine-1", quantity=Decimal("2.1")))
    assert isinstance(refused, Refusal) and "only 2 are free" in refused.reason
    assert venue.desk.amend(AmendRequest("mine-1", quantity=Decimal("1.8"))) is None
    assert venue.desk.free("BTC") == Decimal("0.2")  # asked for, and not answered yet
    assert isinstance(venue.desk.place(manual(Side.SELL, "0.5", cid="mine-2")), Refusal)
    venue.refuse("mine-1", "amend")
    venue.deliver()
    assert venue.desk.free("BTC") == 1
    assert venue.desk.amend(AmendRequest("mine-1", quantity=Decimal("1.5"))) is None
    venue.amended("mine-1", "1.5", "110")
    venue.deliver()
    assert venue.desk.free("BTC") == Decimal("0.5")


def test_more_than_the_whole_wallet_is_the_venues_to_reject(venue: Venue) -> None:
    venue.protected()
    assert isinstance(venue.desk.place(manual(Side.SELL, "13")), OrderRequest)


def test_xrp_btc_may_not_spend_the_bitcoin_of_a_btc_usdt_position(venue: Venue) -> None:
    venue.protected()
    wish = manual(Side.BUY, "2", "XRP/BTC")
    assert "no price" in venue.desk.place(wish).reason  # cannot tell what it costs
    venue.quote("0.9", "1", symbol="XRP/BTC")
    assert "open positions" in venue.desk.place(wish).reason  # 2 x 1 x 1.004 = 2.008 BTC, 2 are free
    assert isinstance(venue.desk.place(manual(Side.BUY, "1.9", "XRP/BTC")), OrderRequest)


@pytest.mark.parametrize(
    ("request_", "stop", "target", "words"),
    [
        (manual(Side.BUY, "1", cid="tg-stop-7"), None, None, "choose another"),
        (msgspec.structs.replace(manual(Side.BUY, "1"), position_id="pos-1"), None, None, "by hand"),
        (manual(Side.BUY, "1", "DOGE/USDT"), None, None, "unknown symbol"),
        (manual(Side.SELL, "1"), Decimal(90), None, "takes no stop"),
        (manual(Side.BUY, "1"), Decimal("90.05"), None, "multiple of the tick"),
        (manual(Side.BUY, "1"), Decimal(95), Decimal(94), "below the target"),
        (manual(Side.BUY, "1"), Decimal(100), None, "not below the market"),
    ],
)
def test_a_manual_order_that_makes_no_sense_is_refused_in_words(
    venue: Venue, request_: OrderRequest, stop: Decimal | None, target: Decimal | None, words: str
) -> None:
    venue.quote("100", "100.1")
    refused = venue.desk.place(request_, stop, target)
    assert isinstance(refused, Refusal) and words in refused.reason
    assert venue.drain_sent() == []


def test_the_stop_of_a_position_cannot_be_cancelled_or_shrunk_by_hand_but_moved_below_the_market(venue: Venue) -> None:
    venue.protected()
    venue.quote("100", "100.1")
    assert "close the position" in venue.desk.cancel("tg-stop-1").reason
    assert venue.desk.amend(AmendRequest("tg-stop-1", quantity=Decimal(1))) is not None
    assert "fire at once" in venue.desk.amend(AmendRequest("tg-stop-1", price=Decimal(100))).reason
    assert venue.desk.amend(AmendRequest("tg-stop-1", price=Decimal(95))) is None
    venue.amended("tg-stop-1", "10", "95")
    venue.deliver()
    assert venue.drain_sent() == ["amend tg-stop-1 to 95"]
    assert venue.desk.positions.records()[0].stop == Decimal(95)
    assert venue.desk.cancel("mine-1") is None


@pytest.mark.parametrize("terms", [{"intent": Intent.CLOSE}, {"side": Side.SELL}, {"stop": Decimal("90.01")}])
def test_only_what_the_gate_lets_through_can_be_opened(venue: Venue, terms: dict[str, Any]) -> None:
    proposal = TradeProposal("BTC/USDT", Side.BUY, Intent.OPEN, Market(), Decimal(1), Decimal(100), Decimal(90))
    with pytest.raises(InvalidValueError):
        venue.desk.open(RiskApproved(replace(proposal, **terms)), venue.now_ns)
    assert venue.drain_sent() == [] and venue.desk.open_positions() == ()


def test_the_names_of_orders_are_short_and_count_up(venue: Venue) -> None:
    venue.protected()
    venue.enter("1")
    assert venue.drain_sent() == ["tg-entry-2: buy 1 market"]
    assert [position.position_id for position in venue.desk.open_positions()] == ["pos-1", "pos-2"]
