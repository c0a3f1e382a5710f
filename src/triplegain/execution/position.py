"""One position: the sums of its fills, and what follows from them."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from triplegain.domain.errors import TripleGainError
from triplegain.domain.exchange_events import OrderAmended, OrderFilled, OrderSubmitted
from triplegain.domain.money import EXACT, divide
from triplegain.domain.orders import OrderRequest, Side, StopLoss
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.execution.protection.protection import StopLevel
from triplegain.ledger.realised import add_known, cost_share, in_usd

_ZERO = Decimal(0)


class PositionError(TripleGainError):
    """Fills that cannot belong to this position. Always a bug or a damaged record: the session halts."""


class Position(Struct, frozen=True):
    """One entry order and its exits, from the moment the entry is asked for. Money in the quote currency.

    Realised P&L is a function of the sums alone: exit notional - average entry x exit quantity - all fees paid. So
    realised + (mark - average entry) x quantity is always what the position earned, in whatever order fills came.
    `stop` is where its stop order stands (before the first fill: is to stand), `stop_reason` what the position closes
    with if it fires there, `asked` the move of it that the venue has not answered: the answer tells the price and not
    the reason. `opened_by` is the sequence of the first fill, 0 before. `live_exits` are numbers of orders.
    """

    position_id: str
    symbol: str
    stop: Decimal | None = None
    target: Decimal | None = None
    stop_reason: CloseReason = CloseReason.STOP_LOSS
    asked: StopLevel | None = None
    entry_order_number: int = 0
    opened_by: int = 0
    opened_at_ns: int = 0
    updated_at_ns: int = 0
    entry_over: bool = False
    live_exits: tuple[int, ...] = ()
    bought: Decimal = _ZERO
    bought_notional: Decimal = _ZERO
    sold: Decimal = _ZERO
    sold_notional: Decimal = _ZERO
    fees: Decimal = _ZERO
    entry_fees: Decimal = _ZERO
    realised: Decimal = _ZERO
    realised_usd: Decimal | None = _ZERO
    closed_at_ns: int | None = None
    close_reason: CloseReason | None = None

    @property
    def quantity(self) -> Decimal:
        return EXACT.subtract(self.bought, self.sold)

    @property
    def is_over(self) -> bool:
        """Nothing more will come of it."""
        return self.closed_at_ns is not None or (self.entry_over and not self.bought)

    @property
    def average_entry(self) -> Decimal:
        return divide(self.bought_notional, self.bought)

    @property
    def average_cost(self) -> Decimal:
        """The average entry with the fees of buying."""
        return divide(EXACT.add(self.bought_notional, self.entry_fees), self.bought)

    def submitted(self, event: OrderSubmitted) -> Position:
        """An order of it is on its way to the venue."""
        request = event.request
        if request.side is not Side.SELL or not self.bought:
            return self
        leaving = replace(self, live_exits=(*self.live_exits, event.order_number))
        if not isinstance(request.terms, StopLoss):
            return leaving
        return replace(leaving, stop=request.terms.price, stop_reason=CloseReason(request.purpose))

    def amended(self, request: OrderRequest, event: OrderAmended) -> Position:
        """An order of it stands elsewhere."""
        is_stop = request.side is Side.SELL and isinstance(request.terms, StopLoss)
        if not is_stop or self.stop == event.price:
            return self
        moved = replace(self, stop=event.price, updated_at_ns=event.time_ns)
        if self.asked is None or self.asked.trigger != event.price:
            return moved
        return replace(moved, stop_reason=self.asked.reason, asked=None)

    def filled(self, request: OrderRequest, event: OrderFilled, quote_usd: Decimal | None) -> Position:
        """One fill taken in; `quote_usd` prices what was realised. Raises PositionError: it sells what is not there."""
        if not self.opened_by:
            number, time_ns = event.order_number, event.time_ns
            opened = replace(self, entry_order_number=number, opened_by=event.sequence, opened_at_ns=time_ns)
        else:
            opened = self
        if request.side is Side.BUY:
            after = replace(
                opened,
                bought=EXACT.add(self.bought, event.coins),
                bought_notional=EXACT.add(self.bought_notional, event.coins_value),
                entry_fees=EXACT.add(self.entry_fees, event.fee_value),
            )
        else:
            fired = isinstance(request.terms, StopLoss)
            after = replace(
                opened,
                sold=EXACT.add(self.sold, event.coins),
                sold_notional=EXACT.add(self.sold_notional, event.coins_value),
                # The purpose of an exit is its close reason; of a stop it is that of its last move.
                close_reason=self.stop_reason if fired else CloseReason(request.purpose),
            )
        if after.quantity < 0:
            raise PositionError(f"position {self.position_id} has sold {-after.quantity} more than it ever bought")
        fees = EXACT.add(self.fees, event.fee_value)
        sold_cost = cost_share(after.bought_notional, after.sold, after.bought)
        realised = EXACT.subtract(EXACT.subtract(after.sold_notional, sold_cost), fees)
        gain = EXACT.subtract(realised, self.realised)
        return replace(
            after,
            fees=fees,
            updated_at_ns=event.time_ns,
            realised=realised,
            realised_usd=add_known(self.realised_usd, in_usd(gain, quote_usd)),
        )

    def order_over(self, order_number: int, side: Side, minimum: Decimal, time_ns: int) -> Position:
        """No more comes of an order of it. The position ends where nothing is left that could be sold."""
        after = replace(
            self,
            entry_over=self.entry_over or side is Side.BUY,
            live_exits=tuple(number for number in self.live_exits if number != order_number),
        )
        ends = after.bought and after.entry_over and not after.live_exits and after.quantity < minimum
        return after.ended(time_ns) if ends else after

    def ended(self, time_ns: int) -> Position:
        """Over for trading; a rest is dust."""
        return replace(self, closed_at_ns=time_ns, updated_at_ns=time_ns)

    def record(self) -> PositionRecord:
        """As it is stored. It must have bought something."""
        is_closed = self.closed_at_ns is not None
        derived = {"side": Side.BUY, "entry_quantity": self.bought, "dust": is_closed and self.quantity > 0}
        same = {name: getattr(self, name) for name in PositionRecord.__struct_fields__ if name not in derived}
        return PositionRecord(**same | derived | ({} if is_closed else {"close_reason": None}))
