"""The register follows the venue's answers and refuses what cannot follow."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from tests.session.stored_parts import kept, taken_up

from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPriced,
    OrderRefilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
)
from triplegain.domain.orders import Limit, OrderRequest, OrderStatus, Side, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Iceberg, MarketByCost, TrailingStopLimit
from triplegain.execution.order_register import OrderRegister, OrderTransitionError

TEN = Decimal(10)


def submitted(number: int = 1, cid: str | None = None) -> OrderSubmitted:
    request = OrderRequest(cid or f"c{number}", "BTC/USDT", Side.BUY, TEN, Limit(Decimal(100)))
    return OrderSubmitted(1, 5, 5, number, f"O{number}", request, 6)


def accepted(number: int = 1) -> OrderAccepted:
    return OrderAccepted(2, 6, 7, number, f"c{number}", "BTC/USDT", "USDT", Decimal(1004))


def filled(quantity: str, cumulative: str, number: int = 1, status: str = "partially_filled") -> OrderFilled:
    amount = Decimal(quantity)
    terms = (Decimal(100), amount, amount * 100, Decimal("0.4"), "USDT", True, Decimal(cumulative))
    head = (3, 7, 8, number, f"c{number}", "BTC/USDT", 1, "T", Side.BUY)
    return OrderFilled(*head, *terms, OrderStatus(status), {})


def cancelled(cumulative: str = "0", number: int = 1, status: str = "cancelled") -> OrderCancelled:
    return OrderCancelled(4, 9, 9, number, f"c{number}", "BTC/USDT", OrderStatus(status), "why", Decimal(cumulative))


def rejected(number: int = 1) -> OrderRejected:
    return OrderRejected(4, 9, 9, number, f"c{number}", "BTC/USDT", "EOrder:Insufficient funds", "too poor")


def test_the_life_of_an_order_in_its_records() -> None:
    register = OrderRegister()
    life: list[tuple[ExchangeEvent, OrderStatus, str]] = [
        (submitted(), OrderStatus.PENDING, "0"),
        (accepted(), OrderStatus.OPEN, "0"),
        (filled("4", "4"), OrderStatus.PARTIALLY_FILLED, "4"),
        (filled("1", "5"), OrderStatus.PARTIALLY_FILLED, "5"),
        (cancelled("5"), OrderStatus.CANCELLED, "5"),
    ]
    for event, status, quantity in life:
        record = register.apply(event)
        assert record is not None
        assert (record.status, record.filled_quantity) == (status, Decimal(quantity))
        assert list(register.open_orders()) == ([] if status.is_final else [record])
    (record,) = register.drain_changed()
    assert (record.filled_notional, record.fees, record.reason) == (Decimal(500), Decimal("0.8"), "why")
    assert register.drain_changed() == []
    assert register.by_client_id("c1") == record


def test_a_rejected_order_shows_code_and_reason_and_no_fill() -> None:
    register = OrderRegister()
    register.apply(submitted())
    record = register.apply(rejected())
    assert record is not None
    assert (record.status, record.code, record.filled_quantity) == (
        OrderStatus.REJECTED,
        "EOrder:Insufficient funds",
        Decimal(0),
    )


def test_trigger_and_amendment_change_the_record_and_a_refused_command_does_not() -> None:
    register = OrderRegister()
    request = OrderRequest("c1", "BTC/USDT", Side.SELL, TEN, StopLoss(Decimal(90)))
    register.apply(OrderSubmitted(1, 5, 5, 1, "O1", request, 6))
    register.apply(accepted())
    record = register.apply(OrderAmended(3, 7, 7, 1, "c1", "BTC/USDT", Decimal(12), Decimal(91), False))
    assert record is not None and (record.quantity, record.price) == (Decimal(12), Decimal(91))
    assert register.apply(CommandRefused(4, 8, 8, "c1", "amend", "EOrder:Unknown order", "")) is None
    record = register.apply(OrderTriggered(5, 9, 9, 1, "c1", "BTC/USDT", Decimal(91), Decimal(90)))
    assert record is not None and record.triggered


IMPOSSIBLE: list[tuple[str, list[ExchangeEvent], str]] = [
    ("a fill of an unknown order", [filled("1", "1")], "unknown"),
    ("a fill before the order was taken", [submitted(), filled("1", "1")], "pending"),
    ("a second acceptance", [submitted(), accepted(), accepted()], "cannot go"),
    ("a rejection after acceptance", [submitted(), accepted(), rejected()], "cannot go"),
    ("a fill after the end", [submitted(), accepted(), cancelled(), filled("1", "1")], "already cancelled"),
    ("a cancel after a rejection", [submitted(), rejected(), cancelled()], "already rejected"),
    ("fills that do not add up", [submitted(), accepted(), filled("1", "2")], "add up"),
    ("a lost fill before the cancel", [submitted(), accepted(), cancelled("1")], "add up"),
    ("more than was ordered", [submitted(), accepted(), filled("11", "11", status="filled")], "add up"),
    ("the same number twice", [submitted(), submitted(1, "other")], "twice"),
    ("the same client id twice", [submitted(), submitted(2, "c1")], "twice"),
]


@pytest.mark.parametrize(("events", "words"), [case[1:] for case in IMPOSSIBLE], ids=[case[0] for case in IMPOSSIBLE])
def test_an_impossible_answer_is_a_typed_error(events: list[ExchangeEvent], words: str) -> None:
    register = OrderRegister()
    for event in events[:-1]:
        register.apply(event)
    with pytest.raises(OrderTransitionError, match=words):
        register.apply(events[-1])


def test_finished_orders_beyond_the_bound_leave_memory_oldest_first_and_open_ones_never() -> None:
    register = OrderRegister(keep_final=2)
    register.apply(submitted(1))
    for number in (2, 3, 4):
        register.apply(submitted(number))
        register.apply(rejected(number))
    assert [number for number in (1, 2, 3, 4) if register.get(number) is not None] == [1, 3, 4]
    assert register.by_client_id("c2") is None
    register.apply(submitted(5, "c2"))  # a name is free again once its order is forgotten


def test_open_orders_go_on_as_if_nothing_had_happened_and_finished_ones_are_rows() -> None:
    register = OrderRegister()
    parts = kept(register)
    for event in (submitted(1), accepted(1), filled("4", "4"), submitted(2), rejected(2)):
        register.apply(event)
    again = taken_up(parts, OrderRegister())
    assert again.open_orders() == register.open_orders()
    assert (again.get(2), again.by_client_id("c2")) == (None, None)
    assert again.apply(filled("6", "10", status="filled")) == register.apply(filled("6", "10", status="filled"))


def test_a_price_that_the_exchange_worked_out_is_the_orders() -> None:
    register = OrderRegister()
    terms = TrailingStopLimit(Offset(Sign.PLUS, Decimal(5)), Offset(Sign.MINUS, Decimal(1)))
    register.apply(OrderSubmitted(1, 5, 5, 1, "O1", OrderRequest("c1", "BTC/USDT", Side.SELL, TEN, terms), 6))
    record = register.apply(accepted())
    assert record is not None and record.price_now is None
    record = register.apply(OrderPriced(3, 7, 7, 1, "c1", "BTC/USDT", Decimal(95)))
    assert record is not None and record.price_now == Decimal(95)
    register.apply(OrderTriggered(4, 8, 8, 1, "c1", "BTC/USDT", Decimal(97), Decimal(97)))
    record = register.apply(OrderPriced(5, 8, 8, 1, "c1", "BTC/USDT", Decimal(96)))
    assert record is not None and (record.price_now, record.triggered) == (Decimal(96), True)


def test_the_next_slice_of_an_iceberg_is_no_change_of_its_price_or_quantity() -> None:
    register = OrderRegister()
    request = OrderRequest("c1", "BTC/USDT", Side.BUY, TEN, Iceberg(Decimal(90), Decimal(2)))
    register.apply(OrderSubmitted(1, 5, 5, 1, "O1", request, 6))
    before = register.apply(accepted())
    after = register.apply(OrderRefilled(3, 7, 7, 1, "c1", "BTC/USDT", Decimal(2)))
    assert before is not None and after == msgspec.structs.replace(before, updated_at_ns=7)


def test_an_order_that_names_its_cost_is_as_large_as_what_it_has_bought() -> None:
    register = OrderRegister()
    request = OrderRequest("c1", "BTC/USDT", Side.BUY, Decimal(0), MarketByCost(Decimal(500)))
    register.apply(OrderSubmitted(1, 5, 5, 1, "O1", request, 6))
    register.apply(accepted())
    for cumulative in ("4", "5"):
        record = register.apply(filled("4" if cumulative == "4" else "1", cumulative))
        assert record is not None and (record.quantity, record.filled_quantity) == (Decimal(cumulative),) * 2
