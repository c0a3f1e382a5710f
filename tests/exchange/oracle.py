"""A slow second opinion on every fill, written from the rules and not from the engine.

It rebuilds the public book as plain dictionaries of `Decimal` and says for each fill what the book and the tape could
have given at most. It knows no speed and shares no code with the exchange; a violated rule raises `Unfair`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from triplegain.domain.exchange_events import (
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
)
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BestQuote, BookUpdate, FeedState, FeedStatus, MarketEvent, PublicTrade
from triplegain.domain.orders import FeePreference, Limit, Market, OrderRequest, OrderStatus, Side, StopLoss

_ZERO = Decimal(0)
_ENDLESS = Decimal("1e30")


class Unfair(AssertionError):
    """A fill that the rules do not allow."""


def require(fair: bool, why: str, *facts: object) -> None:
    if not fair:
        raise Unfair(f"{why}: {facts}")


@dataclass
class Seen:
    """What the oracle knows of one order. `ahead` is the least that may stand in front of it."""

    request: OrderRequest
    quantity: Decimal
    limit: Decimal | None
    filled: Decimal = _ZERO
    rates: tuple[Decimal, Decimal] | None = None
    ceiling: Decimal = Decimal(1)
    open: bool = False
    triggered: bool = False
    ahead: Decimal = _ZERO
    #: The queue before shrinks whose prints may still come, and the time of the last of these.
    ahead_unshrunk: Decimal = _ZERO
    shrunk_ns: int = -1
    #: Since when it has its place: what is of an earlier moment has no part in it.
    stands_ns: int = -1
    took: bool = False
    #: Of a stop: the tape reached its trigger while matching was paused.
    passed: bool = False

    @property
    def side(self) -> int:
        return self.request.side.index

    @property
    def rests(self) -> bool:
        return self.open and isinstance(self.request.terms, Limit)


class BookOracle:
    """One instrument with a book and the back-of-queue model. Call `step` once per market event, with what followed."""

    def __init__(self, instrument: Instrument, opening_volume: int = 0) -> None:
        self.instrument = instrument
        self.levels: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        self.consumed: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        self.prints: list[tuple[int, int, Decimal, Decimal]] = []
        #: Side, moment and price of trades that the depth is not past: better levels have been eaten.
        self.swept: list[tuple[int, int, Decimal]] = []
        #: When a level was set last: of that moment it is there, whatever was swept until then.
        self.set_ns: dict[tuple[int, Decimal], int] = {}
        self.sight: list[Decimal] = [_ZERO, _ENDLESS]
        self.book_ns = -1
        self.tape_ns = 0
        self.now_ns = 0
        self.last: Decimal | None = None
        self.orders: dict[str, Seen] = {}
        #: Those of them that have been accepted and may not be over.
        self.waiting: dict[str, Seen] = {}
        self.volume = Decimal(opening_volume)
        self.fills = 0
        #: No matching: told so, or the book is crossed, until the next snapshot that is not.
        self.paused = False
        self._budget: Decimal = _ZERO
        self._trade: PublicTrade | None = None
        self._moment = 0

    def step(self, event: MarketEvent | None, answers: Iterable[ExchangeEvent]) -> None:
        """`answers` is all the exchange said in consequence of `event`, or of a command (None)."""
        answers = list(answers)
        time_ns = max(self.now_ns, event.exchange_time_ns) if event is not None else self.now_ns
        self._trade = None
        for answer in answers:
            if event is None or answer.time_ns < time_ns:
                self._hear(answer)
        self.now_ns = time_ns
        if event is None:
            return
        self._moment = event.exchange_time_ns
        queues = self._market(event, self._moment)
        for answer in answers:
            if answer.time_ns >= time_ns:
                self._hear(answer)
        for order, ahead, unshrunk in queues:
            order.ahead, order.ahead_unshrunk = ahead, unshrunk

    # -- the public market ---------------------------------------------------------------------------------------

    def _market(self, event: MarketEvent, time_ns: int) -> list[tuple[Seen, Decimal, Decimal]]:
        """Returns the queues as they are once the event's fills have been judged."""
        price, quantity = self.instrument.price, self.instrument.quantity
        if isinstance(event, PublicTrade):
            return self._tape(event, time_ns)
        if isinstance(event, FeedStatus):
            self.paused = event.state is not FeedState.SYNCED
        if isinstance(event, BookUpdate):
            sides = ((0, event.bids), (1, event.asks))
            if event.snapshot:
                self._snapshot(event)
            else:
                for side, changes in sides:
                    for ticks, lots in changes:
                        self._level(side, price(ticks), quantity(lots), time_ns)
                self._cut(event.depth)
            self._book_seen(time_ns)
            self.paused = self.paused and not event.snapshot
        elif isinstance(event, BestQuote):
            for side, (ticks, lots) in ((0, event.bid), (1, event.ask)):
                best = price(ticks)
                for better in [p for p in self.levels[side] if (p > best if side == 0 else p < best)]:
                    self._level(side, better, _ZERO, time_ns)
                self._level(side, best, quantity(lots), time_ns)
            self._book_seen(time_ns)
        bid, ask = self._best(0), self._best(1)
        self.paused = self.paused or (bid is not None and ask is not None and bid >= ask)
        return []

    def _book_seen(self, time_ns: int) -> None:
        self.prints = [line for line in self.prints if line[0] >= time_ns]
        self.swept = [sweep for sweep in self.swept if sweep[1] >= time_ns]
        self.book_ns = max(self.book_ns, time_ns)

    def _snapshot(self, event: BookUpdate) -> None:
        price, quantity = self.instrument.price, self.instrument.quantity
        for side, changes in ((0, event.bids), (1, event.asks)):
            self.levels[side].clear()
            self.levels[side].update({price(p): quantity(q) for p, q in changes if q})
        self.sight = [min(self.levels[0], default=_ZERO), max(self.levels[1], default=_ENDLESS)]
        self._cut(event.depth)
        for side in (0, 1):
            for level in list(self.consumed[side]):
                if level in self.levels[side] or self._in_sight(side, level):
                    self._shrink_consumed(side, level)
        self._book_seen(event.exchange_time_ns + 1)
        self.book_ns = max(self.book_ns - 1, event.exchange_time_ns)
        for order in self._resting():
            assert order.limit is not None
            shown = self.levels[order.side].get(order.limit, _ZERO)
            if self._in_sight(order.side, order.limit) and shown < order.ahead:
                if self.tape_ns > order.shrunk_ns:
                    order.ahead_unshrunk = order.ahead
                order.ahead, order.shrunk_ns = shown, event.exchange_time_ns

    def _cut(self, depth: int) -> None:
        if not depth:
            return
        bids, asks = sorted(self.levels[0], reverse=True), sorted(self.levels[1])
        for side, prices in ((0, bids), (1, asks)):
            for level in prices[depth:]:
                del self.levels[side][level]
        lowest = bids[depth - 1] if len(bids) >= depth else _ZERO
        self.sight = [lowest, asks[depth - 1] if len(asks) >= depth else _ENDLESS]

    def _in_sight(self, side: int, level: Decimal) -> bool:
        return level >= self.sight[0] if side == 0 else level <= self.sight[1]

    def _shrink_consumed(self, side: int, level: Decimal) -> None:
        left = min(self.consumed[side].get(level, _ZERO), self.levels[side].get(level, _ZERO))
        if left:
            self.consumed[side][level] = left
        else:
            self.consumed[side].pop(level, None)

    def _level(self, side: int, level: Decimal, size: Decimal, time_ns: int) -> None:
        before = self.levels[side].get(level, _ZERO)
        if size:
            self.levels[side][level] = size
        else:
            self.levels[side].pop(level, None)
        self._shrink_consumed(side, level)
        self.set_ns[side, level] = time_ns
        self.prints = [p for p in self.prints if not (p[1] == side and p[2] == level and p[0] <= time_ns)]
        for order in self._resting():
            if (order.side, order.limit) == (side, level):
                if self.tape_ns > order.shrunk_ns:
                    order.ahead_unshrunk = order.ahead
                if size < before:
                    order.shrunk_ns = time_ns
                order.ahead = min(order.ahead, size)

    def _tape(self, event: PublicTrade, time_ns: int) -> list[tuple[Seen, Decimal, Decimal]]:
        level, lots = self.instrument.price(event.price), self.instrument.quantity(event.quantity)
        side = 1 - event.side.index
        if time_ns > self.book_ns:
            self.prints.append((time_ns, side, level, lots))
            self.swept.append((side, time_ns, level))
        if time_ns >= self.tape_ns:
            self.last, self.tape_ns = level, time_ns
        for stop in self.orders.values() if self.paused else ():
            stop.passed = stop.passed or (stop.stands_ns <= time_ns and self._reaches(stop, level))
        self._trade, self._budget = event, lots
        after = []
        for order in self._resting():
            late = time_ns <= order.shrunk_ns
            if order.stands_ns > time_ns:
                continue
            if order.side == side and order.limit == level:
                ahead = order.ahead_unshrunk if late else order.ahead
                unshrunk = max(order.ahead_unshrunk - lots, _ZERO)
                rest = min(order.ahead, unshrunk) if late else max(ahead - lots, _ZERO)
                after.append((order, rest, unshrunk))
            elif order.side == side and self._beyond(side, order.limit, level):
                after.append((order, _ZERO, _ZERO))
        return after

    @staticmethod
    def _beyond(side: int, limit: Decimal | None, level: Decimal) -> bool:
        """A trade at `level` went through this order's price."""
        return limit is not None and (limit > level if side == 0 else limit < level)

    def _resting(self) -> list[Seen]:
        for name in [name for name, order in self.waiting.items() if not order.open]:
            del self.waiting[name]
        return [order for order in self.waiting.values() if order.rests]

    # -- what the exchange said ----------------------------------------------------------------------------------

    def _hear(self, answer: ExchangeEvent) -> None:
        if isinstance(answer, OrderSubmitted):
            request = answer.request
            limit = request.terms.price if isinstance(request.terms, Limit) else None
            lots = int(request.quantity / self.instrument.lot)
            self.orders[request.client_order_id] = Seen(request, self.instrument.lot * lots, limit)
        elif isinstance(answer, OrderAccepted):
            self._accepted(self.orders[answer.client_order_id], answer.time_ns)
        elif isinstance(answer, OrderFilled):
            self._filled(self.orders[answer.client_order_id], answer)
        elif isinstance(answer, OrderTriggered):
            self._triggered(self.orders[answer.client_order_id])
        elif isinstance(answer, OrderAmended):
            self._amended(self.orders[answer.client_order_id], answer)
        elif isinstance(answer, OrderCancelled):
            order = self.orders[answer.client_order_id]
            require(order.open, "cancelled though not open", answer)
            require(answer.cumulative_quantity == order.filled, "a cancel tells another filled quantity", answer)
            order.open = False
        elif isinstance(answer, OrderRejected):
            order = self.orders[answer.client_order_id]
            require(not order.open and not order.filled, "rejected after it was open", answer)

    def _accepted(self, order: Seen, time_ns: int) -> None:
        order.open, order.stands_ns = True, time_ns
        self.waiting[order.request.client_order_id] = order
        order.ceiling = self._rates()[1]
        self._queue_up(order)

    def _queue_up(self, order: Seen) -> None:
        if order.limit is None:
            return
        shown = self.levels[order.side].get(order.limit)
        seen = shown is not None or self._in_sight(order.side, order.limit)
        order.ahead = order.ahead_unshrunk = (shown or _ZERO) if seen else _ENDLESS
        order.stands_ns = max(order.stands_ns, self.book_ns + 1)
        opposite = self._best(1 - order.side)
        if opposite is not None and (order.limit >= opposite if order.side == 0 else order.limit <= opposite):
            order.ahead = order.ahead_unshrunk = _ZERO

    def _best(self, side: int) -> Decimal | None:
        return max(self.levels[0], default=None) if side == 0 else min(self.levels[1], default=None)

    def _amended(self, order: Seen, answer: OrderAmended) -> None:
        asleep = isinstance(order.request.terms, StopLoss) and answer.price == order.request.terms.trigger
        kept = answer.price == (order.limit or answer.price) and (answer.quantity <= order.quantity or asleep)
        require(answer.queue_kept <= kept, "an amendment kept a place it should have lost", answer)
        order.quantity = answer.quantity
        if isinstance(order.request.terms, StopLoss):
            order.request = _with_trigger(order.request, answer.price)
        elif order.limit is not None:
            order.limit = answer.price
        if not answer.queue_kept:
            order.stands_ns = answer.time_ns
            self._queue_up(order)

    def _triggered(self, order: Seen) -> None:
        terms = order.request.terms
        require(isinstance(terms, StopLoss) and self.last is not None, "triggered without a trade", order)
        assert self.last is not None
        told = self._trade if self._trade and order.stands_ns <= self._trade.exchange_time_ns else None
        late = told is not None and self._reaches(order, self.instrument.price(told.price))
        reached = order.passed or late or self._reaches(order, self.last)
        require(reached, "triggered though the last trade did not reach it", order, self.last)
        order.triggered = True

    @staticmethod
    def _reaches(order: Seen, level: Decimal) -> bool:
        terms = order.request.terms
        if not (order.open and isinstance(terms, StopLoss)) or terms.price is None:
            return False
        return level >= terms.price if order.request.side is Side.BUY else level <= terms.price

    # -- fills ---------------------------------------------------------------------------------------------------

    def _filled(self, order: Seen, fill: OrderFilled) -> None:
        self.fills += 1
        require(order.open, "a fill of an order that is not open", fill)
        require(fill.quantity > 0 and fill.side is order.request.side, "no quantity or the wrong side", fill)
        if order.limit is not None:
            worse = fill.price > order.limit if order.request.side is Side.BUY else fill.price < order.limit
            require(not worse, "worse than its limit", fill)
        if fill.maker:
            self._judge_maker(order, fill)
        else:
            self._judge_taker(order, fill)
        order.filled += fill.quantity
        require(order.filled <= order.quantity, "more than was ordered", fill)
        require(fill.cumulative_quantity == order.filled, "the cumulative quantity is not the sum of the fills", fill)
        require((fill.status is OrderStatus.FILLED) == (order.filled == order.quantity), "status and quantity", fill)
        self._judge_fee(order, fill)
        order.open = fill.status is not OrderStatus.FILLED

    def _judge_taker(self, order: Seen, fill: OrderFilled) -> None:
        terms, side = order.request.terms, 1 - order.side
        require(not (isinstance(terms, Limit) and terms.post_only), "a post-only order took", fill)
        require(not isinstance(terms, StopLoss) or order.triggered, "a stop took before its trigger", fill)
        require(fill.quantity <= self._there(side, fill.price), "more than the level had left", fill, self.levels[side])
        for level in self.levels[side]:
            better = level < fill.price if side == 1 else level > fill.price
            require(not (better and self._there(side, level)), "passed over a better level", fill, level)
        for own in self._resting():
            crossed = own.side == side and own.limit is not None and own is not order
            if crossed and own.limit is not None:
                require(not self._beyond(side, own.limit, fill.price) if side == 0 else own.limit >= fill.price,
                        "traded past an own order", fill, own)  # fmt: skip
        self.consumed[side][fill.price] = self.consumed[side].get(fill.price, _ZERO) + fill.quantity
        order.ahead = order.ahead_unshrunk = _ZERO

    def _there(self, side: int, level: Decimal) -> Decimal:
        """Displayed, less what we took, less what the tape took and the depth does not show yet."""
        sweeps = (at for swept, at, to in self.swept if swept == side and self._beyond(side, level, to))
        if any(at > self.set_ns.get((side, level), -1) for at in sweeps):
            return _ZERO
        gone = sum((line[3] for line in self.prints if line[1:3] == (side, level)), _ZERO)
        left = self.levels[side].get(level, _ZERO) - self.consumed[side].get(level, _ZERO) - gone
        return max(left, _ZERO)

    def _judge_maker(self, order: Seen, fill: OrderFilled) -> None:
        require(isinstance(order.request.terms, Limit), "only a limit order can be a maker", fill)
        require(fill.price == order.limit, "a maker fills at its own price", fill)
        if self._trade is not None and self._trade_gives(order, fill, self._trade):
            return
        require(order.stands_ns <= self._moment, "filled by a book from before it stood", fill)
        side, needed = 1 - order.side, fill.quantity
        reach = [p for p in self.levels[side] if p == order.limit or not self._beyond(order.side, p, fill.price)]
        for level in sorted(reach, reverse=side == 0):
            part = min(needed, self._there(side, level))
            if part:
                self.consumed[side][level] = self.consumed[side].get(level, _ZERO) + part
                needed -= part
        require(not needed, "neither a trade nor an opposite quote gives this fill", fill, order)

    def _trade_gives(self, order: Seen, fill: OrderFilled, trade: PublicTrade) -> bool:
        level, moment = self.instrument.price(trade.price), trade.exchange_time_ns
        event = fill.explanation["cause"]["event"]
        if trade.side.index == order.side or event not in ("trade", "missed_trade"):
            return False
        require(order.stands_ns <= moment, "filled by a trade from before it stood", fill, trade)
        if event == "missed_trade":
            through = self._beyond(order.side, order.limit, level)
            require(self.paused and through, "a trade that no book goes with did not go through", fill, trade)
        elif not self._beyond(order.side, order.limit, level):
            require(order.limit == level, "the trade did not reach the order", fill, trade)
            ahead = order.ahead_unshrunk if moment <= order.shrunk_ns else order.ahead
            most = self.instrument.quantity(trade.quantity) - ahead
            require(fill.quantity <= most, "filled while others stood in front", fill, trade, order)
        require(fill.quantity <= self._budget, "more than the trade's size", fill, trade)
        self._budget -= fill.quantity
        return True

    # -- money ---------------------------------------------------------------------------------------------------

    def _rates(self) -> tuple[Decimal, Decimal]:
        row = [tier for tier in self.instrument.fees.tiers if tier.volume_usd <= self.volume][-1]
        return Decimal(row.maker_ppm) / 1_000_000, Decimal(row.taker_ppm) / 1_000_000

    def _judge_fee(self, order: Seen, fill: OrderFilled) -> None:
        buys, worth = order.request.side is Side.BUY, fill.price * fill.quantity
        unit, lot = Decimal(1).scaleb(-self.instrument.cost_decimals), self.instrument.lot
        maker, taker = order.rates = order.rates or self._rates()
        rate = min(maker if fill.maker else taker, order.ceiling)
        cost = _to(worth, unit, ROUND_CEILING if buys else ROUND_FLOOR)
        if order.request.options.fee_preference is FeePreference.QUOTE:
            asset, fee = self.instrument.quote, min(_to(worth * rate, unit, ROUND_CEILING), cost)
        else:
            most = fill.quantity - lot if buys else fill.quantity
            asset, fee = self.instrument.base, min(_to(fill.quantity * rate, lot, ROUND_CEILING), most)
        require(fill.fee_asset == asset, "a fee in another currency", fill)
        # What rounding adds beyond a hold is not charged where there is nothing left to pay it from.
        spends_fee = asset == (self.instrument.quote if buys else self.instrument.base)
        least_cost = cost - unit if buys and order.limit is not None else cost
        least_fee = fee - (unit if buys else lot) if spends_fee and (order.limit is not None or not buys) else fee
        require(max(least_cost, _ZERO) <= fill.notional <= cost, "another cost is due", fill, cost)
        require(max(least_fee, _ZERO) <= fill.fee <= fee, "another fee is due", fill, fee)
        if self.instrument.quote in ("USD", "USDT"):
            self.volume += worth


