"""The time away: resting orders and stops meet the trades of a window in which nobody watched the book.

Where we stood in a queue is no longer known, so every resting order goes to its back: a trade at its price fills
nothing, a trade through it fills it at its own price, never more than was traded. A stop fills at the worse of its
trigger and the trade that reached it, plus slippage, as on a tape. New orders are refused until the book is back.
"""

from __future__ import annotations

from typing import Any

from triplegain.exchange.engine import Engine
from triplegain.exchange.matching import Matcher
from triplegain.exchange.queue import UNKNOWN_AHEAD
from triplegain.exchange.resting import RestingOrders
from triplegain.exchange.simple_fills import SimpleFills
from triplegain.exchange.stops import StopOrders

#: What the explanation of a fill names as its cause.
MISSED_TRADE = "missed_trade"


def lose_places(resting: RestingOrders, engine: Engine) -> None:
    """Nobody knows any more who stands in front."""
    for order in resting.all():
        order.ahead = order.ahead_before = UNKNOWN_AHEAD
        engine.touch(order.key)


def meet_missed_trade(
    matcher: Matcher,
    stops: StopOrders,
    simple: SimpleFills,
    engine: Engine,
    side: int,
    cause: dict[str, Any],
) -> None:
    """One trade of the time away; `side` is the side of the book it hit, `cause` has its time, price and quantity."""
    price = cause["price"]
    matcher.trade(side, price, cause["quantity"], cause["time_ns"], late=False, event=MISSED_TRADE)
    for order in stops.reached(price):
        stops.remove(order)
        order.triggered = True
        engine.trigger(order, price)
        simple.execute_now(order, {**cause, "trigger": order.price})
