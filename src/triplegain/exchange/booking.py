"""From executions to money: reservations, fees, ledger postings, and the events that tell of them."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from triplegain.domain import ids
from triplegain.domain.exchange_events import (
    ExchangeEvent,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
)
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.ledger_entry import LedgerAccount, account_of
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import OrderStatus
from triplegain.domain.usd import UsdPrices
from triplegain.exchange.explanation import FillExplanation
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.refusal import INSUFFICIENT_FUNDS, INVALID_ARGUMENTS, UNAVAILABLE, Refusal
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.volume_tier import VolumeTier

if TYPE_CHECKING:
    from triplegain.exchange.paper_exchange import PaperExchange


class Booking:
    """The account side of the exchange. Events and fills are numbered here."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange
        self._wallet = exchange.wallet
        self._events: list[ExchangeEvent] = []
        self.sequence = 0
        self.fill_count = 0
        #: When the last answer under way reaches us.
        self.answered_ns = 0
        self.volume = VolumeTier(exchange.settings.fee_volume_30d_usd)

    # -- events --------------------------------------------------------------------------------------------------

    def stamp(self, visible_at_ns: int) -> tuple[int, int, int]:
        """(sequence, time, visible at) of the next event."""
        self.sequence += 1
        return self.sequence, self._exchange.now_ns, visible_at_ns

    def tell(self, event: ExchangeEvent) -> None:
        self._events.append(event)

    def drain(self) -> list[ExchangeEvent]:
        events, self._events = self._events, []
        return events

    def answer(self) -> tuple[int, int, int]:
        """The stamp of an answer to us. Answers travel one channel: a later one never overtakes an earlier one."""
        now_ns = self._exchange.now_ns
        self.answered_ns = max(self.answered_ns, now_ns + self._exchange.latency.response())
        self.sequence += 1
        return self.sequence, now_ns, self.answered_ns

    def tell_accepted(self, order: WorkingOrder) -> None:
        instrument = order.instrument
        asset = instrument.quote if order.side == 0 else instrument.base
        held = from_atoms(self._wallet.reserved(order.number))
        self.tell(OrderAccepted(*self.answer(), order.number, order.client_order_id, instrument.symbol, asset, held))

    def tell_triggered(self, order: WorkingOrder, last: int) -> None:
        instrument = order.instrument
        trigger, reached = instrument.price(order.price), instrument.price(last)
        self.tell(
            OrderTriggered(*self.answer(), order.number, order.client_order_id, instrument.symbol, trigger, reached)
        )

    def finish(self, order: WorkingOrder, reason: str) -> None:
        """The rest of an order is over: its reservation goes back."""
        self._wallet.release(order.number)
        filled = order.instrument.quantity(order.lots - order.left)
        self.tell(
            OrderCancelled(
                *self.answer(),
                order.number,
                order.client_order_id,
                order.instrument.symbol,
                order.status,
                reason,
                filled,
            )
        )

    # -- funds ---------------------------------------------------------------------------------------------------

    def reserve(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        """Move the worst case from available to held. The fee ceiling is the taker rate of the tier at acceptance."""
        instrument, account = order.instrument, account_of(order.client_order_id)
        if account is LedgerAccount.HODL and order.side == 1:
            return Refusal(INVALID_ARGUMENTS, "the hodl bag is never sold")
        order.fee_ceiling_ppm = self.volume.tier(instrument.fees, self._exchange.now_ns).taker_ppm
        if order.side == 1:
            asset, amount = instrument.base, order.left * instrument.atoms_per_lot
        else:
            asset = instrument.quote
            worst = self._worst_purchase(order, market)
            if worst is None:
                return Refusal(UNAVAILABLE, f"no price of {instrument.symbol} yet")
            amount = worst
        if not self._wallet.reserve(order.number, asset, amount, account):
            needed, there = text(from_atoms(amount)), text(from_atoms(self._wallet.available(asset, account)))
            return Refusal(INSUFFICIENT_FUNDS, f"needs {needed} {asset} with fees, {there} is available")
        return None

    def _worst_purchase(self, order: WorkingOrder, market: VenueMarket) -> int | None:
        """Atoms of quote currency a buy may cost: at its price, else by walking the book, else at the slipped price."""
        if order.price:
            return order.worst_cost(order.left, order.price)
        if market.book.time_ns >= 0:
            left = order.left
            notional = 0
            for price, size in market.book.walk(1, None):
                notional += price * min(size, left)
                left -= min(size, left)
                if not left:
                    break
            return order.worst_cost(1, notional)
        if market.last is None:
            return None
        return order.worst_cost(order.left, market.simple.slipped(0, market.last))

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        """Lots of a purchase that what is reserved and available can pay, fee included."""
        quote = order.instrument.quote
        funds = self._wallet.reserved(order.number) + self._wallet.available_to(order.number, quote)
        if order.worst_cost(lots, price) <= funds:
            return lots
        unit = price * order.instrument.atoms_per_tick_lot
        lots = min(lots, funds * RATE_UNIT // (unit * (RATE_UNIT + order.fee_ceiling_ppm)))
        while lots > 0 and (excess := order.worst_cost(lots, price) - funds) > 0:
            lots -= max(excess * RATE_UNIT // (unit * (RATE_UNIT + order.fee_ceiling_ppm)), 1)
        return max(lots, 0)

    # -- executions ----------------------------------------------------------------------------------------------

    def fill(self, order: WorkingOrder, price: int, lots: int, maker: bool, model: str, cause: dict[str, Any]) -> None:
        exchange, instrument, now_ns = self._exchange, order.instrument, self._exchange.now_ns
        volume_usd = self.volume.volume_usd(now_ns)
        tier = instrument.fees.tier(volume_usd)
        rate_ppm = min(tier.maker_ppm if maker else tier.taker_ppm, order.fee_ceiling_ppm)
        notional = price * lots * instrument.atoms_per_tick_lot
        order.fee_exact, charged = order.fee_after(notional, rate_ppm)
        if order.side == 1:
            # A sale pays from its proceeds; the rounded-up fee of a tiny fill may exceed them and waits for the next.
            charged = min(charged, order.fee_charged + notional + self._wallet.available(instrument.quote))
        fee = charged - order.fee_charged
        order.fee_charged = charged
        order.spent_atoms += notional
        order.left -= lots
        order.status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
        self.fill_count += 1
        self._post(order, notional, lots, fee)
        usd_price = self._usd_prices(instrument.quote)
        if usd_price is not None:
            self.volume.add(now_ns, int(notional * usd_price))
        quotes = exchange.markets[instrument.symbol].quotes()
        self.tell(
            OrderFilled(
                *self.answer(),
                order.number,
                order.client_order_id,
                self.fill_count,
                ids.fill_id(exchange.session, self.fill_count),
                instrument.symbol,
                order.request.side,
                instrument.price(price),
                instrument.quantity(lots),
                from_atoms(notional),
                from_atoms(fee),
                instrument.quote,
                maker,
                instrument.quantity(order.lots - order.left),
                order.status,
                FillExplanation(order, price, lots, maker, model, cause, quotes, fee, (rate_ppm, volume_usd)),
            )
        )

    def _post(self, order: WorkingOrder, notional: int, lots: int, fee: int) -> None:
        """Book the legs and draw on the reservation; what a finished order no longer needs goes back."""
        instrument, wallet, number = order.instrument, self._wallet, order.number
        base = (instrument.base, lots * instrument.atoms_per_lot)
        quote = (instrument.quote, notional)
        if order.side == 1:
            paid, received, draw = base, quote, base[1]
        else:
            paid, received = quote, base
            reserved = wallet.reserved(number)
            if order.kind == "limit":
                draw = reserved - order.worst_cost(order.left, order.price)
            else:
                draw = min(reserved, notional + fee)
        wallet.book_fill(
            self._exchange.now_ns,
            number,
            self.fill_count,
            paid=paid,
            received=received,
            fee=(instrument.quote, fee),
            draw=draw,
        )
        if not order.left:
            wallet.release(number)

    @cached_property
    def _usd_prices(self) -> UsdPrices:
        """By the last trades: a volume needs no fresh price."""
        return UsdPrices(self._exchange.markets, self._last_price)

    def _last_price(self, symbol: str) -> Decimal | None:
        market = self._exchange.markets[symbol]
        return None if market.last is None else market.instrument.price(market.last)