def _to(amount: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (amount / step).to_integral_value(rounding) * step


def _with_trigger(request: OrderRequest, trigger: Decimal) -> OrderRequest:
    return msgspec.structs.replace(request, terms=StopLoss(trigger))


class TapeOracle(BookOracle):
    """The model without a book: the next trade plus slippage for takers, a trade through the price for makers."""

    def __init__(self, instrument: Instrument, slippage_ppm: int) -> None:
        super().__init__(instrument)
        self.slippage_ppm = slippage_ppm

    def _judge_taker(self, order: Seen, fill: OrderFilled) -> None:
        require(self.last is not None, "a fill before any trade", fill)
        assert self.last is not None
        sign = 1 if order.request.side is Side.BUY else -1
        worst = self.last
        terms = order.request.terms
        if isinstance(terms, StopLoss):
            require(order.triggered, "a stop took before its trigger", fill)
            assert terms.price is not None
            worst = max(worst, terms.price) if sign == 1 else min(worst, terms.price)
        due = worst * (1 + sign * Decimal(self.slippage_ppm) / 1_000_000)
        require((fill.price - due) * sign >= 0, "better than the last trade and its slippage", fill, due)
        require((fill.price - due) * sign < self.instrument.tick, "rounded by more than a tick", fill, due)
        require(isinstance(terms, (Market, Limit, StopLoss)), "unknown terms", fill)

    def _judge_maker(self, order: Seen, fill: OrderFilled) -> None:
        require(fill.price == order.limit, "a maker fills at its own price", fill)
        require(self._trade is not None, "a maker fill without a trade", fill)
        assert self._trade is not None
        require(order.stands_ns <= self._trade.exchange_time_ns, "filled by a trade from before it stood", fill)
        level = self.instrument.price(self._trade.price)
        require(self._beyond(order.side, order.limit, level), "a touch does not fill", fill, level)
        require(fill.quantity <= self._budget, "more than the trade's size", fill)
        self._budget -= fill.quantity
