"""Positions against an oracle that knows nothing of them: sums of cash flows, with fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.session.stored_parts import kept, taken_up

from triplegain.domain.exchange_events import OrderCancelled, OrderFilled, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Market, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CloseReason
from triplegain.execution.position import PositionError
from triplegain.execution.positions import Positions

BTC = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.1"), Decimal("0.5"), Decimal("0.5"))
CROSS = Instrument("XRP/BTC", Decimal("0.1"), Decimal("0.1"), Decimal("1"), Decimal("0.1"))
ATOM = Fraction(1, 10**18)


class Tape:
    """Writes events for `Positions`, times counting up."""

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self.time_ns = 0
        self.filled: dict[int, Decimal] = {}
        self.requests: dict[int, OrderRequest] = {}

    def submit(self, side: Side, position: str, purpose: str = "entry", symbol: str = "BTC/USDT") -> int:
        number = len(self.requests) + 1
        request = OrderRequest(
            f"order-{number}", symbol, side, Decimal(1000), Market(), position_id=position, purpose=purpose
        )
        self.requests[number], self.filled[number] = request, Decimal(0)
        self.time_ns += 1
        event = OrderSubmitted(self.time_ns, self.time_ns, self.time_ns, number, "O", request, self.time_ns)
        self.positions.apply(event, request)
        return number

    def fill(
        self, number: int, quantity: Decimal, price: Decimal, fee: Decimal, final: bool = False, fee_asset: str = ""
    ) -> None:
        request = self.requests[number]
        self.filled[number] += quantity
        self.time_ns += 1
        status = OrderStatus.FILLED if final else OrderStatus.PARTIALLY_FILLED
        stamp = (self.time_ns, self.time_ns, self.time_ns)
        event = OrderFilled(
            *(*stamp, number, request.client_order_id, request.symbol, 1, "T", request.side),
            *(price, quantity, quantity * price, fee, fee_asset or request.symbol.partition("/")[2], False),
            *(self.filled[number], status, {}),
        )
        self.positions.apply(event, request)

    def cancel(self, number: int) -> None:
        request = self.requests[number]
        self.time_ns += 1
        self.positions.apply(
            OrderCancelled(
                *(0, self.time_ns, self.time_ns, number, request.client_order_id, request.symbol),
                *(OrderStatus.CANCELLED, "User requested", self.filled[number]),
            ),
            request,
        )


def positions(usd: dict[str, Decimal] | None = None) -> Positions:
    return Positions((BTC, CROSS), ({"USDT": Decimal(1)} if usd is None else usd).get)


LOTS = st.integers(1, 400).map(lambda lots: lots * BTC.lot)
PRICES = st.integers(1, 20_000).map(lambda ticks: ticks * BTC.tick)
FEES = st.integers(0, 10**7).map(lambda units: units * Decimal("0.00001"))
FILLS = st.lists(st.tuples(st.sampled_from(["buy", "sell"]), LOTS, PRICES, FEES), min_size=1, max_size=30)


@given(FILLS)
def test_quantity_is_the_sum_of_fills_and_realised_is_what_an_independent_oracle_says(
    fills: list[tuple[str, Decimal, Decimal, Decimal]],
) -> None:
    book = positions()
    parts = kept(book)
    tape = Tape(book)
    entry = tape.submit(Side.BUY, "p")
    tape.fill(entry, Decimal(1), Decimal(100), Decimal(0))
    leave = tape.submit(Side.SELL, "p", "signal")
    bought, cost, sold, income, paid = Fraction(1), Fraction(100), Fraction(0), Fraction(0), Fraction(0)
    for kind, asked, price, fee in fills:
        held = bought - sold
        if kind == "sell" and not held:
            continue
        quantity = asked if kind == "buy" else min(asked, Decimal(held.numerator) / Decimal(held.denominator))
        tape.fill(entry if kind == "buy" else leave, quantity, price, fee)
        paid += Fraction(fee)
        if kind == "buy":
            bought, cost = bought + Fraction(quantity), cost + Fraction(quantity) * Fraction(price)
        else:
            sold, income = sold + Fraction(quantity), income + Fraction(quantity) * Fraction(price)
        (record,) = book.records()
        assert Fraction(record.quantity) == bought - sold
        assert Fraction(record.fees) == paid
        exact = income - cost / bought * sold - paid
        assert exact - ATOM < Fraction(record.realised) <= exact  # rounded down to an atom, never up
        assert record.realised_usd is not None
        mark = Decimal(150)
        unrealised = book.unrealised("p", mark)
        assert unrealised is not None
        earned = income - cost - paid + (bought - sold) * Fraction(mark)
        assert Fraction(record.realised) + Fraction(unrealised) == earned
    assert Fraction(book.owned("btc")) == bought - sold
    again = taken_up(parts, positions())
    assert again.records() == book.records() and again.all() == book.all() and again.owned("BTC") == book.owned("BTC")


def test_a_round_trip_with_fees_on_both_sides() -> None:
    book = positions()
    tape = Tape(book)
    entry = tape.submit(Side.BUY, "p")
    tape.fill(entry, Decimal(2), Decimal(100), Decimal("0.8"))
    tape.fill(entry, Decimal(2), Decimal(110), Decimal("0.88"), final=True)
    (record,) = book.records()
    assert (record.average_entry, record.realised, record.quantity) == (Decimal(105), Decimal("-1.68"), Decimal(4))
    stop = tape.submit(Side.SELL, "p", "stop_loss")
    tape.fill(stop, Decimal(1), Decimal(90), Decimal("0.36"))
    assert book.records()[0].realised == Decimal("-17.04")  # 1 x (90 - 105) - 0.8 - 0.88 - 0.36
    assert book.records()[0].close_reason is None  # still open
    tape.fill(stop, Decimal(3), Decimal(100), Decimal("1.2"), final=True)
    closed = book.drain_changed()[-1]
    assert closed.realised == closed.realised_usd == Decimal("-33.24")  # 390 - 420 - 3.24
    assert (closed.close_reason, closed.quantity, closed.dust) == (CloseReason.STOP_LOSS, Decimal(0), False)
    assert (closed.opened_at_ns, closed.closed_at_ns) == (2, 6)
    assert (book.results.wins, book.results.losses, book.records()) == (0, 1, ())


def test_two_positions_in_one_symbol_are_kept_apart_and_netted_in_the_view() -> None:
    book = positions()
    tape = Tape(book)
    for name, price in (("a", 100), ("b", 200)):
        tape.fill(tape.submit(Side.BUY, name), Decimal(1), Decimal(price), Decimal(0), final=True)
    tape.fill(tape.submit(Side.SELL, "b", "signal"), Decimal(1), Decimal(150), Decimal(0), final=True)
    assert book.owned("BTC") == 1
    assert {r.position_id: r.realised for r in book.drain_changed()} == {"a": Decimal(0), "b": Decimal(-50)}
    assert [(p.position_id, p.quantity) for p in book.all()] == [("a", Decimal(1))]


def test_usd_is_unknown_for_good_once_the_quote_currency_had_no_price() -> None:
    usd = {"BTC": Decimal(50_000)}
    book = positions(usd)
    tape = Tape(book)
    entry = tape.submit(Side.BUY, "p", symbol="XRP/BTC")
    tape.fill(entry, Decimal(10), Decimal("0.1"), Decimal("0.001"))
    assert book.records()[0].realised_usd == Decimal(-50)  # the fee, 0.001 BTC at 50 000
    del usd["BTC"]
    tape.fill(entry, Decimal(10), Decimal("0.1"), Decimal("0.001"))
    usd["BTC"] = Decimal(50_000)
    tape.fill(entry, Decimal(10), Decimal("0.1"), Decimal("0.001"), final=True)
    assert (book.records()[0].realised, book.records()[0].realised_usd) == (Decimal("-0.003"), None)


def test_a_position_sold_out_while_its_entry_still_rests_stays_open_for_what_may_come() -> None:
    book = positions()
    tape = Tape(book)
    entry = tape.submit(Side.BUY, "p")
    tape.fill(entry, Decimal(1), Decimal(100), Decimal(0))
    tape.fill(tape.submit(Side.SELL, "p", "stop_loss"), Decimal(1), Decimal(90), Decimal(0), final=True)
    assert book.get("p")
    tape.cancel(entry)
    assert not book.get("p") and book.drain_changed()[-1].close_reason is CloseReason.STOP_LOSS


def test_a_small_rest_is_not_dust_while_an_exit_for_it_is_on_its_way() -> None:
    book = positions()
    tape = Tape(book)
    tape.fill(tape.submit(Side.BUY, "p"), Decimal(1), Decimal(100), Decimal(0), final=True)
    first, second = tape.submit(Side.SELL, "p", "stop_loss"), tape.submit(Side.SELL, "p", "signal")
    tape.fill(first, Decimal("0.6"), Decimal(90), Decimal(0))
    tape.cancel(first)
    assert book.get("p")
    tape.fill(second, Decimal("0.4"), Decimal(90), Decimal(0), final=True)
    closed = book.drain_changed()[-1]
    assert (closed.is_open, closed.dust, closed.close_reason) == (False, False, CloseReason.SIGNAL)


def test_a_break_even_position_is_neither_win_nor_loss() -> None:
    book = positions()
    tape = Tape(book)
    tape.fill(tape.submit(Side.BUY, "p"), Decimal(1), Decimal(100), Decimal(0), final=True)
    tape.fill(tape.submit(Side.SELL, "p", "signal"), Decimal(1), Decimal(100), Decimal(0), final=True)
    assert (book.results.wins, book.results.losses) == (0, 0)


def test_coins_of_a_position_are_owned() -> None:
    book = positions()
    tape = Tape(book)
    tape.fill(tape.submit(Side.BUY, "p"), Decimal(3), Decimal(100), Decimal(0), final=True)
    assert (book.owned("btc"), book.owned("XRP")) == (Decimal(3), Decimal(0))


def test_selling_more_than_the_position_holds_is_a_bug_and_says_so() -> None:
    book = positions()
    tape = Tape(book)
    tape.fill(tape.submit(Side.BUY, "p"), Decimal(1), Decimal(100), Decimal(0))
    with pytest.raises(PositionError, match="more than it ever opened"):
        tape.fill(tape.submit(Side.SELL, "p", "signal"), Decimal(2), Decimal(100), Decimal(0))
    with pytest.raises(PositionError, match="which is over"):
        tape.fill(tape.submit(Side.SELL, "q", "signal"), Decimal(1), Decimal(100), Decimal(0))


def test_a_fee_in_coins_leaves_the_position_what_came_and_counts_at_the_price_of_the_fill() -> None:
    book = positions()
    tape = Tape(book)
    entry = tape.submit(Side.BUY, "p-1")
    tape.fill(entry, Decimal(10), Decimal(100), Decimal("0.4"), final=True, fee_asset="BTC")
    (record,) = book.records()
    # 10 for 1000; 0.4 of them, worth 40, are the fee
    assert (record.quantity, record.entry_quantity, record.average_entry) == (
        Decimal("9.6"),
        Decimal("9.6"),
        Decimal(100),
    )
    assert (record.fees, record.realised, book.owned("BTC")) == (Decimal(40), Decimal(-40), Decimal("9.6"))
    assert book.unrealised("p-1", Decimal(110)) == Decimal(96)  # 9.6 x 10
    leaving = tape.submit(Side.SELL, "p-1", "manual")
    tape.fill(leaving, Decimal("9.6"), Decimal(110), Decimal("4.224"), final=True)
    (closed,) = [each for each in book.drain_changed() if each.closed_at_ns]
    # 1056 - 4.224 came, 1000 went
    assert closed.realised == Decimal("51.776")
