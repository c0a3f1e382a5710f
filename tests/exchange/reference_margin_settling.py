"""Settling positions in the reference exchange: what was lent is given back, and nothing is traded."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from tests.exchange.reference_margin import ATOM, Lent
from tests.exchange.reference_margin_orders import ReferenceMarginOrders
from tests.exchange.reference_money import rounded_down, rounded_up
from tests.exchange.reference_order import ReferenceOrder

from triplegain.domain.refusals import Code


class ReferenceSettling(ReferenceMarginOrders):
    def faults_of_settlement(self, order: ReferenceOrder) -> set[Code]:
        """The oldest first, from what the account has available."""
        if not self.open_lots(1 - order.side):
            return {Code.NOTHING_TO_SETTLE}
        left, needed = order.left, Fraction(0)
        for each in self.lent:
            lots = min(left, each.lots)
            left -= lots
            needed += self._given_back(each, lots) if each.side == 0 else lots * self.purse.lot
        asset = self.instrument.base if order.is_purchase else self.instrument.quote
        return {Code.INSUFFICIENT_FUNDS} if needed > self.purse.free(asset) else set()

    def _given_back(self, lent: Lent, lots: int) -> Fraction:
        """What a purchase cost, rounded up, and what a sale brought, rounded down."""
        exact, step = lent.cost * lots / lent.lots, self.purse.balance_step
        return rounded_up(exact, step) if lent.side == 0 else rounded_down(exact, step)

    def arrive(self, order: ReferenceOrder) -> None:
        if not order.request.terms.settles:
            super().arrive(order)
            return
        opened = self.opened_by_others(order)
        while order.left and self.open_lots(1 - order.side):
            self._settle(order, self.lent[0])
        self.on_positions()
        self.judge_anew(opened)

    def _settle(self, order: ReferenceOrder, lent: Lent) -> None:
        base, quote, lots = self.instrument.base, self.instrument.quote, min(order.left, lent.lots)
        share, sign = self._given_back(lent, lots), 1 if lent.side == 0 else -1
        self.purse.total[quote] -= sign * share
        self.purse.total[base] += sign * lots * self.purse.lot
        lent.close(lots)
        self.lent = [each for each in self.lent if each.lots]
        order.filled, order.fills = order.filled + lots, order.fills + 1
        status = "partially_filled" if order.left else "filled"
        if not order.left:
            self.forget(order)
        self.pay_back()
        price = floor(share / (lots * self.purse.lot) / ATOM) * ATOM
        self.tell("filled", order.name, price, lots, False, Fraction(0), quote, order.filled, status)
