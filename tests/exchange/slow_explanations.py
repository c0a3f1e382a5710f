"""Why each fill came about, worked out a second time and slowly: from the messages of the market and the orders alone.

It goes along with the reference exchange, which is written from docs/paper-exchange.md, keeps plain dictionaries and
shares no code with the exchange: book, prints that the depth does not show yet, what the account took, places in
queues. What it says of a fill is what `OrderFilled.explanation` has to say, field by field.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.exchange.reference import ReferenceExchange
from tests.exchange.reference_book import Change
from tests.exchange.reference_candles import ReferenceOnCandles
from tests.exchange.reference_matching import ReferenceWithBook
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_tape import ReferenceOnTape
from tests.exchange.slow_queue_paths import QueueDiary, QueueMoment

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.market import PRICED_STATES, Candle, PublicTrade
from triplegain.domain.refusals import Code

#: Levels a side.
_RUNGS = 10
_THIRTY_DAYS = 30 * 24

Quotes = tuple[int | None, int | None]
Words = dict[str, Any]
_Taken = tuple[dict[int, int], dict[int, int]]


def exact(number: Fraction) -> str:
    """As a decimal that ends, without an exponent."""
    with localcontext() as context:
        context.prec = 100
        written = format((Decimal(number.numerator) / Decimal(number.denominator)).normalize(), "f")
    assert Fraction(written) == number, number
    return "0" if written in ("-0", "0") else written


@dataclass
class Waits:
    """An order that waits for its price or trigger: the lowest and the highest trade of a moment since, and when."""

    since_ns: int
    low: tuple[int, int] | None = None
    high: tuple[int, int] | None = None

    def meet(self, price: int, moment: int, time_ns: int) -> None:
        if moment < self.since_ns:
            return
        if self.low is None or price < self.low[0]:
            self.low = (price, time_ns)
        if self.high is None or price > self.high[0]:
            self.high = (price, time_ns)


class SlowExplanations(ReferenceExchange):
    """What every fill has to say, whatever is known of the market. `explanations` are in the order of the fills."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.explanations: list[Words] = []
        self.notionals: list[Fraction] = []
        self._decided: dict[str, Quotes] = {}
        self._arrived: dict[str, tuple[int, Quotes]] = {}
        #: Of orders whose trigger was reached: where it stood, and the quotes then.
        self._reached: dict[str, tuple[int, Quotes]] = {}
        self._first_volume: dict[str, int] = {}
        #: Hours since 1970 and dollars of what was traded in them.
        self._traded: list[tuple[int, Fraction]] = []
        #: How the market stood as orders ended or were refused, in the order of that.
        self.ends: list[Words] = []
        self._waiting_for: dict[str, Waits] = {}

    # -- for each kind of market -----------------------------------------------------------------------------------

    def quotes_now(self) -> Quotes:
        return self.book.last, self.book.last

    def quotes_seen(self) -> Quotes:
        return self.quotes_now()

    def quotes_met(self, trade: int) -> Quotes:
        """By a trade that reaches a trigger."""
        return trade, trade

    def why(self, order: ReferenceOrder, lots: int, maker: bool) -> Words:
        """Model, cause, and what there was."""
        raise NotImplementedError

    def book_seen(self) -> Words | None:
        """As it is now, where there is one."""
        return None

    def queue_seen(self, order: ReferenceOrder) -> Words:
        """What stands in front of an order, and what of that was traded."""
        return {}

    # -- what an order meets while it waits -------------------------------------------------------------------------

    def begin_to_wait(self, order: ReferenceOrder) -> None:
        """One that waits already goes on."""
        self._waiting_for.setdefault(order.name, Waits(order.stands_ns))

    def leave(self, order: ReferenceOrder) -> None:
        """What it met at another price, or in another place, is of before."""
        self._waiting_for.pop(order.name, None)

    def come_near(self, price: int, moment: int, time_ns: int) -> None:
        """A trade, before it does anything."""
        for waits in self._waiting_for.values():
            waits.meet(price, moment, time_ns)

    def end(self, order: ReferenceOrder, why: str, status: str = "cancelled") -> None:
        self.ends.append(self._at_end(order))
        super().end(order, why, status)

    def _end_waiting(self, name: str, why: str) -> None:
        """One that has not started."""
        self.ends.append(self._at_end(None))
        super()._end_waiting(name, why)

    def _at_end(self, order: ReferenceOrder | None) -> Words:
        waits = None if order is None else self._waiting_for.get(order.name)
        last = None if self.book.last is None else self.price(self.book.last)
        seen: Words = {"quote": self._quoted(self.quotes_seen()), "last": last}
        if order is not None:
            seen |= self.queue_seen(order)
        if order is not None and waits is not None:
            rises = order.terms.rises if order.trigger is not None else not order.is_purchase
            nearest = waits.high if rises else waits.low
            seen["nearest"] = None if nearest is None else {"price": self.price(nearest[0]), "time_ns": nearest[1]}
        elif (book := self.book_seen()) is not None:
            seen["book"] = book
        return seen

    # -- what is remembered of an order ----------------------------------------------------------------------------

    def tell_sent(self, name: str, arrives_ns: int) -> None:
        self._decided[name] = self.quotes_seen()
        super().tell_sent(name, arrives_ns)

    def tell(self, kind: str, name: str, *said: object) -> None:
        match kind, said:
            case "submitted", _:
                self._decided[name] = self.quotes_seen()
            case "triggered", (int(trigger), int(trade)):
                self._reached[name] = (trigger, self.quotes_met(trade))
                self._waiting_for.pop(name, None)
            case "rejected", (codes,) if codes != frozenset({Code.UNKNOWN_PAIR}):
                self.ends.append(self._at_end(None))
            case _:
                pass
        super().tell(kind, name, *said)

    def on_accepted(self, order: ReferenceOrder) -> None:
        self._arrived[order.name] = (self.now_ns, self.quotes_seen())
        super().on_accepted(order)

    # -- a fill ----------------------------------------------------------------------------------------------------

    def fill(self, order: ReferenceOrder, price: int, lots: int, maker: bool) -> None:
        quotes, why = self.quotes_now(), self.why(order, lots, maker)
        volume = self._first_volume.setdefault(order.name, self._volume_usd())
        super().fill(order, price, lots, maker)
        fee = next(told.said[3] for told in reversed(self._told) if told.kind == "filled")
        assert isinstance(fee, Fraction)
        worth = self.purse.cost(price, lots)
        if self.instrument.quote in ("USD", "USDT"):
            self._traded.append((self.now_ns // HOUR_NS, worth))
        tier = order.bill.tier
        assert tier is not None
        arrived_ns, at_arrival = self._arrived[order.name]
        cost = self._rounded(worth, order.is_purchase)
        self.notionals.append(cost)
        paid_in_coins = order.bill.in_base
        self.explanations.append(
            {
                **why,
                "liquidity": "maker" if maker else "taker",
                "latency_ns": arrived_ns - order.sent_ns,
                "fee_rate_ppm": tier.maker_ppm if maker else tier.taker_ppm,
                "fee_asset": self.instrument.base if paid_in_coins else self.instrument.quote,
                "volume_30d_usd": volume,
                "quote_at_decision": self._quoted(self._decided[order.name]),
                "quote_at_arrival": self._quoted(at_arrival),
                "quote_at_fill": self._quoted(quotes),
                "shortfall": self._shortfall(order, lots, cost, fee * self._money(price) if paid_in_coins else fee),
            }
        )

    def _rounded(self, worth: Fraction, up: bool) -> Fraction:
        """To the places in which costs are told, against the trader."""
        step = self.purse.cost_step
        return (-(-worth // step) if up else worth // step) * step

    def _volume_usd(self) -> int:
        """Whole dollars of the hours that are less than thirty days ago."""
        oldest = self.now_ns // HOUR_NS - _THIRTY_DAYS
        return int(sum((worth for hour, worth in self._traded if hour > oldest), Fraction(0)))

    def _shortfall(self, order: ReferenceOrder, lots: int, cost: Fraction, fee: Fraction) -> dict[str, str] | None:
        """Against the middle at the decision, or the trigger."""
        decided, arrived = self._decided[order.name], self._arrived[order.name][1]
        if order.request.terms.waits:
            trigger, arrived = self._reached[order.name]
            decided = (trigger, trigger)
        if None in (*decided, *arrived):
            return None
        sign, quantity = 1 if order.is_purchase else -1, lots * Fraction(self.instrument.lot)
        before, then = self._middle(decided), self._middle(arrived)
        opposite = self._money(arrived[1 if order.is_purchase else 0])
        parts: dict[str, Fraction] = {
            "delay": sign * (then - before) * quantity,
            "spread": sign * (opposite - then) * quantity,
            "impact": sign * (cost - opposite * quantity),
            "fee": fee,
        }
        assert sum(parts.values()) == sign * (cost - before * quantity) + fee
        return {name: exact(part) for name, part in parts.items()}

    def _middle(self, quotes: Quotes) -> Fraction:
        bid, ask = quotes
        return (self._money(bid) + self._money(ask)) / 2

    # -- in words --------------------------------------------------------------------------------------------------

    def _money(self, ticks: int | None) -> Fraction:
        assert ticks is not None
        return ticks * Fraction(self.instrument.tick)

    def price(self, ticks: int) -> str:
        return exact(self._money(ticks))

    def quantity(self, lots: int | None) -> str:
        return "unknown" if lots is None else exact(lots * Fraction(self.instrument.lot))

    def point(self, moment: QueueMoment) -> str:
        """Of a queue's path."""
        return f"{moment.time_ns} {self.quantity(moment.ahead)} {self.quantity(moment.traded)} {moment.why}"

    def _quoted(self, quotes: Quotes) -> list[str | None]:
        return [None if quote is None else self.price(quote) for quote in quotes]

    def stop(self, order: ReferenceOrder, trade: int, moment: int) -> Words:
        """A trigger that a trade has reached. Asked before the order is woken."""
        assert order.trigger is not None
        at = {"price": self.price(trade), "trigger": self.price(order.trigger)}
        return {"event": "stop", "time_ns": moment, **at}

    def printed(self, trade: PublicTrade) -> Words:
        is_told = self.is_matched
        at = {"price": self.price(trade.price), "quantity": self.quantity(trade.quantity)}
        return {"event": "trade" if is_told else "missed_trade", "time_ns": trade.exchange_time_ns, **at}


class ExplainedWithBook(SlowExplanations, ReferenceWithBook):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        #: The queue in front when the order took its place.
        self._found: dict[str, int | None] = {}
        #: What became of those in front.
        self.diaries: defaultdict[str, QueueDiary] = defaultdict(QueueDiary)
        self._refills = False
        self._woken: Words | None = None
        #: Of the order that takes: why, and the book before it.
        self._walk: tuple[Words, Words] = ({}, {})
        self._trade: PublicTrade | None = None
        self._aheads: dict[str, int | None] = {}
        self._moment = 0
        self._taken: _Taken = ({}, {})
        #: The book before the fills that each order has of one message.
        self._before: dict[str, Words] = {}

    def quotes_now(self) -> Quotes:
        return self.book.best(0), self.book.best(1)

    def quotes_seen(self) -> Quotes:
        return self.quotes_now() if self.state in PRICED_STATES else (None, None)

    def quotes_met(self, trade: int) -> Quotes:
        bid, ask = self.quotes_seen()
        return (trade, trade) if bid is None or ask is None else (bid, ask)

    def book_seen(self) -> Words | None:
        return self.ladder(self.taken) if self.state in PRICED_STATES else None

    def queue_seen(self, order: ReferenceOrder) -> Words:
        if order.name not in self._found:
            return {}
        traded = self.diaries[order.name].traded
        return {"queue_ahead": self.quantity(order.ahead), "queue_traded": self.quantity(traded)}

    def on_queue(self, order: ReferenceOrder, why: str, traded: int = 0) -> None:
        diary = self.diaries[order.name]
        if why == "cancelled" and diary.moments and diary.moments[-1].ahead is None:
            why = "shown_anew"
        diary.write(self.now_ns, order.ahead, traded, why)

    def fill(self, order: ReferenceOrder, price: int, lots: int, maker: bool) -> None:
        super().fill(order, price, lots, maker)
        if not order.left:
            self.on_queue(order, "filled")

    def end(self, order: ReferenceOrder, why: str, status: str = "cancelled") -> None:
        self.on_queue(order, "ended")
        super().end(order, why, status)

    def arrive(self, order: ReferenceOrder) -> None:
        self.leave(order)
        if order.trigger is not None:
            self.begin_to_wait(order)
        super().arrive(order)

    def _execute(self, order: ReferenceOrder) -> None:
        """The queue of a place that it had is no longer in front of it."""
        order.ahead = order.ahead_before = 0
        super()._execute(order)

    def ladder(self, taken: _Taken) -> Words:
        return {name: self._rungs(side, taken[side]) for side, name in enumerate(("bids", "asks"))}

    def _rungs(self, side: int, taken: dict[int, int]) -> list[list[str]]:
        rungs = []
        for price in self.book.levels(side)[:_RUNGS]:
            shown, left = self.book.shown[side][price], max(self.book.left(side, price) - taken.get(price, 0), 0)
            rung = [self.price(price), self.quantity(shown)]
            rungs.append(rung if left == shown else [*rung, self.quantity(left)])
        return rungs

    # -- takers ----------------------------------------------------------------------------------------------------

    def _wake(self, order: ReferenceOrder, price: int, moment: int) -> None:
        self._woken = self.stop(order, price, moment)
        super()._wake(order, price, moment)
        self._woken = None

    def take(self, order: ReferenceOrder) -> bool:
        arrival = {"event": "arrival", "time_ns": self._arrived[order.name][0]}
        self._walk = (self._woken or arrival, self.ladder(self.taken))
        return super().take(order)

    def why(self, order: ReferenceOrder, lots: int, maker: bool) -> Words:
        if not maker:
            return self._why_taken(order, lots)
        found = {"queue_ahead_at_arrival": self.quantity(self._found[order.name])}
        return {**found, **(self._why_quoted(order, lots) if self._trade is None else self._why_traded(order))}

    def _why_taken(self, order: ReferenceOrder, lots: int) -> Words:
        """The level whose part has just been counted as taken."""
        cause, ladder = self._walk
        side = 1 - order.side
        [price] = [p for p, q in self.taken[side].items() if q != self._taken[side].get(p, 0)]
        there = {"displayed": self.book.shown[side][price], "available": self.available(side, price) + lots}
        level = {name: self.quantity(there_lots) for name, there_lots in there.items()}
        self._note_taken()
        return {"model": "book", "cause": {**cause, "level": level}, "book": ladder}

    # -- makers ----------------------------------------------------------------------------------------------------

    def _match_quotes(self, moment: int) -> None:
        self._trade, self._moment, self._before = None, moment, {}
        super()._match_quotes(moment)

    def _why_quoted(self, order: ReferenceOrder, lots: int) -> Words:
        side = 1 - order.side
        ladder = self._before.setdefault(order.name, self.ladder(self._taken))
        [price] = [p for p, q in self.taken[side].items() if q != self._taken[side].get(p, 0)]
        cause = {
            "event": "quote", "time_ns": self._moment, "price": self.price(price),
            "quantity": self.quantity(self.available(side, price) + lots), "queue_ahead": self.quantity(order.ahead),
        }  # fmt: skip
        self._note_taken()
        return {"model": "quote_through", "cause": cause, "book": ladder}

    def _on_trade(self, trade: PublicTrade) -> None:
        moment, self._trade, self._before = trade.exchange_time_ns, trade, {}
        self._aheads = {
            order.name: order.ahead_before
            if moment <= order.shrunk_ns and order.ahead_before is not None
            else order.ahead
            for order in self.resting()
        }
        self.come_near(trade.price, moment, moment)
        super()._on_trade(trade)
        self._trade = None

    def _why_traded(self, order: ReferenceOrder) -> Words:
        trade = self._trade
        assert trade is not None
        model = "queue" if order.limit == trade.price else "trade_through"
        cause = {**self.printed(trade), "queue_ahead": self.quantity(self._aheads[order.name])}
        if not self.is_matched:
            return {"model": model, "cause": cause}
        # The trade is already taken off what could be had: what was displayed is told alone.
        shown = {name: [rung[:2] for rung in rungs] for name, rungs in self.ladder(self.taken).items()}
        return {"model": model, "cause": cause, "book": shown}

    # -- the queue at arrival --------------------------------------------------------------------------------------

    def _join(self, order: ReferenceOrder) -> None:
        super()._join(order)
        if self.is_unseen(order):
            order.lose_place()
        if not self._refills:
            self._found[order.name] = order.ahead
            self.begin_to_wait(order)
        place = "amended" if self.diaries[order.name].moments else "arrival"
        self.on_queue(order, "refill" if self._refills else place)

    def _fill_resting(self, order: ReferenceOrder, lots: int, moment: int) -> None:
        self._refills = True
        super()._fill_resting(order, lots, moment)
        self._refills = False

    def _on_changes(self, changes: list[Change], moment: int) -> None:
        """Who came before an order did, and is told only now, was there when it arrived."""
        for change in changes:
            for order in self.resting(change.side):
                found = self._found[order.name]
                if order.limit == change.price and moment < order.stands_ns and found is not None:
                    self._found[order.name] = found + change.came
        super()._on_changes(changes, moment)

    # -- what was taken --------------------------------------------------------------------------------------------

    def _note_taken(self) -> None:
        bids, asks = self.taken
        self._taken = dict(bids), dict(asks)

    def _remember(self, side: int, price: int, displayed: int | None) -> None:
        super()._remember(side, price, displayed)
        self._note_taken()


class ExplainedOnTape(SlowExplanations, ReferenceOnTape):
    _trade: PublicTrade | None = None
    _woken: Words | None = None

    def _on_trade(self, trade: PublicTrade) -> None:
        self._trade = trade
        self.come_near(trade.price, trade.exchange_time_ns, trade.exchange_time_ns)
        super()._on_trade(trade)

    def arrive(self, order: ReferenceOrder) -> None:
        self.leave(order)
        self.begin_to_wait(order)
        super().arrive(order)

    def wake_by_tape(self, order: ReferenceOrder, price: int, moment: int) -> None:
        self._woken = self.stop(order, price, moment)
        super().wake_by_tape(order, price, moment)
        self._woken = None
        if order.name in self.open:
            self.begin_to_wait(order)

    def why(self, order: ReferenceOrder, lots: int, maker: bool) -> Words:
        if self._woken is not None:
            return {"model": "tape_stop", "cause": self._woken}
        assert self._trade is not None
        return {"model": "tape_through" if maker else "tape", "cause": self.printed(self._trade)}


class ExplainedOnCandles(SlowExplanations, ReferenceOnCandles):
    _is_fired = False

    def arrive(self, order: ReferenceOrder) -> None:
        self.leave(order)
        self.begin_to_wait(order)
        super().arrive(order)

    def _on_candle(self, candle: Candle) -> None:
        """It counts for those that were there when it opened."""
        for price in (candle.low, candle.high):
            self.come_near(price, candle.open_time_ns + 1, candle.open_time_ns + candle.length_ns)
        super()._on_candle(candle)
        # What it has woken waits for the next one.
        for order in self.open.values():
            self.begin_to_wait(order)

    def _fire(self, order: ReferenceOrder, price: int) -> None:
        self._is_fired = True
        super()._fire(order, price)
        self._is_fired = False

    def why(self, order: ReferenceOrder, lots: int, maker: bool) -> Words:
        assert self.told is not None
        model = "candle_through" if maker else "candle_stop" if self._is_fired else "candle"
        return {"model": model, "cause": self._told_candle(self.told)}

    def _told_candle(self, candle: Candle) -> Words:
        prices = {"price": candle.open, "high": candle.high, "low": candle.low, "close": candle.close}
        return {
            "event": "candle", "time_ns": candle.open_time_ns + candle.length_ns, "open_time_ns": candle.open_time_ns,
            **{name: self.price(price) for name, price in prices.items()}, "quantity": self.quantity(candle.volume),
        }  # fmt: skip
