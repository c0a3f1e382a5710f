"""Why a person's order is not sent, before the desk even looks at it."""

from __future__ import annotations

from triplegain.domain.orders import OrderRequest, Side


def refusal(request: OrderRequest, has_begun: bool, halted: str, unfillable: str, must_be_flat: bool) -> str:
    """In words, with what to do; empty where nothing speaks against it.

    `must_be_flat`: the drawdown breaker closes whatever is bought, so nothing is; selling and cancelling go on.
    """
    if not has_begun:
        return "the market has not started yet: wait for the first prices"
    if halted:
        return f"trading is halted: {halted}"
    if must_be_flat and request.side is Side.BUY:
        return "the drawdown breaker keeps the account flat and would close it at once: `tg risk reset` comes first"
    return unfillable
