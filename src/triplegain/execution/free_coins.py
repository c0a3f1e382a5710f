"""What may be spent: coins that belong to a position are not spent by another order or another pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.exchange_events import OrderFilled, OrderSubmitted
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.ids import Origin
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import LedgerAccount, account_of
from triplegain.domain.money import EXACT, text
from triplegain.domain.orders import OrderRequest, Side
from triplegain.execution.order_register import OrderRegister
from triplegain.execution.positions import Positions

_ZERO = Decimal(0)


class FreeCoins:
    """Per asset: the total, less what open positions own, less what other open orders are about to spend.

    The totals are what we know: the opening `balances` and the fills that have become visible. The wallet itself is
    ahead of us by the response latency, and coins it has already got from a fill would look as if they were free.
    `ask` gives the price a market order to buy is reckoned with, or None.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        orders: OrderRegister,
        positions: Positions,
        balances: Mapping[str, Decimal],
        ask: Callable[[str], Decimal | None],
    ) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._orders = orders
        self._positions = positions
        self._totals = {asset.upper(): amount for asset, amount in balances.items()}
        self._ask = ask
        self._sent: dict[str, OrderRequest] = {}

    def sent(self, request: OrderRequest) -> None:
        """An order left us; until the venue names it, the register does not know it."""
        self._sent[request.client_order_id] = request

    def submitted(self, event: OrderSubmitted) -> None:
        self._sent.pop(event.request.client_order_id, None)

    def pending(self, client_order_id: str) -> OrderRequest | None:
        """An order that was sent and that the venue has not named yet."""
        return self._sent.get(client_order_id)

    def free(self, asset: str) -> Decimal:
        """Coins of `asset` that a new order may spend."""
        name = asset.upper()
        free = EXACT.subtract(self._positions.free_base(name, self._total(name)), self._committed(name))
        return max(_ZERO, free)

    def refusal(self, request: OrderRequest) -> str | None:
        """Why this order may not be sent: it would spend a position's coins. None where nothing speaks against it.

        An order the whole wallet could not pay is let through: the venue refuses it with its own code.
        """
        asset, needed = self.cost(request)
        if not self._positions.owned(asset):
            return None
        if needed is None:
            return f"no price for {request.symbol}: cannot tell whether it would spend coins of an open position"
        free = self.free(asset)
        if needed <= free or needed > self._total(asset):
            return None
        return (
            f"it needs {text(needed)} {asset}, of which only {text(free)} are free: "
            f"the rest belongs to open positions or orders; close the position instead"
        )

    def cost(self, request: OrderRequest, quantity: Decimal | None = None) -> tuple[str, Decimal | None]:
        """The asset an order spends and how much of it, with the highest fee; None without a price."""
        instrument = self._instruments[request.symbol]
        quantity = request.quantity if quantity is None else quantity
        if request.side is Side.SELL:
            return instrument.base, quantity
        price = request.terms.price or self._ask(request.symbol)
        if price is None:
            return instrument.quote, None
        rate = EXACT.add(1, EXACT.divide(instrument.fees.tiers[0].taker_ppm, RATE_UNIT))
        return instrument.quote, EXACT.multiply(EXACT.multiply(quantity, price), rate)

    def filled(self, event: OrderFilled, origin: Origin) -> None:
        """A fill we have come to know of. What the hodl account pays and gets was never there to spend."""
        if account_of(origin) is LedgerAccount.HODL:
            return
        instrument = self._instruments[event.symbol]
        sign = 1 if event.side is Side.BUY else -1
        moves = (
            (instrument.base, sign * event.quantity),
            (instrument.quote, -sign * event.notional),
            (event.fee_asset, -event.fee),
        )
        for asset, amount in moves:
            self.moved(asset, amount)

    def moved(self, asset: str, amount: Decimal) -> None:
        """Money came in, or left if `amount` is below zero."""
        name = asset.upper()
        self._totals[name] = EXACT.add(self._total(name), amount)

    def _total(self, asset: str) -> Decimal:
        return self._totals.get(asset, _ZERO)

    def _committed(self, asset: str) -> Decimal:
        resting = ((r.request, EXACT.subtract(r.quantity, r.filled_quantity)) for r in self._orders.open_orders())
        leaving = ((request, request.quantity) for request in self._sent.values())
        total = _ZERO
        for request, rest in (*resting, *leaving):
            if request.side is Side.SELL and request.position_id is not None:
                continue
            if account_of(request.origin) is LedgerAccount.HODL:
                continue
            spent, amount = self.cost(request, rest)
            if spent == asset and amount is not None:
                total = EXACT.add(total, amount)
        return total

    def state(self) -> dict[str, Any]:
        return {
            "totals": {asset: text(amount) for asset, amount in self._totals.items()},
            "sent": [msgspec.to_builtins(request) for request in self._sent.values()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._totals = {asset: Decimal(amount) for asset, amount in state["totals"].items()}
        self._sent = {stored["client_order_id"]: msgspec.convert(stored, OrderRequest) for stored in state["sent"]}
