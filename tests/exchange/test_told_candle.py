"""Time where candles are all there is, at its edges. The candle opens at 1000, lasts 100 and closes at 1100."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.exchange.conftest import INSTRUMENT

from triplegain.domain.orders import Limit, OrderOptions, OrderRequest, OrderTerms, Side, StopLoss
from triplegain.exchange.candle_time import ToldCandle, sent_ns
from triplegain.exchange.order import WorkingOrder


def told(volume: str = "5") -> ToldCandle:
    return ToldCandle(1000, 100, 10, 12, 9, 11, Decimal(volume), Decimal(1))


def order(sent: int, delay: int = 0, starts_at_ns: int | None = None, terms: OrderTerms | None = None) -> WorkingOrder:
    options = OrderOptions(starts_at_ns=starts_at_ns)
    request = OrderRequest("o", INSTRUMENT.symbol, Side.SELL, Decimal(1), terms or Limit(Decimal(1)), options=options)
    return WorkingOrder(1, "O", request, INSTRUMENT, sent_ns=sent, arrived_ns=sent + delay)


def test_what_of_a_candle_explains_a_fill() -> None:
    assert told().cause == {
        "event": "candle", "time_ns": 1100, "open_time_ns": 1000, "price": 10, "quantity": 5, "high": 12,
        "low": 9, "close": 11,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("time_ns", "opens_ns"), [(0, 1100), (1099, 1100), (1100, 1100), (1101, 1200), (1200, 1200), (1201, 1300)]
)
def test_the_next_open_at_or_after_a_time(time_ns: int, opens_ns: int) -> None:
    assert told().next_open_ns(time_ns) == opens_ns


@pytest.mark.parametrize(("delay", "counts"), [(0, 0), (99, 0), (100, 100), (101, 101)])
def test_a_delay_shorter_than_a_candle_is_none(delay: int, counts: int) -> None:
    assert told().delay_ns(delay) == counts


@pytest.mark.parametrize(("time_ns", "answers"), [(1000, True), (1100, True), (1101, True), (1102, False)])
def test_what_is_sent_at_a_close_or_just_after_all_that_is_told_at_it_answers_it(time_ns: int, answers: bool) -> None:
    assert told().answers(time_ns) is answers


@pytest.mark.parametrize(
    ("sent", "delay", "starts_at_ns", "counts_ns"),
    [
        (1000, 0, None, 1000),
        (0, 0, None, 0),
        (1000, 99, None, 1000),
        (1000, 100, None, 1100),  # a delay of a candle counts in full
        (1000, 0, 1050, 1050),
        (1000, 0, 950, 1000),
        (1000, 100, 1050, 1100),
    ],
)
def test_since_when_an_order_counts(sent: int, delay: int, starts_at_ns: int | None, counts_ns: int) -> None:
    assert sent_ns(order(sent, delay, starts_at_ns), 100) == counts_ns


@pytest.mark.parametrize(
    ("volume", "sent", "can_fill"),
    [
        ("5", 1000, True),
        ("5", 1001, True),  # just after all that is told at the close before
        ("5", 1002, False),
        ("1", 1000, True),
        ("0.00000001", 1000, True),
        ("0", 1000, False),  # an interval without a trade fills nothing
    ],
)
def test_a_candle_fills_what_was_there_at_its_open(volume: str, sent: int, can_fill: bool) -> None:
    assert told(volume).can_fill(order(sent)) is can_fill


@pytest.mark.parametrize(
    ("terms", "sent", "arrives_ns", "changed_ns"),
    [
        # Up to the close, and just after it, at once.
        (Limit(Decimal(1)), 1000, 1100, 1100),
        (Limit(Decimal(1)), 1000, 1101, 1101),
        # Inside the candle that may fill it: at the next open, after all that is told at that close.
        (Limit(Decimal(1)), 1000, 1102, 1201),
        (Limit(Decimal(1)), 1101, 1150, 1201),
        # What was sent inside it meets the next one only; but a stop meets what it sees a part of.
        (Limit(Decimal(1)), 1102, 1150, 1150),
        (StopLoss(Decimal(1)), 1102, 1150, 1201),
    ],
)
def test_when_a_change_is_carried_out(terms: OrderTerms, sent: int, arrives_ns: int, changed_ns: int) -> None:
    assert told().changes_ns(order(sent, terms=terms), arrives_ns) == changed_ns
