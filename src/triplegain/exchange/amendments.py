"""Amendments: an open order is changed in place."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from triplegain.domain.exchange_events import OrderAmended
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import AmendRequest, OrderStatus
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.admission import check_market
from triplegain.exchange.amended import Amended, check_amendable, read_amendment
from triplegain.exchange.answers import Answers
from triplegain.exchange.charges import worst
from triplegain.exchange.engine import Engine
from triplegain.exchange.funds import Funds
from triplegain.exchange.margin.account import MarginAccount
from triplegain.exchange.margin.admission import MarginAdmission
from triplegain.exchange.market_modes import MODES
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.payments import Payments
from triplegain.exchange.rate_limit import AMEND_COST, amend_penalty, cancel_cost
from triplegain.exchange.venue_market import VenueMarket
from triplegain.ledger.wallet import Wallet


class Amendments:
    def __init__(
        self,
        engine: Engine,
        wallet: Wallet,
        funds: Funds,
        answers: Answers,
        margin: MarginAccount,
        lending: MarginAdmission,
        payments: Payments,
    ) -> None:
        self._engine = engine
        self._wallet = wallet
        self._funds = funds
        self._answers = answers
        self._margin = margin
        self._lending = lending
        self._payments = payments

    def amend(self, market: VenueMarket, order: WorkingOrder, request: AmendRequest) -> Refusal | None:
        """Change a resting order in place. Size down, a part that is shown and a second price keep the
        queue; size up or a new price loses it.

        Says why not and leaves the order as it was, where it cannot be. A new quantity at or below what has been
        filled cancels the rest.
        """
        now_ns = self._engine.now_ns
        age_ns = now_ns - order.touched_ns
        if not market.rate.charge(AMEND_COST, now_ns):
            return Refusal(Code.RATE_LIMIT, f"too many order commands on {market.instrument.symbol}")
        refusal = check_amendable(order, request, now_ns) or check_market(order, market)
        amended = read_amendment(order, request, self._margin.whole(order)) if refusal is None else refusal
        if isinstance(amended, Refusal):
            return amended
        if amended.lots <= order.filled:
            market.rate.charge(cancel_cost(age_ns), now_ns)
            market.withdraw(order)
            self._engine.finish(order, OrderStatus.CANCELLED, "amended to no more than was filled")
            return None
        loses_place, mode = amended.price != order.price or amended.lots > order.lots, MODES[market.state]
        makes_only = order.post_only or (request.post_only is True and order.role is Role.LIMIT)
        if (makes_only or not mode.matches) and loses_place and _would_take(order, amended.price, market):
            code = Code.POST_ONLY if makes_only else mode.code
            return Refusal(code, "at this price the order would take liquidity")
        if refusal := self._reserve_again(market, order, amended):
            return refusal
        self._margin.repay()
        market.rate.charge(amend_penalty(age_ns), now_ns)
        opening = self._lending.opening(order) if order.request.leverage > 1 else {}
        self._apply(market, order, amended)
        self._payments.follow_closed(opening)
        return None

    def _reserve_again(self, market: VenueMarket, order: WorkingOrder, amended: Amended) -> Refusal | None:
        asset, left, price = order.funds_asset, amended.lots - order.filled, amended.price
        limit = amended.limit if order.role is Role.TRIGGER else 0
        if order.request.leverage > 1:
            return self._lend_again(order, left, max(price, limit))
        amount = worst(order, left, max(price or market.simple.slipped(0, market.last or 0), limit))
        more = amount - self._wallet.reserved(order.number)
        there = self._funds.free(order) if more > 0 else self._funds.spendable(order, asset)
        if more > there:
            needed, shown = text(from_atoms(amount)), text(from_atoms(max(there, 0)))
            return Refusal(Code.INSUFFICIENT_FUNDS, f"needs {needed} {asset} in all, {shown} more is available")
        self._wallet.resize(order.number, amount)
        return None

    def _lend_again(self, order: WorkingOrder, left: int, price: int) -> Refusal | None:
        if order.request.options.reduce_only:
            over = left > self._margin.closing_lots(order)
            return Refusal(Code.REDUCE_ONLY, "the position is smaller than that") if over else None
        before, order.left = order.left, left
        refusal, order.left = self._lending.check(order), before
        if refusal is not None:
            return refusal
        most = self._lending.payable(order, left, price, self._wallet.reserved(order.number))
        if isinstance(most, Refusal):
            return most
        self._wallet.resize(order.number, most)
        return None

    def _apply(self, market: VenueMarket, order: WorkingOrder, amended: Amended) -> None:
        # Triggers do not queue.
        has_place = amended.lots <= order.lots or order.role is Role.TRIGGER
        queue_kept = amended.price == order.price and has_place
        if not queue_kept:
            market.withdraw(order)
        order.left -= order.lots - amended.lots
        order.lots, order.price, order.limit, order.shown = amended.lots, amended.price, amended.limit, amended.shown
        terms = UNSET if amended.terms == order.request.terms else amended.terms
        order.request = replace(order.request, terms=amended.terms)
        order.touched_ns = self._engine.now_ns
        self._engine.touch(order.key)
        quantity, price = order.instrument.quantity(order.lots), order.instrument.price(order.price)
        self._answers.tell(OrderAmended(*self._answers.about(order), quantity, price, queue_kept, terms))
        if not queue_kept:
            order.place = self._answers.sequence
            market.admit(order)


def _would_take(order: WorkingOrder, price: int, market: VenueMarket) -> bool:
    before, order.price = order.price, price
    try:
        return market.would_take(order)
    finally:
        order.price = before
