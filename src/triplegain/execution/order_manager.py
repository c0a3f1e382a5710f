"""The order desk: opens positions, protects them and takes them off again, above any `Broker`.

It is the same in paper and live, has no clock (`now_ns` is market time) and does no I/O. Feed it every exchange
event when it becomes visible, every quote, and a timer at `next_due_ns`; it sends what the protections ask for.
Positions are named `pos-N`. It acts on what we have been told; what may be spent is asked of the present.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from msgspec import UNSET

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.exchange_events import CommandRefused, ExchangeEvent, OrderAmended
from triplegain.domain.ids import Family, Origin, is_reserved, own_id
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, text
from triplegain.domain.orders import AmendRequest, OrderRequest, Side, TimeInForce
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Intent
from triplegain.domain.records import CloseReason, OrderRecord
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.values import is_usable
from triplegain.domain.verdict import RiskApproved
from triplegain.execution.blotter import Blotter
from triplegain.execution.broker import Broker
from triplegain.execution.free_coins import FreeCoins
from triplegain.execution.last_quotes import LastQuote, LastQuotes
from triplegain.execution.protection.protection import LegState, OrderRole, Protected, Protection, StopLevel
from triplegain.execution.protection.protections import Protections
from triplegain.execution.protection.totals import ProtectionDelays
from triplegain.execution.settings import DeskSettings
from triplegain.execution.venue_room import UnlimitedRoom, VenueRoom


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """What the desk has on for a symbol: `quantity` held (or sold short), `ordered` by the entry, `entry_over` if no
    more will come.

    `by_hand`: a person opened it; no agent's signal closes it. `side` is that of the entry.
    """

    position_id: str
    symbol: str
    quantity: Decimal
    ordered: Decimal
    entry_over: bool
    leaving: bool
    by_hand: bool = False
    side: Side = Side.BUY

    @property
    def signed(self) -> Decimal:
        """Below zero of a short."""
        return self.quantity if self.side is Side.BUY else EXACT.minus(self.quantity)

    @property
    def at_risk(self) -> Decimal:
        """The most coins this position may come to hold."""
        return self.quantity if self.entry_over else max(self.quantity, self.ordered)


#: Orders of rebalances that are over and whose result may still be asked for.
_ALLOCATED_KEPT = 32


class DeskState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the desk counts; what it sent and asked and the venue has not answered; what orders of rebalances traded."""

    counters: dict[str, int]
    now_ns: int
    sent: tuple[OrderRequest, ...]
    allocated: dict[str, Decimal]
    asked: tuple[AmendRequest, ...] = ()


