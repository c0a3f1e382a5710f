"""What the reference exchange lends: positions, what they use, gain and cost, and what is owed.

Written from the chapter on margin of docs/paper-exchange.md alone. One pair; the quote currency is a dollar.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from tests.exchange.reference import ReferenceExchange
from tests.exchange.reference_money import rounded_down, rounded_up
from tests.exchange.reference_order import ReferenceOrder

from triplegain.domain.clock import HOUR_NS

#: Of what is lent, at the opening and for each period: dollars for a purchase, coins for a sale.
RATES = (Fraction(25, 100_000), Fraction(1, 10_000))
PERIOD_NS = 4 * HOUR_NS
#: Shares of a balance that stand for positions: of the coin, of the dollar.
SHARES = (Fraction(9, 10), Fraction(1))
CALL, LIQUIDATION, RESTORED = Fraction(8, 10), Fraction(4, 10), Fraction(8, 10)
ATOM = Fraction(1, 10**18)


@dataclass(eq=False, slots=True)
class Lent:
    """What is open of the fills of one order: lots, and what they cost (a sale: brought)."""

    number: int
    side: int
    leverage: int
    lots: int
    cost: Fraction
    #: When it rolls over, and its place among those that do so at the same time.
    due: tuple[int, int]

    def close(self, lots: int) -> Fraction:
        """The share of the cost of so many lots, rounded to the trader's disadvantage."""
        exact = self.cost * lots / self.lots
        share = rounded_up(exact, ATOM) if self.side == 0 else rounded_down(exact, ATOM)
        self.lots, self.cost = self.lots - lots, self.cost - share
        return share


@dataclass(eq=False, slots=True)
class FillCost:
    """What a fill is told to have cost (brought), and how many of its lots are not accounted for yet."""

    cost: Fraction
    lots: int
    left: int

    def take(self, lots: int) -> Fraction:
        """The share of the next ones; all come to the whole."""
        before = rounded_down(self.cost * self.left / self.lots, ATOM)
        self.left -= lots
        return before - rounded_down(self.cost * self.left / self.lots, ATOM)


