"""Fills where no book is known: from the public tape, or from candles. Every fill is labelled with its model.

Always against the trader: market orders pay the slippage, rounded to the tick away from us; a limit needs a trade
*through* its price, since the queue is unknown; a candle gives at most a share of its volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, assert_never

from msgspec.structs import replace

from triplegain.domain.clock import Moment
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.market import Candle
from triplegain.domain.orders import OrderStatus, TimeInForce
from triplegain.domain.queue_path import QueueChange
from triplegain.exchange.book import is_better, reaches
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.engine import Engine
from triplegain.exchange.matching import Matcher
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.prices import follow
from triplegain.exchange.public_market import PublicMarket
from triplegain.exchange.queue import UNKNOWN_AHEAD, is_unknown
from triplegain.exchange.resting import RestingOrders, TriggerOrders, is_reached
from triplegain.exchange.settings import ExchangeSettings

UNAFFORDABLE = "the funds do not cover the price at which it would fill"
IMMEDIATE_REST = "immediate or cancel: the rest could not be filled at once"
KILLED = "fill or kill: it could not be filled whole at once"
TOO_LITTLE_LEFT = "what is left of its cost buys less than a lot"


class SimpleFills:
    """Orders of one instrument that wait for the next trade or candle. Deterministic, in order of order numbers."""

    def __init__(
        self, engine: Engine, settings: ExchangeSettings, public: PublicMarket, changed: Callable[[], None]
    ) -> None:
        """`changed` is told when an order has come or gone."""
        self._engine = engine
        self._settings = settings
        self._public = public
        self._changed = changed
        self._orders: dict[int, WorkingOrder] = {}
        #: The last candle with what this account has had of it; None as long as that is nothing.
        self.own: ToldCandle | None = None

    def add(self, order: WorkingOrder) -> None:
        self._orders[order.number] = order
        self._changed()

    def remove(self, order: WorkingOrder) -> None:
        if self._orders.pop(order.number, None) is not None:
            self._changed()

    def all(self) -> Iterable[WorkingOrder]:
        return self._orders.values()

    def __bool__(self) -> bool:
        """Whether any order waits here."""
        return bool(self._orders)

    @property
    def told(self) -> ToldCandle | None:
        """The last candle; None before the first, and where there are none."""
        public, own = self._public.candle, self.own
        if public is None or (own is not None and own.open_time_ns == public.open_time_ns):
            return own
        return replace(public, left=public.volume * self._settings.candle_volume_pct // 100)

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
            if not order.left and not order.cost:
                continue
            before, role = order.filled, order.role
            match role:
                case Role.LIMIT:
                    self._meet_limit(order, price, price, remaining, "tape", cause)
                case Role.MARKET:
                    self._meet_market(order, price, remaining, "tape", cause)
                case Role.TRIGGER:
                    pass
                case _:
                    assert_never(role)
            remaining = max(remaining - (order.filled - before), 0)

    def execute_now(self, order: WorkingOrder, cause: dict[str, Any]) -> bool:
        """A trade has triggered the order: the worse of trigger and trade, plus slippage, and all of it; a limit takes
        that if it is within it. Whether it is to wait now."""
        worst = _worse(order.side, int(cause["price"]), order.fired)
        self._meet_at_trigger(order, worst, order.left, "tape_stop", cause)
        if not order.status.is_final and order.role is Role.MARKET:
            self._engine.finish(order, OrderStatus.CANCELLED, UNAFFORDABLE)
        return not order.status.is_final

    # -- candles -------------------------------------------------------------------------------------------------

    def on_candle(self, candle: Candle, is_matched: bool) -> None:
        """A finished candle: stops before everything else, then what the exchange itself has to sell, then by order
        number, all sharing its volume."""
        told = ToldCandle.of(candle, candle.volume * self._settings.candle_volume_pct // 100)
        self.own = told
        if not is_matched:
            return
        waiting = sorted(self._orders.values(), key=lambda each: each.number)
        stops = [each for each in waiting if _is_stop(each)]
        others = [each for each in waiting if not _is_stop(each)]
        self._meet_told(stops)
        self._engine.stops_met(candle.symbol, self.own)
        self._meet_told(others)

    def _meet_told(self, orders: list[WorkingOrder]) -> None:
        for order in orders:
            told = self.own
            if told is None or order.number not in self._orders or not (order.left or order.cost):
                continue
            before = order.filled
            self._meet_candle(order, told, int(told.left), told.cause)
            if lots := order.filled - before:
                self.own = told.dealt(order, lots)

    @property
    def guarded(self) -> ToldCandle | None:
        """The last candle, where it has filled something: what else is known of it the feed tells again."""
        told = self.told
        return told if told is not None and (told.bought or told.sold) else None

    def guard_fill(self, order: WorkingOrder) -> None:
        """An order has arrived. The stop that is sent, or opened by the exchange, because the last candle has bought
        or sold something meets what followed in that candle, so that no part of it goes unguarded."""
        told, follows = self.told, (order.request.position_id, order.request.options.closes)
        if told is None or order.role is not Role.TRIGGER:
            return
        if not any(name in (told.sold if order.side == 0 else told.bought) for name in follows):
            return
        if told.answers(order.sent_ns) and not order.peak:
            before = order.filled
            self._meet_trigger(order, told, int(told.left), told.cause, False)
            self.own = replace(told, left=told.left - (order.filled - before))

    def liquidate(self, order: WorkingOrder, price: int) -> None:
        """The exchange sells a position in the candle that was told last, at the price at which its level fell too low:
        slippage, and what is left of the volume, as for a stop. What that does not take waits for the next open."""
        told = self.told
        # It is decided there, inside the candle.
        order.quote_at_decision = order.quote_at_arrival = (price, price)
        if told is not None:
            before = order.filled
            self._meet_market(order, price, int(told.left), "candle_liquidation", told.cause, int(told.left))
            self.own = replace(told, left=told.left - (order.filled - before))
        if not order.status.is_final:
            self.add(order)

    def arrives_ns(self, now_ns: int, delay_ns: int, changed: WorkingOrder | None) -> int:
        """When a command that is sent now is carried out; `changed` is the order that it would cancel or amend."""
        told = self.told
        arrives_ns = now_ns + (delay_ns if told is None else told.delay_ns(delay_ns))
        if changed is None:
            return arrives_ns
        arrives_ns = max(arrives_ns, changed.arrived_ns)
        return arrives_ns if told is None else told.changes_ns(changed, arrives_ns)

    def _meet_candle(self, order: WorkingOrder, candle: ToldCandle, budget: int, cause: dict[str, Any]) -> None:
        begun, role = candle.can_fill(order), order.role
        match role:
            case Role.TRIGGER:
                # One that is sent at the close comes after the candle.
                if order.arrived_ns < candle.close_time_ns:
                    self._meet_trigger(order, candle, budget, cause, begun)
            case Role.LIMIT:
                if begun:
                    extreme = candle.low if order.side == 0 else candle.high
                    self._meet_limit(order, candle.open, extreme, budget, "candle", cause)
            case Role.MARKET:
                if begun:
                    # What a candle had no volume for is never dealt better than where its trigger was reached.
                    price = _worse(order.side, candle.open, order.fired) if order.triggered else candle.open
                    self._meet_market(order, price, budget, "candle", cause, budget)
            case _:
                assert_never(role)

    def _meet_trigger(
        self, order: WorkingOrder, candle: ToldCandle, budget: int, cause: dict[str, Any], begun: bool
    ) -> None:
        """Reached by the candle's extreme: at the trigger, or at the open that lies beyond it if that is worse.

        Of a candle that had begun before the order was sent, what went against the trader counts, and only that.
        """
        extreme, trigger = candle.high if order.rising else candle.low, order.price
        if is_reached(order, extreme) and (begun or not order.request.terms.favourable):
            opened = candle.open if is_reached(order, candle.open) else trigger
            self._fire(order, _worse(order.side, trigger, opened), budget, cause)
        elif order.peak:
            self._trail(order, candle, budget, cause, begun)

    def _trail(self, order: WorkingOrder, candle: ToldCandle, budget: int, cause: dict[str, Any], begun: bool) -> None:
        """The trigger has held; it follows the best price of the candle, and the close may have come back to it."""
        best = candle.low if order.side == 0 else candle.high
        for price in (best, candle.close) if begun else (candle.close,):
            if follow(order, price):
                self._engine.touch(order.key)
        if is_reached(order, candle.close):
            self._fire(order, _worse(order.side, order.price, candle.close), budget, cause)

    def _fire(self, order: WorkingOrder, price: int, budget: int, cause: dict[str, Any]) -> None:
        self._engine.trigger(order, price)
        self._meet_at_trigger(order, price, budget, "candle_stop", cause, budget)

    # -- both ----------------------------------------------------------------------------------------------------

    def _bound(self, order: WorkingOrder, lots: int) -> int:
        return min(order.left, lots) if self._settings.partial_fills else order.left

    def _meet_at_trigger(
        self, order: WorkingOrder, price: int, lots: int, model: str, cause: dict[str, Any], budget: int | None = None
    ) -> None:
        """An order whose trigger was reached meets this price, once; a limit that does not take it waits."""
        role = order.role
        match role:
            case Role.MARKET:
                self._meet_market(order, price, lots, model, cause, budget)
            case Role.LIMIT:
                self._take_limit(order, price, lots, model, cause, budget)
            case Role.TRIGGER:
                raise AssertionError(f"order {order.number} was not triggered")
            case _:
                assert_never(role)

    def _meet_market(
        self, order: WorkingOrder, price: int, lots: int, model: str, cause: dict[str, Any], budget: int | None = None
    ) -> None:
        paid = self.slipped(order.side, price)
        if order.cost:
            order.size_at(paid)
            self._engine.touch(order.key)
            if not order.left:
                self.remove(order)
                self._engine.finish(order, OrderStatus.CANCELLED, TOO_LITTLE_LEFT)
                return
        self._fill_taker(order, paid, self._bound(order, lots), model, cause, budget)
        self._end_unmet(order)

    def _take_limit(
        self, order: WorkingOrder, first: int, lots: int, model: str, cause: dict[str, Any], budget: int | None
    ) -> None:
        """Marketable at its first price, slippage included: a taker there. What is for at once only ends here."""
        price, force = self.slipped(order.side, first), order.request.time_in_force
        in_parts = self._settings.partial_fills and force is not TimeInForce.FOK
        if reaches(order.side, order.price, price) and (in_parts or lots >= order.left):
            self._fill_taker(order, price, self._bound(order, lots), model, cause, budget)
        self._end_unmet(order)

    def _end_unmet(self, order: WorkingOrder) -> None:
        if not order.status.is_final and (why := unmet(order)) is not None:
            self.remove(order)
            self._engine.finish(order, OrderStatus.CANCELLED, why)

    def _meet_limit(
        self, order: WorkingOrder, first: int, extreme: int, lots: int, model: str, cause: dict[str, Any]
    ) -> None:
        """What has met no price yet may take its first one. Else it waits for a trade through."""
        if order.fresh:
            order.fresh, before = False, order.left
            self._engine.touch(order.key)
            self._take_limit(order, first, lots, model, cause, lots if model == "candle" else None)
            if order.status.is_final:
                return
            lots -= before - order.left
        self._meet_through(order, extreme, lots, f"{model}_through", cause)

    def meet_missed(self, moment: Moment, cause: dict[str, Any]) -> None:
        """A trade of the tape while the market is not matched: limits that it went through, at their own price."""
        remaining: int = cause["quantity"]
        for order in [each for each in self._orders.values() if each.stands_ns <= moment and each.role is Role.LIMIT]:
            if not order.left:
                continue
            before = order.filled
            self._meet_through(order, cause["price"], remaining, "tape_through", cause)
            remaining = max(remaining - (order.filled - before), 0)

    def _meet_through(self, order: WorkingOrder, extreme: int, lots: int, model: str, cause: dict[str, Any]) -> None:
        through = is_better(order.side, order.price, extreme)
        size = min(order.left, lots)
        if not through or not size or (size < order.left and not self._settings.partial_fills):
            return
        self._engine.fill(order, order.price, size, True, model, cause)
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
        """`budget` bounds what is there; without partial fills an order larger than that waits. Where its funds are at
        their end, so is the order."""
        if budget is not None and lots > budget:
            return
        wanted = lots
        if order.side == 0:
            lots = self._engine.affordable(order, price, lots)
            if lots < wanted and not self._settings.partial_fills:
                lots = 0
        if lots > 0:
            self._engine.fill(order, price, lots, False, model, cause)
        if not order.left:
            self.remove(order)
        elif lots < wanted:
            self.remove(order)
            self._engine.finish(order, OrderStatus.CANCELLED, UNAFFORDABLE)


def unmet(order: WorkingOrder) -> str | None:
    """Why an order ends that has met what there was at once; None where it may wait."""
    force = order.request.time_in_force
    match force:
        case TimeInForce.GTC | TimeInForce.GTD:
            return None
        case TimeInForce.IOC:
            return IMMEDIATE_REST
        case TimeInForce.FOK:
            return KILLED
        case _:
            assert_never(force)


def _is_stop(order: WorkingOrder) -> bool:
    """It waits for what is worse, or has been reached and goes at any price."""
    return order.request.terms.guards and order.role is not Role.LIMIT


def _worse(side: int, price: int, other: int) -> int:
    """For the trader."""
    return max(price, other) if side == 0 else min(price, other)


#: What the explanation of a fill names as its cause.
MISSED_TRADE = "missed_trade"


def lose_places(resting: RestingOrders, engine: Engine) -> None:
    """Nobody knows any more who stands in front."""
    for order in resting.all():
        if (order.ahead, order.ahead_before) != (UNKNOWN_AHEAD, UNKNOWN_AHEAD):
            was_known = not is_unknown(order.ahead)
            order.ahead = order.ahead_before = UNKNOWN_AHEAD
            engine.touch(order.key)
            if was_known:
                engine.paths.note(order, engine.now_ns, QueueChange.UNSEEN)


def meet_missed_trade(matcher: Matcher, simple: SimpleFills, side: int, moment: Moment, cause: dict[str, Any]) -> None:
    """A trade that no book goes with; `side` is the side of the book it hit, `cause` has its time, price and quantity.

    Nobody knows the queues: a trade at the price of a resting order fills nothing, one through it fills it at its own
    price, never more than was traded.
    """
    matcher.trade_through(side, cause["price"], cause["quantity"], moment, cause)
    simple.meet_missed(moment, cause)


def meet_missed_triggers(
    triggers: TriggerOrders,
    simple: SimpleFills,
    engine: Engine,
    wait: Callable[[WorkingOrder], None],
    moment: Moment,
    cause: dict[str, Any],
) -> None:
    """The same trade, of a time for which no book will ever be known: triggered orders fill as on a tape, those that an
    earlier trade had reached at that one, and what then rests does so behind nobody knows how many."""
    for order in list(dict.fromkeys([*triggers.passed(), *triggers.reached(cause["price"], moment)])):
        if not order.left:
            continue
        price = order.passed or cause["price"]
        triggers.remove(order)
        engine.trigger(order, price)
        if simple.execute_now(order, {**cause, "price": price, "trigger": order.fired}):
            order.ahead = order.ahead_before = UNKNOWN_AHEAD
            order.show_slice()
            wait(order)
