"""What executions book: the legs of each fill, its fee, the volume that it adds, and the positions that it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain import ids
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import OrderStatus
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.answers import Answers
from triplegain.exchange.charges import Charge, charge_of, worst
from triplegain.exchange.engine import Engine
from triplegain.exchange.explanation import explained, settled
from triplegain.exchange.funds import Funds
from triplegain.exchange.margin.account import MarginAccount, MarginFill
from triplegain.exchange.margin.admission import MarginAdmission
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.reduce_only import CLOSED, larger_than_left
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.volume_tier import VolumeTier
from triplegain.ledger.wallet import Wallet


class Payments:
    """Fills are numbered here."""

    def __init__(
        self,
        session: str,
        engine: Engine,
        markets: Mapping[str, VenueMarket],
        orders: Mapping[str, WorkingOrder],
        wallet: Wallet,
        volume: VolumeTier,
        funds: Funds,
        answers: Answers,
        margin: MarginAccount,
        lending: MarginAdmission,
        usd_price: Callable[[str], Decimal | None],
    ) -> None:
        self._session = session
        self._engine = engine
        self._markets = markets
        self._orders = orders
        self._wallet = wallet
        self.volume = volume
        self._funds = funds
        self._answers = answers
        self._margin = margin
        self._lending = lending
        self._usd_prices = usd_price
        self.fill_count = 0

    def fill(self, order: WorkingOrder, price: int, lots: int, maker: bool, model: str, cause: dict[str, Any]) -> int:
        """Book one execution and tell of it. How many lots of it came or went: of a purchase, less a fee in coins."""
        instrument, lends = order.instrument, order.request.leverage > 1
        rate_ppm = self._rate_ppm(order, maker)
        opening = self._lending.opening(order) if lends else None
        order.left -= lots
        order.status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
        self.fill_count += 1
        charge, lent = charge_of(order, price, lots, rate_ppm), None
        if lends:
            lent = self._borrow(order, price, lots, charge)
        else:
            charge = self._pay(order, charge)
        self._margin.repay()
        if opening:
            self.follow_closed(opening)
        order.spent_atoms += charge.paid
        self._count_volume(instrument, price * lots * instrument.atoms_per_tick_lot)
        quotes = self._markets[instrument.symbol].quotes()
        explanation = explained(
            order, price, lots, maker, model, cause, quotes, charge.cost, charge.fee, rate_ppm, lent
        )
        filled = OrderFilled(
            *self._answers.about(order), self.fill_count, ids.fill_id(self._session, self.fill_count),
            order.request.side, instrument.price(price), instrument.quantity(lots), from_atoms(charge.cost),
            from_atoms(charge.fee), order.fee_asset, maker, instrument.quantity(order.filled), order.status,
            explanation,
        )  # fmt: skip
        self._answers.tell(filled)
        takes_coins = order.side == 0 and order.pays_fee_in_base
        return lots - charge.fee // instrument.atoms_per_lot if takes_coins else lots

    def _count_volume(self, instrument: Instrument, worth: int) -> None:
        """What was traded counts for the fee tier, where its price in USD is known."""
        usd_price = self._usd_prices(instrument.quote)
        if usd_price is not None:
            self.volume.add(self._engine.now_ns, int(worth * usd_price))

    def unsettled(self, order: WorkingOrder) -> Refusal | None:
        """Why positions cannot be settled: what was lent for them is not there."""
        if not order.request.terms.settles or (lacks := self._margin.unsettled(order)) is None:
            return None
        asset, needed = lacks
        shown = text(from_atoms(max(self._margin.spendable(asset), 0)))
        words = f"needs {text(from_atoms(needed))} {asset} to settle, {shown} is available"
        return Refusal(Code.INSUFFICIENT_FUNDS, words)

    def settle(self, order: WorkingOrder) -> None:
        """Positions are paid for with what the account has, oldest first, and what they hold is its own from then on.
        That it is there has been looked at."""
        instrument, quotes = order.instrument, self._markets[order.instrument.symbol].quotes()
        opening = self._lending.opening(order)
        while order.left:
            self.fill_count += 1
            part = self._margin.settle(order, self.fill_count)
            order.left -= part.lots
            order.status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
            explanation = settled(order, part.position, quotes)
            filled = OrderFilled(
                *self._answers.about(order), self.fill_count, ids.fill_id(self._session, self.fill_count),
                order.request.side, part.price, instrument.quantity(part.lots), from_atoms(part.cost), Decimal(0),
                order.fee_asset, False, instrument.quantity(order.filled), order.status, explanation,
            )  # fmt: skip
            self._answers.tell(filled)
        self._wallet.release(order.number)
        self._margin.repay()
        self._follow_positions(order)
        self.follow_closed(opening)

    def _borrow(self, order: WorkingOrder, price: int, lots: int, charge: Charge) -> MarginFill:
        """Positions are closed and opened; other orders that may only reduce them are no larger than what is left."""
        hold = self._lending.hold(order, price, lots)
        lent = self._margin.book(order, price, lots, self.fill_count, charge, hold)
        self._follow_positions(order)
        return lent

    def _follow_positions(self, filled: WorkingOrder) -> None:
        margin = self._margin
        for other, there in larger_than_left(self._orders.values(), filled, margin.only_reduces, margin.closing_lots):
            self._cut(other, there, CLOSED)

    def follow_closed(self, opening: Mapping[str, int]) -> None:
        """An order that was to close what others have closed, or are to close before it by now, opens something, or is
        cut to what it still closes. `opening`: what each would have opened before."""
        for name, before in opening.items():
            order = self._orders.get(name)
            if order is not None and (too_much := self._lending.opens_too_much(order, before)) is not None:
                closes, refusal = too_much
                self._cut(order, closes, f"what it was to close is closed: {refusal.reason}")

    def _cut(self, order: WorkingOrder, lots: int, reason: str) -> None:
        """An order is left with so much, or is over."""
        order.lots, order.left = order.filled + lots, lots
        self._engine.touch(order.key)
        if lots:
            self._answers.tell_cut(order)
            return
        self._markets[order.request.symbol].withdraw(order)
        self._engine.finish(order, OrderStatus.CANCELLED, reason)

    def _rate_ppm(self, order: WorkingOrder, maker: bool) -> int:
        """All fills of an order have the rates of one tier: by the volume before the first of them."""
        tier = order.tier
        if tier is None:
            order.tier_volume_usd = self.volume.volume_usd(self._engine.now_ns)
            order.tier = tier = order.instrument.fees.tier(order.tier_volume_usd)
            # Its hold was reckoned with the tier of its acceptance, whose volume may be thirty days old by now.
            order.fee_ceiling_ppm = max(order.fee_ceiling_ppm, tier.taker_ppm)
        return tier.maker_ppm if maker else tier.taker_ppm

    def _pay(self, order: WorkingOrder, charge: Charge) -> Charge:
        """Book the legs and draw on the reservation; what a finished order no longer needs goes back.

        Returns what was charged: rounding beyond the reservation is paid from what is free, as far as there is any.
        """
        instrument, wallet, number = order.instrument, self._wallet, order.number
        reserved = wallet.reserved(number)
        if order.side == 1 or order.role is Role.LIMIT:
            still = worst(order, order.left, order.price) if order.left else 0
            draw = max(reserved - still, 0)
        else:
            draw = min(reserved, charge.spent)
        if charge.spent > draw:
            charge = charge.within(draw + max(self._funds.spendable(order, order.funds_asset), 0))
        bought = instrument.quote if order.side == 1 else instrument.base
        fee = (order.fee_asset, charge.fee_paid)
        if order.request.position_id is not None:
            coins = charge.received if order.side == 0 else -charge.paid
            self._funds.untold[instrument.base] += coins - (charge.fee_paid if fee[0] == instrument.base else 0)
        wallet.book_fill(
            self._engine.now_ns,
            number,
            self.fill_count,
            paid=(order.funds_asset, charge.paid),
            received=(bought, charge.received),
            fee=fee,
            draw=draw,
        )
        if not order.left:
            wallet.release(number)
        return charge
