"""An order by itself: what it is by its terms, what a trade may fill of it, what is stored of it. Lots and ticks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.exchange.conftest import INSTRUMENT
from tests.exchange.written_engine import working

from triplegain.domain.clock import NO_MOMENT, Moment
from triplegain.domain.fees import FeeTier
from triplegain.domain.orders import Market, OrderStatus, OrderTerms, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Iceberg, MarketByCost, StopLossLimit, TakeProfit, TrailingStop, TrailingStopLimit
from triplegain.exchange.book import ASK, BID, NO_PRICES
from triplegain.exchange.order import Role, WorkingOrder, stored_order, working_order
from triplegain.exchange.prices import follow
from triplegain.exchange.resting import RestingOrders, TriggerOrders, is_reached

P = INSTRUMENT.price
UNIT = INSTRUMENT.atoms_per_tick_lot
STOP_LIMIT = StopLossLimit(P(100), P(90))


def made(terms: OrderTerms | None, price: int = 100, side: int = ASK, limit: int = 0, **more: Any) -> WorkingOrder:
    order = working("o", side, price, 10, terms=terms, **more)
    order.limit = limit
    return order


@pytest.mark.parametrize(
    ("terms", "limit", "before", "after"),
    [
        # Role, price, worst price, and how it stands: trigger, limit, peak, displayed.
        (None, 0, (Role.LIMIT, 100, 100, (None, P(100), None, Decimal("1e-7"))), None),
        (Market(), 0, (Role.MARKET, 100, 100, (None, None, None, None)), None),
        (
            StopLoss(P(100)), 0, (Role.TRIGGER, 100, 100, (P(100), None, None, None)),
            (Role.MARKET, 0, 0, (None, None, None, None)),
        ),
        (
            STOP_LIMIT, 90, (Role.TRIGGER, 100, 100, (P(100), P(90), None, None)),
            (Role.LIMIT, 90, 90, (None, P(90), None, Decimal("1e-7"))),
        ),
        (
            STOP_LIMIT, 110, (Role.TRIGGER, 100, 110, (P(100), P(110), None, None)),
            (Role.LIMIT, 110, 110, (None, P(110), None, Decimal("1e-7"))),
        ),
    ],
)  # fmt: skip
def test_what_it_is_before_its_trigger_and_after(terms: OrderTerms | None, limit: int, before: Any, after: Any) -> None:
    order = made(terms, limit=limit)

    def found() -> Any:
        at = order.standing()
        return order.role, order.price, order.worst_price, (at.trigger, at.limit, at.peak, at.displayed)

    assert found() == before
    if after is not None:
        order.passed = 95
        order.fire()
        assert found() == after
        assert (order.triggered, order.fired, order.passed) == (True, 100, 0)


def test_the_best_price_is_told_of_one_that_trails_and_waits() -> None:
    order = made(TrailingStop(Offset(Sign.PLUS, P(20))))
    order.peak = 120
    assert order.standing().peak == P(120)
    order.fire()
    assert order.standing().peak is None


@pytest.mark.parametrize(
    ("left", "shown", "next_slice", "in_book"), [(10, 4, 4, 4), (3, 4, 3, 3), (4, 4, 4, 4), (10, 0, 4, 10)]
)
def test_of_an_iceberg_a_trade_at_its_price_fills_what_it_shows(
    left: int, shown: int, next_slice: int, in_book: int
) -> None:
    order = made(Iceberg(P(100), INSTRUMENT.quantity(4)))
    order.left, order.shown = left, shown
    assert (order.in_book, order.filled, order.is_at_exchange) == (in_book, 10 - left, True)
    order.show_slice()
    assert order.shown == next_slice


def test_what_is_no_iceberg_shows_all_of_itself() -> None:
    order = made(None)
    order.show_slice()
    assert (order.shown, order.in_book) == (0, 10)


@pytest.mark.parametrize(
    ("status", "scheduled", "there"),
    [(OrderStatus.PENDING, False, False), (OrderStatus.PENDING, True, True), (OrderStatus.OPEN, False, True)],
)
def test_whether_it_is_at_the_exchange(status: OrderStatus, scheduled: bool, there: bool) -> None:
    order = made(None)
    order.status, order.scheduled = status, scheduled
    assert order.is_at_exchange is there


@pytest.mark.parametrize(
    ("cost", "spent", "budget", "lots"),
    [
        # Costs are told in steps of 0.00001, a lot at 10.0 is worth 1e-7: a hundred of them are a step.
        ("0.00005", "0", "0.00005", 500),
        ("0.000059", "0", "0.00005", 500),
        ("0.00005", "0.00001", "0.00004", 400),
        ("0.00005", "0.00006", "0", 0),
    ],
)
def test_what_is_left_of_a_cost_buys_whole_lots(cost: str, spent: str, budget: str, lots: int) -> None:
    order = made(MarketByCost(Decimal(cost)), side=BID, price=0)
    order.cost, order.spent_atoms, order.left = (int(Decimal(each) * 10**18) for each in (cost, spent, "0"))
    order.lots = 7
    assert order.budget == int(Decimal(budget) * 10**18)
    order.size_at(100)
    assert (order.left, order.lots) == (lots, 7 + lots)


# -- what is stored ------------------------------------------------------------------------------------------------

#: Every field that has a usual value, with another one.
OTHER: dict[str, Any] = {
    "status": OrderStatus.PARTIALLY_FILLED, "post_only": True, "price": 1 << 70, "lots": 1 << 71, "left": 1 << 72,
    "ahead": 1 << 73, "ahead_before": 1 << 74, "ahead_at_arrival": 1 << 75, "fee_ceiling_ppm": 1,
    "tier": FeeTier(1, 2, 3), "tier_volume_usd": 2, "spent_atoms": 1 << 76, "opened_ns": 3, "touched_ns": 4,
    "shrunk_ns": Moment(5), "stands_ns": Moment(6), "triggered": True, "limit": 1 << 77, "fired": 1 << 78,
    "peak": 1 << 79, "shown": 1 << 80, "cost": 1 << 81, "passed": 7, "fresh": True, "scheduled": True, "fills": 8,
    "place": 9, "quote_at_decision": (1, None), "quote_at_arrival": (None, 2),
}  # fmt: skip


def fresh() -> WorkingOrder:
    return WorkingOrder(5, "O", made(None).request, INSTRUMENT, 11, 12)


def test_what_is_stored_stays_as_it_is() -> None:
    stored: Any = stored_order(fresh())
    with pytest.raises(AttributeError):
        stored.price = Decimal(1)


def test_all_of_it_is_stored_and_comes_back() -> None:
    order = fresh()
    for name, value in OTHER.items():
        assert getattr(order, name) != value
        setattr(order, name, value)
    stored = msgspec.json.decode(msgspec.json.encode(stored_order(order)), type=type(stored_order(order)))
    back = working_order(stored, INSTRUMENT)
    assert {name: getattr(back, name) for name in OTHER} == OTHER
    assert (back.number, back.order_id, back.request, back.sent_ns, back.arrived_ns) == (5, "O", order.request, 11, 12)
    assert (back.key, back.side, back.client_order_id, back.funds_asset, back.rising) == ("5", ASK, "o", "BTC", True)


def test_what_came_later_and_is_as_usual_is_not_stored() -> None:
    """A row of before has none of it."""
    row = msgspec.to_builtins(stored_order(fresh()))
    later = {"limit", "fired", "peak", "shown", "cost", "passed", "stands_ns", "scheduled", "fills", "tier"}
    assert not row.keys() & {*later, "tier_volume_usd"}
    assert {"price", "lots", "left", "ahead", "spent_atoms", "shrunk_ns", "fresh", "place", "status"} <= row.keys()
    back = working_order(msgspec.convert(row, type(stored_order(fresh()))), INSTRUMENT)
    assert {name: getattr(back, name) for name in OTHER} == {name: getattr(fresh(), name) for name in OTHER}
    assert (back.stands_ns, back.shrunk_ns) == (NO_MOMENT, NO_MOMENT)


# -- where it waits ------------------------------------------------------------------------------------------------


def test_orders_rest_by_price_and_by_arrival() -> None:
    told: list[tuple[str, int, int]] = []
    resting = RestingOrders(
        lambda side, price: told.append(("opened", side, price)),
        lambda side, price: told.append(("closed", side, price)),
    )
    orders = [working(name, BID, price, 1) for name, price in (("a", 99), ("b", 101), ("c", 99), ("d", 100))]
    asks = [working(name, ASK, price, 1) for name, price in (("x", 111), ("y", 110))]
    for each in (*orders, *asks):
        resting.add(each)
    assert [each.client_order_id for each in resting.all()] == ["b", "d", "a", "c", "y", "x"]
    assert (resting.prices, resting.best) == (([99, 100, 101], [110, 111]), [101, 110])
    assert told == [("opened", BID, p) for p in (99, 101, 100)] + [("opened", ASK, p) for p in (111, 110)]
    told.clear()
    assert [resting.remove(orders[0]), resting.remove(orders[0]), resting.remove(working("z", BID, 7, 1))] == [
        True, False, False,
    ]  # fmt: skip
    assert told == []
    assert [resting.remove(each) for each in (orders[2], orders[1], asks[1])] == [True, True, True]
    assert told == [("closed", BID, 99), ("closed", BID, 101), ("closed", ASK, 110)]
    assert (resting.prices, resting.best) == (([100], [111]), [100, 111])
    resting.remove(orders[3])
    resting.remove(asks[0])
    assert (resting.prices, resting.best, resting.levels) == (([], []), list(NO_PRICES), ({}, {}))


class Waiting:
    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []
        self.orders = TriggerOrders(
            lambda rising, price: self.told.append(("opened", int(rising), price)),
            lambda rising, price: self.told.append(("closed", int(rising), price)),
        )

    def add(self, name: str, side: int, trigger: int, number: int, **more: Any) -> WorkingOrder:
        terms = more.pop("terms", StopLoss(P(trigger)))
        order = working(name, side, trigger, 1, number, terms=terms)
        for key, value in more.items():
            setattr(order, key, value)
        self.orders.add(order)
        return order


def names(orders: list[WorkingOrder]) -> list[str]:
    return [each.client_order_id for each in orders]


def test_triggers_wait_for_the_market_to_fall_or_to_rise() -> None:
    waiting = Waiting()
    low, high, up, down = (
        waiting.add("low", ASK, 90, 1), waiting.add("high", ASK, 95, 2), waiting.add("up", BID, 110, 3),
        waiting.add("target", ASK, 105, 4, terms=TakeProfit(P(105))),
    )  # fmt: skip
    assert (waiting.orders.nearest, waiting.orders.is_trailing) == ([95, 105], False)
    assert waiting.told == [("opened", 0, 90), ("opened", 0, 95), ("opened", 1, 110), ("opened", 1, 105)]
    found = {price: names(waiting.orders.reached(price, Moment(9))) for price in (89, 90, 91, 95, 96, 104, 105, 110)}
    assert found == {
        89: ["low", "high"], 90: ["low", "high"], 91: ["high"], 95: ["high"], 96: [], 104: [], 105: ["target"],
        110: ["up", "target"],
    }  # fmt: skip
    high.stands_ns = Moment(10)
    assert [names(waiting.orders.reached(90, Moment(at))) for at in (9, 10)] == [["low"], ["low", "high"]]
    waiting.told.clear()
    assert [waiting.orders.remove(high), waiting.orders.remove(high)] == [True, False]
    assert (waiting.orders.nearest, waiting.told) == ([90, 105], [("closed", 0, 95)])
    for each in (low, up, down):
        waiting.orders.remove(each)
    assert (waiting.orders.nearest, waiting.orders.reached(90, Moment(9))) == (list(NO_PRICES), [])


def test_what_the_tape_goes_through_without_a_book_is_remembered_once() -> None:
    waiting = Waiting()
    first, second = waiting.add("first", ASK, 95, 1), waiting.add("second", ASK, 90, 2)
    assert names(waiting.orders.go_through(93, Moment(9))) == ["first"]
    assert names(waiting.orders.go_through(89, Moment(9))) == ["second"]
    assert (first.passed, second.passed, names(waiting.orders.passed())) == (93, 89, ["first", "second"])
    assert waiting.orders.go_through(80, Moment(9)) == []
    waiting.orders.remove(first)
    assert names(waiting.orders.passed()) == ["second"]
    # One that is taken up again with what it was is among them.
    waiting.add("again", ASK, 95, 3, passed=94)
    assert names(waiting.orders.passed()) == ["second", "again"]


def test_a_trigger_that_trails_moves_with_the_newest_trade_and_stands_since_then() -> None:
    waiting, trail = Waiting(), TrailingStop(Offset(Sign.PLUS, P(10)))
    order = waiting.add("t", ASK, 90, 1, terms=trail, peak=100)
    late = waiting.add("late", ASK, 90, 2, terms=trail, peak=100, stands_ns=Moment(50))
    gone = waiting.add("gone", ASK, 90, 3, terms=trail, peak=100, passed=89)
    assert waiting.orders.is_trailing
    waiting.told.clear()
    assert waiting.orders.follow(100, Moment(9)) == []
    assert names(waiting.orders.follow(105, Moment(9))) == ["t"]
    assert (order.price, order.peak, order.stands_ns) == (95, 105, 9)
    assert (late.price, gone.price) == (90, 90)
    assert (waiting.told, waiting.orders.nearest[0]) == ([("closed", 0, 90), ("opened", 0, 95)], 95)
    assert names(waiting.orders.follow(106, Moment(50))) == ["t", "late"]
    for each in (order, late, gone):
        waiting.orders.remove(each)
    assert (waiting.orders.is_trailing, waiting.orders.follow(200, Moment(60))) == (False, [])


@pytest.mark.parametrize(
    ("side", "price", "reached"), [(BID, 99, False), (BID, 100, True), (ASK, 100, True), (ASK, 101, False)]
)
def test_a_trigger_is_reached_by_its_own_price(side: int, price: int, reached: bool) -> None:
    assert is_reached(made(StopLoss(P(100)), side=side), price) is reached


@pytest.mark.parametrize(
    ("side", "price", "moved", "trigger", "limit"),
    [
        # 10 behind the best of 100, and its limit 3 further; 2.5 % are rounded away.
        (ASK, 100, False, 90, 87), (ASK, 101, True, 91, 88), (ASK, 99, False, 90, 87),
        (BID, 100, False, 110, 113), (BID, 99, True, 109, 112), (BID, 101, False, 110, 113),
    ],
)  # fmt: skip
def test_a_trigger_follows_a_better_price_and_its_limit_with_it(
    side: int, price: int, moved: bool, trigger: int, limit: int
) -> None:
    sign = Sign.MINUS if side == ASK else Sign.PLUS
    terms = TrailingStopLimit(Offset(Sign.PLUS, P(10)), Offset(sign, P(3)))
    order = made(terms, price=90 if side == ASK else 110, side=side, limit=87 if side == ASK else 113)
    order.peak = 100
    assert follow(order, price) is moved
    assert (order.price, order.limit, order.peak) == (trigger, limit, price if moved else 100)
    assert not follow(made(None), price)
