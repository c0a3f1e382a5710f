"""What is left of the rate limit, with what is under way, and what of it is kept for ways out.

A starter's counter goes to 60 and decays by 1 a second; figures are thousandths. A way out is a young stop taken back
(8) and an order that sells (1): 9 a position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import SYMBOL

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import MarketDepth
from triplegain.domain.orders import AmendRequest, OrderOptions
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings

MILLI_NS = SECOND_NS // 1000
#: When the order `old` was placed; the counter stands at 0 again since long.
PLACED_NS, NOW_NS = 1000 * SECOND_NS, 1400 * SECOND_NS


@pytest.fixture
def starter(bench: Callable[..., Any]) -> Any:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, cancel_delay_ns=0, account_tier=AccountTier.STARTER))
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True, at=PLACED_NS)
    b.order("old", "buy", "1", "90.0")
    b.book(bids="100.0x6", at=NOW_NS)
    return b


def stand_at(b: Any, value: int) -> None:
    b.market.rate.value, b.market.rate.at_ns = value, b.exchange.now_ns


@pytest.mark.parametrize(
    ("positions", "highest"),
    # 60 less 9 for the position that is still to come, and 9 for each that is there; half of 60 at the most.
    [(0, 50_999), (1, 41_999), (2, 32_999), (3, 29_999), (50, 29_999)],
)
def test_room_is_kept_for_the_ways_out(starter: Any, positions: int, highest: int) -> None:
    stand_at(starter, highest)
    assert starter.exchange.budget.may_place(SYMBOL, positions, NOW_NS)
    stand_at(starter, highest + 1)
    assert not starter.exchange.budget.may_place(SYMBOL, positions, NOW_NS)
    assert starter.exchange.budget.may_place(SYMBOL, positions, NOW_NS + MILLI_NS)  # a thousandth has decayed


@pytest.mark.parametrize(
    ("age_s", "value", "wait_ns"),
    [
        # 299 s old it costs 1 to take back; it and its successor fit in while the counter stands under 59.
        (299, 58_999, 0),
        (299, 59_000, MILLI_NS),
        (299, 60_000, 1001 * MILLI_NS),
        (299, 62_500, 3501 * MILLI_NS),
        # 4 s: 8.
        (4, 51_999, 0),
        (4, 52_000, MILLI_NS),
        # From 300 s on nothing: the successor alone.
        (300, 59_999, 0),
        (300, 60_000, MILLI_NS),
    ],
)
def test_when_an_order_can_be_replaced(starter: Any, age_s: int, value: int, wait_ns: int) -> None:
    now_ns = starter.exchange.orders["old"].touched_ns + age_s * SECOND_NS
    starter.market.rate.value, starter.market.rate.at_ns = value, now_ns
    expected = now_ns + wait_ns if wait_ns else 0
    assert starter.exchange.budget.replaceable_at_ns("old", now_ns) == expected


def test_what_is_not_open_and_what_is_not_counted_waits_for_nothing(starter: Any, usual: Any) -> None:
    stand_at(starter, 60_000)
    assert starter.exchange.budget.replaceable_at_ns("ghost", NOW_NS) == 0
    usual.order("old", "buy", "1", "90.0")
    assert usual.exchange.budget.replaceable_at_ns("old", usual.now) == 0
    assert usual.exchange.budget.may_place(SYMBOL, 1000, usual.now)


def is_reckoned(b: Any, symbol: str, cost: int) -> bool:
    """Whether commands that have not arrived count for this much, to the thousandth: so much less of the 51 is left."""
    rate, may_place = b.exchange.markets[symbol].rate, b.exchange.budget.may_place
    rate.value, rate.at_ns = 50_999 - cost, b.exchange.now_ns
    fits = may_place(symbol, 0, b.exchange.now_ns)
    rate.value += 1
    return fits and not may_place(symbol, 0, b.exchange.now_ns)


def edit(b: Any, old: str) -> None:
    b.exchange.place(b.request("new", "buy", "1", "91.0", options=OrderOptions(replaces=old)))


Send = Callable[[Any], object]


@pytest.mark.parametrize(
    ("age_s", "send", "cost"),
    [
        (0, lambda b: None, 0),
        (0, lambda b: b.exchange.place(b.request("new", "buy", "1", "91.0")), 1000),
        # Taken back at 2 s: 8, and what takes its place: 1.
        (2, lambda b: b.exchange.cancel("old"), 9000),
        (20, lambda b: b.exchange.cancel("old"), 5000),
        (300, lambda b: b.exchange.cancel("old"), 1000),
        # Amended at 2 s: 1 + 3. Edited at 2 s: 1 + 6; at 20 s 1 + 2.
        (2, lambda b: b.exchange.amend(AmendRequest("old", Decimal(2), None)), 4000),
        (12, lambda b: b.exchange.amend(AmendRequest("old", Decimal(2), None)), 2000),
        (2, lambda b: edit(b, "old"), 7000),
        (20, lambda b: edit(b, "old"), 3000),
        (20, lambda b: edit(b, "ghost"), 1000),
        # Three together: half of 3.
        (2, lambda b: b.exchange.place_batch([b.request(f"new{n}", "buy", "1", "91.0") for n in range(3)]), 1500),
        # Nobody knows of which pair what is not there would be. The switch is of no pair.
        (2, lambda b: b.exchange.cancel("ghost"), 0),
        (2, lambda b: b.exchange.cancel_all_after(60), 0),
    ],
)
def test_what_is_under_way_counts_already(bench: Callable[..., Any], age_s: int, send: Send, cost: int) -> None:
    late = ExchangeSettings(
        place_delay_ns=SECOND_NS // 4, cancel_delay_ns=SECOND_NS // 4, account_tier=AccountTier.STARTER
    )
    b = bench(settings=late)
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True, at=PLACED_NS)
    b.order("old", "buy", "1", "90.0")
    b.book(bids="100.0x6", at=PLACED_NS + SECOND_NS // 4)
    b.book(bids="100.0x7", at=b.exchange.orders["old"].touched_ns + age_s * SECOND_NS)
    send(b)
    assert is_reckoned(b, SYMBOL, cost)


def test_another_pair_has_a_counter_of_its_own(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=SECOND_NS, account_tier=AccountTier.STARTER))
    other = replace(b.instrument, symbol="XRP/USDT")
    b.exchange = PaperExchange(
        "two", public_markets(dict.fromkeys((b.instrument, other), MarketDepth.BOOK)), b.wallet, b.settings
    )
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True, at=PLACED_NS)
    b.exchange.place(b.request("new", "buy", "1", "91.0"))
    assert (is_reckoned(b, SYMBOL, 1000), is_reckoned(b, "XRP/USDT", 0)) == (True, True)