class OrderManager:
    """One session's desk. `total` gives what the wallet holds of an asset."""

    def __init__(
        self,
        broker: Broker,
        instruments: Iterable[Instrument],
        blotter: Blotter,
        total: Callable[[str], Decimal],
        settings: DeskSettings | None = None,
        room: VenueRoom | None = None,
    ) -> None:
        #: As we have been told of them.
        self.orders, self.positions = blotter.known_orders, blotter.known
        self._blotter = blotter
        self._settings = settings or DeskSettings()
        self._broker = broker
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._quotes = LastQuotes()
        market = self._instruments
        self._free = FreeCoins(market.values(), blotter.orders, blotter.positions, total, self._quotes.offer)
        self._room: VenueRoom = room or UnlimitedRoom()
        self._protections = Protections(
            broker, market, self.positions, self._settings.protection, self._free.lacking, self._room
        )
        #: Symbols whose `next_price` (it needs `on_quote`) is another than it was: whoever keeps them takes them out.
        self.moved, self.next_price = self._protections.moved, self._protections.next_price
        #: The same of a falling price.
        self.next_fall = self._protections.next_fall
        #: When `on_timer` is wanted next; None if nothing waits for time.
        self.next_due_ns = self._protections.next_due_ns
        #: How a position is protected now; None once it is over.
        self.protection = self._protections.get
        #: Those that nobody has taken out yet.
        self.alerts = self._protections.alerts
        #: A market takes commands again.
        self.opened = self._protections.opened
        self.close, self.set_atr, self.free = self._protections.close, self._protections.set_atr, self._free.free
        #: The position, or the entry under way, that uses margin of a pair; None where none does.
        self.on_margin = self._protections.on_margin
        #: Takes off what a person holds on margin, which is no position of the desk.
        self.off_margin: Callable[[], None] = lambda: None
        self._counters = {"pos": 0, "entry": 0}
        self._allocated: dict[str, Decimal] = {}
        self._now_ns = 0

    def open(self, approved: RiskApproved, now_ns: int, origin: Origin = Origin.STRATEGY) -> OrderRequest:
        """Send the entry of an approved proposal; its stop and target are kept with it. Returns what was sent.

        Raises InvalidValueError for what the gate never lets through: no opening, a sale that nothing is lent for, a
        price off the tick.
        """
        proposal = approved.proposal
        is_short = proposal.side is Side.SELL
        if proposal.intent is not Intent.OPEN or is_short is not (proposal.leverage > 1):
            words = f"{proposal.intent} {proposal.side} with leverage {proposal.leverage}"
            raise InvalidValueError(f"the desk opens longs from its own funds and shorts on margin, not {words}")
        request = OrderRequest(
            client_order_id=own_id(Family.ENTRY, self._next("entry")),
            symbol=proposal.symbol,
            side=proposal.side,
            quantity=approved.quantity,
            terms=proposal.terms,
            leverage=proposal.leverage,
            purpose="entry",
            origin=origin,
        )
        if proposal.terms.rests and self._settings.entry_expiry_ns:
            expires = now_ns + self._settings.entry_expiry_ns
            request = msgspec.structs.replace(request, time_in_force=TimeInForce.GTD, expires_at_ns=expires)
        request = self._enter(request, proposal.stop, proposal.target, by_hand=False)
        self._send(request)
        return request

    def place(
        self, request: OrderRequest, stop: Decimal | None = None, target: Decimal | None = None
    ) -> OrderRequest | Refusal:
        """Send a person's order. A buy becomes a position; a sell may only use coins that belong to none.

        A client order id that is known already sends nothing and returns the first request.
        """
        first = self._sent_before(request.client_order_id)
        if first is not None:
            return first
        if (refused := self.why_not(request, stop, target)) is not None:
            return refused
        request = self._begin(request, stop, target)
        self._send(request)
        return request

    def place_batch(self, orders: Sequence[ProtectedOrder]) -> tuple[OrderRequest, ...] | Refusal:
        """Send a person's orders of one pair together, or none of them. Ids must be new."""
        for each in orders:
            if (refused := self.why_not(*each)) is not None:
                return refused
        begun = tuple(self._begin(*each) for each in orders)
        for request in begun:
            self._free.send(request)
        self._broker.place_batch(begun)
        return begun

    def edit(self, original: OrderRecord, request: OrderRequest) -> OrderRequest | Refusal:
        """Send an order that takes the place of one of a person's or of an entry, with its stop and target. What an
        entry has bought stays its position's; the new order opens one of its own."""
        name = original.request.client_order_id
        serving = self._protections.role(name)
        if serving is not None and serving[1] is not OrderRole.ENTRY:
            return _belongs(name, serving[0])
        if serving is None and original.request.origin is not Origin.HAND:
            return _no(f"{name} is not to be edited: nobody's hand has sent it")
        stop, target = (None, None) if serving is None else (serving[0].stop, serving[0].target)
        if (refused := self.why_not(request, stop, target, instead_of=original)) is not None:
            return refused
        request = self._begin(request, stop, target, by_hand=serving is None or serving[0].by_hand)
        self._send(request)
        return request

    def why_not(
        self,
        request: OrderRequest,
        stop: Decimal | None = None,
        target: Decimal | None = None,
        instead_of: OrderRecord | None = None,
    ) -> Refusal | None:
        """Why a person's order is not sent; `instead_of` is the one whose place it takes."""
        if request.symbol not in self._instruments:
            words = f"unknown symbol {request.symbol!r}; known are {', '.join(sorted(self._instruments))}"
            return Refusal(Code.UNKNOWN_SYMBOL, words)
        try:
            reason = self._objection(request, stop, target) or self._free.refusal(request, instead_of)
        except InvalidValueError as error:
            reason = str(error)
        return _no(reason) if reason is not None else self.no_room(request.symbol)

    def _sent_before(self, client_order_id: str) -> OrderRequest | None:
        known = self._blotter.orders.by_client_id(client_order_id)
        return self._free.pending(client_order_id) if known is None else known.request

    def allocate(self, request: OrderRequest) -> OrderRequest | Refusal:
        """Send an order of a rebalance: free coins against free money. What it buys is inventory and no position."""
        reason = self._free.refusal(request)
        if reason is not None:
            return _no(reason)
        if (refused := self.no_room(request.symbol)) is not None:
            return refused
        self._send(request)
        return request

    def no_room(self, symbol: str) -> Refusal | None:
        """Why an order that protects nothing is not sent now: what is left of the venue's limit is for the ways out."""
        if self._room.may_place(symbol, self._protections.by_symbol[symbol]):
            return None
        words = f"too many order commands on {symbol}: what is left of the exchange's limit is kept for stops and exits"
        return Refusal(Code.RATE_LIMIT, f"{words}; ask again in some seconds")

    def allocated(self, client_order_id: str) -> Decimal | None:
        """What an order of a rebalance has traded; None while it is under way, 0 for one that was never sent."""
        if (done := self._allocated.get(client_order_id)) is not None:
            return done
        is_there = self.orders.by_client_id(client_order_id) or self._free.pending(client_order_id)
        return None if is_there else Decimal(0)

    def close_all(self, reason: CloseReason, now_ns: int) -> tuple[str, ...]:
        """Flat: start taking everything off, entries that have not filled and positions on margin included. Returns the
        positions of the desk that were begun."""
        self.off_margin()
        places = {protection.position_id: place for place, protection in enumerate(self._protections.all())}
        # Those with coins first: what the venue's limit leaves is for them.
        coins_first = sorted(self._protections.all(), key=lambda each: not each.is_held)
        begun = [each.position_id for each in coins_first if self.close(each.position_id, reason, now_ns)]
        return tuple(sorted(begun, key=places.__getitem__))

    def tighten(self, position_id: str, trigger: Decimal, reason: CloseReason, now_ns: int) -> bool:
        """Tighten the stop of a position to `trigger`; if it fires there, the position closes with `reason`.

        True: begun, and asked for again until the venue has taken it. Where the market of the last quote is there the
        position is closed instead, with an alert. False: not held, or its stop is not wider. Raises InvalidValueError
        off the tick.
        """
        protection = self._protections.get(position_id)
        if protection is None:
            return False
        self._instruments[protection.symbol].ticks(trigger)
        market = self._quotes.of(protection.symbol).leaving(protection.side)
        return self._protections.tighten(position_id, StopLevel(trigger, reason), market, now_ns)

    def tighten_all(self, fraction: Decimal, now_ns: int) -> tuple[str, ...]:
        """Every stop to `fraction` below the bid (of a short: above the ask), only ever tighter; entries open no more.
        Returns the positions meant.

        A quote of `now_ns` counts; a symbol without one waits for its next. A position without a stop gets one.
        """
        _check_fraction(fraction)
        meant = []
        for p in self._protections.all():
            quote = self._quotes.of(p.symbol)
            market = quote.leaving(p.side) if quote.at_ns == now_ns else None
            if self._protections.tighten_to(p.position_id, fraction, market, now_ns):
                meant.append(p.position_id)
        return tuple(meant)

    def reduce(self, position_id: str, fraction: Decimal, reason: CloseReason, now_ns: int) -> bool:
        """Sell a fraction of a position, tried until done; what stays keeps its stop. Its entry buys no more.

        False: not there, leaving, or the part is below the exchange's minimum (alert). If what stays would be, the
        position is closed whole (alert). Raises InvalidValueError unless 0 < fraction < 1.
        """
        _check_fraction(fraction)
        return self._protections.reduce(position_id, fraction, reason, now_ns)

    def reduce_by(
        self, position_id: str, quantity: Decimal, held: Decimal, reason: CloseReason, now_ns: int
    ) -> Refusal | None:
        """Sell so much of the `held` coins of an open position, and no more whatever fills meanwhile; or why not."""
        protection = self._protections.get(position_id)
        if protection is None or protection.is_leaving or protection.reduction is not None:
            return Refusal(Code.NOT_NOW, f"{position_id} is on its way out, or a part of it is")
        instrument = self._instruments[protection.symbol]
        part, base = instrument.quantity(instrument.whole_lots(quantity)), instrument.base
        if part >= held:
            return _no(f"{position_id} holds {text(held)} {base}: close all of it, or sell less")
        if part < instrument.quantity_min:
            return _no(f"{text(part)} {base} is below {protection.symbol}'s minimum {text(instrument.quantity_min)}")
        if (stays := EXACT.subtract(held, part)) < instrument.quantity_min:
            words = f"what stays, {text(stays)} {base}, is below {protection.symbol}'s minimum"
            return _no(f"{words} {text(instrument.quantity_min)}: close all of it, or sell less")
        if min(part, stays) < self._protections.smallest(position_id):
            return _no(f"{text(part)} {base}, or what would stay, is below {protection.symbol}'s minimum cost")
        if not self._protections.reduce(position_id, Decimal(0), reason, now_ns, part):
            return _no(f"{text(part)} {base}, or what would stay, is below {protection.symbol}'s minimum cost")
        return None

    def is_stop(self, client_order_id: str) -> bool:
        """Whether this order is the stop of a position."""
        serving = self._protections.role(client_order_id)
        return serving is not None and serving[1] is OrderRole.STOP

    def cancel(self, client_order_id: str) -> Refusal | None:
        """Cancel a person's order or an entry."""
        refused = self.why_not_cancelled(client_order_id)
        if refused is None:
            self._broker.cancel(client_order_id)
        return refused

    def why_not_cancelled(self, client_order_id: str) -> Refusal | None:
        """The stop and the exit of a position are the desk's own."""
        serving = self._protections.role(client_order_id)
        if serving is not None and serving[1] is not OrderRole.ENTRY:
            return _belongs(client_order_id, serving[0])
        return None

    def amend(self, request: AmendRequest) -> Refusal | None:
        """Change an order in place. A stop may only be moved, only closer to the market, and not to where it would fire
        at once."""
        serving = self._protections.role(request.client_order_id)
        if serving is None or serving[1] is OrderRole.ENTRY:
            if reason := self._free.refusal_of_change(request):
                return _no(reason)
            record = self._blotter.orders.by_client_id(request.client_order_id)
            if record is not None and (refused := self.no_room(record.request.symbol)) is not None:
                return refused
            self._free.ask(request)
            self._broker.amend(request)
            return None
        protection, role = serving
        is_more = request.quantity is not None or request.changes_terms or request.deadline_ns is not UNSET
        if role is not OrderRole.STOP or is_more or not isinstance(protection.stage, Protected):
            return Refusal(
                Code.REFUSED, f"{request.client_order_id} belongs to {protection.position_id}: not to be changed now"
            )
        if request.price is None:
            return _no("nothing to change: give a price")
        if protection.stage.asked or protection.reduction or self._now_ns < protection.move_at_ns:
            return Refusal(Code.NOT_NOW, f"{request.client_order_id} is being changed already: ask again")
        if not self._quotes.would_rest(protection.symbol, request.price, protection.side):
            return _no(_fires_at_once(request.price, protection.side))
        try:
            moved = self.tighten(protection.position_id, request.price, CloseReason.STOP_LOSS, self._now_ns)
        except InvalidValueError as error:
            return _no(str(error))
        stands = text(protection.stop or request.price)
        way = "up" if protection.side is Side.BUY else "down, of a short"
        return (
            None if moved else _no(f"a stop is only moved {way}, this one is at {stands}: close the position instead")
        )

    def on_event(self, event: ExchangeEvent, now_ns: int) -> None:
        """An answer of the venue has become visible: does what is next."""
        self._now_ns = now_ns
        record = self._blotter.told(event)
        is_over = record is not None and record.status.is_final
        if record is not None and is_over:
            self._free.answered(record.request.client_order_id, True)
        elif isinstance(event, OrderAmended) or (isinstance(event, CommandRefused) and event.command == "amend"):
            self._free.answered(event.client_order_id, False)
        if record is not None and is_over and record.request.origin is Origin.REBALANCE:
            self._allocated[record.request.client_order_id] = record.filled_quantity
            if len(self._allocated) > _ALLOCATED_KEPT:
                del self._allocated[next(iter(self._allocated))]
        self._protections.on_event(event, is_over, now_ns)
        if record is not None and record.request.purpose == CloseReason.LIQUIDATION and record.request.position_id:
            self._protections.liquidated(record.request.position_id, now_ns)

    def on_quote(
        self, symbol: str, bid: Decimal | None, ask: Decimal | None, last: Decimal | None, now_ns: int
    ) -> None:
        """A new quote. The bid, of a short the ask (without a book: the last trade), starts the way out at a target,
        and tightens stops."""
        self._now_ns = now_ns
        quote = LastQuote(bid, ask, last, now_ns)
        self._quotes.update(symbol, quote)
        self._protections.on_quote(symbol, quote, now_ns)
        due_ns = self._protections.next_due_ns()
        if due_ns is not None and now_ns >= due_ns:
            self.on_timer(now_ns)

    def on_timer(self, now_ns: int) -> None:
        """Time exits, retries, and the alarms for what is still unprotected or not done."""
        self._now_ns = now_ns
        self._protections.on_timer(now_ns)

    def open_symbols(self) -> tuple[str, ...]:
        """Those with a position or an entry on its way."""
        return tuple(dict.fromkeys(p.symbol for p in self._protections.all()))

    def open_positions(self) -> tuple[OpenPosition, ...]:
        """Positions and entries on their way, oldest first."""
        quantity = self.positions.quantity
        return tuple(
            OpenPosition(
                p.position_id,
                p.symbol,
                quantity(p.position_id),
                p.ordered,
                entry_over=p.entry is LegState.DONE,
                leaving=p.is_leaving,
                by_hand=p.by_hand,
                side=p.side,
            )
            for p in self._protections.all()
        )

    @property
    def delays(self) -> ProtectionDelays:
        """How long fills stood without a stop."""
        return self._protections.delays

    def _next(self, kind: str) -> int:
        self._counters[kind] += 1
        return self._counters[kind]

    def _objection(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> str | None:
        if is_reserved(request.client_order_id):
            return f"the client order id {request.client_order_id!r} is of the kind this program gives: choose another"
        if request.position_id is not None:
            return "an order cannot be tied to a position by hand; close the position instead"
        instrument = self._instruments[request.symbol]
        if request.leverage > 1 and (theirs := self.on_margin(request.symbol)) is not None:
            return f"{theirs} is on margin, and what closes first closes the oldest: close the position instead"
        if request.leverage > 1 and (stop is not None or target is not None):
            return "what is opened on margin takes no stop or target: place them as reduce-only orders with leverage"
        if request.side is Side.SELL and (stop is not None or target is not None):
            return "a sell takes no stop or target: it opens nothing"
        if request.options.close is not None and (stop is not None or target is not None):
            return "with a conditional close the exchange itself closes what is bought: it takes no stop or target"
        _check_ticks(instrument, stop, target)
        if stop is not None and target is not None and stop >= target:
            return f"the stop {text(stop)} must be below the target {text(target)}"
        if stop is not None and not self._quotes.would_rest(request.symbol, stop):
            return _fires_at_once(stop, Side.BUY)
        return None

    def _begin(
        self, request: OrderRequest, stop: Decimal | None, target: Decimal | None, by_hand: bool = True
    ) -> OrderRequest:
        """What is sent of a person's: a buy opens a position, unless the exchange closes what it buys, or lends it."""
        if request.side is Side.SELL or request.options.close is not None or request.leverage > 1:
            return request
        return self._enter(request, stop, target, by_hand)

    def _enter(
        self, request: OrderRequest, stop: Decimal | None, target: Decimal | None, by_hand: bool
    ) -> OrderRequest:
        _check_ticks(self._instruments[request.symbol], stop, target)
        request = msgspec.structs.replace(request, position_id=f"pos-{self._next('pos')}")
        self._protections.enter(request, stop, target, by_hand)
        return request

    def _send(self, request: OrderRequest) -> None:
        self._free.send(request)
        self._broker.place(request)

    def register(self, parts: Parts) -> None:
        """The desk alone; the blotter has parts of its own. Alerts are drained, not kept."""
        parts.single("execution.desk", DeskState, self._state, self._restore)
        self._quotes.register(parts)
        self._protections.register(parts)

    def _state(self) -> DeskState:
        return DeskState(dict(self._counters), self._now_ns, self._free.sent, dict(self._allocated), self._free.asked)

    def _restore(self, state: DeskState) -> None:
        self._counters, self._now_ns, self._allocated = dict(state.counters), state.now_ns, dict(state.allocated)
        for request in state.sent:
            self._free.send(request)
        for change in state.asked:
            self._free.ask(change)


#: An order with the stop and the target of the position it opens.
ProtectedOrder = tuple[OrderRequest, Decimal | None, Decimal | None]


def _belongs(client_order_id: str, protection: Protection) -> Refusal:
    return _no(f"{client_order_id} belongs to {protection.position_id}: close the position instead")


def _fires_at_once(stop: Decimal, side: Side) -> str:
    where = "below" if side is Side.BUY else "above"
    return f"a stop at {text(stop)} is not {where} the market and would fire at once"


def _no(reason: str) -> Refusal:
    return Refusal(Code.REFUSED, reason)


def _check_ticks(instrument: Instrument, stop: Decimal | None, target: Decimal | None) -> None:
    for price in (stop, target):
        if price is not None:
            if not is_usable(price):
                raise InvalidValueError(f"{instrument.symbol}: {price} is no usable price")
            instrument.ticks(price)


def _check_fraction(fraction: Decimal) -> None:
    if not (fraction.is_finite() and 0 < fraction < 1):
        raise InvalidValueError(f"a fraction lies between 0 and 1, this is {fraction}")
