"""The account at the exchange: reservations, fees, ledger postings, amendments, and the events that tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain import ids
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
    OrderScheduled,
    OrderTriggered,
)
from triplegain.domain.ledger_entry import LedgerAccount, account_of
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import AmendRequest, OrderRequest, OrderStatus
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.usd import UsdPrices
from triplegain.domain.values import is_usable
from triplegain.exchange.admission import check_market
from triplegain.exchange.charges import Charge, charge_of, worst, worst_by_cost
from triplegain.exchange.commands import Latency
from triplegain.exchange.engine import Engine
from triplegain.exchange.explanation import explained, settled
from triplegain.exchange.margin.account import MarginAccount, MarginFill
from triplegain.exchange.margin.admission import MarginAdmission
from triplegain.exchange.market_modes import MODES
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.prices import ticks_or_refusal
from triplegain.exchange.rate_limit import AMEND_COST, amend_penalty, cancel_cost
from triplegain.exchange.reduce_only import CLOSED, check_reduce_only, larger_than_left
from triplegain.exchange.settings import ExchangeSettings
from triplegain.exchange.size_rules import check_display
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.volume_tier import VolumeTier
from triplegain.ledger.wallet import Wallet


class Account:
    """Events and fills are numbered here. `engine` tells the time and ends orders; `markets` fills as it is opened.

    `orders` are all that are under way or open. Whoever keeps positions says in `owned` how many atoms of an asset are
    theirs: they are there for their own exits, and for no other order at any price it may slip to.
    """

    def __init__(
        self,
        session: str,
        engine: Engine,
        markets: Mapping[str, VenueMarket],
        orders: Mapping[str, WorkingOrder],
        wallet: Wallet,
        latency: Latency,
        settings: ExchangeSettings,
    ) -> None:
        self._session = session
        self._engine = engine
        self._markets = markets
        self._orders = orders
        self.owned: Callable[[str], int] = lambda asset: 0
        #: By asset what fills that nobody has drained have changed in positions.
        self._untold: Counter[str] = Counter()
        self._wallet = wallet
        self._latency = latency
        self._events: list[ExchangeEvent] = []
        self.sequence = 0
        self.fill_count = 0
        #: The cancel or amendment that is carried out and not answered yet; by sequence what each answer answers.
        self.asked = 0
        self._answered: dict[int, int] = {}
        #: When the last answer under way reaches us.
        self.answered_ns = 0
        self.volume = VolumeTier(settings.fee_volume_30d_usd)
        self._usd_prices = UsdPrices(markets, self._last_price)
        self.margin = MarginAccount(engine, markets, wallet, settings.margin, self._usd_prices)
        self.margin.answer, self.margin.tell, self.margin.kept = self.answer, self.tell, self._kept
        self.lending = MarginAdmission(self.margin, markets, orders, wallet)

    # -- events --------------------------------------------------------------------------------------------------

    def stamp(self, visible_at_ns: int) -> tuple[int, int, int]:
        """(sequence, time, visible at) of the next event."""
        self.sequence += 1
        return self.sequence, self._engine.now_ns, visible_at_ns

    def tell(self, event: ExchangeEvent) -> None:
        self._events.append(event)

    def drain(self) -> list[ExchangeEvent]:
        events, self._events = self._events, []
        self._untold.clear()
        return events

    def answer(self, symbol: str) -> tuple[int, int, int]:
        """The stamp of an answer to us. Answers travel one channel: a later one never overtakes an earlier one. Where
        candles are all there is they have a time of their own."""
        now_ns, delay_ns = self._engine.now_ns, self._latency.response()
        market = self._markets.get(symbol)
        if market is None or market.depth is not MarketDepth.CANDLES:
            visible_ns = self.answered_ns = max(self.answered_ns, now_ns + delay_ns)
        else:
            visible_ns = market.simple.arrives_ns(now_ns, delay_ns, None)
        self.sequence += 1
        if self.asked:
            self._answered[self.sequence], self.asked = self.asked, 0
        return self.sequence, now_ns, visible_ns

    def _answer_about(self, order: WorkingOrder) -> tuple[int, int, int, int, str, str]:
        """The stamp of an answer, and which order it is about."""
        return *self.answer(order.instrument.symbol), order.number, order.client_order_id, order.instrument.symbol

    def drain_answered(self) -> dict[int, int]:
        """By sequence of an answer the number of the cancel or amendment that got it, since the last call."""
        answered, self._answered = self._answered, {}
        return answered

    def tell_rejected(self, number: int, request: OrderRequest, refusal: Refusal) -> None:
        stamp = self.answer(request.symbol)
        named = number, request.client_order_id, request.symbol
        self.tell(OrderRejected(*stamp, *named, refusal.code, refusal.reason))

    def tell_refused(
        self, client_order_id: str, command: str, refusal: Refusal, amend: AmendRequest | None = None
    ) -> None:
        order = self._orders.get(client_order_id)
        stamp = self.answer("" if order is None else order.request.symbol)
        self.tell(CommandRefused(*stamp, client_order_id, command, refusal.code, refusal.reason, amend))

    def tell_scheduled(self, order: WorkingOrder, starts_at_ns: int) -> None:
        self.tell(OrderScheduled(*self._answer_about(order), starts_at_ns))

    def tell_accepted(self, order: WorkingOrder) -> None:
        held = from_atoms(self._wallet.reserved(order.number))
        self.tell(OrderAccepted(*self._answer_about(order), order.funds_asset, held))
        order.place = self.sequence
        if order.request.only_reduces and order.lots < order.instrument.whole_lots(order.request.quantity):
            self._tell_cut(order)

    def tell_triggered(self, order: WorkingOrder, last: int) -> None:
        instrument = order.instrument
        trigger, reached = instrument.price(order.fired), instrument.price(last)
        self.tell(OrderTriggered(*self._answer_about(order), trigger, reached))

    def tell_priced(self, order: WorkingOrder) -> None:
        """At which price an order stands that its terms do not name, or not as the only one."""
        self.tell(OrderPriced(*self._answer_about(order), order.instrument.price(order.price)))
        order.place = self.sequence

    def tell_refilled(self, order: WorkingOrder) -> None:
        self.tell(OrderRefilled(*self._answer_about(order), order.instrument.quantity(order.in_book)))
        order.place = self.sequence

    def finish(self, order: WorkingOrder, reason: str) -> None:
        """The rest of an order is over: its reservation goes back, and pays what is owed."""
        self._wallet.release(order.number)
        self.margin.repay()
        filled = order.instrument.quantity(order.filled)
        self.tell(OrderCancelled(*self._answer_about(order), order.status, reason, filled))

    # -- funds ---------------------------------------------------------------------------------------------------

    def accept_forced(self, order: WorkingOrder) -> None:
        """An order of the exchange's own: it needs no funds, and pays as others do."""
        order.fee_ceiling_ppm = self.volume.tier(order.instrument.fees, self._engine.now_ns).taker_ppm
        self._wallet.reserve(order.number, order.funds_asset, 0)
        self.tell_accepted(order)

    def lacks(self, order: WorkingOrder, market: VenueMarket, instead_of: WorkingOrder | None = None) -> Refusal | None:
        """Why an order cannot be paid; nothing is held. What `instead_of`, of its pair and side, holds is its."""
        freed = 0
        if instead_of is not None:
            freed = self._wallet.reserved(instead_of.number)
            # What becomes free pays what is owed before anything else.
            there = max(self.margin.spendable(order.funds_asset) + freed, 0)
            freed -= min(self._wallet.owed(order.funds_asset), there)
        most = self._payable(order, market, freed)
        return most if isinstance(most, Refusal) else None

    def reserve(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        """Move the worst case from available to held. What only reduces a position is cut to it, or refused
        where others have closed it meanwhile."""
        if refusal := check_reduce_only(order, self.margin.position(order.request.symbol)):
            return refusal
        most = self._payable(order, market)
        if isinstance(most, Refusal):
            return most
        if order.request.only_reduces:
            order.left = order.lots = min(order.left, self.margin.closing_lots(order))
        self._wallet.reserve(order.number, order.funds_asset, most, account_of(order.request.origin))
        return None

    def _payable(self, order: WorkingOrder, market: VenueMarket, freed: int = 0) -> int | Refusal:
        """Atoms that an order may cost at the most, where they are there, with those that become free for it."""
        amount, asset = self._worst(order, market), order.funds_asset
        if isinstance(amount, Refusal) or order.request.leverage > 1:
            return (
                amount
                if isinstance(amount, Refusal)
                else self.lending.payable(order, order.left, order.worst_price, freed)
            )
        there = self._free(order, freed)
        if amount <= there:
            return amount
        needed, shown = text(from_atoms(amount)), text(from_atoms(max(there, 0)))
        return Refusal(Code.INSUFFICIENT_FUNDS, f"needs {needed} {asset} with fees, {shown} is available")

    def _worst(self, order: WorkingOrder, market: VenueMarket) -> int | Refusal:
        """Atoms that an order may cost. The fee ceiling is the taker rate of the tier at acceptance."""
        instrument = order.instrument
        if account_of(order.request.origin) is LedgerAccount.HODL and order.side == 1:
            return Refusal(Code.INVALID_ARGUMENTS, "the hodl bag is never sold")
        order.fee_ceiling_ppm = self.volume.tier(instrument.fees, self._engine.now_ns).taker_ppm
        if order.request.leverage > 1:
            return 0
        amount = worst(order, order.left, order.price) if order.side == 1 else self._worst_purchase(order, market)
        if amount is None:
            return Refusal(Code.UNAVAILABLE, f"no price of {instrument.symbol} yet")
        return amount

    def _free(self, order: WorkingOrder, freed: int = 0) -> int:
        """What an order may spend beside what is held, with what becomes free for it: a purchase spends nothing that
        stands for positions."""
        asset = order.funds_asset
        there = self._spendable(order, asset) + freed
        # Money that was set aside stands for nothing.
        is_tied = order.side == 0 and account_of(order.request.origin) is LedgerAccount.WALLET
        untied = self.lending.untied(asset, freed) if is_tied else None
        return there if untied is None else min(there, untied)

    def _spendable(self, order: WorkingOrder, asset: str) -> int:
        """What is available of `asset` to an order: coins of positions, less what their exits hold, are not."""
        account, request = account_of(order.request.origin), order.request
        available = self._wallet.available(asset, account)
        is_exit = asset == order.instrument.base and request.position_id is not None
        return available if is_exit or account is LedgerAccount.HODL else available - self._kept(asset)

    def _kept(self, asset: str) -> int:
        """Coins of positions that no exit of theirs holds."""
        owned = self.owned(asset) + self._untold[asset]
        if owned <= 0:
            return 0
        exits = (each for each in self._orders.values() if each.side == 1 and each.request.position_id is not None)
        held = sum(self._wallet.reserved(each.number) for each in exits if each.instrument.base == asset)
        return max(owned - held, 0)

    def _worst_purchase(self, order: WorkingOrder, market: VenueMarket) -> int | None:
        """Atoms of quote currency a buy may cost: what it names, else at its price, else by walking the book, else at
        the slipped price."""
        if order.cost:
            return worst_by_cost(order)
        if order.price:
            return worst(order, order.left, order.worst_price)
        if market.public.book.is_known:
            left, cost = order.left, 0
            for price, size in market.book.walk(1, None):
                cost += worst(order, min(size, left), price)
                left -= min(size, left)
                if not left:
                    break
            return cost
        if market.last is None:
            return None
        return worst(order, order.left, market.simple.slipped(0, market.last))

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        """Lots of a purchase that what is reserved and may be spent can pay, fee included.

        One that names its cost spends no more than that.
        """
        if order.request.leverage > 1:
            return lots
        if order.cost:
            lots = min(lots, order.budget // (price * order.instrument.atoms_per_tick_lot))
        more = max(self._free(order), min(self._spendable(order, order.funds_asset), 0))
        funds = self._wallet.reserved(order.number) + more
        if worst(order, lots, price) <= funds:
            return lots
        fewest, most = 0, min(lots, funds // (price * order.instrument.atoms_per_tick_lot))
        while fewest < most:
            middle = (fewest + most + 1) // 2
            if worst(order, middle, price) <= funds:
                fewest = middle
            else:
                most = middle - 1
        return fewest

    # -- executions ----------------------------------------------------------------------------------------------

    def fill(self, order: WorkingOrder, price: int, lots: int, maker: bool, model: str, cause: dict[str, Any]) -> None:
        instrument, now_ns = order.instrument, self._engine.now_ns
        rate_ppm = self._rate_ppm(order, maker)
        order.left -= lots
        order.status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
        self.fill_count += 1
        charge, lent = charge_of(order, price, lots, rate_ppm), None
        if order.request.leverage > 1:
            lent = self._borrow(order, price, lots, charge)
        else:
            charge = self._pay(order, charge)
        self.margin.repay()
        order.spent_atoms += charge.paid
        usd_price = self._usd_prices(instrument.quote)
        if usd_price is not None:
            self.volume.add(now_ns, int(price * lots * instrument.atoms_per_tick_lot * usd_price))
        quotes = self._markets[instrument.symbol].quotes()
        explanation = explained(order, price, lots, maker, model, cause, quotes, charge.fee, rate_ppm, lent)
        self.tell(
            OrderFilled(
                *self._answer_about(order),
                fill_number=self.fill_count,
                fill_id=ids.fill_id(self._session, self.fill_count),
                side=order.request.side,
                price=instrument.price(price),
                quantity=instrument.quantity(lots),
                notional=from_atoms(charge.cost),
                fee=from_atoms(charge.fee),
                fee_asset=order.request.fee_asset,
                maker=maker,
                cumulative_quantity=instrument.quantity(order.filled),
                status=order.status,
                explanation=explanation,
            )
        )

    def unsettled(self, order: WorkingOrder) -> Refusal | None:
        """Why positions cannot be settled: what was lent for them is not there."""
        if not order.request.terms.settles or (lacks := self.margin.unsettled(order)) is None:
            return None
        asset, needed = lacks
        shown = text(from_atoms(max(self.margin.spendable(asset), 0)))
        words = f"needs {text(from_atoms(needed))} {asset} to settle, {shown} is available"
        return Refusal(Code.INSUFFICIENT_FUNDS, words)

    def settle(self, order: WorkingOrder) -> None:
        """Positions are paid for with what the account has, oldest first, and what they hold is its own from then on.
        That it is there has been looked at."""
        instrument, quotes = order.instrument, self._markets[order.instrument.symbol].quotes()
        while order.left:
            self.fill_count += 1
            part = self.margin.settle(order, self.fill_count)
            order.left -= part.lots
            order.status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
            explanation = settled(order, part.position, quotes)
            filled = OrderFilled(
                *self._answer_about(order), self.fill_count, ids.fill_id(self._session, self.fill_count),
                order.request.side, part.price, instrument.quantity(part.lots), from_atoms(part.cost), Decimal(0),
                order.request.fee_asset, False, instrument.quantity(order.filled), order.status, explanation,
            )  # fmt: skip
            self.tell(filled)
        self._wallet.release(order.number)
        self.margin.repay()
        self._follow_positions(order)

    def _borrow(self, order: WorkingOrder, price: int, lots: int, charge: Charge) -> MarginFill:
        """Positions are closed and opened; other orders that may only reduce them are no larger than what is left."""
        hold = self.lending.hold(order, price, lots)
        lent = self.margin.book(order, price, lots, self.fill_count, charge, hold)
        self._follow_positions(order)
        return lent

    def _follow_positions(self, filled: WorkingOrder) -> None:
        margin = self.margin
        for other, there in larger_than_left(self._orders.values(), filled, margin.only_reduces, margin.closing_lots):
            self._cut(other, there)

    def _cut(self, order: WorkingOrder, lots: int) -> None:
        """An order that only reduces a position is left with so much."""
        order.lots, order.left = order.filled + lots, lots
        self._engine.touch(order.key)
        if lots:
            self._tell_cut(order)
            return
        self._markets[order.request.symbol].withdraw(order)
        self._engine.finish(order, OrderStatus.CANCELLED, CLOSED)

    def _tell_cut(self, order: WorkingOrder) -> None:
        quantity, price = order.instrument.quantity(order.lots), order.instrument.price(order.price)
        self.tell(OrderAmended(*self._answer_about(order), quantity, price, True))

    def _rate_ppm(self, order: WorkingOrder, maker: bool) -> int:
        """All fills of an order have the rates of one tier: by the volume before the first of them."""
        tier = order.tier
        if tier is None:
            order.tier_volume_usd = self.volume.volume_usd(self._engine.now_ns)
            order.tier = tier = order.instrument.fees.tier(order.tier_volume_usd)
        return min(tier.maker_ppm if maker else tier.taker_ppm, order.fee_ceiling_ppm)

    def _pay(self, order: WorkingOrder, charge: Charge) -> Charge:
        """Book the legs and draw on the reservation; what a finished order no longer needs goes back.

        Returns what was charged: rounding beyond the reservation is paid from what is free, as far as there is any.
        """
        instrument, wallet, number = order.instrument, self._wallet, order.number
        reserved = wallet.reserved(number)
        if order.side == 1 or order.role is Role.LIMIT:
            draw = max(reserved - worst(order, order.left, order.price), 0)
        else:
            draw = min(reserved, charge.spent)
        if charge.spent > draw:
            charge = charge.within(draw + max(self._spendable(order, order.funds_asset), 0))
        bought = instrument.quote if order.side == 1 else instrument.base
        fee = (order.request.fee_asset, charge.fee_paid)
        if order.request.position_id is not None:
            coins = charge.received if order.side == 0 else -charge.paid
            self._untold[instrument.base] += coins - (charge.fee_paid if fee[0] == instrument.base else 0)
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

    def _last_price(self, symbol: str) -> Decimal | None:
        """Of the last trade: a volume needs no fresh price."""
        market = self._markets[symbol]
        return None if market.last is None else market.instrument.price(market.last)

    # -- amendments ----------------------------------------------------------------------------------------------

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
        self.margin.repay()
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
        there = self._free(order) if more > 0 else self._spendable(order, asset)
        if more > there:
            needed, shown = text(from_atoms(amount)), text(from_atoms(max(there, 0)))
            return Refusal(Code.INSUFFICIENT_FUNDS, f"needs {needed} {asset} in all, {shown} more is available")
        self._wallet.resize(order.number, amount)
        return None

    def _lend_again(self, order: WorkingOrder, left: int, price: int) -> Refusal | None:
        if order.request.options.reduce_only:
            over = left > self.margin.closing_lots(order)
            return Refusal(Code.REDUCE_ONLY, "the position is smaller than that") if over else None
        before, order.left = order.left, left
        refusal, order.left = self.lending.check(order), before
        if refusal is not None:
            return refusal
        most = self.lending.payable(order, left, price, self._wallet.reserved(order.number))
        if isinstance(most, Refusal):
            return most
        self._wallet.resize(order.number, most)
        return None

    def _apply(self, market: VenueMarket, order: WorkingOrder, lots: int, price: int) -> None:
        queue_kept = price == order.price and lots <= order.lots
        if not queue_kept:
            market.withdraw(order)
        order.left -= order.lots - lots
        order.lots = lots
        order.price = price
        order.touched_ns = self._engine.now_ns
        self._engine.touch(order.key)
        quantity, now = order.instrument.quantity(lots), order.instrument.price(price)
        self.tell(OrderAmended(*self._answer_about(order), quantity, now, queue_kept))
        if not queue_kept:
            order.place = self.sequence
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
