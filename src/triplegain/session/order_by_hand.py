"""Why a person's order is not sent, before the desk even looks at it."""

from __future__ import annotations

from collections.abc import Sequence

from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import EXPIRY_NS_MAX, EXPIRY_NS_MIN

#: How many orders Kraken takes in one message, to be placed and to be cancelled.
BATCH_PLACED_MAX, BATCH_CANCELLED_MAX = 15, 50


def refusal(
    request: OrderRequest, now_ns: int, has_begun: bool, halted: str, unfillable: str, must_be_flat: bool
) -> Refusal | None:
    """With what to do; None where nothing speaks against it.

    `must_be_flat`: the drawdown breaker closes whatever is bought, so nothing is; selling and cancelling go on.
    """
    if not has_begun:
        return Refusal(Code.NOT_READY, "the market has not started yet: wait for the first prices")
    if halted:
        return Refusal(Code.HALTED, f"trading is halted: {halted}")
    expires_ns = request.expires_at_ns
    if expires_ns is not None and expires_ns <= now_ns:
        return Refusal(Code.INVALID_EXPIRY, "the order would have expired before it is sent")
    if expires_ns is not None and expires_ns < now_ns + EXPIRY_NS_MIN:
        return Refusal(Code.INVALID_EXPIRY, "an order rests for five seconds at least")
    if expires_ns is not None and expires_ns > now_ns + EXPIRY_NS_MAX:
        return Refusal(Code.INVALID_EXPIRY, "an order rests for a month at most")
    if (request.options.starts_at_ns or 0) > now_ns + EXPIRY_NS_MAX:
        return Refusal(Code.INVALID_START, "an order starts within a month")
    opens = request.side is Side.BUY or request.leverage > 1
    if must_be_flat and opens and not request.only_reduces:
        words = "the drawdown breaker keeps the account flat and would close it at once: `tg risk reset` comes first"
        return Refusal(Code.REFUSED, words)
    return Refusal(Code.REFUSED, unfillable) if unfillable else None


def check_batch(requests: Sequence[OrderRequest]) -> Refusal | None:
    """Orders that are sent together are 2 to 15, all of one pair."""
    if not 2 <= len(requests) <= BATCH_PLACED_MAX:
        return Refusal(Code.INVALID_BATCH, f"a batch has 2 to {BATCH_PLACED_MAX} orders, not {len(requests)}")
    if len({request.symbol for request in requests}) > 1:
        return Refusal(Code.INVALID_BATCH, "the orders of a batch are all of one pair")
    if len({request.client_order_id for request in requests}) < len(requests):
        return Refusal(Code.INVALID_BATCH, "each order of a batch needs a client order id of its own")
    return None


def check_batch_cancel(names: Sequence[str]) -> Refusal | None:
    """Orders that are cancelled together are 2 to 50."""
    if 2 <= len(names) <= BATCH_CANCELLED_MAX:
        return None
    return Refusal(Code.INVALID_BATCH, f"2 to {BATCH_CANCELLED_MAX} orders are cancelled together, not {len(names)}")
