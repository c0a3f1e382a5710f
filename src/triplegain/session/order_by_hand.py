"""Why a person's order is not sent, before the desk even looks at it."""

from __future__ import annotations

from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import EXPIRY_NS_MAX


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
    if expires_ns is not None and expires_ns > now_ns + EXPIRY_NS_MAX:
        return Refusal(Code.INVALID_EXPIRY, "an order rests for a month at most")
    if must_be_flat and request.side is Side.BUY:
        words = "the drawdown breaker keeps the account flat and would close it at once: `tg risk reset` comes first"
        return Refusal(Code.REFUSED, words)
    return Refusal(Code.REFUSED, unfillable) if unfillable else None
