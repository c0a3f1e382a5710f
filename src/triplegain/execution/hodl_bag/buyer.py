"""Turns pending money into coins: one order at a time per asset, each under a name of its own, never sent as another.

An order that gets no answer is looked up by its name and sent again under the same name, which is the same order at
the venue. Only after the venue has said no is there another order, `attempts_max` in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.agent_records import AlertKind, HodlStep
from triplegain.domain.exchange_events import ExchangeEvent, OrderCancelled, OrderFilled, OrderRejected, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import HODL_ORDERS
from triplegain.domain.money import EXACT, text
from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.execution.broker import Broker
from triplegain.execution.hodl_bag.journal import HodlJournal
from triplegain.execution.hodl_bag.pots import HodlPots
from triplegain.execution.hodl_bag.purchase import Purchase, affordable
from triplegain.execution.hodl_bag.settings import HodlSettings
from triplegain.execution.order_register import OrderRegister

#: Symbol to the price a market order to buy is reckoned with, or None where it is not fresh.
Ask = Callable[[str], Decimal | None]


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing was sent. `passes`: looking again soon may help; without it only another allocation or day can."""

    reason: str
    passes: bool = False


@dataclass(slots=True)
class _Pause:
    """After an order of an asset is over: how many failed in a row, and when the next may be sent."""

    failures: int
    until_ns: int


