"""What is said of a fill, word for word. Prices of ticks of 0.1, quantities of lots of 1e-8; worked here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT
from tests.exchange.written_engine import working

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.money import atoms
from triplegain.domain.orders import FeePreference, Market, OrderOptions, StopLoss
from triplegain.exchange.book import ASK, BID
from triplegain.exchange.explanation import FillExplanation, explained, settled
from triplegain.exchange.ladder import Ladder
from triplegain.exchange.margin.account import MarginFill
from triplegain.exchange.order import Quotes, WorkingOrder
from triplegain.exchange.queue import UNKNOWN_AHEAD

ONE = 10**8
CAUSE: dict[str, Any] = {
    "event": "trade", "time_ns": 9, "price": 1001, "trigger": 1002, "quantity": ONE, "queue_ahead": 2 * ONE,
    "level": {"displayed": 3 * ONE, "available": ONE // 2},
}  # fmt: skip
#: 100.0 / 100.2 when it was decided, 100.2 / 100.6 on arrival.
DECIDED, ARRIVED = (1000, 1002), (1002, 1006)


def order(side: int = BID, **more: Any) -> WorkingOrder:
    made = working("o", side, 1007, 2 * ONE, **more)
    made.sent_ns, made.arrived_ns, made.ahead_at_arrival, made.tier_volume_usd = 40, 45, ONE, 12_345
    made.quote_at_decision, made.quote_at_arrival = DECIDED, ARRIVED
    return made


def said(made: WorkingOrder, price: int = 1007, maker: bool = False, model: str = "book", **more: Any) -> Any:
    lent = more.pop("lent", None)
    fee = more.pop("fee", atoms(Decimal("0.5")))
    cost = more.pop("cost", price * 2 * 10**17)
    return explained(made, price, 2 * ONE, maker, model, more.pop("cause", CAUSE), (1003, None), cost, fee, 4000, lent)


def test_all_that_is_said_of_a_taker() -> None:
    assert dict(said(order())) == {
        "model": "book",
        "liquidity": "taker",
        "cause": {
            "event": "trade", "time_ns": 9, "price": "100.1", "trigger": "100.2", "quantity": "1", "queue_ahead": "2",
            "level": {"displayed": "3", "available": "0.5"},
        },
        "latency_ns": 5,
        "fee_rate_ppm": 4000,
        "fee_asset": "USDT",
        "volume_30d_usd": 12_345,
        "quote_at_decision": ["100", "100.2"],
        "quote_at_arrival": ["100.2", "100.6"],
        "quote_at_fill": ["100.3", None],
        # 2 coins: the middle went from 100.1 to 100.4, the ask is 0.2 above it, 0.1 more were paid.
        "shortfall": {"delay": "0.6", "spread": "0.4", "impact": "0.2", "fee": "0.5"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("queue", True), ("trade_through", True), ("quote_through", True),
        ("book", False), ("tape", False), ("candle_through", False),
    ],
)  # fmt: skip
def test_a_maker_of_a_book_is_told_of_its_queue(model: str, says: bool) -> None:
    told = said(order(), maker=True, model=model)
    assert told["liquidity"] == "maker"
    assert told.get("queue_ahead_at_arrival") == ("1" if says else None)


@pytest.mark.parametrize(
    ("ahead", "words"), [(0, "0"), (UNKNOWN_AHEAD, "unknown"), (UNKNOWN_AHEAD // 2 + 1, "unknown"), (5 * ONE, "5")]
)
def test_a_queue_that_nobody_has_seen_is_unknown(ahead: int, words: str) -> None:
    made = order()
    made.ahead_at_arrival = ahead
    assert said(made, model="queue")["queue_ahead_at_arrival"] == words


def test_what_a_fill_did_to_positions() -> None:
    lent = MarginFill(ONE, 2 * ONE, atoms(Decimal(-3)), atoms(Decimal("0.25")), atoms(Decimal(4)))
    assert said(order(leverage=3), lent=lent)["margin"] == {
        "leverage": 3, "closed": "1", "opened": "2", "gain": "-3", "opening_fee": "0.25", "owed": "4",
    }  # fmt: skip
    assert "margin" not in said(order())


@pytest.mark.parametrize(
    ("side", "price", "shortfall"),
    [
        (BID, 1002, {"delay": "0.6", "spread": "0.4", "impact": "-0.8", "fee": "0.5"}),
        (ASK, 1001, {"delay": "-0.6", "spread": "0.4", "impact": "0.2", "fee": "0.5"}),
        (ASK, 1006, {"delay": "-0.6", "spread": "0.4", "impact": "-0.8", "fee": "0.5"}),
    ],
)
def test_delay_spread_and_impact(side: int, price: int, shortfall: dict[str, str]) -> None:
    assert said(order(side), price)["shortfall"] == shortfall


@pytest.mark.parametrize(
    ("decided", "arrived"),
    [((None, 1002), ARRIVED), ((1000, None), ARRIVED), (DECIDED, (None, 1006)), (DECIDED, (1002, None))],
)
def test_without_all_four_quotes_there_is_no_shortfall(decided: Quotes, arrived: Quotes) -> None:
    made = order()
    made.quote_at_decision, made.quote_at_arrival = decided, arrived
    assert said(made)["shortfall"] is None


#: 2 coins each. A sale of a stop at 100.5: the book stood at 99.8 / 100.0 when a trade reached it, its middle 0.6 below
#: the trigger; the bid is 0.1 below that, and 99.5 were got for it, 0.3 below the bid.
@pytest.mark.parametrize(
    ("side", "price", "fired", "met", "shortfall"),
    [
        (ASK, 995, 1005, (998, 1000), ("1.2", "0.2", "0.6")),
        (BID, 1011, 1005, (1008, 1009), ("0.7", "0.1", "0.4")),
        # Without a book the trade itself; what was reached before there were such quotes counts as impact.
        (ASK, 995, 1005, (998, 998), ("1.4", "0", "0.6")),
        (ASK, 995, 1005, (0, 0), ("0", "0", "2")),
        (ASK, 995, 0, (0, 0), ("0", "0", "2.4")),
    ],
)
def test_an_order_that_waited_is_compared_with_its_trigger(
    side: int, price: int, fired: int, met: tuple[int, int], shortfall: tuple[str, str, str]
) -> None:
    made = order(side, terms=StopLoss(INSTRUMENT.price(1007)))
    made.fired, made.bid_when_fired, made.ask_when_fired = fired, *met
    told = said(made, price)["shortfall"]
    assert (told["delay"], told["spread"], told["impact"], told["fee"]) == (*shortfall, "0.5")


@pytest.mark.parametrize("side", [BID, ASK])
@pytest.mark.parametrize("lots", [1, 3])
def test_the_parts_are_the_whole_cost_to_the_last_digit(side: int, lots: int) -> None:
    """An odd number of the smallest lots, middles between two ticks, and a cost rounded to 1e-5 against the trader."""
    made, sign = order(side), (1 if side == BID else -1)
    made.quote_at_decision, made.quote_at_arrival = (1000, 1001), (1002, 1005)
    cost = 10**13 * (2 if side == BID else 1)
    told = explained(made, 1007, lots, False, "book", {}, (1003, None), cost, atoms(Decimal("0.00001")), 4000)
    parts = [Decimal(each) for each in told["shortfall"].values()]
    at_the_middle = Decimal("100.05") * INSTRUMENT.quantity(lots)
    assert sum(parts) == sign * (Decimal(cost).scaleb(-18) - at_the_middle) + Decimal("0.00001")


def test_the_book_before_it_with_what_was_left_of_it() -> None:
    seen = Ladder([(1000, 3 * ONE, 3 * ONE)], [(1002, ONE, ONE // 4), (1003, ONE, 0)])
    told = said(order(), cause={**CAUSE, "book": seen})
    assert told["book"] == {"bids": [["100", "3"]], "asks": [["100.2", "1", "0.25"], ["100.3", "1", "0"]]}
    assert "book" not in told["cause"]
    assert "book" not in said(order(), cause={**CAUSE, "book": None})


def test_what_the_book_was_before_each_step(usual: Any) -> None:
    """Three makers share 2.5 of a trade of 7.5 behind 5: what the feed displayed, the trade not taken off. Both fills
    of a walk see the first level as it was before it; the print of before is off what could be sold to. One quote of
    2.5 then fills three orders: each finds what those before it have left of it."""
    books: dict[str, Any] = {}
    for name, price in (("a", "100.0"), ("b", "100.0"), ("c", "100.0"), ("d", "99.9"), ("e", "99.9")):
        usual.order(name, "buy", "1", price)
    usual.trade("sell", "7.5", "100.0")
    usual.order("t", "buy", "1.5")
    usual.book(bids="100.0x0", asks="99.9x2.5")
    for event in usual.drain():
        if isinstance(event, OrderFilled):
            books[event.fill_id] = event.explanation["book"]
    asks = [["100.1", "1"], ["100.2", "10"]]
    assert list(books.values()) == [
        *[{"bids": [["100", "5"]], "asks": asks}] * 3,
        *[{"bids": [["100", "5", "0"]], "asks": asks}] * 2,
        {"bids": [], "asks": [["99.9", "2.5"], ["100.1", "1", "0"], ["100.2", "10", "9.5"]]},
        {"bids": [], "asks": [["99.9", "2.5", "2"], ["100.1", "1", "0"], ["100.2", "10", "9.5"]]},
        {"bids": [], "asks": [["99.9", "2.5", "1"], ["100.1", "1", "0"], ["100.2", "10", "9.5"]]},
    ]


def test_a_fee_in_coins_counts_at_the_price_of_the_fill() -> None:
    """0.01 at 100.7."""
    made = order(terms=Market(), options=OrderOptions(fee_preference=FeePreference.BASE))
    told = said(made, fee=atoms(Decimal("0.01")))
    assert (told["shortfall"]["fee"], told["fee_asset"]) == ("1.007", "BTC")


def test_all_that_is_said_of_a_settlement() -> None:
    assert settled(order(), 7, (1003, 1004)) == {
        "model": "settlement", "cause": {"event": "arrival", "time_ns": 45}, "position": 7, "latency_ns": 5,
        "quote_at_fill": ["100.3", "100.4"],
    }  # fmt: skip


def test_it_is_worked_out_once_and_when_it_is_first_read() -> None:
    asked = []

    def explain() -> dict[str, Any]:
        asked.append(1)
        return {"model": "book", "liquidity": "taker"}

    told = FillExplanation(explain)
    assert asked == []
    assert (told["model"], list(told), len(told), asked) == ("book", ["model", "liquidity"], 2, [1])
