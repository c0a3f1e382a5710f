"""Kraken's words for no. The code is Kraken's own; the reason tells a person what was wrong with this order."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_PAIR = "EQuery:Unknown asset pair"
INVALID_ARGUMENTS = "EGeneral:Invalid arguments"
TICK_SIZE = "EOrder:Tick size check failed"
ORDER_MINIMUM = "EOrder:Order minimum not met"
COST_MINIMUM = "EOrder:Cost minimum not met"
INSUFFICIENT_FUNDS = "EOrder:Insufficient funds"
MARGIN_ALLOWANCE = "EOrder:Margin allowance exceeded"
POST_ONLY = "EOrder:Post only order"
ORDERS_LIMIT = "EOrder:Orders limit exceeded"
RATE_LIMIT = "EOrder:Rate limit exceeded"
UNKNOWN_ORDER = "EOrder:Unknown order"
UNAVAILABLE = "EService:Unavailable"
CANCEL_ONLY_MODE = "EService:Market in cancel_only mode"
POST_ONLY_MODE = "EService:Market in post_only mode"


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    reason: str