class HodlBuyer:
    """Spends what the pots of the coins have pending. `orders` is the desk's register: it knows of every answer."""

    def __init__(
        self,
        broker: Broker,
        instruments: Iterable[Instrument],
        orders: OrderRegister,
        settings: HodlSettings,
        ask: Ask,
        pots: HodlPots,
        journal: HodlJournal,
    ) -> None:
        self._broker = broker
        self._markets = {each.base: each for each in instruments if each.quote == settings.currency}
        self._orders = orders
        self._settings = settings
        self._ask = ask
        self._pots = pots
        self._journal = journal
        self._sent = 0
        self._under_way: dict[str, Purchase] = {}
        self._pauses: dict[str, _Pause] = {}

    def is_buying(self, asset: str) -> bool:
        return asset in self._under_way

    def forgive(self, assets: Iterable[str]) -> None:
        """Earlier failures no longer count."""
        for asset in assets:
            self._pauses.pop(asset, None)

    def due_ns(self, asset: str) -> int | None:
        """When this asset is to be looked at again; None if time alone changes nothing."""
        purchase, pause = self._under_way.get(asset), self._pauses.get(asset)
        if purchase is not None:
            return purchase.sent_at_ns + self._settings.retry_ns
        if pause is not None and pause.failures < self._settings.attempts_max and self._is_enough(asset):
            return pause.until_ns
        return None

    def look(self, asset: str, now_ns: int, blocked: str) -> NotNow | None:
        """Buy if it is time to, or ask after the order under way. Why not, where money is ready and nothing is sent."""
        purchase, pause = self._under_way.get(asset), self._pauses.get(asset)
        if purchase is not None:
            if now_ns >= purchase.sent_at_ns + self._settings.retry_ns:
                self._ask_after(asset, purchase, now_ns)
            return None
        if not self._is_enough(asset):
            return None
        if pause is not None and (pause.failures >= self._settings.attempts_max or now_ns < pause.until_ns):
            return None
        return self.buy(asset, now_ns, blocked)

    def buy(self, asset: str, now_ns: int, blocked: str) -> NotNow | None:
        """Send an order for all that is pending, whatever the threshold says. Why not, where nothing was sent."""
        what, instrument = f"buying {asset}", self._markets.get(asset)
        if instrument is None:
            words = f"{asset}/{self._settings.currency} is not traded in this session"
            return self._not_now(now_ns, what, "", NotNow(words))
        symbol, money = instrument.symbol, self._pots[asset].pending
        if blocked:
            return self._not_now(now_ns, what, symbol, NotNow(blocked, passes=True))
        ask = self._ask(symbol)
        if ask is None:
            return self._not_now(now_ns, what, symbol, NotNow(f"no fresh price of {symbol}", passes=True))
        quantity = affordable(instrument, money, ask, self._settings.slippage_alert)
        if quantity is None:
            # Nothing is wrong: the exchange's smallest order is more than our threshold.
            words = f"{text(money)} {self._settings.currency} buy less {asset} than the exchange's smallest order"
            return NotNow(words)
        self._journal.goes_on(what)
        self._sent += 1
        name = f"{HODL_ORDERS}{self._sent}"
        request = OrderRequest(name, symbol, Side.BUY, quantity, Market(), purpose="hodl")
        self._under_way[asset] = Purchase(request, ask, now_ns)
        self._tell_sent(asset, self._under_way[asset], now_ns)
        self._broker.place(request)
        return None

    def on_event(self, event: ExchangeEvent, now_ns: int) -> bool:
        """An answer of the venue. False if it is not about an order of the bag that is under way."""
        name = event.request.client_order_id if isinstance(event, OrderSubmitted) else event.client_order_id
        asset = next((a for a, p in self._under_way.items() if p.request.client_order_id == name), None)
        if asset is None:
            return False
        purchase = self._under_way[asset]
        match event:
            case OrderFilled():
                purchase.fill(event)
                self._pots.bought(asset, event.quantity, EXACT.add(event.notional, event.fee))
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
        return self._pots[asset].pending >= self._settings.thresholds[asset]

    def _not_now(self, now_ns: int, what: str, symbol: str, found: NotNow) -> NotNow:
        self._journal.waiting(now_ns, what, symbol, found.reason)
        return found

    def _tell_sent(self, asset: str, purchase: Purchase, now_ns: int) -> None:
        request = purchase.request
        details = {"reference": text(purchase.reference), "sends": purchase.sends}
        usd = EXACT.multiply(request.quantity, purchase.reference)
        self._journal.record(
            now_ns,
            HodlStep.SENT,
            asset,
            request.quantity,
            usd,
            client_order_id=request.client_order_id,
            details=details,
        )

    def _ask_after(self, asset: str, purchase: Purchase, now_ns: int) -> None:
        """No answer within the pause. The register knows the order: wait. It does not: send it again, as the same."""
        name = purchase.request.client_order_id
        purchase.sent_at_ns = now_ns
        if self._orders.by_client_id(name) is None and purchase.sends < self._settings.attempts_max:
            purchase.sends += 1
            self._tell_sent(asset, purchase, now_ns)
            self._broker.place(purchase.request)
            return
        self._journal.waiting(now_ns, name, purchase.request.symbol, "the exchange has not said how it ended")

    def _over(self, asset: str, purchase: Purchase, reason: str, now_ns: int) -> None:
        name, symbol = purchase.request.client_order_id, purchase.request.symbol
        del self._under_way[asset]
        self._journal.goes_on(name)
        if not purchase.filled:
            self._failed(asset, purchase, reason, now_ns)
            return
        self._pauses[asset] = _Pause(0, now_ns + self._settings.retry_ns)
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
            self._journal.alert(now_ns, AlertKind.HODL_SLIPPAGE, symbol, words)

    def _failed(self, asset: str, purchase: Purchase, reason: str, now_ns: int) -> None:
        name, most = purchase.request.client_order_id, self._settings.attempts_max
        failures = 1 + (self._pauses[asset].failures if asset in self._pauses else 0)
        self._pauses[asset] = _Pause(failures, now_ns + self._settings.retry_ns)
        details = {"reason": reason, "attempt": failures}
        self._journal.record(now_ns, HodlStep.FAILED, asset, Decimal(0), None, client_order_id=name, details=details)
        if failures >= most:
            words = f"buying {asset} has failed {failures} times, last with: {reason}; the money stays pending"
            self._journal.alert(now_ns, AlertKind.HODL_FAILED, purchase.request.symbol, words)

    def state(self) -> dict[str, Any]:
        return {
            "sent": self._sent,
            "under_way": {asset: purchase.state() for asset, purchase in self._under_way.items()},
            "pauses": {asset: [pause.failures, str(pause.until_ns)] for asset, pause in self._pauses.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._sent = state["sent"]
        self._under_way = {asset: Purchase.restore(stored) for asset, stored in state["under_way"].items()}
        self._pauses = {asset: _Pause(failures, int(until)) for asset, (failures, until) in state["pauses"].items()}
