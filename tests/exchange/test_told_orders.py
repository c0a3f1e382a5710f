"""Orders told word for word: what a trader reads. Prices and quantities as in the worked cases of the exchange."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.exchange.conftest import NO_DELAY, Bench

from triplegain.domain.exchange_events import ExchangeEvent, OrderCancelled, OrderFilled, OrderRejected
from triplegain.domain.market import FeedState, FeedStatus, MarketDepth
from triplegain.domain.orders import (
    Limit,
    Market,
    OrderOptions,
    OrderRequest,
    OrderStatus,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from triplegain.domain.price import Offset, Sign
from triplegain.domain.records import OrderRecord
from triplegain.domain.terms import MarketByCost, StopLoss, TakeProfit
from triplegain.domain.told_fills import CostParts, step_of, told_steps, totals_of
from triplegain.domain.told_orders import FillPage, ToldOrder, told_order
from triplegain.execution.order_register import OrderRegister

REQUEST = OrderRequest("o", "BTC/USDT", Side.BUY, Decimal(1), Limit(Decimal("99")))
RECORD = OrderRecord(
    1, "O1", REQUEST, OrderStatus.FILLED, 1, 2, Decimal(1), Decimal("99"), Decimal(1), Decimal("99"), Decimal("0.4")
)
FILL = OrderFilled(
    1, 2, 2, 1, "o", "BTC/USDT", 1, "T1", Side.BUY, Decimal("99"), Decimal(1), Decimal("99"), Decimal("0.4"), "USDT",
    False, Decimal(1), OrderStatus.FILLED, {"model": "book"},
)  # fmt: skip


FILLS_OF_ONE_STEP = (FILL, msgspec.structs.replace(FILL, fill_number=2))


def told(b: Bench, name: str) -> ToldOrder:
    """As it is made of what would be stored."""
    register = OrderRegister(keep_final=100)
    events = b.drain()
    for event in events:
        register.apply(event)
    record = register.by_client_id(name)
    assert record is not None
    own = [each for each in events if getattr(each, "client_order_id", None) == name]
    fills = [each for each in own if isinstance(each, OrderFilled)]
    points = [each for each in b.exchange.paths.drain() if each.order_number == record.order_number]
    order = b.exchange.orders.get(name)
    standing = None if order is None else b.market.order_standing(order)
    page = FillPage(fills, totals_of(fills))
    return told_order(record, page, [each for each in own if each not in fills], points, standing)


def test_a_walk_through_two_prices(usual: Bench) -> None:
    usual.order("m", "buy", "3")
    found = told(usual, "m")
    [step] = found.steps
    # 1 at 100.1 and 2 at 100.2: 300.5 for 3. Against the middle of 100.05: 0.05 to the ask, 2 x 0.1 beyond it.
    assert step.words == (
        "Bought 3 BTC at 100.16667 on average, walking 2 prices: 1 at 100.1, 2 at 100.2. "
        "1 BTC were offered at 100.1. The fee is 1.202 USDT: 0.4 % as taker."
    )
    assert step.before is not None and step.after is not None
    assert [(str(each.price), str(each.available)) for each in step.before.asks] == [("100.1", "1"), ("100.2", "10")]
    assert [(str(each.price), str(each.available)) for each in step.after.asks] == [("100.1", "0"), ("100.2", "8")]
    assert found.cost == CostParts(*map(Decimal, ("0", "0.15", "0.2", "1.202")))
    assert found.cost_words.startswith("Against the middle when it was decided it cost 1.552 USDT (51.65 bp")
    assert found.why_not == () and found.queue == ()
    # 300.5 / 3
    assert found.headline.endswith(": filled at 100.16667 USDT on average.")
    usual.order("n", "buy", "1")
    assert "10 BTC were offered at 100.2, of which 8 could still be had: the rest this account" in (
        told(usual, "n").steps[0].words
    )


def test_a_level_that_an_own_order_cuts_in_two_is_one_price(usual: Bench) -> None:
    """10 at 100.2 before the own order came, and 5 behind it: 12 of them in two fills."""
    usual.order("first", "buy", "1")
    usual.book(asks="100.1x0")
    usual.order("own", "sell", "1", "100.2")
    usual.book(asks="100.2x15")
    usual.order("o", "buy", "12", self_trade=SelfTradePrevention.CANCEL_OLDEST)
    [step] = told(usual, "o").steps
    assert [str(each.quantity) for each in step.fills] == ["10", "2"]
    assert step.words.startswith("Bought 12 BTC at 100.2. 15 BTC were offered at 100.2.")
    assert step.after is not None and [str(each.available) for each in step.after.asks] == ["3"]


def test_fills_of_one_moment_where_it_waited_are_told_as_such(usual: Bench) -> None:
    """A trade of 6, of which one passes those in front, and another of 0.5 in the same moment."""
    usual.order("l", "buy", "2", "100.0")
    usual.trade("sell", "6", "100.0", at=10)
    usual.trade("sell", "0.5", "100.0", at=10)
    usual.cancel("l")
    found = told(usual, "l")
    [step] = found.steps
    assert step.words.startswith(
        "Bought 1.5 BTC at 100. The first of 2 fills of that moment: a trade of 6 BTC at 100 came to its price:"
    )
    assert found.headline.endswith(": cancelled; filled 1.5 of 2 BTC at 100 USDT on average.")
    assert told_steps(FILLS_OF_ONE_STEP, {step_of(FILL)})[0].words.startswith("A part of a step. Bought 2 BTC at 99.")


def test_an_order_that_was_cut_says_so_and_has_no_price_of_zero() -> None:
    """Of before: a cut of a market order was told as an amendment to a price of 0."""
    request = msgspec.structs.replace(
        REQUEST, quantity=Decimal(2), terms=Market(), options=OrderOptions(reduce_only=True)
    )
    record = msgspec.structs.replace(RECORD, request=request, price=Decimal(0))
    found = told_order(record, FillPage([FILL], totals_of([FILL])), [], [])
    assert (record.price_now, found.headline[:22]) == (None, "buy 1 BTC at market, s")
    assert found.why_not == ("2 BTC were asked for: cut to 1, for it only reduces a position, or was amended.",)


def test_a_fill_from_the_queue(usual: Bench) -> None:
    usual.order("l", "buy", "1", "100.0")
    usual.trade("sell", "6", "100.0")
    [step] = told(usual, "l").steps
    assert step.maker and step.after is None
    assert step.words.startswith(
        "Bought 1 BTC at 100. A trade of 6 BTC at 100 came to its price: 5 BTC stood in front when it took its place, "
        "5 were left, and what the trade had beyond these was its."
    )


def test_a_fill_by_a_quote_at_and_through_its_price(usual: Bench) -> None:
    for name, ask, words in (
        ("at", "99.0", "offered at 99, its price, so"),
        ("by", "98.9", "offered at 98.9, through"),
    ):
        usual.order(name, "buy", "1", "99.0")
        usual.book(bids="100.0x0", asks=f"{ask}x1")
        assert f"The book came to show 1 BTC {words}" in told(usual, name).steps[0].words


def test_a_stop_is_told_from_its_trigger(usual: Bench) -> None:
    usual.stop("s", "sell", "1", "99.5")
    usual.book(bids="100.0x0 99.0x5")
    usual.trade("sell", "1", "99.4")
    found = told(usual, "s")
    assert found.steps[0].words.startswith("A trade at 99.4 reached the trigger at 99.5. Sold 1 BTC at 99.")
    assert found.cost_words.startswith(
        "Against its trigger at 99.5 (delay: from there to the middle when it was reached)"
    )
    # 99 instead of 99.5, and 0.396 of fee.
    assert found.cost is not None and found.cost.total == Decimal("0.896")


def test_the_parts_of_a_stop_of_before_are_told_as_what_they_are() -> None:
    """Sold 1 at 99 with a trigger at 99.5, when the middle at the decision was 100.05: by that 1.05 worse, as parts
    were before they were of the trigger; by neither where they are 1."""
    quotes, cause = ["100", "100.1"], {"event": "stop", "price": "99.4", "trigger": "99.5"}
    said = {"0.5": "its trigger at 99.5", "1.05": "the middle when it was decided", "1": "its trigger at 99.5"}
    for worse, beside in said.items():
        parts = {"delay": worse, "spread": "0", "impact": "0", "fee": "0.4"}
        explanation = {"model": "book", "cause": cause, "quote_at_decision": quotes, "shortfall": parts}
        request = msgspec.structs.replace(REQUEST, terms=StopLoss(Decimal("99.5")), side=Side.SELL)
        fill = msgspec.structs.replace(FILL, side=Side.SELL, explanation=explanation)
        record = msgspec.structs.replace(RECORD, request=request)
        words = told_order(record, FillPage([fill], totals_of([fill])), [], []).cost_words
        assert words.startswith(f"Against {beside}"), words


def test_an_order_by_cost_and_one_by_distance_are_told_by_what_was_asked(usual: Bench) -> None:
    usual.order("c", "buy", "0", MarketByCost(Decimal("150.15")))
    # 1 at 100.1, and with 50.05 at 100.2 0.4995009 of a coin.
    assert " buy BTC for 150.15 USDT at market" in f" {told(usual, 'c').headline}"
    assert "filled 1.4995" in told(usual, "c").headline
    usual.trade("sell", "0.1", "100.0")
    usual.order("r", "buy", "1", Limit(Offset(Sign.MINUS, Decimal("2"))))
    assert told(usual, "r").headline.startswith("buy 1 BTC limit -2, at 98, sent ")
    usual.amend("r", price="97")
    assert told(usual, "r").headline.startswith("buy 1 BTC limit -2, at 97, sent ")


#: What is done at 100.0 / 100.1, as calls of the bench, and what is said then.
WAITS: dict[str, tuple[list[tuple[Any, ...]], list[str]]] = {
    "a limit that no price came to": (
        [("order", "o", "buy", "1", "99.0"), ("trade", "sell", "1", "99.3"), ("cancel", "o")],
        [
            "It was cancelled with 1 of 1 BTC left to fill: User requested.",
            "The market never came to its price 99: the nearest trade while it waited was 99.3, 0.3 away at 1970-01-01",
        ],
    ),
    "a limit whose queue never went": (
        [
            ("order", "o", "buy", "1", "100.0"), ("trade", "sell", "2", "100.0"), ("book", "100.0x3"),
            ("book", "100.0x2"), ("cancel", "o"),
        ],
        [
            "It was cancelled with 1 of 1 BTC left to fill: User requested.",
            "Trades came to its price 100: the nearest trade while it waited was 100 at 1970-01-01T00:00:00",
            "5 BTC stood in front when it took its place, 2 of these were traded, 1 left, and 2 still stood in front",
        ],
    ),
    "a limit at another price than when the trade was": (
        [
            ("order", "o", "buy", "1", "98.0"), ("trade", "sell", "1", "99.0"), ("amend", "o", None, "99.5"),
            ("trade", "sell", "1", "99.9"), ("cancel", "o"),
        ],
        [
            "It was cancelled with 1 of 1 BTC left to fill: User requested.",
            "The market never came to its price 99.5: the nearest trade while it waited was 99.9, 0.4 away",
        ],
    ),
    "a limit in a long queue, still open": (
        [("book", "100.0x1000"), ("order", "o", "buy", "1", "100.0"), ("trade", "sell", "9", "100.0")],
        [
            "It is open, with 1 of 1 BTC left to fill.",
            "Trades came to its price 100: the nearest trade so far was 100 at",
            "1000 BTC stood in front when it took its place, 9 of these were traded, 0 left, and 991 stand",
        ],
    ),
    "a limit that a trade went through, in part": (
        [
            ("order", "o", "buy", "1", "100.0"), ("trade", "sell", "1", "100.0"), ("trade", "sell", "0.25", "99.9"),
            ("cancel", "o"),
        ],
        [
            "It was cancelled with 0.75 of 1 BTC left to fill: User requested.",
            "Trades came to its price 100: the nearest trade while it waited was 99.9, 0.1 beyond",
            "5 BTC stood in front when it took its place, 1 of these were traded, 4 left or were traded as a trade "
            "went through the price, and 0 still stood in front at the end.",
        ],
    ),
    "a stop that nothing reached, still open": (
        [("order", "o", "sell", "1", StopLoss(Decimal("98.0"))), ("trade", "sell", "1", "98.4")],
        [
            "It is open, with 1 of 1 BTC left to fill.",
            "Its trigger at 98 was never reached: the nearest trade so far was 98.4, 0.4 away at 1970-01-01",
        ],
    ),
    "without a trade": (
        [("order", "o", "sell", "1", TakeProfit(Decimal("130.0"))), ("cancel", "o")],
        [
            "It was cancelled with 1 of 1 BTC left to fill: User requested.",
            "Its trigger at 130 was never reached: there was no trade while it waited.",
        ],
    ),
    "post-only": (
        [("order", "o", "buy", "1", Limit(Decimal("100.1"), True))],
        [
            "It was refused: EOrder:Post only order, ",
            "Name a price that takes nothing, or leave post-only out.",
            "The best quotes were then 100 / 100.1.",
            "1 BTC could be bought within 100.1 of the book as it was then.",
        ],
    ),
    "fill or kill": (
        [("fill_or_kill", "o", "9", "100.1")],
        [
            "It was cancelled with 9 of 9 BTC left to fill: fill or kill: it could not be filled whole at once.",
            "The best quotes were then 100 / 100.1.",
            "1 BTC could be bought within 100.1 of the book as it was then.",
        ],
    ),
    "no funds": (
        [("order", "o", "buy", "900000", "99.0")],
        ["It was refused: EOrder:Insufficient funds, ", "Ask for less, or cancel what holds the funds (`orders`)."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WAITS)
def test_why_it_did_not_fill(usual: Bench, case: str) -> None:
    does, said = WAITS[case]
    for name, *arguments in does:
        if name == "fill_or_kill":
            order, quantity, price = arguments
            usual.order(order, "buy", quantity, price, time_in_force=TimeInForce.FOK)
        else:
            getattr(usual, name)(*arguments)
    found = told(usual, "o").why_not
    assert len(found) >= len(said)
    assert all(sentence.startswith(words) for sentence, words in zip(found, said, strict=False)), found


def test_what_could_not_be_seen_is_not_made_up(usual: Bench) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 50, 50, FeedState.CATCH_UP, "away"))
    usual.trade("sell", "1", "100.0", at=60)
    usual.cancel("o")
    assert told(usual, "o").why_not[-1] == (
        "Nobody knows how many stood in front of it: their place in the queue could not be seen."
    )


def test_on_a_tape_there_is_no_queue(bench: Callable[..., Bench]) -> None:
    b = bench(depth=MarketDepth.TAPE, settings=NO_DELAY)
    b.trade("buy", "1", "100.0")
    b.order("o", "buy", "1", "99.0")
    b.trade("sell", "1", "99.0")
    b.cancel("o")
    assert told(b, "o").why_not[-2] == (
        "Without a book only a trade through its price fills it, and of a candle at most a share of its volume."
    )


def test_events_of_before_there_was_such_a_thing_tell_less(usual: Bench) -> None:
    """Stored sessions have neither books nor what was seen at an end."""
    old: list[ExchangeEvent] = [
        OrderCancelled(1, 1, 1, 1, "o", "BTC/USDT", OrderStatus.CANCELLED, "User requested", Decimal(0)),
        OrderRejected(1, 1, 1, 1, "o", "BTC/USDT", "c", "r"),
    ]
    usual.order("o", "buy", "1", "99.0")
    usual.cancel("o")
    register = OrderRegister(keep_final=9)
    for event in usual.drain():
        register.apply(event)
    record: Any = register.by_client_id("o")
    assert told_order(record, FillPage([], totals_of([])), old, []).why_not == (
        "It was cancelled with 1 of 1 BTC left to fill: User requested.",
        "How near the market came is not known: it is told of a session that runs, and of orders whose end says it.",
    )
