"""What a person does by hand to orders and positions of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from triplegain.domain.commands import Cancelling, SwitchSet
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import AmendRequest, OrderRequest, terms_of
from triplegain.domain.records import CloseReason, OrderRecord
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.cancel_after import check_timeout
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.execution.order_manager import OrderManager, ProtectedOrder
from triplegain.execution.paper_executor import PaperOrderExecutor
from triplegain.session.order_by_hand import check_batch, check_batch_cancel

#: What a person or the trader sent to open something; all other orders take a position off, protect it, or belong to
#: the hodl bag and the rebalance, which end by themselves.
_OPENING = ("manual", "entry")


@dataclass(frozen=True, slots=True)
class ByHand:
    """`_why_unsent` says why an order is not looked at, `_why_unheard` why nothing that is sent arrives, `_why_stands`
    why what was asked for in some markets waits; `_prepare` tells the desk the price of a symbol, `_follow` lets happen
    what follows by now."""

    _exchange: PaperExchange
    _executor: PaperOrderExecutor
    _desk: OrderManager
    _why_unsent: Callable[[OrderRequest], Refusal | None]
    _why_unheard: Callable[[], Refusal | None]
    _why_stands: Callable[[Iterable[str]], str]
    _prepare: Callable[[str], None]
    _follow: Callable[[], None]

    def place(
        self, request: OrderRequest, stop: Decimal | None = None, target: Decimal | None = None
    ) -> OrderRequest | Refusal:
        """Send an order now. Refused before the market's first message, while halted, and where all must be sold."""
        if refused := self._why_unsent(request):
            return refused
        self._prepare(request.symbol)
        sent = self._desk.place(request, stop, target)
        self._follow()
        return sent

    def place_batch(self, orders: Sequence[ProtectedOrder]) -> tuple[OrderRequest, ...] | Refusal:
        """Send orders of one pair together, all or none."""
        requests = [request for request, *_ in orders]
        if refused := check_batch(requests) or next(filter(None, map(self._why_unsent, requests)), None):
            return refused
        self._prepare(requests[0].symbol)
        sent = self._desk.place_batch(orders)
        self._follow()
        return sent

    def validate(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> Refusal | None:
        """Why an order would be refused if it were sent and arrived now. Nothing is sent, held or told."""
        if refused := self._why_unsent(request):
            return refused
        self._prepare(request.symbol)
        return self._desk.why_not(request, stop, target) or self._exchange.validate(request)

    def edit(
        self, record: OrderRecord, new_id: str, quantity: Decimal | None, price: Decimal | None, deadline_ns: int | None
    ) -> OrderRequest | Refusal:
        """Send an order that takes the place of an open one, which is over then."""
        try:
            request = _edited(record, new_id, quantity, price, deadline_ns)
        except InvalidValueError as error:
            return Refusal(Code.REFUSED, str(error))
        if refused := self._why_unsent(request):
            return refused
        self._prepare(request.symbol)
        sent = self._desk.edit(record, request)
        self._follow()
        return sent

    def amend(self, request: AmendRequest) -> int | Refusal:
        """Ask for an order to be changed; the number of the command, 0 where it stands and is not sent."""
        record = self._executor.orders.by_client_id(request.client_order_id)
        if record is not None:
            self._prepare(record.request.symbol)
        is_stop = self._desk.is_stop(request.client_order_id)
        if not is_stop and (unheard := self._why_unheard()) is not None:
            return unheard
        if (refused := self._desk.amend(request)) is not None:
            return refused
        stands = is_stop and record is not None and self._why_stands((record.request.symbol,))
        return 0 if stands else self._asked()

    def cancel(self, client_order_id: str) -> int | Refusal:
        """Ask for an order to be cancelled; the number of the command."""
        refused = self._why_unheard() or self._desk.cancel(client_order_id)
        return refused or self._asked()

    def _asked(self) -> int:
        number = self._exchange.last_command
        self._follow()
        return number

    def cancel_batch(self, names: Sequence[str]) -> tuple[dict[str, int], Cancelling] | Refusal:
        """Ask for these orders to be cancelled, in one message: client order ids with the number of the command, and
        what is known of the others already."""
        if unheard := check_batch_cancel(names) or self._why_unheard():
            return unheard
        refused = {name: why for name in names if (why := self._desk.why_not_cancelled(name)) is not None}
        sent = [name for name in names if name not in refused]
        cancelling = dict(zip(sent, self._exchange.cancel_batch(sent), strict=True))
        self._follow()
        return cancelling, Cancelling((), (), {name: why.reason for name, why in refused.items()})

    def cancel_all(self) -> tuple[dict[str, int], Cancelling] | Refusal:
        """Ask for every order that would open something to be cancelled, those under way to the exchange included;
        client order ids of these with the number of the command, and what is known of the others already."""
        if unheard := self._why_unheard():
            return unheard
        cancelling, kept, left = {}, [], {}
        for order in self._executor.orders.open_orders():
            name = order.request.client_order_id
            if order.request.purpose not in _OPENING:
                kept.append(name)
            elif refused := self._desk.cancel(name):
                left[name] = refused.reason
            else:
                cancelling[name] = self._exchange.last_command
        self._follow()
        return cancelling, Cancelling((), tuple(kept), left)

    def cancel_all_after(self, timeout_s: int) -> SwitchSet | Refusal:
        """Set the exchange's dead man's switch anew; 0 switches it off."""
        if refused := check_timeout(timeout_s) or self._why_unheard():
            return refused
        set_at_ns = self._exchange.now_ns
        trigger_ns = self._exchange.cancel_all_after(timeout_s)
        self._follow()
        return SwitchSet(set_at_ns, trigger_ns)

    def close_position(self, position_id: str) -> bool:
        """Start closing it; False where that is under way already."""
        closing = self._desk.close(position_id, CloseReason.MANUAL, self._exchange.now_ns)
        self._follow()
        return closing

    def reduce_position(self, position_id: str, quantity: Decimal) -> Refusal | None:
        """Start taking so much of it off."""
        position = self._executor.positions.get(position_id)
        held = Decimal(0) if position is None else position.held
        refused = self._desk.reduce_by(position_id, quantity, held, CloseReason.MANUAL, self._exchange.now_ns)
        self._follow()
        return refused

    def flat(self) -> tuple[str, ...]:
        """Start closing every position; the ids of those begun."""
        closing = self._desk.close_all(CloseReason.MANUAL, self._exchange.now_ns)
        self._follow()
        return closing


def _edited(
    record: OrderRecord, new_id: str, quantity: Decimal | None, price: Decimal | None, deadline_ns: int | None
) -> OrderRequest:
    """The order as it stands, but for what is to be another. What it has filled stays its own.

    Raises InvalidValueError where its terms take no price.
    """
    request, terms = record.request, record.request_now.terms
    asked = price or terms.trail or record.price_now
    options = replace(request.options, replaces=request.client_order_id, deadline_ns=deadline_ns, starts_at_ns=None)
    return replace(
        request,
        client_order_id=new_id,
        quantity=record.quantity if quantity is None else quantity,
        terms=terms_of(
            terms.kind, asked, terms.post_only, limit_price=terms.second, display=terms.display, cost=terms.cost
        ),
        position_id=None,
        options=options,
    )
