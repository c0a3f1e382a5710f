"""What may be changed of an open order, what that holds and costs, and why something else is refused. Worked here.

Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10; a taker's fee of 0.4 %; minimum 0.00005 BTC and 0.5 USDT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT, NO_DELAY, Bench

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.exchange_events import CommandRefused, OrderAmended
from triplegain.domain.market import FeedState, FeedStatus, MarketDepth
from triplegain.domain.money import text
from triplegain.domain.orders import AmendRequest, Limit, OrderOptions, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Iceberg, MarketByCost, StopLossLimit, TrailingStop
from triplegain.exchange.settings import AccountTier

D = Decimal
UNUSABLE = "the price must be above zero and usable, it is "


def asked(b: Bench, quantity: str | None = None, price: str | None = None) -> list[str]:
    """Change `o`; why it was refused, if it was."""
    before = len(b.drain())
    b.exchange.amend(AmendRequest("o", D(quantity) if quantity else None, D(price) if price else None))
    b.exchange.run_through(b.exchange.now_ns)
    return [event.reason for event in b.drain()[before:] if isinstance(event, CommandRefused)]


def stands(b: Bench) -> tuple[str, str]:
    order = b.exchange.orders["o"]
    return text(INSTRUMENT.quantity(order.lots)), text(INSTRUMENT.price(order.price))


@pytest.mark.parametrize(
    ("quantity", "price", "why"),
    [
        (None, None, "nothing to change: give a quantity or a price"),
        (None, "100.05", "100.05 is not a multiple of BTC/USDT's tick 0.1"),
        (None, "0", UNUSABLE + "0"),
        (None, "-1", UNUSABLE + "-1"),
        (None, "NaN", UNUSABLE + "NaN"),
        ("0", None, "the quantity cannot be 0"),
        ("-1", None, "the quantity cannot be -1"),
        ("Infinity", None, "the quantity cannot be Infinity"),
        ("0.00004999", None, "below BTC/USDT's minimum 0.00005"),
        ("0.000000001", None, "below BTC/USDT's minimum 0.00005"),
        ("0.00499999", None, "below BTC/USDT's minimum cost 0.5"),
        (None, "0.4", "below BTC/USDT's minimum cost 0.5"),
        ("10001", None, "needs 1004100.4 USDT in all, 999899.6 more is available"),
        (None, "100.1", "at this price the order would take liquidity"),
        ("2", "100.1", "at this price the order would take liquidity"),
    ],
)
def test_what_cannot_be_changed_leaves_the_order_as_it_was(
    usual: Bench, quantity: str | None, price: str | None, why: str
) -> None:
    usual.order("o", "buy", "1", Limit(D("100.0"), post_only=True))
    assert asked(usual, quantity, price) == [why]
    assert (stands(usual), usual.held("USDT")) == (("1", "100"), "100.4")


@pytest.mark.parametrize(
    ("quantity", "price", "now", "held", "kept"),
    [
        ("1", None, ("1", "100"), "100.4", True),
        (None, "100.0", ("1", "100"), "100.4", True),
        ("0.5", None, ("0.5", "100"), "50.2", True),
        ("1.00000001", None, ("1.00000001", "100"), "100.40002", False),
        (None, "99.9", ("1", "99.9"), "100.2996", False),
        ("0.5", "99.9", ("0.5", "99.9"), "50.1498", False),
        ("0.005", None, ("0.005", "100"), "0.502", True),
    ],
)
def test_what_is_changed_is_held_for_and_smaller_keeps_its_place(
    usual: Bench, quantity: str | None, price: str | None, now: tuple[str, str], held: str, kept: bool
) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.order("behind", "buy", "1", "100.0")
    usual.now += 5
    usual.exchange.run_through(usual.now)
    assert asked(usual, quantity, price) == []
    assert stands(usual) == now
    usual.cancel("behind")
    assert usual.held("USDT") == held
    [told] = [event for event in usual.drain() if isinstance(event, OrderAmended)]
    assert (text(told.quantity), text(told.price), told.queue_kept) == (*now, kept)
    order = usual.exchange.orders["o"]
    assert order.touched_ns == usual.exchange.now_ns
    # Whoever loses the place has the number of this answer for it.
    assert (order.place == told.sequence) is not kept


def test_half_filled_the_rest_is_what_changes(usual: Bench) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.trade("sell", "5.4", "100.0")
    assert asked(usual, "0.7") == []
    order = usual.exchange.orders["o"]
    assert (order.left, order.filled, usual.held("USDT")) == (3 * 10**7, 4 * 10**7, "30.12")
    assert asked(usual, "0.4") == []
    assert usual.ends("o") == "cancelled: amended to no more than was filled"
    assert usual.held("USDT") == "0"


@pytest.mark.parametrize(
    ("price", "held"),
    [("112.0", "115.46"), ("115.0", "115.46"), ("120.0", "120.48")],
)
def test_a_trigger_holds_the_dearer_of_itself_and_its_limit(usual: Bench, price: str, held: str) -> None:
    usual.order("o", "buy", "1", StopLossLimit(D("110.0"), D("115.0")))
    assert usual.held("USDT") == "115.46"  # 115 x 1.004
    assert asked(usual, price=price) == []
    assert (usual.held("USDT"), stands(usual)[1]) == (held, text(D(price)))


@pytest.mark.parametrize(
    ("terms", "side", "options", "quantity", "price", "why"),
    [
        (
            TrailingStop(Offset(Sign.PLUS, D(5))), "sell", OrderOptions(), None, "90.0",
            "a trailing trigger follows the market: it has no price to amend",
        ),
        (
            Limit(D("100.0")), "buy", OrderOptions(close=Limit(D("110.0"))), "2", None,
            "an order with a conditional close cannot be amended: cancel it",
        ),
        (
            Iceberg(D("100.0"), D("0.1")), "buy", OrderOptions(), "1.50000001", None,
            "an iceberg shows a 15th of itself and BTC/USDT's minimum at least",
        ),
        (StopLoss(D("99.0")), "sell", OrderOptions(), "1000.1", None, "needs 1000.1 BTC in all, 999 more is available"),
    ],
)  # fmt: skip
def test_what_an_order_is_says_what_may_be_changed_of_it(
    usual: Bench, terms: Any, side: str, options: OrderOptions, quantity: str | None, price: str | None, why: str
) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.order("o", side, "1", terms, options=options)
    assert asked(usual, quantity, price) == [why]


def test_an_iceberg_may_grow_to_fifteen_times_what_it_shows_and_shrink_below_it(usual: Bench) -> None:
    usual.order("o", "buy", "1", Iceberg(D("100.0"), D("0.1")))
    assert asked(usual, "1.5") == []
    assert asked(usual, "0.05") == []
    assert stands(usual) == ("0.05", "100")


def test_on_the_tape_a_market_order_has_a_quantity_and_no_price(bench: Callable[..., Bench]) -> None:
    """100.0 and 0.1 % of slippage: 100.1, with its fee 100.5004."""
    b = bench(depth=MarketDepth.TAPE)
    b.trade("sell", "1", "100.0")
    b.order("o", "buy", "1")
    assert b.held("USDT") == "100.5004"
    assert asked(b, price="100.0") == ["a market order has no price to amend"]
    assert asked(b, quantity="2") == []
    assert b.held("USDT") == "201.0008"


def test_what_names_its_cost_is_not_changed(bench: Callable[..., Bench]) -> None:
    b = bench(depth=MarketDepth.TAPE)
    b.trade("sell", "1", "100.0")
    b.order("o", "buy", "0", MarketByCost(D(100)))
    assert asked(b, quantity="1") == ["an order that names its cost is not changed: cancel it"]


@pytest.mark.parametrize(
    ("state", "quantity", "price", "why"),
    [
        (FeedState.LIMIT_ONLY, None, "100.1", ["at this price the order would take liquidity"]),
        (FeedState.LIMIT_ONLY, None, "99.9", []),
        (FeedState.LIMIT_ONLY, "0.5", None, []),
        (FeedState.CANCEL_ONLY, "0.5", None, ["BTC/USDT only takes cancels at the moment"]),
    ],
)
def test_where_nothing_is_matched_nothing_is_changed_to_take(
    usual: Bench, state: FeedState, quantity: str | None, price: str | None, why: list[str]
) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.exchange.on_event(FeedStatus(INSTRUMENT.symbol, 50, 50, state, ""))
    assert asked(usual, quantity, price) == why


def test_an_order_that_takes_is_changed_to_take_and_takes(usual: Bench) -> None:
    usual.order("o", "buy", "0.5", "100.0")
    assert asked(usual, price="100.1") == []
    assert usual.fills("o") == ["0.5 @ 100.1 taker"]


@pytest.mark.parametrize(
    ("age_s", "quantity", "cost"),
    # 1 for the amendment, 3 for one so young, 1 from ten seconds on; what ends it costs what a cancel does: 8, and 5.
    [(0, "2", 4_000), (10, "2", 2_000), (15, "2", 1_000), (0, "0.4", 9_000), (10, "0.4", 6_000)],
)
def test_what_an_amendment_costs_of_the_rate_limit(
    bench: Callable[..., Bench], age_s: int, quantity: str, cost: int
) -> None:
    b = bench(settings=replace(NO_DELAY, account_tier=AccountTier.PRO))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=SECOND_NS)
    b.order("o", "buy", "1", "100.0")
    b.trade("sell", "5.4", "100.0", at=SECOND_NS + 1)
    b.exchange.run_through((1 + age_s) * SECOND_NS)
    b.market.rate.value, b.market.rate.at_ns = 0, b.exchange.now_ns
    assert asked(b, quantity) == []
    assert b.market.rate.value == cost


def test_at_the_limit_nothing_is_changed(bench: Callable[..., Bench]) -> None:
    b = bench(settings=replace(NO_DELAY, account_tier=AccountTier.PRO))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=SECOND_NS)
    b.order("o", "buy", "1", "100.0")
    b.market.rate.value, b.market.rate.at_ns = 180_000, b.exchange.now_ns
    assert asked(b, "2") == ["too many order commands on BTC/USDT"]
    assert b.market.rate.value == 181_000