class ReferenceLending(ReferenceExchange):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        #: Open positions, that of the earliest first fill first.
        self.lent: list[Lent] = []
        self.debt = Fraction(0)

    # -- figures ---------------------------------------------------------------------------------------------------

    def open_lots(self, side: int) -> int:
        return sum(each.lots for each in self.lent if each.side == side)

    def equity(self, price: Fraction) -> Fraction:
        base, quote = self.instrument.base, self.instrument.quote
        coins = self.purse.total[base] / self.purse.lot * self.purse.cost(price, 1) * SHARES[0]
        gained = sum((self._gain(each, price) for each in self.lent), Fraction(0))
        return coins + self.purse.total[quote] * SHARES[1] - self.debt + gained

    def _gain(self, lent: Lent, price: Fraction) -> Fraction:
        worth = self.purse.cost(price, lent.lots)
        return worth - lent.cost if lent.side == 0 else lent.cost - worth

    def used(self, price: Fraction) -> Fraction:
        total = Fraction(0)
        for each in self.lent:
            total += (each.cost if each.side == 0 else self.purse.cost(price, each.lots)) / each.leverage
        return total

    def level(self, price: Fraction) -> Fraction | None:
        """None: nothing is used."""
        used = self.used(price)
        return self.equity(price) / used if used else None

    @property
    def mark(self) -> Fraction | None:
        """The price of now: that of the last trade, before any the middle of the book."""
        if self.book.last is not None:
            return Fraction(self.book.last)
        bid, ask = self.book.best(0), self.book.best(1)
        return None if bid is None or ask is None else Fraction(bid + ask, 2)

    def kept(self, order: ReferenceOrder, price: int) -> Fraction:
        """What the rest of an order holds after a fill."""
        raise NotImplementedError

    # -- fills -----------------------------------------------------------------------------------------------------

    def is_lent(self, order: ReferenceOrder) -> bool:
        return order.request.leverage > 1

    def held_asset(self, order: ReferenceOrder) -> str:
        return self.instrument.quote if self.is_lent(order) else super().held_asset(order)

    def payable(self, order: ReferenceOrder, price: int, lots: int) -> int:
        return lots if self.is_lent(order) else super().payable(order, price, lots)

    def fill(self, order: ReferenceOrder, price: int, lots: int, maker: bool) -> None:
        if not self.is_lent(order):
            super().fill(order, price, lots, maker)
            self.pay_back()
            return
        opened = self.opened_by_others(order)
        order.filled, order.fills = order.filled + lots, order.fills + 1
        fee, fee_paid = self.purse.fee(order.bill, order.side, price, lots, maker)
        closed = min(lots, self.open_lots(1 - order.side))
        told = FillCost(self._cost_of_fill(order.side, price, lots), lots, lots)
        booked = self._close(1 - order.side, told, closed) - self._open(order, price, told) - fee_paid
        if order.left:
            self.purse.hold(order.number, self.held_asset(order), self.kept(order, price))
        else:
            self.forget(order)
        self._book(booked)
        status = "partially_filled" if order.left else "filled"
        self.on_positions()
        self.judge_anew(opened)
        self.tell("filled", order.name, price, lots, maker, fee, self.instrument.quote, order.filled, status)
        self.filled(order, price, lots)

    def end(self, order: ReferenceOrder, why: str, status: str = "cancelled") -> None:
        super().end(order, why, status)
        self.pay_back()

    def _cost_of_fill(self, side: int, price: int, lots: int) -> Fraction:
        round_to = rounded_up if side == 0 else rounded_down
        return round_to(self.purse.cost(price, lots), self.purse.cost_step)

    def _close(self, side: int, told: FillCost, lots: int) -> Fraction:
        """The oldest first; what is booked of the gain of each: a loss rounded up, a gain down."""
        gain = Fraction(0)
        for each in [each for each in self.lent if each.side == side]:
            some = min(lots, each.lots)
            if some:
                worth, share = told.take(some), each.close(some)
                exact = worth - share if side == 0 else share - worth
                gain += floor(exact / self.purse.balance_step) * self.purse.balance_step
            lots -= some
        self.lent = [each for each in self.lent if each.lots]
        return gain

    def _open(self, order: ReferenceOrder, price: int, told: FillCost) -> Fraction:
        """What is paid for lending."""
        lots = told.left
        if not lots:
            return Fraction(0)
        worth, cost = self.purse.cost(price, lots), told.take(lots)
        position = next((each for each in self.lent if each.number == order.number), None)
        if position is None:
            position = Lent(
                order.number, order.side, order.request.leverage, 0, Fraction(0), self._rolls_over(self.now_ns)
            )
            self.lent.append(position)
        position.lots, position.cost = position.lots + lots, position.cost + cost
        return self.lending_fee(order.side, worth)

    def _rolls_over(self, since_ns: int) -> tuple[int, int]:
        return since_ns + PERIOD_NS, self.next_timer()

    def lending_fee(self, side: int, worth: Fraction) -> Fraction:
        return ceil(worth * RATES[side] / self.purse.balance_step) * self.purse.balance_step

    # -- money that is not there -----------------------------------------------------------------------------------

    def _book(self, amount: Fraction) -> Fraction:
        """Into the wallet; what it lacks is owed, and what it has pays back. What of it is owed now."""
        quote = self.instrument.quote
        self.purse.total[quote] += amount
        lacking = min(max(-self.purse.free(quote), Fraction(0)), max(-amount, Fraction(0)))
        self.debt += lacking
        self.purse.total[quote] += lacking
        self.pay_back()
        return lacking

    def pay_back(self) -> None:
        quote = self.instrument.quote
        paid = min(max(self.purse.free(quote), Fraction(0)), self.debt)
        self.debt -= paid
        self.purse.total[quote] -= paid

    # -- time ------------------------------------------------------------------------------------------------------

    def other_timer(self) -> tuple[int, int] | None:
        return min((each.due for each in self.lent), default=None)

    def on_timer(self) -> None:
        position = min(self.lent, key=lambda each: each.due)
        position.due = self._rolls_over(position.due[0])
        price = self.mark
        worth = position.cost if position.side == 0 or price is None else self.purse.cost(price, position.lots)
        fee = self.lending_fee(position.side, worth)
        owed = self._book(-fee)
        self.tell("rollover", "", position.number, fee, owed)

    # -- for whoever watches them ----------------------------------------------------------------------------------

    def on_positions(self) -> None:
        """They have changed."""
        raise NotImplementedError

    def opened_by_others(self, order: ReferenceOrder) -> dict[str, int]:
        """How much the other orders of its side would open."""
        raise NotImplementedError

    def judge_anew(self, opened: dict[str, int]) -> None:
        """Who would open more than that needs the margin as on arrival, or closes what there is and no more."""
        raise NotImplementedError
