"""Orders of the reference exchange with leverage: what they close and open, need and hold, and when they are refused.

Where the chapter on margin is silent (at which price an order that waits is reckoned, what of the book nobody sees), it
says what the exchange does.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from tests.exchange.reference_agenda import Placed
from tests.exchange.reference_margin import ATOM, CALL, ReferenceLending
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_placing import Looked

from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.orders import AmendRequest, FeePreference
from triplegain.domain.refusals import Code
from triplegain.domain.terms import MarketByCost

#: Every whole number from 2 to this is offered.
LEVERAGE_MOST = 10
#: The largest position, in coins.
POSITION_MOST = 80


class ReferenceMarginOrders(ReferenceLending):
    has_book = False

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        #: When orders came, by their numbers.
        self._places: dict[int, tuple[int, int]] = {}

    def on_accepted(self, order: ReferenceOrder) -> None:
        self._places[order.number] = (self.now_ns, order.number)

    # -- what an order comes to --------------------------------------------------------------------------------------

    def closes(self, order: ReferenceOrder) -> int:
        """What there is to close for it: what orders before it leave."""
        return max(self.open_lots(1 - order.side) - sum(other.left for other in self._before(order)), 0)

    def _before(self, order: ReferenceOrder) -> list[ReferenceOrder]:
        """Those of its side that came first. One that meets the book now is not behind those that only reduce."""
        meets_at_once = self.has_book and self.price_of(order) is None
        before = [o for o in self._others(order) if o.side == order.side]
        if order.name in self.open:
            place = self._places[order.number]
            before = [other for other in before if self._places[other.number] < place]
        return [other for other in before if not (meets_at_once and self.only_reduces(other))]

    def _others(self, order: ReferenceOrder) -> list[ReferenceOrder]:
        """With leverage, and not the one in whose place it comes."""
        replaced = order.request.options.replaces
        return [o for o in self.open.values() if o is not order and o.name != replaced and self.is_lent(o)]

    def only_reduces(self, order: ReferenceOrder) -> bool:
        return order.request.only_reduces or order.request.leverage > LEVERAGE_MOST

    def opens(self, order: ReferenceOrder, lots: int) -> int:
        return 0 if self.only_reduces(order) else max(lots - self.closes(order), 0)

    def most(self, order: ReferenceOrder, price: int | None) -> int:
        """The highest price that it may come to: a sale what is bid, too."""
        near = self.near(order.side)
        named = [each for each in (price, near if price is None or order.side == 1 else None) if each is not None]
        return max(named, default=0)

    def near(self, side: int) -> int | None:
        """What an order on the market would meet first."""
        raise NotImplementedError

    def walked(self, side: int, lots: int) -> list[tuple[int, int]]:
        """What the book shows for so many lots; nothing where there is none."""
        raise NotImplementedError

    def worth(self, order: ReferenceOrder, lots: int, price: int | None) -> tuple[Fraction, Fraction]:
        """Of what `lots` of it open, and what of that is lost at once, lying behind the best price."""
        opened = self.opens(order, lots)
        walked = self.walked(order.side, lots) if price is None else []
        closed, seen = lots - opened, list[tuple[int, int]]()
        for at, some in walked:
            kept = max(some - closed, 0)
            closed = max(closed - some, 0)
            seen.append((at, kept))
        shown = sum(kept for _, kept in seen)
        if not shown:
            return self.purse.cost(self.most(order, price), opened), Fraction(0)
        whole, near = ceil(Fraction(sum(at * kept for at, kept in seen) * opened, shown)), walked[0][0] * opened
        return self.purse.cost(max(whole, near), 1), self.purse.cost(abs(whole - near), 1)

    def fees(self, order: ReferenceOrder, worth: Fraction) -> Fraction:
        step = max(self.purse.cost_step, self.purse.balance_step)
        trading = ceil(worth * order.bill.ceiling_ppm / RATE_UNIT / step) * step
        return trading + self.lending_fee(order.side, worth)

    def worst(self, order: ReferenceOrder, lots: int, price: int | None = None) -> Fraction:
        if not self.is_lent(order):
            return super().worst(order, lots, price)
        return self.fees(order, self.worth(order, lots, self._named(order, price))[0])

    def _named(self, order: ReferenceOrder, price: int | None = None) -> int | None:
        at = price or self.price_of(order)
        return at if at is None or order.trigger is None else max(at, order.limit or 0)

    def kept(self, order: ReferenceOrder, price: int) -> Fraction:
        """What the rest of it holds after a fill: never more than before."""
        worth = self.purse.cost(max(price, self._named(order) or 0), self.opens(order, order.left))
        return min(self.fees(order, worth), self.purse.hold_of(order.number))

    # -- orders without leverage -----------------------------------------------------------------------------------

    def untied(self) -> Fraction | None:
        """What of the quote currency purchases of coins may spend beside what is lent; None where nothing is."""
        lent = [order for order in self.open.values() if self.is_lent(order)]
        if not self.lent and not lent:
            return None
        if self.mark is None and self.purse.total[self.instrument.base]:
            return Fraction(0)
        at = self.mark or Fraction(0)
        fees = sum((self.purse.hold_of(order.number) for order in lent), Fraction(0))
        free = self.equity(at) - self.used(at) - self.pending(lent)
        return floor(free * 10**18) * ATOM - self.purse.held(self.instrument.quote) + fees

    def _free_for(self, order: ReferenceOrder) -> Fraction:
        free, untied = super()._free_for(order), self.untied()
        if self.is_lent(order) or not order.is_purchase or untied is None:
            return free
        old = self.open.get(order.request.options.replaces or "")
        given_back = Fraction(0) if old is None or not old.is_purchase else self.purse.hold_of(old.number)
        return min(free, untied + given_back)

    def payable(self, order: ReferenceOrder, price: int, lots: int) -> int:
        untied = self.untied()
        if self.is_lent(order) or not order.is_purchase or untied is None:
            return super().payable(order, price, lots)
        free = self.purse.free(self.instrument.quote)
        funds = self.purse.hold_of(order.number) + max(min(free, untied), min(free, Fraction(0)))
        return self.purse.affordable(order.bill, price, lots, funds)

    # -- admission ---------------------------------------------------------------------------------------------------

    def pending(self, others: list[ReferenceOrder]) -> Fraction:
        total = Fraction(0)
        for other in others:
            opened = self.opens(other, other.left)
            worth = self.purse.cost(self.most(other, self._named(other)), opened)
            total += worth / other.request.leverage + self.fees(other, worth) if opened else 0
        return total

    def spent(self, order: ReferenceOrder) -> Fraction:
        """What bids for coins may take of the collateral."""
        replaced = order.request.options.replaces
        bids = (o for o in self.open.values() if o.is_purchase and not self.is_lent(o) and o.name != replaced)
        return sum((self.purse.hold_of(each.number) for each in bids), Fraction(0))

    def _amend(self, request: AmendRequest) -> None:
        """What is larger now may close what those after it were to close."""
        order = self.open.get(request.client_order_id)
        opened = {} if order is None or not self.is_lent(order) else self.opened_by_others(order)
        super()._amend(request)
        self.judge_anew(opened)

    def opened_by_others(self, order: ReferenceOrder) -> dict[str, int]:
        others = [o for o in self.open.values() if o is not order and o.side == order.side and self.is_lent(o)]
        return {other.name: self.opens(other, other.left) for other in others}

    def judge_anew(self, opened: dict[str, int]) -> None:
        for name, before in opened.items():
            order = self.open.get(name)
            if order is None or (now := self.opens(order, order.left)) <= before:
                continue
            fees = self.worst(order, order.left)
            held = self.purse.hold_of(order.number)
            if self._margin_faults(order, order.left) or fees > self.purse.free(self.instrument.quote) + held:
                self.cut_to(order, order.left - now)
            else:
                self.purse.hold(order.number, self.held_asset(order), fees)

    def cut_to(self, order: ReferenceOrder, lots: int) -> None:
        """So much of it is left, or it is over."""
        raise NotImplementedError

    def takes_all(self, order: ReferenceOrder, lots: int) -> bool:
        """Such an order has no minimum."""
        return order.request.options.reduce_only and 0 < self.open_lots(1 - order.side) <= lots

    def _read(self, placed: Placed, near: int | None = None) -> tuple[set[Code], ReferenceOrder | None]:
        codes, order = super()._read(placed, near)
        if placed.request.leverage > 1:
            codes -= {Code.MARGIN_ALLOWANCE, Code.REDUCE_ONLY, Code.NOTHING_TO_SETTLE}
            if order is not None and self.takes_all(order, order.lots):
                codes -= {Code.ORDER_MINIMUM}
            if isinstance(placed.request.terms, MarketByCost):
                codes.add(Code.INVALID_COST)
            if placed.request.options.fee_preference is FeePreference.BASE:
                codes.add(Code.INVALID_ARGUMENTS)
        return codes, order

    def _said_by_market(self, order: ReferenceOrder, whatever_mode: bool = False) -> Looked:
        looked = super()._said_by_market(order, whatever_mode)
        if not self.is_lent(order):
            return looked
        if self.takes_all(order, order.left):
            looked = looked._replace(own=looked.own - {Code.COST_MINIMUM})
        return looked._replace(other=looked.other | self._margin_faults(order, order.left))

    def _margin_faults(self, order: ReferenceOrder, lots: int, price: int | None = None) -> set[Code]:
        """What the account says against an order with leverage, or its amendment."""
        codes: set[Code] = set()
        if order.request.terms.settles:
            return self.faults_of_settlement(order)
        if order.request.only_reduces and not self.open_lots(1 - order.side):
            codes.add(Code.REDUCE_ONLY)
        asked = max(lots, order.left)
        there = self.open_lots(1 - order.side) if order.request.only_reduces else self.closes(order)
        if order.request.leverage > LEVERAGE_MOST and not 0 < asked <= there:
            codes.add(Code.MARGIN_ALLOWANCE)
        opened = self.opens(order, lots)
        if not opened:
            return codes
        if (opened + self.open_lots(order.side)) * self.purse.lot > POSITION_MOST:
            codes.add(Code.POSITION_SIZE)
        last = self.mark
        at = Fraction(0) if last is None else last
        level = self.level(at)
        if level is not None and level < CALL:
            codes.add(Code.MARGIN_LEVEL)
        worth, lost = self.worth(order, lots, self._named(order, price))
        needed = worth / order.request.leverage + lost + self.fees(order, worth)
        is_known = last is not None or not (self.lent or self.purse.total[self.instrument.base])
        free = self.equity(at) - self.used(at) - self.pending(self._others(order)) - self.spent(order)
        if not is_known or needed > free:
            codes.add(Code.INSUFFICIENT_MARGIN)
        return codes

    def faults_of_settlement(self, order: ReferenceOrder) -> set[Code]:
        raise NotImplementedError

    def _amend_refused(self, order: ReferenceOrder, request: AmendRequest) -> set[Code]:
        codes = super()._amend_refused(order, request)
        if codes - {Code.ORDER_MINIMUM, Code.COST_MINIMUM}:
            return codes
        lots, price = self._amended_terms(order, request)
        left = lots - order.filled
        if codes and not self.takes_all(order, left):
            return codes
        codes = set()
        if left <= 0:
            return codes
        if self.is_lent(order):
            if order.request.only_reduces and left > self.open_lots(1 - order.side):
                codes.add(Code.REDUCE_ONLY)
            return codes | self._margin_faults(order, left, price)
        more, untied = self.worst(order, left, price) - self.purse.hold_of(order.number), self.untied()
        if order.is_purchase and untied is not None and 0 < more > untied:
            codes.add(Code.INSUFFICIENT_FUNDS)
        return codes
