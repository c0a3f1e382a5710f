"""Fills where no book is known: from the public tape, or from candles. Every fill is labelled with its model.

Always against the trader: market orders pay the slippage, rounded to the tick away from us; a limit needs a trade
*through* its price, since the queue is unknown; a candle gives at most a share of its volume.
"""

from __future__ import annotations

from typing import Any, assert_never

from triplegain.domain.clock import Moment
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.market import Candle
from triplegain.domain.orders import Limit, Market, OrderStatus, StopLoss, TimeInForce
from triplegain.exchange.engine import Engine
from triplegain.exchange.matching import Matcher
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue import UNKNOWN_AHEAD
from triplegain.exchange.resting import RestingOrders, StopOrders
from triplegain.exchange.settings import ExchangeSettings

UNAFFORDABLE = "the funds do not cover the price at which it would fill"
IMMEDIATE_REST = "immediate or cancel: the rest could not be filled at once"


class SimpleFills:
    """Orders of one instrument that wait for the next trade or candle. Deterministic, in order of order numbers."""

    def __init__(self, engine: Engine, settings: ExchangeSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._orders: dict[int, WorkingOrder] = {}

    def add(self, order: WorkingOrder) -> None:
        self._orders[order.number] = order

    def remove(self, order: WorkingOrder) -> None:
        self._orders.pop(order.number, None)

    def slipped(self, side: int, price: int) -> int:
        """`price` moved against the trader by the slippage, rounded to the tick against the trader."""
        ppm = self._settings.slippage_ppm
        if side == 0:
            return -(-price * (RATE_UNIT + ppm) // RATE_UNIT)
        return max(price * (RATE_UNIT - ppm) // RATE_UNIT, 1)

    # -- tape ----------------------------------------------------------------------------------------------------

    def on_trade(self, moment: Moment, price: int, lots: int) -> None:
        """The next trade of the tape: market orders fill at it plus slippage, limits if it went through them. To orders
        that did not stand yet at its moment it is not the next one."""
        cause = {"event": "trade", "time_ns": moment, "price": price, "quantity": lots}
        remaining = lots
        for order in [each for each in self._orders.values() if each.stands_ns <= moment]:
            before = order.left
            terms = order.request.terms
            match terms:
                case Limit():
                    self._meet_limit(order, price, price, remaining, "tape", cause)
                case Market() | StopLoss():
                    bound = self._bound(order, remaining)
                    self._fill_taker(order, self.slipped(order.side, price), bound, "tape", cause)
                case _:
                    assert_never(terms)
            remaining = max(remaining - (before - order.left), 0)

    def execute_now(self, order: WorkingOrder, cause: dict[str, Any]) -> None:
        """A stop triggered by a trade: the worse of trigger and trade, plus slippage."""
        last, trigger = int(cause["price"]), order.price
        worst = max(last, trigger) if order.side == 0 else min(last, trigger)
        self._fill_taker(order, self.slipped(order.side, worst), order.left, "tape_stop", cause)
        if order.left and not order.status.is_final:
            self._engine.finish(order, OrderStatus.CANCELLED, UNAFFORDABLE)

    # -- candles -------------------------------------------------------------------------------------------------

    def on_candle(self, candle: Candle) -> None:
        """A finished candle: stops before everything else, then by order number, all sharing its volume."""
        budget = candle.volume * self._settings.candle_volume_pct // 100
        cause = {
            "event": "candle",
            "time_ns": candle.close_time_ns,
            "open_time_ns": candle.open_time_ns,
            "price": candle.open,
            "quantity": candle.volume,
        }
        for order in sorted(
            self._orders.values(), key=lambda waiting: (waiting.request.terms.trigger is None, waiting.number)
        ):
            before = order.left
            self._meet_candle(order, candle, budget, cause)
            budget -= before - order.left

    def _meet_candle(self, order: WorkingOrder, candle: Candle, budget: int, cause: dict[str, Any]) -> None:
        begun = candle.open_time_ns >= order.sent_ns and candle.volume > 0
        terms = order.request.terms
        match terms:
            case StopLoss() if not order.triggered:
                self._meet_stop(order, candle, budget, cause)
            case Limit():
                if begun:
                    extreme = candle.low if order.side == 0 else candle.high
                    self._meet_limit(order, candle.open, extreme, budget, "candle", cause)
            case Market() | StopLoss():
                if begun:
                    price = self.slipped(order.side, candle.open)
                    self._fill_taker(order, price, self._bound(order, budget), "candle", cause, budget)
            case _:
                assert_never(terms)

    def _meet_stop(self, order: WorkingOrder, candle: Candle, budget: int, cause: dict[str, Any]) -> None:
        reached = candle.high >= order.price if order.side == 0 else candle.low <= order.price
        if not reached:
            return
        order.triggered = True
        worst = max(order.price, candle.open) if order.side == 0 else min(order.price, candle.open)
        self._engine.trigger(order, worst)
        self._fill_taker(
            order, self.slipped(order.side, worst), self._bound(order, budget), "candle_stop", cause, budget
        )

    # -- both ----------------------------------------------------------------------------------------------------

    def _bound(self, order: WorkingOrder, lots: int) -> int:
        return min(order.left, lots) if self._settings.partial_fills else order.left

    def _meet_limit(
        self, order: WorkingOrder, first: int, extreme: int, lots: int, model: str, cause: dict[str, Any]
    ) -> None:
        """Marketable at its first price, slippage included: a taker there. Else it waits for a trade through."""
        if order.fresh:
            order.fresh = False
            self._engine.touch(order.key)
            price = self.slipped(order.side, first)
            if price <= order.price if order.side == 0 else price >= order.price:
                before = order.left
                bound = self._bound(order, lots)
                self._fill_taker(order, price, bound, model, cause, lots if model == "candle" else None)
                if order.status.is_final:
                    return
                lots -= before - order.left
            if order.request.time_in_force is TimeInForce.IOC:
                self.remove(order)
                self._engine.finish(order, OrderStatus.CANCELLED, IMMEDIATE_REST)
                return
        through = extreme < order.price if order.side == 0 else extreme > order.price
        size = min(order.left, lots)
        if not through or not size or (size < order.left and not self._settings.partial_fills):
            return
        self._engine.fill(order, order.price, size, True, f"{model}_through", cause)
        if not order.left:
            self.remove(order)

    def _fill_taker(
        self,
        order: WorkingOrder,
        price: int,
        lots: int,
        model: str,
        cause: dict[str, Any],
        budget: int | None = None,
    ) -> None:
        """`budget` bounds what is there; without partial fills an order larger than that waits."""
        if budget is not None and lots > budget:
            return
        if order.side == 0:
            affordable = self._engine.affordable(order, price, lots)
            if affordable < lots and (not affordable or not self._settings.partial_fills):
                self.remove(order)
                self._engine.finish(order, OrderStatus.CANCELLED, UNAFFORDABLE)
                return
            lots = affordable
        if lots <= 0:
            return
        self._engine.fill(order, price, lots, False, model, cause)
        if not order.left:
            self.remove(order)


#: What the explanation of a fill names as its cause.
MISSED_TRADE = "missed_trade"


def lose_places(resting: RestingOrders, engine: Engine) -> None:
    """Nobody knows any more who stands in front."""
    for order in resting.all():
        order.ahead = order.ahead_before = UNKNOWN_AHEAD
        engine.touch(order.key)


def meet_missed_trade(matcher: Matcher, side: int, moment: Moment, cause: dict[str, Any]) -> None:
    """A trade that no book goes with; `side` is the side of the book it hit, `cause` has its time, price and quantity.

    Nobody knows the queues: a trade at the price of a resting order fills nothing, one through it fills it at its own
    price, never more than was traded.
    """
    matcher.trade_through(side, cause["price"], cause["quantity"], moment, cause)


def meet_missed_stops(
    stops: StopOrders, simple: SimpleFills, engine: Engine, moment: Moment, cause: dict[str, Any]
) -> None:
    """The same trade, of a time for which no book will ever be known: stops fill as on a tape."""
    price = cause["price"]
    for order in list(dict.fromkeys([*stops.passed(), *stops.reached(price, moment)])):
        stops.remove(order)
        order.triggered = True
        engine.trigger(order, price)
        simple.execute_now(order, {**cause, "trigger": order.price})
