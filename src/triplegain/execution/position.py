"""One position: the sums of its fills, and what follows from them."""

from __future__ import annotations

from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from triplegain.domain.errors import TripleGainError
from triplegain.domain.exchange_events import OrderAmended, OrderFilled, OrderSubmitted
from triplegain.domain.money import EXACT, divide, text
from triplegain.domain.orders import OrderRequest, Side, StopLoss
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.execution.protection.protection import StopLevel
from triplegain.ledger.realised import add_known, cost_share, in_usd

_ZERO = Decimal(0)


class PositionError(TripleGainError):
    """Fills that cannot belong to this position. Always a bug or a damaged record: the session halts."""


def opens(request: OrderRequest) -> bool:
    """Whether an order of a position opens it; every other one takes it off."""
    return request.side is Side.BUY if request.leverage == 1 else not request.only_reduces


def short_leverage(entry: OrderRequest) -> int | UnsetType:
    """Of the entry of a short; no long has any, and none is stored of it."""
    return UNSET if entry.side is Side.BUY else entry.leverage


class Position(Struct, frozen=True):
    """One entry order and its exits, from the moment the entry is asked for. Money in the quote currency.

    Realised P&L is a function of the sums alone: exit notional - average entry x exit quantity - all fees paid (of a
    short with the sign turned). So realised + (mark - average entry) x quantity is always what the position earned, in
    whatever order fills came. A short is sold first, on margin with `short_leverage`, and owns no coins; its fees are
    those of lending, too, and `financing` is what lending it since its opening has cost of what is still open.
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
    short_leverage: int | UnsetType = UNSET
    financing: Decimal | UnsetType = UNSET

    @property
    def side(self) -> Side:
        """That of its entry."""
        return Side.BUY if self.short_leverage is UNSET else Side.SELL

    @property
    def quantity(self) -> Decimal:
        """Below zero of a short."""
        return EXACT.subtract(self.bought, self.sold)

    @property
    def held(self) -> Decimal:
        """How much is to be taken off, whichever way."""
        return EXACT.abs(self.quantity)

    @property
    def opened(self) -> Decimal:
        """What its entry has traded."""
        return self.bought if self.side is Side.BUY else self.sold

    @property
    def closed(self) -> Decimal:
        """What its exits have traded."""
        return self.sold if self.side is Side.BUY else self.bought

    @property
    def opened_notional(self) -> Decimal:
        return self.bought_notional if self.side is Side.BUY else self.sold_notional

    @property
    def closed_notional(self) -> Decimal:
        return self.sold_notional if self.side is Side.BUY else self.bought_notional

    @property
    def is_over(self) -> bool:
        """Nothing more will come of it."""
        return self.closed_at_ns is not None or (self.entry_over and not self.opened)

    @property
    def average_entry(self) -> Decimal:
        return divide(self.opened_notional, self.opened)

    @property
    def average_cost(self) -> Decimal:
        """The average entry with the fees of the entry, and what lending it has cost until now: leaving there loses
        them no more."""
        if self.side is Side.BUY:
            return divide(EXACT.add(self.opened_notional, self.entry_fees), self.opened)
        cost = divide(EXACT.subtract(self.opened_notional, self.entry_fees), self.opened)
        return EXACT.subtract(cost, divide(self.financing, self.held)) if self.financing else cost

    def gain(self, worth: Decimal, entry: Decimal) -> Decimal:
        """What leaving for `worth` gains over a part of the entry."""
        return EXACT.subtract(worth, entry) if self.side is Side.BUY else EXACT.subtract(entry, worth)

    def submitted(self, event: OrderSubmitted) -> Position:
        """An order of it is on its way to the venue."""
        request = event.request
        if opens(request) or not self.opened:
            return self
        leaving = replace(self, live_exits=(*self.live_exits, event.order_number))
        if not isinstance(request.terms, StopLoss):
            return leaving
        return replace(leaving, stop=request.terms.price, stop_reason=CloseReason(request.purpose))

    def amended(self, request: OrderRequest, event: OrderAmended) -> Position:
        """An order of it stands elsewhere."""
        is_stop = not opens(request) and isinstance(request.terms, StopLoss)
        if not is_stop or self.stop == event.price:
            return self
        moved = replace(self, stop=event.price, updated_at_ns=event.time_ns)
        if self.asked is None or self.asked.trigger != event.price:
            return moved
        return replace(moved, stop_reason=self.asked.reason, asked=None)

    def filled(self, request: OrderRequest, event: OrderFilled, quote_usd: Decimal | None) -> Position:
        """One fill taken in; `quote_usd` prices what was realised. PositionError: it closes what is not there."""
        if not self.opened_by:
            number, time_ns = event.order_number, event.time_ns
            opened = replace(self, entry_order_number=number, opened_by=event.sequence, opened_at_ns=time_ns)
        else:
            opened = self
        fee = EXACT.add(event.fee_value, event.opening_fee)
        if request.side is Side.BUY:
            traded = replace(
                opened,
                bought=EXACT.add(self.bought, event.coins),
                bought_notional=EXACT.add(self.bought_notional, event.coins_value),
            )
        else:
            traded = replace(
                opened,
                sold=EXACT.add(self.sold, event.coins),
                sold_notional=EXACT.add(self.sold_notional, event.coins_value),
            )
        if opens(request):
            after = replace(traded, entry_fees=EXACT.add(self.entry_fees, fee))
        else:
            fired = isinstance(request.terms, StopLoss)
            # The purpose of an exit is its close reason; of a stop it is that of its last move.
            after = replace(traded, close_reason=self.stop_reason if fired else CloseReason(request.purpose))
        if after.closed > after.opened:
            more = text(EXACT.subtract(after.closed, after.opened))
            raise PositionError(f"position {self.position_id} has closed {more} more than it ever opened")
        if self.financing and after.closed > self.closed:
            after = replace(after, financing=cost_share(self.financing, after.held, self.held) or UNSET)
        return after._paid(EXACT.add(self.fees, fee), event.time_ns, quote_usd)

    def rolled_over(self, fee: Decimal, time_ns: int, quote_usd: Decimal | None) -> Position:
        """What it was lent is lent for another period."""
        financed = replace(self, financing=EXACT.add(self.financing or _ZERO, fee))
        return financed._paid(EXACT.add(self.fees, fee), time_ns, quote_usd)

    def _paid(self, fees: Decimal, time_ns: int, quote_usd: Decimal | None) -> Position:
        """With so much paid in all, and what is realised by that."""
        gained = self.gain(self.closed_notional, self.closed_share)
        realised = EXACT.subtract(gained, fees)
        more = in_usd(EXACT.subtract(realised, self.realised), quote_usd)
        known = add_known(self.realised_usd, more)
        return replace(self, fees=fees, updated_at_ns=time_ns, realised=realised, realised_usd=known)

    @property
    def closed_share(self) -> Decimal:
        """The part of the entry's notional that has been taken off again, to an atom against the trader."""
        if not self.closed:
            return _ZERO
        if self.side is Side.BUY:
            return cost_share(self.opened_notional, self.closed, self.opened)
        stays = cost_share(self.opened_notional, EXACT.subtract(self.opened, self.closed), self.opened)
        return EXACT.subtract(self.opened_notional, stays)

    def order_over(self, order_number: int, is_entry: bool, minimum: Decimal, time_ns: int) -> Position:
        """No more comes of an order of it. The position ends where nothing is left that could be taken off."""
        after = replace(
            self,
            entry_over=self.entry_over or is_entry,
            live_exits=tuple(number for number in self.live_exits if number != order_number),
        )
        ends = after.opened and after.entry_over and not after.live_exits and after.held < minimum
        return after.ended(time_ns) if ends else after

    def ended(self, time_ns: int) -> Position:
        """Over for trading; a rest is dust."""
        return replace(self, closed_at_ns=time_ns, updated_at_ns=time_ns)

    def record(self) -> PositionRecord:
        """As it is stored. It must have opened something."""
        is_closed = self.closed_at_ns is not None
        derived = {"entry_quantity": self.opened, "dust": is_closed and self.held > 0}
        same = {name: getattr(self, name) for name in PositionRecord.__struct_fields__ if name not in derived}
        return PositionRecord(**same | derived | ({} if is_closed else {"close_reason": None}))
