"""A person's orders beyond one at a time: batches, edits, questions, and the dead man's switch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from triplegain.domain.commands import Cancelling, SwitchSet
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import OrderRequest, terms_of
from triplegain.domain.records import OrderRecord
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.cancel_after import check_timeout
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.execution.order_manager import OrderManager, ProtectedOrder
from triplegain.session.order_by_hand import check_batch, check_batch_cancel


@dataclass(frozen=True, slots=True)
class OrderCommands:
    """`_why_unsent` says why an order is not looked at, `_why_unheard` why nothing that is sent arrives; `_prepare`
    tells the desk the price of a symbol, `_follow` lets happen what follows by now."""

    _exchange: PaperExchange
    _desk: OrderManager
    _why_unsent: Callable[[OrderRequest], Refusal | None]
    _why_unheard: Callable[[], Refusal | None]
    _prepare: Callable[[str], None]
    _follow: Callable[[], None]

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

    def cancel(self, names: Sequence[str]) -> tuple[dict[str, int], Cancelling] | Refusal:
        """Ask for these orders to be cancelled, in one message: client order ids with the number of the command, and
        what is known of the others already."""
        if unheard := check_batch_cancel(names) or self._why_unheard():
            return unheard
        refused = {name: why for name in names if (why := self._desk.why_not_cancelled(name)) is not None}
        sent = [name for name in names if name not in refused]
        cancelling = dict(zip(sent, self._exchange.cancel_batch(sent), strict=True))
        self._follow()
        return cancelling, Cancelling((), (), {name: why.reason for name, why in refused.items()})

    def cancel_all_after(self, timeout_s: int) -> SwitchSet | Refusal:
        """Set the exchange's dead man's switch anew; 0 switches it off."""
        if refused := check_timeout(timeout_s) or self._why_unheard():
            return refused
        set_at_ns = self._exchange.now_ns
        trigger_ns = self._exchange.cancel_all_after(timeout_s)
        self._follow()
        return SwitchSet(set_at_ns, trigger_ns)


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
