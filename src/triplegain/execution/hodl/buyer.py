"""Turns pending money into coins: one order at a time per asset, each under a name of its own, never sent as another.

An order that gets no answer is looked up by its name and sent again under the same name, which is the same order at
the venue. Only after the venue has said no is there another order, `attempts_max` in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import Struct

from triplegain.domain.agent_records import AlertKind, HodlStep
from triplegain.domain.exchange_events import ExchangeEvent, OrderCancelled, OrderFilled, OrderRejected, OrderSubmitted
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.ids import Family, Origin, own_id
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, divide, floor_to, text
from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.execution.blotter import KnownOrders
from triplegain.execution.broker import Broker
from triplegain.execution.hodl.allocation import HodlAllocator
from triplegain.execution.hodl.journal import HodlJournal
from triplegain.execution.hodl.settings import HodlSettings

#: Symbol to the price a market order to buy is reckoned with, or None where it is not fresh.
Ask = Callable[[str], Decimal | None]

_ZERO = Decimal(0)


def affordable(instrument: Instrument, money: Decimal, ask: Decimal, headroom: Decimal) -> Decimal | None:
    """Base quantity that `money` buys at `ask`, with the highest fee and a price up to `headroom` (a fraction) higher.

    None if the exchange would not take an order that small.
    """
    rate = EXACT.add(1, EXACT.divide(instrument.fees.tiers[0].taker_ppm, RATE_UNIT))
    unit = EXACT.multiply(EXACT.multiply(ask, EXACT.add(1, headroom)), rate)
    if money < unit * instrument.quantity_min:
        return None
    quantity = floor_to(divide(money, unit), instrument.lot)
    too_small = quantity < instrument.quantity_min or EXACT.multiply(quantity, ask) < instrument.cost_min
    return None if too_small or quantity <= 0 else quantity


class Purchase(Struct):
    """An order under way. `reference` is the ask it was decided on, `sends` how often it was sent under its one name.

    `filled`, `notional` and `fees` are what its fills say so far.
    """

    client_order_id: str
    symbol: str
    quantity: Decimal
    reference: Decimal
    sent_at_ns: int
    sends: int = 0
    filled: Decimal = _ZERO
    notional: Decimal = _ZERO
    fees: Decimal = _ZERO

    @property
    def request(self) -> OrderRequest:
        terms, origin = Market(), Origin.HODL
        return OrderRequest(
            self.client_order_id, self.symbol, Side.BUY, self.quantity, terms, purpose="hodl", origin=origin
        )

    def fill(self, event: OrderFilled) -> None:
        self.filled = EXACT.add(self.filled, event.coins)
        self.notional = EXACT.add(self.notional, event.coins_value)
        self.fees = EXACT.add(self.fees, event.fee_value)

    @property
    def price(self) -> Decimal:
        """Average price of what was filled."""
        return divide(self.notional, self.filled)

    @property
    def slippage(self) -> Decimal:
        """How much dearer than the reference it was, as a fraction; below zero if cheaper."""
        return divide(EXACT.subtract(self.price, self.reference), self.reference)


class PurchasePause(Struct, frozen=True):
    """After an order of an asset is over: how many failed in a row, and when the next may be sent."""

    failures: int
    until_ns: int


class Purchases(Struct):
    """What the buyer remembers: orders sent so far, and by asset the order under way or the pause after one."""

    sent: int = 0
    under_way: dict[str, Purchase] = {}
    pauses: dict[str, PurchasePause] = {}


@dataclass(eq=False)
class HodlBuyer:
    """Spends what is pending for the coins. `orders` is the desk's register: it knows of every answer."""

    _broker: Broker
    _instruments: Sequence[Instrument]
    _orders: KnownOrders
    _settings: HodlSettings
    _ask: Ask
    _allocator: HodlAllocator
    _journal: HodlJournal
    state: Purchases = field(default_factory=Purchases, init=False)

    def __post_init__(self) -> None:
        self._markets = {each.base: each for each in self._instruments if each.quote == self._settings.currency}

    def forgive(self, assets: Iterable[str]) -> None:
        """Earlier failures no longer count."""
        for asset in assets:
            self.state.pauses.pop(asset, None)

    def due_ns(self, asset: str) -> int | None:
        """When this asset is to be looked at again; None if time alone changes nothing."""
        purchase, pause = self.state.under_way.get(asset), self.state.pauses.get(asset)
        if purchase is not None:
            return purchase.sent_at_ns + self._settings.retry_ns
        if pause is not None and pause.failures < self._settings.attempts_max and self._is_enough(asset):
            return pause.until_ns
        return None

    def look(self, asset: str, now_ns: int, blocked: str) -> bool:
        """Buy if it is time to, or ask after the order under way. True: looking again soon may help."""
        purchase, pause = self.state.under_way.get(asset), self.state.pauses.get(asset)
        if purchase is not None:
            if now_ns >= purchase.sent_at_ns + self._settings.retry_ns:
                self._ask_after(asset, purchase, now_ns)
            return False
        if not self._is_enough(asset):
            return False
        if pause is not None and (pause.failures >= self._settings.attempts_max or now_ns < pause.until_ns):
            return False
        return self._buy(asset, now_ns, blocked)

    def _buy(self, asset: str, now_ns: int, blocked: str) -> bool:
        """Send an order for all that is pending. True: nothing was sent, and looking again soon may help."""
        what, instrument = f"buying {asset}", self._markets.get(asset)
        if instrument is None:
            words = f"{asset}/{self._settings.currency} is not traded in this session"
            self._journal.waiting(now_ns, what, "", words)
            return False
        symbol = instrument.symbol
        ask = None if blocked else self._ask(symbol)
        if ask is None:
            self._journal.waiting(now_ns, what, symbol, blocked or f"no fresh price of {symbol}")
            return True
        pending = self._allocator.balance(asset).pending
        quantity = affordable(instrument, pending, ask, self._settings.slippage_alert)
        if quantity is None:
            # Nothing is wrong: the exchange's smallest order is more than our threshold.
            return False
        self._journal.goes_on(what)
        self.state.sent += 1
        purchase = Purchase(own_id(Family.HODL, self.state.sent), symbol, quantity, ask, now_ns)
        self.state.under_way[asset] = purchase
        self._send(asset, purchase, now_ns)
        return False

    def on_event(self, event: ExchangeEvent, now_ns: int) -> bool:
        """An answer of the venue. False if it is not about an order of the bag that is under way."""
        name = event.request.client_order_id if isinstance(event, OrderSubmitted) else event.client_order_id
        asset = next((a for a, p in self.state.under_way.items() if p.client_order_id == name), None)
        if asset is None:
            return False
        purchase = self.state.under_way[asset]
        match event:
            case OrderFilled():
                purchase.fill(event)
                self._allocator.balance(asset).bought(event.coins, EXACT.add(event.coins_value, event.fee_value))
                if event.status.is_final:
                    self._over(asset, purchase, "", now_ns)
            case OrderCancelled(reason=reason):
                self._over(asset, purchase, reason, now_ns)
            case OrderRejected(reason=reason, code=code):
                self._over(asset, purchase, f"{code}: {reason}", now_ns)
            case _:
                pass
        return True

    def _is_enough(self, asset: str) -> bool:
        return self._allocator.balance(asset).pending >= self._settings.thresholds[asset]

    def _send(self, asset: str, purchase: Purchase, now_ns: int) -> None:
        purchase.sends += 1
        name, quantity = purchase.client_order_id, purchase.quantity
        details = {"reference": text(purchase.reference), "sends": purchase.sends}
        usd = EXACT.multiply(quantity, purchase.reference)
        self._journal.record(now_ns, HodlStep.SENT, asset, quantity, usd, client_order_id=name, details=details)
        self._broker.place(purchase.request)

    def _ask_after(self, asset: str, purchase: Purchase, now_ns: int) -> None:
        """No answer within the pause. The register knows the order: wait. It does not: send it again, as the same."""
        name = purchase.client_order_id
        purchase.sent_at_ns = now_ns
        if self._orders.by_client_id(name) is None and purchase.sends < self._settings.attempts_max:
            self._send(asset, purchase, now_ns)
            return
        self._journal.waiting(now_ns, name, purchase.symbol, "the exchange has not said how it ended")

    def _over(self, asset: str, purchase: Purchase, reason: str, now_ns: int) -> None:
        name = purchase.client_order_id
        del self.state.under_way[asset]
        self._journal.goes_on(name)
        if not purchase.filled:
            self._failed(asset, purchase, reason, now_ns)
            return
        self.state.pauses[asset] = PurchasePause(0, now_ns + self._settings.retry_ns)
        details = {
            "price": text(purchase.price),
            "reference": text(purchase.reference),
            "slippage": text(purchase.slippage),
            "fees": text(purchase.fees),
            "rest": reason,
        }
        cost = EXACT.add(purchase.notional, purchase.fees)
        self._journal.record(
            now_ns, HodlStep.BOUGHT, asset, purchase.filled, cost, client_order_id=name, details=details
        )
        if purchase.slippage > self._settings.slippage_alert:
            percent = text((purchase.slippage * 100).quantize(Decimal("0.01")))
            words = f"{name} was filled {percent} % above the {text(purchase.reference)} it was decided on"
            self._journal.alert(now_ns, AlertKind.HODL_SLIPPAGE, purchase.symbol, words)

    def _failed(self, asset: str, purchase: Purchase, reason: str, now_ns: int) -> None:
        name, earlier = purchase.client_order_id, self.state.pauses.get(asset)
        failures = 1 if earlier is None else 1 + earlier.failures
        self.state.pauses[asset] = PurchasePause(failures, now_ns + self._settings.retry_ns)
        details = {"reason": reason, "attempt": failures}
        self._journal.record(now_ns, HodlStep.FAILED, asset, _ZERO, None, client_order_id=name, details=details)
        if failures >= self._settings.attempts_max:
            words = f"buying {asset} has failed {failures} times, last with: {reason}; the money stays pending"
            self._journal.alert(now_ns, AlertKind.HODL_FAILED, purchase.symbol, words)
