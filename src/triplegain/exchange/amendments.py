"""Amendments: an open order is changed in place."""

from __future__ import annotations

from triplegain.domain.exchange_events import OrderAmended
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import AmendRequest, OrderStatus
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import is_usable
from triplegain.exchange.admission import check_market
from triplegain.exchange.answers import Answers
from triplegain.exchange.charges import worst
from triplegain.exchange.engine import Engine
from triplegain.exchange.funds import Funds
from triplegain.exchange.margin.account import MarginAccount
from triplegain.exchange.margin.admission import MarginAdmission
from triplegain.exchange.market_modes import MODES
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.prices import ticks_or_refusal
from triplegain.exchange.rate_limit import AMEND_COST, amend_penalty, cancel_cost
from triplegain.exchange.size_rules import check_display
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
    ) -> None:
        self._engine = engine
        self._wallet = wallet
        self._funds = funds
        self._answers = answers
        self._margin = margin
        self._lending = lending

    def amend(self, market: VenueMarket, order: WorkingOrder, request: AmendRequest) -> Refusal | None:
        """Change a resting order in place. Size down keeps the queue; size up or a new price loses it.

        Says why not and leaves the order as it was, where it cannot be. A new quantity at or below what has been
        filled cancels the rest.
        """
        now_ns = self._engine.now_ns
        age_ns = now_ns - order.touched_ns
        if not market.charge(AMEND_COST, now_ns):
            return Refusal(Code.RATE_LIMIT, f"too many order commands on {market.instrument.symbol}")
        refusal = _not_amendable(order) or check_market(order, market)
        terms = _new_terms(order, request) if refusal is None else refusal
        if isinstance(terms, Refusal):
            return terms
        lots, price = terms
        if lots <= order.filled:
            market.charge(cancel_cost(age_ns), now_ns)
            market.withdraw(order)
            self._engine.finish(order, OrderStatus.CANCELLED, "amended to no more than was filled")
            return None
        loses_place, mode = price != order.price or lots > order.lots, MODES[market.state]
        if (order.post_only or not mode.matches) and loses_place and _would_take(order, price, market):
            code = Code.POST_ONLY if order.post_only else mode.code
            return Refusal(code, "at this price the order would take liquidity")
        if refusal := self._reserve_again(market, order, lots - order.filled, price):
            return refusal
        self._margin.repay()
        market.charge(amend_penalty(age_ns), now_ns)
        self._apply(market, order, lots, price)
        return None

    def _reserve_again(self, market: VenueMarket, order: WorkingOrder, left: int, price: int) -> Refusal | None:
        asset = order.funds_asset
        if order.request.leverage > 1:
            return self._lend_again(order, left, max(price, order.limit) if order.role is Role.TRIGGER else price)
        most = price or market.simple.slipped(0, market.last or 0)
        amount = worst(order, left, max(most, order.limit) if order.role is Role.TRIGGER else most)
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

    def _apply(self, market: VenueMarket, order: WorkingOrder, lots: int, price: int) -> None:
        # Triggers do not queue.
        queue_kept = price == order.price and (lots <= order.lots or order.role is Role.TRIGGER)
        if not queue_kept:
            market.withdraw(order)
        order.left -= order.lots - lots
        order.lots = lots
        order.price = price
        order.touched_ns = self._engine.now_ns
        self._engine.touch(order.key)
        quantity, now = order.instrument.quantity(lots), order.instrument.price(price)
        self._answers.tell(OrderAmended(*self._answers.about(order), quantity, now, queue_kept))
        if not queue_kept:
            order.place = self._answers.sequence
            market.admit(order)


def _not_amendable(order: WorkingOrder) -> Refusal | None:
    options = order.request.options
    if options.close is not None or options.closes is not None:
        return Refusal(Code.INVALID_AMEND, "an order with a conditional close cannot be amended: cancel it")
    return None


def _new_terms(order: WorkingOrder, request: AmendRequest) -> tuple[int, int] | Refusal:
    """(total lots, price in ticks) after the amendment."""
    instrument = order.instrument
    lots, price = order.lots, order.price
    if request.quantity is None and request.price is None:
        return Refusal(Code.INVALID_AMEND, "nothing to change: give a quantity or a price")
    if order.cost:
        return Refusal(Code.INVALID_AMEND, "an order that names its cost is not changed: cancel it")
    if request.price is not None:
        if not order.price:
            return Refusal(Code.INVALID_PRICE, "a market order has no price to amend")
        if order.peak and order.role is Role.TRIGGER:
            return Refusal(Code.INVALID_PRICE, "a trailing trigger follows the market: it has no price to amend")
        ticks = ticks_or_refusal(instrument, request.price)
        if isinstance(ticks, Refusal):
            return ticks
        price = ticks
    if request.quantity is not None:
        if not is_usable(request.quantity) or request.quantity <= 0:
            return Refusal(Code.INVALID_VOLUME, f"the quantity cannot be {request.quantity}")
        lots = instrument.whole_lots(request.quantity)
        # Less than a lot is no quantity; no more than was filled ends the order.
        if order.filled < lots < instrument.lots_min or (not lots and not order.filled):
            return Refusal(Code.ORDER_MINIMUM, f"below {instrument.symbol}'s minimum {text(instrument.quantity_min)}")
        if lots > order.lots and (refusal := check_display(order, lots)):
            return refusal
    cost = price * lots * instrument.atoms_per_tick_lot
    if price and lots > order.filled and cost < instrument.cost_min_atoms:
        return Refusal(Code.COST_MINIMUM, f"below {instrument.symbol}'s minimum cost {text(instrument.cost_min)}")
    return lots, price


def _would_take(order: WorkingOrder, price: int, market: VenueMarket) -> bool:
    before, order.price = order.price, price
    try:
        return market.would_take(order)
    finally:
        order.price = before
