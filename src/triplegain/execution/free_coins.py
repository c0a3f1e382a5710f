"""What may be spent: coins that belong to a position are not spent by another order or another pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import ROUND_UP, Context, Decimal, InvalidOperation

from msgspec import UNSET
from msgspec.structs import replace

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import LedgerAccount, account_of
from triplegain.domain.money import ATOM_DECIMALS, EXACT, text
from triplegain.domain.orders import AmendRequest, OrderRequest, Side
from triplegain.domain.price import most
from triplegain.domain.records import OrderRecord
from triplegain.execution.order_register import OrderRegister
from triplegain.execution.positions import Positions

_ZERO = Decimal(0)
_HODL = LedgerAccount.HODL


#: What an order may cost, rounded up to an atom: whatever quantity and price a door lets in, the product is held.
_RECKONING = Context(prec=120, rounding=ROUND_UP, traps=[InvalidOperation])
_ATOM = Decimal(1).scaleb(-ATOM_DECIMALS)


class FreeCoins:
    """Per asset: the total, less what open positions own, less what other open orders are about to spend.

    All of them are the present, not what we have been told: coins that a fill has just brought are in the wallet and
    in their position. `total` gives what the wallet holds, `ask` the price a market order to buy is reckoned with, or
    None.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        orders: OrderRegister,
        positions: Positions,
        total: Callable[[str], Decimal],
        ask: Callable[[str], Decimal | None],
    ) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._orders = orders
        self._positions = positions
        self._total = total
        self._ask = ask
        #: What left us and the venue has not named yet: the register does not know it.
        self._sent: dict[str, OrderRequest] = {}
        #: By order what it is about to spend, and the sum by asset; beside them those whose price nobody knows before.
        self._spends: dict[int, tuple[str, Decimal]] = {}
        self._sums: dict[str, Decimal] = {}
        self._unpriced: dict[int, OrderRecord] = {}
        #: Changes that the venue has not answered, by name of the order.
        self._asked: dict[str, tuple[AmendRequest, ...]] = {}
        orders.on_change = self._changed

    @property
    def asked(self) -> tuple[AmendRequest, ...]:
        """Changes the venue has not answered yet."""
        return tuple(request for requests in self._asked.values() for request in requests)

    @property
    def sent(self) -> tuple[OrderRequest, ...]:
        """What the venue has not named yet."""
        return tuple(self._sent.values())

    def send(self, request: OrderRequest) -> None:
        """An order leaves us."""
        self._sent[request.client_order_id] = request

    def pending(self, client_order_id: str) -> OrderRequest | None:
        """An order that was sent and that the venue has not named yet."""
        return self._sent.get(client_order_id)

    def free(self, asset: str) -> Decimal:
        """Coins of `asset` that a new order may spend."""
        name = asset.upper()
        taken = EXACT.add(self._positions.owned(name), self._committed(name))
        return max(_ZERO, EXACT.subtract(self._total(name), taken))

    def lacking(self, asset: str) -> Decimal:
        """What positions own and the wallet does not hold: 0 but where books of an earlier program do not agree."""
        return max(_ZERO, EXACT.subtract(self._positions.owned(asset), self._total(asset)))

    def refusal(self, request: OrderRequest, instead_of: OrderRecord | None = None) -> str | None:
        """Why this order may not be sent: it would spend a position's coins. None where nothing speaks against it.

        Coins count that entries under way may yet bring: they may be there before this order is. What could not be
        paid even then is let through: the venue refuses it with its own code. What `instead_of` is about to spend is
        there for the order that takes its place.
        """
        if request.leverage > 1:
            return None
        asset, needed = self.cost(request)
        if needed is None:
            if not self._positions.owned(asset):
                return None
            return f"no price for {request.symbol}: cannot tell whether it would spend coins of an open position"
        free = self.free(asset)
        if instead_of is not None and _spends(instead_of.request):
            free = EXACT.add(free, self._spent_by(instead_of))
        if needed <= free:
            return None
        coming, for_positions, is_bounded = self._coming(asset)
        if not self._positions.owned(asset) and not for_positions:
            return None
        if is_bounded and needed > EXACT.add(self._total(asset), coming):
            return None
        return (
            f"it needs {text(needed)} {asset}, of which only {text(free)} are free: "
            f"the rest belongs to open positions or orders; close the position instead"
        )

    def _coming(self, asset: str) -> tuple[Decimal, bool, bool]:
        """What orders under way may yet bring of an asset, whether positions get any of it, and whether that is all:
        what a sale may bring nobody can say."""
        coming, for_positions, is_bounded = _ZERO, False, True
        named = ((each.request, self._rest(each, most=True)) for each in self._orders.open_orders())
        for request, rest in (*named, *((each, each.quantity) for each in self._sent.values())):
            instrument = self._instruments[request.symbol]
            if request.leverage > 1:
                continue
            if request.side is Side.BUY and instrument.base == asset and account_of(request.origin) is not _HODL:
                is_bounded = is_bounded and request.terms.cost is None
                coming, for_positions = EXACT.add(coming, rest), for_positions or request.position_id is not None
            elif request.side is Side.SELL and instrument.quote == asset:
                is_bounded = False
        return coming, for_positions, is_bounded

    def refusal_of_change(self, request: AmendRequest) -> str | None:
        """Why an order may not be changed like this: it would spend a position's coins."""
        record = self._orders.by_client_id(request.client_order_id)
        if record is None or record.status.is_final or not _spends(record.request):
            return None
        asset, needed = self._after(record, request)
        free = EXACT.add(self.free(asset), self._spent_by(record))
        if needed is None or needed <= free:
            return None
        _, for_positions, _ = self._coming(asset)
        if not self._positions.owned(asset) and not for_positions:
            return None
        return (
            f"it would need {text(needed)} {asset}, of which only {text(free)} are free: "
            f"the rest belongs to open positions or orders"
        )

    def ask(self, request: AmendRequest) -> None:
        """A change is about to be asked of the venue."""
        name = request.client_order_id
        self._asked[name] = (*self._asked.get(name, ()), request)

    def answered(self, client_order_id: str, is_over: bool) -> None:
        """The venue has answered the oldest change of an order; `is_over`: and there is nothing left to change."""
        left = () if is_over else self._asked.get(client_order_id, ())[1:]
        if left:
            self._asked[client_order_id] = left
        else:
            self._asked.pop(client_order_id, None)

    def cost(self, request: OrderRequest) -> tuple[str, Decimal | None]:
        """The asset an order spends and how much of it, with the highest fee; None without a price."""
        return self._cost(request, request.quantity, request.terms.price)

    def _cost(self, request: OrderRequest, quantity: Decimal, price: Decimal | None) -> tuple[str, Decimal | None]:
        instrument = self._instruments[request.symbol]
        asset = instrument.base if request.side is Side.SELL else instrument.quote
        cost = request.terms.cost
        if request.side is Side.SELL:
            needed: Decimal | None = quantity
        elif cost is not None:
            needed = cost
        else:
            price = self._at_most(request, price)
            needed = None if price is None else _RECKONING.multiply(quantity, price)
        if needed is not None and request.fee_asset == asset:
            rate = EXACT.add(1, EXACT.divide(instrument.fees.tiers[0].taker_ppm, RATE_UNIT))
            needed = _RECKONING.multiply(needed, rate)
        return asset, None if needed is None else _RECKONING.quantize(needed, _ATOM)

    def _at_most(self, request: OrderRequest, price: Decimal | None) -> Decimal | None:
        """What a coin may cost at the most: `price` as it stands, and what the terms name beside it."""
        ask = self._ask(request.symbol)
        if price is None:
            return None if ask is None else request.terms.worst(ask)
        second = request.terms.second
        return price if second is None else max(price, most(second, price))

    def _changed(self, record: OrderRecord) -> None:
        """An order is another than before, or new."""
        number, request = record.order_number, record.request_now
        self._sent.pop(request.client_order_id, None)
        self._unpriced.pop(number, None)
        if number in self._spends:
            asset, amount = self._spends.pop(number)
            self._sums[asset] = EXACT.subtract(self._sums[asset], amount)
        if record.status.is_final or not _spends(request):
            return
        if request.side is Side.BUY and record.price is None:
            self._unpriced[number] = record
            return
        asset, spent = self._cost(request, self._rest(record), record.price)
        if spent is not None:
            self._spends[number] = asset, spent
            self._sums[asset] = EXACT.add(self._sums.get(asset, _ZERO), spent)

    def _committed(self, asset: str) -> Decimal:
        total = self._sums.get(asset, _ZERO)
        unpriced = (self._cost(each.request_now, self._rest(each), None) for each in self._unpriced.values())
        leaving = (self.cost(request) for request in self._sent.values() if _spends(request))
        for spent, amount in (*unpriced, *leaving, *map(self._asked_more, self._asked)):
            if spent == asset and amount is not None:
                total = EXACT.add(total, amount)
        return total

    def _asked_more(self, client_order_id: str) -> tuple[str, Decimal]:
        """What an order would spend beyond what it spends now, if the venue takes the changes asked of it."""
        record = self._orders.by_client_id(client_order_id)
        if record is None or record.status.is_final or not _spends(record.request):
            return "", _ZERO
        now = most = self._spends.get(record.order_number, ("", _ZERO))[1]
        asset = ""
        for request in self._asked[client_order_id]:
            asset, after = self._after(record, request)
            most = most if after is None else max(most, after)
        return asset, EXACT.subtract(most, now)

    def _spent_by(self, record: OrderRecord) -> Decimal:
        """What an order is counted with now."""
        name = record.request.client_order_id
        more = self._asked_more(name)[1] if name in self._asked else _ZERO
        return EXACT.add(self._spends.get(record.order_number, ("", _ZERO))[1], more)

    def _after(self, record: OrderRecord, change: AmendRequest) -> tuple[str, Decimal | None]:
        quantity = record.quantity if change.quantity is None else change.quantity
        rest = EXACT.subtract(quantity, record.filled_quantity)
        request, price = record.request_now, record.price if change.price is None else change.price
        if change.changes_terms:
            with suppress(InvalidValueError):  # the exchange refuses it
                request = replace(request, terms=change.changed(request.terms))
        return self._cost(request, rest, price if change.trail is UNSET else None)

    def _rest(self, record: OrderRecord, most: bool = False) -> Decimal:
        """What may still fill of an order; `most`: with what has been asked for."""
        asked = self._asked.get(record.request.client_order_id, ()) if most else ()
        quantity = max((each.quantity for each in asked if each.quantity is not None), default=record.quantity)
        return EXACT.subtract(max(quantity, record.quantity), record.filled_quantity)


def _spends(request: OrderRequest) -> bool:
    """Whether it spends free coins: the exit of a position spends its own, the hodl account has its own money, and with
    leverage the exchange lends what is traded."""
    is_exit = request.side is Side.SELL and request.position_id is not None
    return not is_exit and request.leverage == 1 and account_of(request.origin) is not _HODL
