"""Something a person should know about a position or its orders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AlertKind(StrEnum):
    STOP_REJECTED = "stop_rejected"
    STOP_NOT_GROWN = "stop_not_grown"
    STOP_NOT_AMENDED = "stop_not_amended"
    STOP_AT_MARKET = "stop_at_market"
    STOP_LOST = "stop_lost"
    PROTECTION_LATE = "protection_late"
    EXIT_INCOMPLETE = "exit_incomplete"
    EXIT_REJECTED = "exit_rejected"
    NOT_REDUCED = "not_reduced"
    CLOSED_WHOLE = "closed_whole"
    OVERDUE = "overdue"
    ORDERS_IN_DOUBT = "orders_in_doubt"
    HODL_WAITING = "hodl_waiting"
    HODL_FAILED = "hodl_failed"
    HODL_SLIPPAGE = "hodl_slippage"


@dataclass(frozen=True, slots=True)
class Alert:
    """`message` says what happened and what the desk does about it. Time is market time.

    `position_id` is empty where it is about more than one.
    """

    time_ns: int
    kind: AlertKind
    position_id: str
    symbol: str
    message: str
