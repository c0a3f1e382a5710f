"""Nobody trades with himself: the three modes, orders that fill in part before, and several of our own in the way.

Kraken ("Self trading prevention"): "In the case that an order can be partially filled from the order book, the
remaining volume that would result in a self match would be canceled." The cases are worked here, on the book of
`usual`: bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10. Our own asks come behind what is displayed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.orders import Limit, SelfTradePrevention, TimeInForce

NEWEST, OLDEST, BOTH = SelfTradePrevention
GONE, OPEN = "cancelled: self-trade prevention", "open"
NOTHING_LEFT = "cancelled: no more visible liquidity"


@pytest.mark.parametrize(
    ("own", "quantity", "mode", "fills", "incoming", "left"),
    [
        # 1.0 of others is in front of our 2.0 at 100.1
        ([("2", "100.1")], "3", NEWEST, ["1 @ 100.1 taker"], GONE, [OPEN]),
        ([("2", "100.1")], "3", OLDEST, ["1 @ 100.1 taker", "2 @ 100.2 taker"], "filled", [GONE]),
        ([("2", "100.1")], "3", BOTH, ["1 @ 100.1 taker"], GONE, [GONE]),
        # others are enough: ours is not met
        ([("2", "100.1")], "1", NEWEST, ["1 @ 100.1 taker"], "filled", [OPEN]),
        ([("2", "100.1")], "1", BOTH, ["1 @ 100.1 taker"], "filled", [OPEN]),
        # one at each price: the first that is met decides, and the oldest go one by one
        ([("1", "100.1"), ("1", "100.2")], "12", NEWEST, ["1 @ 100.1 taker"], GONE, [OPEN, OPEN]),
        (
            [("1", "100.1"), ("1", "100.2")], "12", OLDEST, ["1 @ 100.1 taker", "10 @ 100.2 taker"], NOTHING_LEFT,
            [GONE, GONE],
        ),
        ([("1", "100.1"), ("1", "100.2")], "12", BOTH, ["1 @ 100.1 taker"], GONE, [GONE, OPEN]),
        # two at one price
        ([("1", "100.1"), ("1", "100.1")], "2", OLDEST, ["1 @ 100.1 taker", "1 @ 100.2 taker"], "filled", [GONE, GONE]),
        ([("1", "100.1"), ("1", "100.1")], "2", BOTH, ["1 @ 100.1 taker"], GONE, [GONE, OPEN]),
    ],
)  # fmt: skip
def test_a_purchase_meets_our_own_asks(
    usual: Any,
    own: list[tuple[str, str]],
    quantity: str,
    mode: SelfTradePrevention,
    fills: list[str],
    incoming: str,
    left: list[str],
) -> None:
    for number, (size, price) in enumerate(own):
        usual.order(f"own-{number}", "sell", size, price)
    usual.order("in", "buy", quantity, None, self_trade=mode)
    assert usual.fills() == fills
    assert (usual.ends("in"), [usual.ends(f"own-{number}") for number in range(len(own))]) == (incoming, left)
    assert usual.held("USDT") == "0"


def test_a_limit_that_does_not_reach_ours_leaves_it_alone(usual: Any) -> None:
    usual.order("own", "sell", "1", "100.2")
    usual.order("in", "buy", "2", "100.1")
    assert usual.fills() == ["1 @ 100.1 taker"]
    assert (usual.ends("in"), usual.ends("own")) == (OPEN, OPEN)


def test_what_we_took_of_the_level_before_is_not_in_front_of_ours(usual: Any) -> None:
    usual.order("before", "buy", "0.4", None)
    usual.order("own", "sell", "1", "100.1")  # 1.0 is displayed, 0.6 of it is there
    usual.order("in", "buy", "1", None)
    assert usual.fills() == ["0.4 @ 100.1 taker", "0.6 @ 100.1 taker"]
    assert (usual.ends("in"), usual.ends("own")) == (GONE, OPEN)


def test_immediate_or_cancel_says_what_ended_it(usual: Any) -> None:
    usual.order("own", "sell", "1", "100.1")
    usual.order("in", "buy", "2", "100.1", time_in_force=TimeInForce.IOC)
    assert (usual.fills(), usual.ends("in")) == (["1 @ 100.1 taker"], GONE)


def test_post_only_against_our_own_is_refused_before_anything_is_prevented(usual: Any) -> None:
    usual.book(asks="100.1x0")
    usual.order("own", "sell", "1", "100.1")
    usual.order("in", "buy", "1", Limit(Decimal("100.1"), post_only=True), self_trade=OLDEST)
    assert (usual.ends("in"), usual.ends("own")) == ("rejected: EOrder:Post only order", OPEN)
