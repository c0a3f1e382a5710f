"""What an amendment may change beside quantity and price: what an iceberg shows, how far a trigger trails, and second
prices.

Kraken (WebSocket v2, amend_order): display_qty "Minimum value is 1 / 15 of remaining order quantity"; post_only "If
true, the limit price change will be rejected if the order cannot be posted passively in the book". The guide to spot
amends has the rest. Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.exchange_events import OrderAmended, OrderRefilled
from triplegain.domain.money import text
from triplegain.domain.orders import AmendRequest, OrderTerms, StopLoss
from triplegain.domain.price import Offset, Price, Sign
from triplegain.domain.terms import Iceberg, Limit, StopLossLimit, TakeProfitLimit, TrailingStop, TrailingStopLimit

DISPLAY, PRICE = "EGeneral:Invalid arguments:displayvol", "EGeneral:Invalid arguments:price"


def off(words: str) -> Offset:
    return Offset(Sign(words[0]), Decimal(words[1:].rstrip("%")), words.endswith("%"))


def named(words: str) -> Price:
    return off(words) if words[0] in "+-" else Decimal(words)


def change(b: Any, name: str, **changes: Any) -> None:
    b.exchange.amend(AmendRequest(name, **changes))
    b.exchange.run_through(b.exchange.now_ns)
    b.drain()


def amended(b: Any) -> list[OrderAmended]:
    return [event for event in b.drain() if isinstance(event, OrderAmended)]


def stands(b: Any, name: str) -> str:
    standing = b.exchange.orders[name].standing()
    return f"{standing.trigger} {standing.limit}"


def refills(b: Any) -> list[str]:
    return [text(event.displayed) for event in b.drain() if isinstance(event, OrderRefilled)]


# -- icebergs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("display", "first", "refill"),
    [
        ("0.5", "0.5", "0.5"),  # less is shown at once
        ("2", "1", "2"),  # more with the next slice: what stands now never grows in its place
    ],
)
def test_what_is_shown_changes_and_the_place_is_kept(usual: Any, display: str, first: str, refill: str) -> None:
    usual.order("i", "buy", "3", Iceberg(Decimal("100.0"), Decimal(1)))
    usual.book(bids="100.0x9")  # 5.0 are in front, 3.0 of those that came later behind
    change(usual, "i", display=Decimal(display))
    [event] = amended(usual)
    assert (event.queue_kept, event.terms) == (True, Iceberg(Decimal("100.0"), Decimal(display)))
    usual.trade("sell", "8", "100.0")  # 3.0 for the slice, and it takes what it is
    assert (usual.fills(), refills(usual)) == ([f"{first} @ 100 maker"], [refill])


@pytest.mark.parametrize(
    ("display", "refused"),
    [
        ("0.2", []),  # 3 / 15
        ("0.19", [DISPLAY]),
        ("3", []),
        ("3.1", [DISPLAY]),
        ("0", [DISPLAY]),
    ],
)
def test_how_much_must_be_shown(usual: Any, display: str, refused: list[str]) -> None:
    usual.order("i", "buy", "3", Iceberg(Decimal("100.0"), Decimal(1)))
    change(usual, "i", display=Decimal(display))
    assert usual.refused("i") == refused


def test_it_is_a_part_of_what_is_left_then(usual: Any) -> None:
    """2 of 3 are filled: 1 / 15 of the rest is 0.0667. With 4 in all 2 are left, and 0.1333 is the least."""
    usual.order("i", "buy", "3", Iceberg(Decimal("100.1"), Decimal(1)))  # 1.0 at once
    usual.book(asks="100.1x0")
    usual.trade("sell", "1", "100.1")
    change(usual, "i", display=Decimal("0.07"))
    change(usual, "i", display=Decimal("0.13"), quantity=Decimal(4))
    assert usual.refused("i") == [DISPLAY]
    change(usual, "i", display=Decimal("0.14"), quantity=Decimal(4))
    assert len(amended(usual)) == 2
    assert usual.exchange.orders["i"].standing().displayed == Decimal("0.14")  # at the back again: a new slice


# -- trails and second prices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "changes", "after"),
    [
        # Sales; the best trade since is 102.0, the last one 101.0.
        (TrailingStop(off("+2")), {"trail": "+4"}, "98.0 None"),
        (TrailingStop(off("+2")), {"trail": "+5%"}, "96.9 None"),  # 5 % of 102.0 is 5.1
        (TrailingStop(off("+2")), {"trail": "+1.01%"}, "100.9 None"),  # 1.0302, away from the price: 1.1
        (TrailingStopLimit(off("+2"), off("-1")), {"limit_price": "-3"}, "100.0 97.0"),
        (TrailingStopLimit(off("+2"), off("-1")), {"trail": "+4", "limit_price": "+1"}, "98.0 99.0"),
        (StopLossLimit(Decimal("97.0"), Decimal("95.0")), {"limit_price": "94.0"}, "97.0 94.0"),
        (StopLossLimit(off("-4"), Decimal("95.0")), {"limit_price": "94.0"}, "97.0 94.0"),
        (
            TakeProfitLimit(Decimal("107.0"), Decimal("105.0")),
            {"price": "108.0", "limit_price": "106.0"},
            "108.0 106.0",
        ),
    ],
)
def test_trails_and_second_prices(usual: Any, terms: OrderTerms, changes: dict[str, str], after: str) -> None:
    usual.trade("sell", "0.1", "101.0")
    usual.order("x", "sell", "1", terms)
    for price in ("102.0", "101.0"):
        usual.trade("sell", "0.1", price)
    change(usual, "x", **{name: named(words) for name, words in changes.items()})
    [event] = amended(usual)
    trigger, _, limit = after.partition(" ")
    assert (
        stands(usual, "x") == f"{Decimal(trigger).normalize():f} {limit if limit == 'None' else text(Decimal(limit))}"
    )
    assert event.terms == usual.exchange.orders["x"].request.terms != terms
    assert event.price == Decimal(trigger)


def test_a_trail_so_short_that_it_is_reached_fires_at_once(usual: Any) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.order("x", "sell", "1", TrailingStop(off("+2")))
    for price in ("101.0", "99.9"):
        usual.trade("sell", "0.1", price)
    usual.book(bids="100.0x5")
    change(usual, "x", trail=off("+1"))
    assert (usual.fills("x"), usual.ends("x")) == (["1 @ 100 taker"], "filled")


def test_a_new_limit_counts_once_the_trigger_is_reached(usual: Any) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.order("x", "sell", "8", StopLossLimit(Decimal("99.0"), Decimal("99.5")))
    change(usual, "x", limit_price=Decimal("98.0"))
    usual.book(bids="100.0x0 98.5x3 97.9x9")
    usual.trade("sell", "0.1", "99.0")
    assert (usual.fills("x"), stands(usual, "x")) == (["3 @ 98.5 taker"], "None 98")
    change(usual, "x", limit_price=Decimal("97.0"))  # its price is the limit now
    assert usual.refused("x") == [PRICE]


def test_a_purchase_holds_what_the_new_prices_may_cost(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "120", "BTC": "0"})
    b.book(bids="100.0x5", asks="100.1x9", snapshot=True)
    b.trade("buy", "0.1", "100.0")
    b.order("s", "buy", "1", StopLossLimit(Decimal("105.0"), Decimal("106.0")))
    assert b.held("USDT") == "106.424"  # 106.0 x 1.004
    change(b, "s", limit_price=Decimal("110.0"))
    assert b.held("USDT") == "110.44"
    change(b, "s", limit_price=Decimal("120.0"))  # 120.48
    assert (b.refused("s"), b.held("USDT"), stands(b, "s")) == (["EOrder:Insufficient funds"], "110.44", "105 110")
    b.cancel("s")
    b.order("t", "buy", "1", TrailingStop(off("+5")))
    assert b.held("USDT") == "105.42"
    change(b, "t", trail=off("+20"))
    assert (b.refused("t"), b.held("USDT")) == (["EOrder:Insufficient funds"], "105.42")


@pytest.mark.parametrize(
    ("terms", "changes", "code"),
    [
        (TrailingStop(off("+2")), {"price": Decimal("98.0")}, PRICE),
        (TrailingStop(off("+2")), {"limit_price": off("-1")}, PRICE),
        (TrailingStop(off("+2")), {"trail": off("-2")}, PRICE),
        (TrailingStop(off("+2")), {"trail": off("+0")}, PRICE),
        (TrailingStop(off("+2")), {"trail": off("+100%")}, PRICE),  # 100.0 less all of it
        (TrailingStopLimit(off("+2"), off("-1")), {"limit_price": Decimal("97.0")}, PRICE),
        (StopLoss(Decimal("95.0")), {"trail": off("+2")}, PRICE),
        (StopLossLimit(Decimal("95.0"), Decimal("94.0")), {"limit_price": off("-1")}, PRICE),
        (
            StopLossLimit(Decimal("95.0"), Decimal("94.0")),
            {"limit_price": Decimal("94.05")},
            "EOrder:Tick size check failed",
        ),
        (StopLossLimit(Decimal("95.0"), Decimal("94.0")), {"limit_price": Decimal(-1)}, PRICE),
        (Limit(Decimal("110.0")), {"limit_price": Decimal("111.0")}, PRICE),
        (Limit(Decimal("110.0")), {"trail": off("+1")}, PRICE),
        (Limit(Decimal("110.0")), {"display": Decimal(1)}, DISPLAY),
        (Limit(Decimal("110.0")), {}, "EGeneral:Invalid arguments:amend"),
        (Limit(Decimal("110.0")), {"post_only": True}, "EGeneral:Invalid arguments:amend"),
    ],
)
def test_what_there_is_not_cannot_be_changed(usual: Any, terms: OrderTerms, changes: dict[str, Any], code: str) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.order("x", "sell", "2", terms)
    before = stands(usual, "x"), usual.exchange.orders["x"].request
    change(usual, "x", **changes)
    assert (usual.refused("x"), stands(usual, "x"), usual.exchange.orders["x"].request) == ([code], *before)


# -- how an amendment is taken -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "post_only", "refused", "fills"),
    [
        ("100.1", True, ["EOrder:Post only order"], []),
        ("100.1", False, [], ["1 @ 100.1 taker"]),
        ("99.0", True, [], []),
    ],
)
def test_a_price_at_which_it_would_take_is_refused_on_demand(
    usual: Any, price: str, post_only: bool, refused: list[str], fills: list[str]
) -> None:
    usual.order("x", "buy", "1", "100.0")
    change(usual, "x", price=Decimal(price), post_only=post_only)
    assert (usual.refused("x"), usual.fills("x")) == (refused, fills)
    change(usual, "x", price=Decimal("100.2"))  # it was of that amendment, not of the order
    assert usual.ends("x") == "filled"


@pytest.mark.parametrize(
    ("ahead_ns", "refused"),
    [
        (0, []),
        (-1, ["EService:Deadline elapsed"]),
        (60 * SECOND_NS, []),
        (60 * SECOND_NS + 1, ["EGeneral:Invalid arguments:deadline"]),
    ],
)
def test_an_amendment_that_comes_too_late_is_refused(usual: Any, ahead_ns: int, refused: list[str]) -> None:
    usual.order("x", "buy", "1", "100.0")
    change(usual, "x", price=Decimal("99.0"), deadline_ns=usual.exchange.now_ns + ahead_ns)
    assert usual.refused("x") == refused


def test_what_names_nothing_new_is_written_as_ever() -> None:
    """So that what was stored is stored the same."""
    plain = AmendRequest("x", Decimal(1))
    assert msgspec.json.encode(plain) == b'{"client_order_id":"x","quantity":"1","price":null}'
    told = msgspec.json.encode(OrderAmended(1, 2, 3, 4, "x", "BTC/USDT", Decimal(1), Decimal(2), True))
    assert b"terms" not in told
    assert msgspec.json.decode(told, type=OrderAmended).terms is msgspec.UNSET
