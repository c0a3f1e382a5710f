"""The models without a book, on their own: which order meets which price, with how much of what was traded.

Quantities in lots, prices in ticks; a candle gives a tenth of its volume. Nothing is booked.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT
from tests.exchange.written_engine import Written, working

from triplegain.domain.clock import Moment
from triplegain.domain.market import Candle, MarketDepth
from triplegain.domain.orders import Market, OrderOptions, StopLoss, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import OrderTerms, StopLossLimit, TakeProfit, TrailingStop
from triplegain.exchange.book import ASK, BID
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.public_market import PublicMarket
from triplegain.exchange.settings import ExchangeSettings
from triplegain.exchange.simple_fills import IMMEDIATE_REST, UNAFFORDABLE, SimpleFills

CAUSE: dict[str, Any] = {"event": "trade", "time_ns": 9, "price": 1000, "quantity": 6}


class Bare:
    def __init__(self, depth: MarketDepth = MarketDepth.TAPE, partial: bool = True, slippage_ppm: int = 0) -> None:
        self.engine = Written()
        self.public = PublicMarket(INSTRUMENT, depth)
        self.changes = 0
        settings = ExchangeSettings(partial_fills=partial, slippage_ppm=slippage_ppm)
        self.simple = SimpleFills(self.engine, settings, self.public, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def add(self, *orders: WorkingOrder) -> None:
        for number, order in enumerate(orders, 1):
            order.number = number
            self.simple.add(order)

    def candle(self, prices: tuple[int, int, int, int], volume: int, opens: int = 0) -> None:
        """It is told, as its market tells it."""
        told = Candle(INSTRUMENT.symbol, opens, 100, *prices, volume)
        self.public.candle = ToldCandle.of(told, volume)
        self.simple.on_candle(told, is_matched=True)

    @property
    def waiting(self) -> list[str]:
        return [each.client_order_id for each in self.simple._orders.values()]


def stop(name: str, side: int, trigger: int, lots: int, **more: Any) -> WorkingOrder:
    terms = more.pop("terms", None) or StopLoss(INSTRUMENT.price(trigger))
    return working(name, side, trigger, lots, terms=terms, **more)


# -- what waits ----------------------------------------------------------------------------------------------------


def test_who_comes_and_goes_is_told_once() -> None:
    bare = Bare()
    order = working("o", BID, 1000, 5)
    bare.simple.remove(order)
    assert (bare.changes, bool(bare.simple)) == (0, False)
    bare.simple.add(order)
    assert (bare.changes, bool(bare.simple)) == (1, True)
    bare.simple.remove(order)
    bare.simple.remove(order)
    assert (bare.changes, bool(bare.simple)) == (2, False)


@pytest.mark.parametrize(
    ("ppm", "side", "price", "slipped"),
    [
        (1000, BID, 1000, 1001),
        (1000, BID, 1001, 1003),  # 1,002.001 up
        (1000, ASK, 1000, 999),
        (1000, ASK, 1001, 999),  # 999.999 down
        (999_999, ASK, 1000, 1),  # never to nothing
        (0, BID, 1000, 1000),
        (0, ASK, 1000, 1000),
    ],
)
def test_a_price_slips_against_the_trader(ppm: int, side: int, price: int, slipped: int) -> None:
    assert Bare(slippage_ppm=ppm).simple.slipped(side, price) == slipped


def test_of_a_candle_that_was_told_a_tenth_is_there() -> None:
    bare = Bare(MarketDepth.CANDLES)
    assert bare.simple.told is None
    bare.public.candle = ToldCandle.of(Candle(INSTRUMENT.symbol, 0, 100, 1, 1, 1, 1, 1009), 1009)
    told = bare.simple.told
    assert told is not None
    assert told.left == 100


@pytest.mark.parametrize(
    ("delay", "told", "arrives"),
    [(30, False, 530), (30, True, 500), (99, True, 500), (100, True, 600)],
)
def test_a_command_takes_its_time_where_no_candle_says_otherwise(delay: int, told: bool, arrives: int) -> None:
    bare = Bare(MarketDepth.CANDLES)
    if told:
        bare.candle((1000, 1000, 1000, 1000), 100)
    assert bare.simple.arrives_ns(500, delay, None) == arrives


# -- tape ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partial", "lots", "fills"),
    [
        # The first takes 4 at the price of the trade, the second, which it goes through, what is left, at its own.
        (True, 6, [("m", 4, 1000), ("l", 2, 1005)]),
        (True, 4, [("m", 4, 1000)]),
        (True, 3, [("m", 3, 1000)]),
        (True, 9, [("m", 4, 1000), ("l", 5, 1005)]),
        # Whole or not at all: a market order whatever was traded, a limit only if that much was.
        (False, 3, [("m", 4, 1000)]),
        (False, 8, [("m", 4, 1000)]),
        (False, 9, [("m", 4, 1000), ("l", 5, 1005)]),
    ],
)
def test_orders_share_a_trade(partial: bool, lots: int, fills: list[tuple[str, int, int]]) -> None:
    bare = Bare(partial=partial)
    bare.add(working("m", BID, 0, 4, terms=Market()), working("l", BID, 1005, 5))
    bare.simple.on_trade(Moment(9), 1000, lots)
    assert bare.engine.fills == fills


@pytest.mark.parametrize(("stands", "fills"), [(8, 1), (9, 1), (10, 0)])
def test_a_trade_meets_who_stood_at_its_moment(stands: int, fills: int) -> None:
    bare, missed = Bare(), Bare()
    for each in (bare, missed):
        order = working("l", BID, 1005, 5)
        order.stands_ns = Moment(stands)
        each.add(order)
    bare.simple.on_trade(Moment(9), 1000, 6)
    missed.simple.meet_missed(Moment(9), CAUSE)
    assert (len(bare.engine.fills), len(missed.engine.fills)) == (fills, fills)


def test_a_missed_trade_meets_limits_and_no_more_of_it_than_there_was() -> None:
    bare = Bare()
    bare.add(
        working("m", BID, 0, 4, terms=Market()), working("a", BID, 1005, 4), working("gone", BID, 1005, 0),
        working("touched", BID, 1000, 1), working("b", BID, 1005, 4), working("c", BID, 1005, 4),
    )  # fmt: skip
    bare.simple.meet_missed(Moment(9), CAUSE)
    assert bare.engine.fills == [("a", 4, 1005), ("b", 2, 1005)]
    assert (set(bare.engine.models), set(bare.engine.makers)) == ({"tape_through"}, {True})
    assert bare.waiting == ["m", "gone", "touched", "b", "c"]


def test_a_limit_that_has_met_no_price_takes_its_first_one_and_the_rest_of_the_trade_once() -> None:
    bare = Bare()
    order = working("l", BID, 1005, 10)
    order.fresh = True
    bare.add(order)
    bare.simple.on_trade(Moment(9), 1000, 6)
    assert (bare.engine.fills, order.fresh, order.key in bare.engine.touched) == ([("l", 6, 1000)], False, True)
    bare.simple.on_trade(Moment(10), 1000, 3)
    assert bare.engine.fills[1:] == [("l", 3, 1005)]
    assert bare.engine.models == ["tape", "tape_through"]


@pytest.mark.parametrize(
    ("side", "trigger", "trade", "paid"),
    [(ASK, 1000, 990, 990), (ASK, 1000, 1000, 1000), (ASK, 990, 1000, 990), (BID, 1000, 1010, 1010), (BID, 10, 9, 10)],
)
def test_a_stop_gets_the_worse_of_trigger_and_trade(side: int, trigger: int, trade: int, paid: int) -> None:
    bare = Bare()
    order = stop("s", side, trigger, 5)
    order.fire()
    assert not bare.simple.execute_now(order, {**CAUSE, "price": trade})
    assert (bare.engine.fills, bare.engine.models) == ([("s", 5, paid)], ["tape_stop"])


@pytest.mark.parametrize(
    ("limit", "force", "waits", "filled", "finished"),
    [
        (990, TimeInForce.GTC, False, 5, []),
        (1000, TimeInForce.GTC, True, 0, []),
        (1000, TimeInForce.IOC, False, 0, [("s", IMMEDIATE_REST)]),
    ],
)
def test_a_triggered_limit_takes_that_or_waits(
    limit: int, force: TimeInForce, waits: bool, filled: int, finished: list[tuple[str, str]]
) -> None:
    """Sold at 995 by a trade there; of its trigger of 1000."""
    bare = Bare()
    terms = StopLossLimit(INSTRUMENT.price(1000), INSTRUMENT.price(limit))
    order = stop("s", ASK, 1000, 5, terms=terms, time_in_force=force)
    order.limit = limit
    order.fire()
    assert bare.simple.execute_now(order, {**CAUSE, "price": 995}) is waits
    assert (order.filled, bare.engine.finished) == (filled, finished)


@pytest.mark.parametrize(
    ("funds", "partial", "fills", "ended"),
    [
        (5, True, [("m", 5, 1000)], []),
        (3, True, [("m", 3, 1000)], [("m", UNAFFORDABLE)]),
        (1, True, [("m", 1, 1000)], [("m", UNAFFORDABLE)]),
        (0, True, [], [("m", UNAFFORDABLE)]),
        (3, False, [], [("m", UNAFFORDABLE)]),
    ],
)
def test_where_funds_are_at_their_end_so_is_the_order(
    funds: int, partial: bool, fills: list[tuple[str, int, int]], ended: list[tuple[str, str]]
) -> None:
    bare = Bare(partial=partial)
    bare.engine.funds = funds
    bare.add(working("m", BID, 0, 5, terms=Market()))
    bare.simple.on_trade(Moment(9), 1000, 9)
    assert (bare.engine.fills, bare.engine.finished, bare.waiting) == (fills, ended, [])


# -- candles -------------------------------------------------------------------------------------------------------


def test_of_a_candle_stops_come_first_then_who_was_first_and_all_share_its_volume() -> None:
    """Of 100 lots ten are there: 3 for the stop, 4 and 3 for the others; the last gets nothing."""
    bare = Bare(MarketDepth.CANDLES)
    over = working("over", ASK, 0, 0, terms=Market(), time_in_force=TimeInForce.IOC)
    bare.add(
        over, working("a", BID, 0, 4, terms=Market(), position_id="pos"), stop("s", ASK, 990, 3),
        working("b", BID, 1005, 9), working("c", ASK, 900, 9),
    )  # fmt: skip
    bare.candle((1000, 1000, 980, 1000), 100)
    assert bare.engine.fills == [("s", 3, 990), ("a", 4, 1000), ("b", 3, 1005)]
    assert bare.engine.models == ["candle_stop", "candle", "candle_through"]
    # An order that was left nothing by others is over in their hands, not in those of the candle.
    assert bare.engine.finished == []
    own = bare.simple.own
    assert own is not None
    assert (own.left, own.bought, own.sold) == (Decimal(0), ("a", "pos", "b"), ())
    assert bare.simple.guarded == own
    # Between the stops and the others the exchange sells what cannot be held: 7 are left for that.
    [(symbol, met, fills)] = bare.engine.met
    assert (symbol, met.left, fills) == (INSTRUMENT.symbol, Decimal(7), 1)


def test_what_has_bought_nothing_is_not_guarded() -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.add(working("sale", ASK, 900, 9), working("bid", BID, 900, 9))
    bare.candle((1000, 1000, 980, 1000), 100)
    assert bare.engine.fills == [("sale", 9, 900)]
    assert bare.simple.guarded is None


@pytest.mark.parametrize(
    ("more", "sold"),
    [
        # What opens something is guarded by what follows; a sale of coins opens nothing.
        ({"leverage": 2}, ("sale",)),
        ({"leverage": 2, "position_id": "pos"}, ("sale", "pos")),
        ({"options": OrderOptions(close=StopLoss(INSTRUMENT.price(1010)))}, ("sale",)),
        ({}, ()),
    ],
)
@pytest.mark.parametrize(("side", "fills"), [(BID, [("stop", 4, 1010)]), (ASK, [])])
def test_the_stop_of_a_short_meets_the_candle_that_opened_it(
    more: dict[str, Any], sold: tuple[str, ...], side: int, fills: list[tuple[str, int, int]]
) -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.add(working("sale", ASK, 0, 4, terms=Market(), **more))
    bare.candle((1000, 1020, 980, 1000), 100)
    assert bare.simple.own is not None
    assert (bare.simple.own.sold, bare.simple.own.bought) == (sold, ())
    assert (bare.simple.guarded is not None) is bool(sold)
    order = stop("stop", side, 1010 if side == BID else 990, 4, options=OrderOptions(closes="sale"))
    order.number = 2
    bare.simple.guard_fill(order)
    assert bare.engine.fills[1:] == (fills if sold else [])


@pytest.mark.parametrize(
    ("side", "fired", "opened", "paid"), [(ASK, 990, 1000, 990), (ASK, 990, 980, 980), (BID, 1010, 1000, 1010)]
)
def test_what_a_stops_candle_had_no_volume_for_is_never_dealt_better_later(
    side: int, fired: int, opened: int, paid: int
) -> None:
    bare = Bare(MarketDepth.CANDLES)
    order = stop("s", side, fired, 4)
    order.fire()
    bare.add(order)
    bare.candle((opened, 1020, 970, 1000), 100)
    assert bare.engine.fills == [("s", 4, paid)]
    assert bare.engine.met[0][2] == 1


def test_a_candle_that_is_not_matched_fills_nobody_and_is_told() -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.add(working("bid", BID, 1005, 9))
    bare.simple.on_candle(Candle(INSTRUMENT.symbol, 0, 100, 1000, 1000, 980, 1000, 100), is_matched=False)
    assert bare.engine.fills == []
    assert bare.simple.own is not None


FOLLOWS: dict[str, Any] = {"position_id": "pos"}


@pytest.mark.parametrize(
    ("order", "fills", "left"),
    [
        # It fell to 970: the stop of what was bought is sold at its trigger, with 2 of the 6 that are left.
        (stop("s", ASK, 980, 2, **FOLLOWS), [("s", 2, 980)], 4),
        (stop("s", ASK, 980, 9, **FOLLOWS), [("s", 6, 980)], 0),
        (stop("s", ASK, 980, 2, options=OrderOptions(closes="a")), [("s", 2, 980)], 4),
        # Not reached; of nothing that was bought; a purchase; no stop.
        (stop("s", ASK, 960, 2, **FOLLOWS), [], 6),
        (stop("s", ASK, 980, 2, position_id="other"), [], 6),
        (stop("s", BID, 980, 2, **FOLLOWS), [], 6),
        (working("s", ASK, 980, 2, **FOLLOWS), [], 6),
        # A target may have been reached before the purchase: that is not known.
        (stop("s", ASK, 1010, 2, terms=TakeProfit(INSTRUMENT.price(1010)), **FOLLOWS), [], 6),
    ],
)
def test_the_stop_that_follows_a_purchase_meets_what_is_left_of_its_candle(
    order: WorkingOrder, fills: list[tuple[str, int, int]], left: int
) -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.add(working("a", BID, 0, 4, terms=Market(), position_id="pos"))
    bare.candle((1000, 1020, 970, 1000), 100)
    order.number, order.sent_ns = 2, 100
    bare.simple.guard_fill(order)
    assert bare.engine.fills[1:] == fills
    assert bare.simple.own is not None
    assert bare.simple.own.left == left


@pytest.mark.parametrize("sent", [101, 102])
def test_only_what_answers_the_candle_meets_it(sent: int) -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.add(working("a", BID, 0, 4, terms=Market(), position_id="pos"))
    bare.candle((1000, 1020, 970, 1000), 100)
    order = stop("s", ASK, 980, 2, **FOLLOWS)
    order.sent_ns = sent
    bare.simple.guard_fill(order)
    assert len(bare.engine.fills) == (2 if sent == 101 else 1)


def test_without_a_candle_nothing_is_guarded() -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.simple.guard_fill(stop("s", ASK, 980, 2, **FOLLOWS))
    assert bare.engine.fills == []


@pytest.mark.parametrize(
    ("lots", "fills", "left", "waiting"),
    [(4, [("x", 4, 985)], 6, []), (10, [("x", 10, 985)], 0, []), (12, [("x", 10, 985)], 0, ["x"])],
)
def test_what_the_exchange_sells_takes_what_is_left_and_waits_with_the_rest(
    lots: int, fills: list[tuple[str, int, int]], left: int, waiting: list[str]
) -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.candle((1000, 1020, 970, 1000), 100)
    bare.simple.liquidate(working("x", ASK, 0, lots, terms=Market()), 985)
    assert (bare.engine.fills, bare.waiting) == (fills, waiting)
    assert bare.simple.own is not None
    assert bare.simple.own.left == left
    assert set(bare.engine.models) == {"candle_liquidation"}


def test_before_the_first_candle_it_waits() -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.simple.liquidate(working("x", ASK, 0, 4, terms=Market()), 985)
    assert (bare.engine.fills, bare.waiting) == ([], ["x"])


@pytest.mark.parametrize(
    ("side", "trigger", "prices", "fills"),
    [
        # A stop is met by the extreme that goes against it, at its trigger, or at the open beyond it.
        (ASK, 980, (1000, 1020, 980, 1000), [980]),
        (ASK, 980, (1000, 1020, 981, 1000), []),
        (ASK, 980, (980, 1020, 980, 1000), [980]),
        (ASK, 980, (970, 1020, 960, 1000), [970]),
        (BID, 1020, (1000, 1020, 980, 1000), [1020]),
        (BID, 1020, (1000, 1019, 980, 1000), []),
        (BID, 1020, (1030, 1040, 980, 1000), [1030]),
    ],
)
@pytest.mark.parametrize("sent", [0, 50])
def test_a_stop_meets_every_candle_of_which_it_sees_a_part(
    side: int, trigger: int, prices: tuple[int, int, int, int], fills: list[int], sent: int
) -> None:
    bare = Bare(MarketDepth.CANDLES)
    order = stop("s", side, trigger, 5)
    order.sent_ns = order.arrived_ns = sent
    bare.add(order)
    bare.candle(prices, 100)
    assert [price for _, _, price in bare.engine.fills] == fills
    assert bare.engine.triggered == [("s", price) for price in fills]


@pytest.mark.parametrize(("arrived", "fills"), [(99, 1), (100, 0)])
def test_one_that_is_sent_at_the_close_comes_after_the_candle(arrived: int, fills: int) -> None:
    bare = Bare(MarketDepth.CANDLES)
    order = stop("s", ASK, 980, 5)
    order.sent_ns = order.arrived_ns = arrived
    bare.add(order)
    bare.candle((1000, 1020, 970, 1000), 100)
    assert len(bare.engine.fills) == fills


@pytest.mark.parametrize(
    ("side", "sent", "prices", "peak", "trigger", "fills"),
    [
        # 20 behind the best of it, where it was there from the open; by the close alone where it was not.
        (ASK, 0, (1000, 1010, 990, 1000), 1010, 990, []),
        (ASK, 50, (1000, 1010, 990, 1005), 1005, 985, []),
        (BID, 0, (1000, 1010, 990, 1000), 990, 1010, []),
        # The close has come back to where the trigger is by then.
        (ASK, 0, (1000, 1010, 985, 990), 1010, 990, [990]),
        (ASK, 0, (1000, 1010, 985, 988), 1010, 990, [988]),
        (BID, 0, (1000, 1015, 990, 1012), 990, 1010, [1012]),
        # It has not moved.
        (ASK, 0, (1000, 1000, 990, 995), 1000, 980, []),
    ],
)
def test_a_trigger_that_trails_follows_the_best_of_a_candle_it_has_held_through(
    side: int, sent: int, prices: tuple[int, int, int, int], peak: int, trigger: int, fills: list[int]
) -> None:
    bare = Bare(MarketDepth.CANDLES)
    terms: OrderTerms = TrailingStop(Offset(Sign.PLUS, INSTRUMENT.price(20)))
    order = stop("t", side, 1020 if side == BID else 980, 5, terms=terms)
    order.peak, order.sent_ns, order.arrived_ns = 1000, sent, sent
    bare.add(order)
    bare.candle(prices, 100)
    assert (order.peak, order.fired if fills else order.price) == (peak, trigger)
    assert [price for _, _, price in bare.engine.fills] == fills
    assert (order.key in bare.engine.touched) is (peak != 1000)


@pytest.mark.parametrize(
    ("side", "limit", "fills"),
    [(BID, 990, []), (BID, 991, [991]), (ASK, 1010, []), (ASK, 1009, [1009])],
)
def test_a_limit_needs_a_candle_through_it(side: int, limit: int, fills: list[int]) -> None:
    bare = Bare(MarketDepth.CANDLES)
    bare.add(working("l", side, limit, 5))
    bare.candle((1000, 1010, 990, 1000), 100)
    assert [price for _, _, price in bare.engine.fills] == fills


@pytest.mark.parametrize(
    ("lots", "partial", "filled"),
    [(10, False, 10), (11, False, 0), (11, True, 10)],
)
def test_no_more_of_a_candle_than_its_share(lots: int, partial: bool, filled: int) -> None:
    bare = Bare(MarketDepth.CANDLES, partial)
    order = working("m", BID, 0, lots, terms=Market())
    bare.add(order)
    bare.candle((1000, 1010, 990, 1000), 100)
    assert order.filled == filled
    assert bare.waiting == ([] if filled == lots else ["m"])
