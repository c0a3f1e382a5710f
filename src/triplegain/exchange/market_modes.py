"""What a market takes in each condition of it: one table, asked by admission.

The modes are Kraken's (its page "What are the possible trading modes"): in all but `online` nothing is matched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from triplegain.domain.market import FeedState
from triplegain.domain.refusals import Code
from triplegain.exchange.order import Role, WorkingOrder


def _anything(order: WorkingOrder) -> bool:
    return True


def _nothing(order: WorkingOrder) -> bool:
    return False


def _limit_orders(order: WorkingOrder) -> bool:
    return order.role is Role.LIMIT


def _post_only(order: WorkingOrder) -> bool:
    return order.post_only


def _reduce_only(order: WorkingOrder) -> bool:
    return order.request.options.reduce_only


@dataclass(frozen=True, slots=True)
class MarketMode:
    """`takes`: new orders and amendments; the others are refused with `code`. `only` says in words what is taken; empty
    where the condition of the market is all there is to say. `cancels`: whether orders can be taken back."""

    takes: Callable[[WorkingOrder], bool] = _nothing
    code: Code = Code.UNAVAILABLE
    only: str = ""
    matches: bool = False
    cancels: bool = True


_CLOSED = MarketMode(cancels=False)
#: It goes on at the exchange, and we cannot see it.
_UNSEEN = MarketMode()

MODES: Mapping[FeedState, MarketMode] = {
    FeedState.SYNCED: MarketMode(_anything, matches=True),
    FeedState.LIMIT_ONLY: MarketMode(_limit_orders, Code.LIMIT_ONLY_MODE, "limit orders that do not take"),
    FeedState.POST_ONLY: MarketMode(_post_only, Code.POST_ONLY_MODE, "post-only orders"),
    FeedState.REDUCE_ONLY: MarketMode(_reduce_only, Code.REDUCE_ONLY_MODE, "orders that reduce a margin position"),
    FeedState.CANCEL_ONLY: MarketMode(_nothing, Code.CANCEL_ONLY_MODE, "cancels"),
    FeedState.MAINTENANCE: _CLOSED,
    FeedState.WORK_IN_PROGRESS: _CLOSED,
    FeedState.DELISTED: _CLOSED,
    FeedState.GAP: _UNSEEN,
    FeedState.CHECKSUM_MISMATCH: _UNSEEN,
    FeedState.CROSSED: _UNSEEN,
    FeedState.STALE: _UNSEEN,
    FeedState.CATCH_UP: _UNSEEN,
    FeedState.MISSED: _UNSEEN,
    FeedState.STEPS_CHANGED: _UNSEEN,
}
