"""What a market takes in each mode: the whole table.

Kraken ("What are the possible trading modes?"): online: "all order types may be submitted and order matching can
occur"; maintenance: "new orders cannot be placed and existing orders cannot be cancelled"; cancel only: "pending orders
can be cancelled but new orders cannot be placed"; post only: "only limit orders using the post only option"; limit
only: "only limit orders can be submitted, market orders will be rejected"; in all but online "no order matching will
occur".
reduce_only, work_in_progress and delisted are words of a pair; what they take is worked here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.orders import Limit, Market, OrderOptions, StopLoss
from triplegain.domain.terms import StopLossLimit
from triplegain.exchange.market_modes import MODES

S = FeedState
MODE = "EService:Market in {} mode"
UNAVAILABLE = "EService:Unavailable"
NO_POSITION = "EOrder:Reduce only:No position exists"


def refusals(state: FeedState) -> tuple[str | None, ...]:
    """Of market, limit, taking limit, post-only, stop-loss, reduce-only; None: taken."""
    if state is S.SYNCED:
        return None, None, None, None, None, NO_POSITION
    if state is S.LIMIT_ONLY:
        only = MODE.format("limit_only")
        return only, None, only, None, only, only
    if state is S.POST_ONLY:
        only = MODE.format("post_only")
        return only, only, only, None, only, only
    if state is S.REDUCE_ONLY:
        return *(MODE.format("reduce_only"),) * 5, NO_POSITION
    return ((MODE.format("cancel_only") if state is S.CANCEL_ONLY else UNAVAILABLE),) * 6


ORDERS: dict[str, tuple[Any, OrderOptions]] = {
    "market": (Market(), OrderOptions()),
    "limit": (Limit(Decimal("100.0")), OrderOptions()),
    "taking": (Limit(Decimal("100.1")), OrderOptions()),
    "post": (Limit(Decimal("100.0"), post_only=True), OrderOptions()),
    "stop": (StopLoss(Decimal("101.0")), OrderOptions()),
    "reduce": (Market(), OrderOptions(reduce_only=True)),
}


@pytest.mark.parametrize("state", list(FeedState))
def test_what_each_mode_takes(usual: Any, state: FeedState) -> None:
    usual.order("before", "buy", "1", "99.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, state))
    for name, (terms, options) in ORDERS.items():
        usual.order(name, "buy", "0.1", terms, options=options)
    for name, code in zip(ORDERS, refusals(state), strict=True):
        end = usual.ends(name)
        assert end == f"rejected: {code}" if code else not end.startswith("rejected"), name
    usual.cancel("before")
    closed = state in (S.MAINTENANCE, S.WORK_IN_PROGRESS, S.DELISTED)
    assert usual.ends("before") == ("open" if closed else "cancelled: User requested")


@pytest.mark.parametrize("state", [S.LIMIT_ONLY, S.POST_ONLY, S.REDUCE_ONLY, S.CANCEL_ONLY])
def test_nothing_is_matched_but_online(usual: Any, state: FeedState) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, state))
    usual.trade("sell", "6", "100.0", at=11)
    assert usual.fills() == []


def test_an_amendment_does_not_cross_where_nothing_is_matched(usual: Any) -> None:
    usual.order("bid", "buy", "1", "99.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, S.LIMIT_ONLY))
    usual.amend("bid", price="100.1")
    assert len(usual.refused("bid")) == 1
    usual.amend("bid", price="99.5")
    assert len(usual.refused("bid")) == 1 and usual.fills() == []


def test_every_condition_has_its_row() -> None:
    assert set(MODES) == set(FeedState)


def test_a_stop_that_has_become_a_limit_is_one_for_amendments(usual: Any) -> None:
    usual.trade("buy", "0.1", "100.1")
    usual.order("stop", "buy", "1", StopLossLimit(Decimal("100.1"), Decimal("99.0")))
    usual.order("asleep", "buy", "1", StopLossLimit(Decimal("110.0"), Decimal("111.0")))
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, S.LIMIT_ONLY))
    usual.amend("stop", price="99.5")
    usual.amend("asleep", price="112.0")
    assert (usual.refused("stop"), usual.refused("asleep")) == ([], [MODE.format("limit_only")])
