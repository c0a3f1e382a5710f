"""A trigger that trails, at its edges. Ticks of 0.1: a last trade of 10.0 is at 100."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.exchange.conftest import INSTRUMENT

from triplegain.domain.orders import Limit, OrderRequest, OrderTerms, Side
from triplegain.domain.price import Offset, read_price
from triplegain.domain.refusals import Refusal
from triplegain.domain.terms import TrailingStop, TrailingStopLimit
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.prices import follow, read_prices


def offset(words: str) -> Offset:
    found = read_price(words)
    assert isinstance(found, Offset)
    return found


def made(side: Side, terms: OrderTerms) -> WorkingOrder:
    request = OrderRequest("mine", INSTRUMENT.symbol, side, Decimal(1), terms)
    return WorkingOrder(7, "O-7", request, INSTRUMENT, sent_ns=5, arrived_ns=6)


def arrived(side: Side, trail: str, limit: str | None = None) -> WorkingOrder | None:
    """At a last trade of 100 ticks; None where it is refused."""
    terms = TrailingStop(offset(trail)) if limit is None else TrailingStopLimit(offset(trail), offset(limit))
    order = made(side, terms)
    return None if isinstance(read_prices(order, 100), Refusal) else order


@pytest.mark.parametrize(
    ("side", "trail", "limit", "trigger_and_limit"),
    [
        (Side.SELL, "+9.9", None, (1, 0)),  # the lowest price there is
        (Side.SELL, "+10", None, None),
        (Side.BUY, "+10", None, (200, 0)),
        (Side.SELL, "+9.8", "-0.1", (2, 1)),
        (Side.SELL, "+9.8", "-0.2", (2, 1)),  # no limit is lower than a tick
        (Side.SELL, "+9.8", "-5", (2, 1)),
        (Side.SELL, "+1", "+0.55", (90, 96)),  # a sale's limit is rounded up, a purchase's down
        (Side.BUY, "+1", "+0.55", (110, 115)),
        (Side.SELL, "+1", "#0.5", None),  # above or below is said in signs
        (Side.BUY, "+1", "#0.5", None),
        (Side.SELL, "-1", None, None),
        (Side.SELL, "#1", None, None),
        (Side.SELL, "+0", None, None),
    ],
)
def test_where_it_stands_on_arrival(
    side: Side, trail: str, limit: str | None, trigger_and_limit: tuple[int, int] | None
) -> None:
    order = arrived(side, trail, limit)
    assert (None if order is None else (order.price, order.limit)) == trigger_and_limit


@pytest.mark.parametrize(
    ("side", "price", "moved", "trigger"),
    [
        (Side.SELL, 99, False, 90),
        (Side.SELL, 100, False, 90),  # the best trade again moves nothing
        (Side.SELL, 101, True, 91),
        (Side.BUY, 101, False, 110),
        (Side.BUY, 100, False, 110),
        (Side.BUY, 99, True, 109),
    ],
)
def test_it_follows_what_is_better_and_only_that(side: Side, price: int, moved: bool, trigger: int) -> None:
    order = arrived(side, "+1")
    assert order is not None
    assert (follow(order, price), order.price, order.peak) == (moved, trigger, price if moved else 100)


def test_an_order_that_does_not_trail_follows_nothing() -> None:
    order = made(Side.SELL, Limit(Decimal(10)))
    assert read_prices(order, None) is None
    assert (follow(order, 500), order.price) == (False, 100)
