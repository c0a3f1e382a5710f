"""Reduce-only orders take a margin position off and never open one: none is larger than what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.order import WorkingOrder


class MarginPosition(msgspec.Struct, frozen=True):
    """What an account holds on margin of one pair: `side` as it was opened, `lots` above zero."""

    side: Side
    lots: int


def check_reduce_only(order: WorkingOrder, position: MarginPosition | None) -> Refusal | None:
    """`position` is the one of the order's pair; None: there is none, and nothing to reduce."""
    request = order.request
    if request.terms.settles:
        return _check_settlement(request, position)
    if not request.options.reduce_only:
        return None
    if position is not None and position.side is not request.side:
        words = "a position on margin is reduced by an order with leverage, whatever the position has"
        return Refusal(Code.REDUCE_ONLY, words) if request.leverage == 1 else None
    return Refusal(Code.REDUCE_ONLY, f"there is no margin position on {request.symbol} that this order would reduce")


def _check_settlement(request: OrderRequest, position: MarginPosition | None) -> Refusal | None:
    if request.leverage == 1:
        return Refusal(Code.INVALID_LEVERAGE, "an order that settles a position names a leverage, whatever it has")
    if position is None or position.side is request.side:
        words = f"there is no position on {request.symbol} that a {request.side} order would settle"
        return Refusal(Code.NOTHING_TO_SETTLE, words)
    return None


#: Why such an order ends when something else has taken the position off.
CLOSED = "reduce only: the position is closed"


def larger_than_left(
    orders: Iterable[WorkingOrder],
    filling: WorkingOrder,
    only_reduces: Callable[[WorkingOrder], bool],
    closing_lots: Callable[[WorkingOrder], int],
) -> Iterator[tuple[WorkingOrder, int]]:
    """Other orders of the pair that would take off more than there is after a fill of `filling`, and how much there is.

    Those that wait for their time are looked at when they start.
    """
    for order in list(orders):
        of_pair = order.request.symbol == filling.request.symbol and order is not filling
        is_there = order.is_at_exchange and not order.scheduled
        if of_pair and is_there and only_reduces(order) and order.left > (there := closing_lots(order)):
            yield order, there
