"""Reduce-only orders take a margin position off and never open one."""

from __future__ import annotations

import msgspec

from triplegain.domain.orders import Side
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.order import WorkingOrder


class MarginPosition(msgspec.Struct, frozen=True):
    """What an account holds on margin of one pair: `side` as it was opened, `lots` above zero."""

    side: Side
    lots: int


def check_reduce_only(order: WorkingOrder, position: MarginPosition | None) -> Refusal | None:
    """`position` is the one of the order's pair; None: there is none, and nothing to reduce."""
    request = order.request
    if not request.options.reduce_only or (position is not None and position.side is not request.side):
        return None
    return Refusal(Code.REDUCE_ONLY, f"there is no margin position on {request.symbol} that this order would reduce")
