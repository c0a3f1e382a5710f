"""The orders that take a position off: stops, and the way out."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.ids import Origin
from triplegain.domain.orders import Market, OrderOptions, OrderRequest, SelfTradePrevention, StopLoss
from triplegain.domain.records import CloseReason
from triplegain.execution.protection.protection import Protection


def leaving_order(
    protection: Protection, name: str, quantity: Decimal, terms: Market | StopLoss, reason: CloseReason
) -> OrderRequest:
    """On the other side than the position; on margin it never opens one."""
    lent = protection.leverage > 1
    return OrderRequest(
        name,
        protection.symbol,
        protection.side.opposite,
        quantity,
        terms,
        leverage=protection.leverage,
        # What we have resting is never in the way of buying back what is owed.
        self_trade=SelfTradePrevention.CANCEL_OLDEST if lent else SelfTradePrevention.CANCEL_NEWEST,
        position_id=protection.position_id,
        purpose=reason.value,
        origin=Origin.PROTECTION,
        options=OrderOptions(reduce_only=lent),
    )
