"""The protections of all positions: what the venue answers, what the market says, what time it is, and what to do.

Nothing here waits for an agent, a model or a schedule: answers, prices and its own timers are all that moves it. Stops
are named `stop-N` and exits `exit-N`.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from triplegain.domain.agent_records import AlertKind, AlertRecord
from triplegain.domain.exchange_events import ExchangeEvent, OrderRejected, OrderSubmitted, PositionRolledOver
from triplegain.domain.ids import Family, own_id
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, floor_to, text
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, Side, StopLoss
from triplegain.domain.parts import Parts
from triplegain.domain.records import CloseReason
from triplegain.execution.blotter import KnownPositions
from triplegain.execution.broker import Broker
from triplegain.execution.last_quotes import LastQuote
from triplegain.execution.position import short_leverage
from triplegain.execution.protection.leaving import leaving_order
from triplegain.execution.protection.protection import (
    Closed,
    Entering,
    Exiting,
    LegState,
    Move,
    OrderRole,
    PartialExit,
    PendingStop,
    Protected,
    Protection,
    Resize,
    Selling,
    StopLevel,
    Unprotected,
    is_reached,
    is_tighter,
    is_too_small,
    smallest_exit,
    smallest_order,
)
from triplegain.execution.protection.totals import ProtectionDelays, ProtectionTotals
from triplegain.execution.protection.trailing import ProtectionSettings
from triplegain.execution.protection.watch import PriceWatch, late_alarm_ns, overdue_alarm_ns, time_exit_ns
from triplegain.execution.venue_room import VenueRoom

_ALERTS_KEPT = 200


@dataclass(eq=False)
class Protections:
    """Every position and entry under way, oldest first. One that is over leaves memory.

    `_lacking`: coins of an asset that positions own and that are not there; 0 where the books agree.
    """

    _broker: Broker
    _instruments: Mapping[str, Instrument]
    _positions: KnownPositions
    _settings: ProtectionSettings
    _lacking: Callable[[str], Decimal]
    _room: VenueRoom
    alerts: deque[AlertRecord] = field(default_factory=lambda: deque(maxlen=_ALERTS_KEPT), init=False)
    _totals: ProtectionTotals = field(default_factory=ProtectionTotals, init=False)
    _protections: dict[str, Protection] = field(default_factory=dict, init=False)
    _by_order: dict[str, str] = field(default_factory=dict, init=False)
    #: How many there are.
    by_symbol: Counter[str] = field(default_factory=Counter, init=False)
    #: By symbol those on their way out that hold coins.
    _selling_out: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set), init=False)

    def __post_init__(self) -> None:
        self._watch = watch = PriceWatch(self._instruments, self._positions, self._settings, self._room)
        self.moved, self.next_due_ns = watch.moved, watch.next_due_ns
        self.next_price, self.next_fall = watch.next_price, watch.next_fall
        self._changed: Callable[[str], None] = lambda position_id: None
        self._atr_changed: Callable[[str], None] = lambda symbol: None

    @property
    def delays(self) -> ProtectionDelays:
        return self._totals.delays

    def all(self) -> tuple[Protection, ...]:
        return tuple(self._protections.values())

    def get(self, position_id: str) -> Protection | None:
        return self._protections.get(position_id)

    def role(self, client_order_id: str) -> tuple[Protection, OrderRole] | None:
        """The position an open order serves, and how; None for an order that serves none."""
        position_id = self._by_order.get(client_order_id)
        if position_id is None:
            return None
        protection = self._protections[position_id]
        return protection, dict(protection.open_orders())[client_order_id]

    # -- what is asked of a position -----------------------------------------------------------------------------

    def enter(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None, by_hand: bool) -> None:
        """Follow an entry from before it is sent; `request` carries its position id. `by_hand`: a person's."""
        position_id = request.position_id or ""
        self._totals.begun += 1
        self._protections[position_id] = Protection(
            position_id,
            request.symbol,
            request.client_order_id,
            request.quantity,
            None if stop is None else StopLevel(stop),
            target,
            number=self._totals.begun,
            by_hand=by_hand,
            short_leverage=short_leverage(request),
        )
        self._by_order[request.client_order_id] = position_id
        self.by_symbol[request.symbol] += 1
        self._changed(position_id)
        self._positions.begin(request, stop, target)

    def close(self, position_id: str, reason: CloseReason, now_ns: int) -> bool:
        """Start taking a position off. False if it is not there or already on its way out."""
        protection = self._protections.get(position_id)
        if protection is None or not protection.leave(reason):
            return False
        self._go_on(protection, now_ns)
        return True

    def tighten(self, position_id: str, level: StopLevel, market: Decimal | None, now_ns: int) -> bool:
        """Tighten the stop of a position that is open; where the market is there close it. False: nothing is to do."""
        protection = self._protections.get(position_id)
        if protection is None or not protection.is_held or not self._tighten(protection, level, market, now_ns):
            return False
        self._go_on(protection, now_ns)
        return True

    def tighten_to(self, position_id: str, fraction: Decimal, market: Decimal | None, now_ns: int) -> bool:
        """Tighten the stop to `fraction` from the market, now or when there is a price. The entry opens no more."""
        protection = self._protections.get(position_id)
        if protection is None or protection.is_leaving:
            return False
        protection.buys_no_more = True
        protection.tighten = fraction if protection.tighten is None else min(fraction, protection.tighten)
        if market is not None:
            self._tighten_waiting(protection, market, now_ns)
        self._go_on(protection, now_ns)
        return True

    def reduce(
        self,
        position_id: str,
        fraction: Decimal,
        reason: CloseReason,
        now_ns: int,
        quantity: Decimal | UnsetType = UNSET,
    ) -> bool:
        """Sell a part. False if the position is not there, leaving, or the part is too small to be sold."""
        protection = self._protections.get(position_id)
        if protection is None or not protection.reduce(fraction, reason, quantity):
            return False
        self._go_on(protection, now_ns)
        return protection.is_leaving or protection.reduction is not None

    def set_atr(self, symbol: str, fraction: Decimal | None) -> None:
        """The average true range of a symbol as a fraction of its price, for trailing stops that go by it.

        None, or a fraction that is not finite and above zero: not known, such stops stay where they are.
        """
        if fraction is not None and fraction.is_finite() and fraction > 0:
            self._watch.atr[symbol] = fraction
        else:
            self._watch.atr.pop(symbol, None)
        self._atr_changed(symbol)
        self._look_at(symbol)

    def smallest(self, position_id: str) -> Decimal:
        """The least quantity of a position that the venue is known to take."""
        protection = self._protections[position_id]
        return smallest_order(protection, self._instruments[protection.symbol])

    def opened(self, symbol: str, now_ns: int) -> None:
        """The venue takes commands of this market again: whatever stands as wanted is sent."""
        for protection in [each for each in self.all() if each.symbol == symbol]:
            protection.forget_pauses()
            self._go_on(protection, now_ns)

    # -- what happens --------------------------------------------------------------------------------------------

    def on_event(self, event: ExchangeEvent, is_final: bool, now_ns: int) -> None:
        """An answer to one of our orders; `is_final` if the order is over with it. Positions know of it already."""
        if isinstance(event, PositionRolledOver):
            self._look_at(event.symbol)  # where leaving pays all costs is somewhere else now
        if isinstance(event, OrderSubmitted) or (served := self.role(event.client_order_id)) is None:
            return
        protection, role = served
        self._answered(protection, role, event, now_ns)
        if is_final:
            del self._by_order[event.client_order_id]
        self._measure(protection, event)
        self._go_on(protection, now_ns)

    def on_quote(self, symbol: str, quote: LastQuote, now_ns: int) -> None:
        """What there is to sell and to buy at now. Starts the way out at a target, and tightens stops."""
        rise, fall = self.next_price(symbol), self.next_fall(symbol)
        up = rise is not None and (bid := quote.market) is not None and bid >= rise
        down = fall is not None and (ask := quote.offer) is not None and ask <= fall
        if not up and not down:
            return
        for protection in self.all():
            price = quote.leaving(protection.side)
            if protection.symbol == symbol and protection.is_held and price is not None:
                self._priced(protection, price, quote.last, now_ns)
                self._go_on(protection, now_ns)

    def liquidated(self, position_id: str, now_ns: int) -> None:
        """An order of the exchange's own says something: it liquidates the position."""
        if (protection := self._protections.get(position_id)) is not None:
            protection.liquidated(self._positions.quantity(position_id))
            self._go_on(protection, now_ns)

    def on_margin(self, symbol: str) -> str | None:
        """The position, or its entry under way, that uses margin of this pair."""
        lent = (each for each in self._protections.values() if each.symbol == symbol and each.leverage > 1)
        return next((each.position_id for each in lent), None)

    def on_timer(self, now_ns: int) -> None:
        """Time exits, retries, and the alarms for what is still unprotected or not done."""
        for protection in self.all():
            due = time_exit_ns(protection, self._settings)
            if due is not None and now_ns >= due:
                protection.leave(CloseReason.TIME_EXIT)
            due = late_alarm_ns(protection, self._settings)
            if due is not None and now_ns >= due:
                protection.alarmed = True
                traded = "bought" if protection.side is Side.BUY else "sold"
                self._alert(protection, AlertKind.PROTECTION_LATE, f"{traded} coins are still without a stop", now_ns)
            due = overdue_alarm_ns(protection, self._settings)
            if due is not None and now_ns >= due:
                protection.overdue = True
                shut = self._room.why_shut(protection.symbol)
                words = f"{shut}; it is sent at the opening" if shut else "it goes on"
                self._alert(protection, AlertKind.OVERDUE, f"still not {protection.owes}; {words}", now_ns)
            self._go_on(protection, now_ns)

    def _priced(self, protection: Protection, price: Decimal, last: Decimal | None, now_ns: int) -> None:
        side = protection.side
        if protection.target is not None and is_reached(side, protection.target, price):
            protection.leave(CloseReason.TAKE_PROFIT)
            return
        if protection.tighten is not None:
            self._tighten_waiting(protection, price, now_ns)
        wanted = protection.wanted
        if wanted is not None and protection.waits_to_move and not is_tighter(side, price, wanted.trigger):
            # The venue has not taken the stop yet, and the market is there already.
            self._close_at_market(protection, wanted, now_ns)
            return
        level = self._watch.followed(protection, price, last)
        if level is not None:
            protection.tighten_stop(level)

    def _tighten_waiting(self, protection: Protection, market: Decimal, now_ns: int) -> None:
        if protection.tighten is None or not protection.is_held:
            return
        level = self._watch.behind(protection, market, protection.tighten)
        protection.tighten = None
        self._tighten(protection, level, market, now_ns)

    def _tighten(self, protection: Protection, level: StopLevel, market: Decimal | None, now_ns: int) -> bool:
        stop, side = protection.stop, protection.side
        if stop is not None and not is_tighter(side, level.trigger, stop):
            return False
        if market is not None and not is_tighter(side, market, level.trigger):
            self._close_at_market(protection, level, now_ns)
            return True
        if stop is None:
            protection.unprotected_since_ns = now_ns
        return protection.tighten_stop(level)

    def _close_at_market(self, protection: Protection, level: StopLevel, now_ns: int) -> None:
        protection.leave(level.reason)
        where = "below" if protection.side is Side.BUY else "above"
        words = f"a stop at {text(level.trigger)} would not be {where} the market; the position is being closed"
        self._alert(protection, AlertKind.STOP_AT_MARKET, words, now_ns)

    def _answered(self, protection: Protection, role: OrderRole, event: ExchangeEvent, now_ns: int) -> None:
        retry_ns = self._settings.retry_ns
        match role:
            case OrderRole.ENTRY:
                return protection.entry_answered(event, now_ns, retry_ns)
            case OrderRole.STOP:
                notice = protection.stop_answered(event, now_ns, retry_ns, self._is_shut(protection))
            case OrderRole.PART:
                notice = protection.part_answered(event, now_ns, retry_ns)
            case OrderRole.EXIT:
                notice = protection.exit_answered(event, now_ns, retry_ns)
                self._write_off_if_too_small(protection, event)
            case _:
                assert_never(role)
        if notice is not None and (role is OrderRole.STOP or self._can_sell_more(protection)):
            self._alert(protection, *notice, now_ns)

    def _write_off_if_too_small(self, protection: Protection, event: ExchangeEvent) -> None:
        is_dust = protection.side is Side.BUY  # what is owed stays owed
        too_small = is_dust and isinstance(event, OrderRejected) and is_too_small(event)
        if too_small and self._positions.is_open(protection.position_id):
            self._positions.write_off(protection.position_id, event.time_ns)

    def _can_sell_more(self, protection: Protection) -> bool:
        quantity, instrument = self._positions.quantity(protection.position_id), self._instruments[protection.symbol]
        return quantity >= smallest_exit(protection.side, instrument)

    def _measure(self, protection: Protection, event: ExchangeEvent) -> None:
        stage, since = protection.stage, protection.unprotected_since_ns
        if not isinstance(stage, Protected):
            return
        bare = stage.covered < self._positions.quantity(protection.position_id)
        if bare and since is None:
            protection.unprotected_since_ns = event.time_ns
        elif not bare and since is not None:
            if protection.reduction is None:
                self._totals.delays.add(event.time_ns - since)
            protection.unprotected_since_ns, protection.alarmed = None, False

    def _alert(self, protection: Protection, kind: AlertKind, message: str, now_ns: int) -> None:
        self.alerts.append(AlertRecord(0, now_ns, kind, protection.symbol, protection.position_id, message))

    # -- what follows --------------------------------------------------------------------------------------------

    def _go_on(self, protection: Protection, now_ns: int) -> None:
        while self._act(protection, now_ns):
            pass
        if isinstance(protection.stage, Closed) and self._protections.pop(protection.position_id, None) is not None:
            self.by_symbol[protection.symbol] -= 1
        self._note_way_out(protection)
        if not protection.owes:
            protection.owing_since_ns, protection.overdue = None, False
        elif protection.owing_since_ns is None:
            protection.owing_since_ns = max(now_ns, self._room.done_by_ns(protection.symbol))
        self._watch.look_at(protection)
        self._changed(protection.position_id)

    def _note_way_out(self, protection: Protection) -> None:
        holds = protection.is_leaving and self._positions.quantity(protection.position_id) > 0
        if holds and not isinstance(protection.stage, Closed):
            self._selling_out[protection.symbol].add(protection.position_id)
        else:
            self._selling_out[protection.symbol].discard(protection.position_id)

    def _look_at(self, symbol: str) -> None:
        """What all of a symbol go by has changed."""
        for protection in self._protections.values():
            if protection.symbol == symbol:
                self._watch.look_at(protection)

    def _is_shut(self, protection: Protection) -> bool:
        """Nothing can be sent; what stands as wanted goes out when it is `opened`."""
        return bool(self._room.why_shut(protection.symbol))

    # -- what is next for one position ---------------------------------------------------------------------------
    # Each of these says whether it did something: what was done may already allow the next thing. Otherwise the
    # position waits for an answer, a price or a time.

    def _act(self, protection: Protection, now_ns: int) -> bool:
        """Do the next thing. False: there is nothing to do now."""
        instrument, quantity = self._instruments[protection.symbol], self._positions.quantity(protection.position_id)
        stage, entry_over = protection.stage, protection.entry is LegState.DONE
        minimum = smallest_exit(protection.side, instrument)
        if isinstance(stage, Exiting):
            return self._exit(protection, stage, quantity, minimum, now_ns)
        if protection.buys_no_more and self._cancel_entry(protection, now_ns):
            return True
        over = entry_over and quantity < minimum and protection.part_exit_id is None
        match stage:
            case Entering() | Unprotected() if over:
                return self._close(protection)
            case Entering():
                # More may come that makes a stop worth its minimum cost; at the end the venue has the last word.
                too_small = minimum if entry_over else smallest_order(protection, instrument)
                # While a part is being sold its coins are spoken for: a stop for all of them would be refused.
                if quantity < too_small or protection.part_exit_id is not None or self._is_shut(protection):
                    return False
                return self._protect(protection, quantity)
            case Unprotected() | Protected() if self._is_shut(protection):
                return False
            case Unprotected():
                return self._reduce(protection, stage, quantity, now_ns)
            case Protected():
                return stage.asked is None and self._guard(protection, stage, quantity, now_ns)
            case Selling(exit_id=None):
                return self._close(protection) if quantity < minimum else self._sell_rest(protection, quantity, now_ns)
            case PendingStop() | Selling() | Closed():
                return False
            case _:
                assert_never(stage)

    def _exit(self, protection: Protection, stage: Exiting, quantity: Decimal, minimum: Decimal, now_ns: int) -> bool:
        if self._cancel_entry(protection, now_ns):
            return True
        if stage.stop_id is not None and stage.stop is LegState.WORKING and now_ns >= protection.cancel_at_ns:
            if self._is_shut(protection):
                return False
            # A stop that is taken back must be followed by a sale: it stands until both are within the venue's limit.
            protection.cancel_at_ns = max(self._room.replaceable_at_ns(stage.stop_id), protection.cancel_at_ns)
            if now_ns < protection.cancel_at_ns:
                return False
            protection.stage = replace(stage, stop=LegState.PENDING_CANCEL)
            self._broker.cancel(stage.stop_id)
            return True
        if any(protection.open_orders()):
            return False
        if quantity < minimum:
            return self._close(protection)
        if self._guards_purchase(protection, stage, quantity):
            return True
        protection.stage = Selling(stage.reason, None, 0)
        return self._sell_rest(protection, quantity, now_ns)

    def _guards_purchase(self, protection: Protection, stage: Exiting, quantity: Decimal) -> bool:
        """A purchase and what came after it may be told together, when the way out has begun already: there the stop
        comes first, and then the sale."""
        level, had_one = protection.wanted, stage.stop_id is not None or stage.guarded is True
        if level is None or had_one or not self._room.may_guard(protection.symbol, protection.position_id):
            return False
        stop_id = self._send_stop(protection, quantity, level)
        protection.stage = Exiting(stage.reason, stop_id, LegState.PENDING_NEW)
        return True

    def _guard(self, protection: Protection, stage: Protected, quantity: Decimal, now_ns: int) -> bool:
        """One amendment at a time: first the coins that lack a stop or are to be sold, then where the stop stands."""
        if self._reduce(protection, stage, quantity, now_ns):
            return True
        if quantity > stage.covered and protection.part_exit_id is None:
            return self._resize(protection, stage, quantity)
        wanted = protection.wanted
        if wanted is None or not protection.move_is_due or now_ns < protection.move_at_ns:
            return False
        self._positions.ask_move(protection.position_id, wanted)
        protection.stage = replace(stage, asked=Move(wanted))
        self._broker.amend(AmendRequest(stage.stop_id, price=wanted.trigger))
        return True

    def _reduce(self, protection: Protection, stage: Unprotected | Protected, quantity: Decimal, now_ns: int) -> bool:
        """The next thing of selling a part: what stays is worked out, the stop cut to it, the part sold."""
        reduction, instrument = protection.reduction, self._instruments[protection.symbol]
        if reduction is None or protection.entry is not LegState.DONE:
            return False
        smallest = smallest_order(protection, instrument)
        if reduction.keep is None:
            return self._plan(protection, reduction, quantity, smallest, now_ns)
        if reduction.exit_id is not None:
            return False
        part = EXACT.subtract(quantity, reduction.keep)
        if part < smallest:
            return self._keep_all(protection, part if part > 0 else None, now_ns)
        if now_ns < reduction.retry_at_ns:
            return False
        if isinstance(stage, Protected) and stage.covered != reduction.keep:
            return self._resize(protection, stage, reduction.keep)
        exit_id = self._next_exit()
        protection.reduction = replace(reduction, exit_id=exit_id, retry_at_ns=0)
        self._leave(protection, exit_id, part, Market(), reduction.reason)
        return True

    def _plan(
        self, protection: Protection, reduction: PartialExit, quantity: Decimal, smallest: Decimal, now_ns: int
    ) -> bool:
        base = quantity if reduction.base is None else reduction.base
        lot = self._instruments[protection.symbol].lot
        asked = Decimal(0) if isinstance(reduction.quantity, UnsetType) else min(reduction.quantity, base)
        stays = EXACT.multiply(EXACT.subtract(base, asked), reduction.remaining)
        part = floor_to(EXACT.subtract(base, stays), lot)
        keep = EXACT.subtract(base, part)
        if reduction.is_bounded and 0 < keep < smallest:
            return self._keep_all(protection, part, now_ns, "would leave less than the exchange's minimum")
        if keep < smallest:
            words = "what was to stay is below the exchange's minimum; the position is being closed whole"
            self._alert(protection, AlertKind.CLOSED_WHOLE, words, now_ns)
            protection.leave(reduction.reason)
        elif part >= smallest:
            protection.reduction = replace(reduction, keep=keep)
        elif reduction.base is not None:
            # Too small to sell. What an earlier reduction had begun is still to be done.
            protection.reduction = replace(reduction, keep=base)
        else:
            return self._keep_all(protection, part, now_ns)
        return True

    def _keep_all(
        self,
        protection: Protection,
        unsold: Decimal | None,
        now_ns: int,
        why: str = "is below the exchange's minimum",
    ) -> bool:
        """The reduction ends. `unsold` is what was to be sold and cannot be, and `why`; None: it is done."""
        if unsold is not None:
            base = self._instruments[protection.symbol].base
            words = f"{text(unsold)} {base} to be sold {why}; it is kept"
            self._alert(protection, AlertKind.NOT_REDUCED, words, now_ns)
        protection.reduction = None
        return True

    def _protect(self, protection: Protection, quantity: Decimal) -> bool:
        level = protection.wanted
        if level is None:
            protection.stage = Unprotected()
            return True
        protection.stage = PendingStop(self._send_stop(protection, quantity, level), quantity, level)
        return True

    def _send_stop(self, protection: Protection, quantity: Decimal, level: StopLevel) -> str:
        self._totals.sent.stop += 1
        stop_id = own_id(Family.STOP, self._totals.sent.stop)
        self._leave(protection, stop_id, quantity, StopLoss(level.trigger), level.reason)
        return stop_id

    def _cancel_entry(self, protection: Protection, now_ns: int) -> bool:
        if protection.entry is not LegState.WORKING or now_ns < protection.cancel_at_ns or self._is_shut(protection):
            return False
        others = self._selling_out[protection.symbol]
        if others and protection.position_id not in others and not self._room.may_place(protection.symbol, len(others)):
            # It holds nothing that must be sold: whatever the venue's limit leaves is for those that do.
            protection.cancel_at_ns = now_ns + self._settings.retry_ns
            return False
        protection.entry = LegState.PENDING_CANCEL
        self._broker.cancel(protection.entry_id)
        return True

    def _resize(self, protection: Protection, stage: Protected, quantity: Decimal) -> bool:
        protection.stage = replace(stage, asked=Resize(quantity))
        self._broker.amend(AmendRequest(stage.stop_id, quantity=quantity))
        return True

    def _sell_rest(self, protection: Protection, quantity: Decimal, now_ns: int) -> bool:
        stage = protection.stage
        if not isinstance(stage, Selling) or now_ns < stage.retry_at_ns or self._is_shut(protection):
            return False
        instrument = self._instruments[protection.symbol]
        is_ours = protection.side is Side.BUY
        if is_ours and (lacking := min(self._lacking(instrument.base), quantity)):
            quantity = EXACT.subtract(quantity, lacking)
            if quantity < instrument.quantity_min:
                words = f"{text(lacking)} {instrument.base} of it are not in the wallet: written off"
                self._alert(protection, AlertKind.BOOKS_DIFFER, words, now_ns)
                self._positions.write_off(protection.position_id, now_ns)
                return self._close(protection)
        exit_id = self._next_exit()
        protection.stage = Selling(stage.reason, exit_id, 0, stage.failures)
        self._leave(protection, exit_id, quantity, Market(), stage.reason)
        return True

    def _close(self, protection: Protection) -> bool:
        """It is over, once all its orders are: each of their answers finds it."""
        if any(protection.open_orders()):
            return False
        protection.stage = Closed()
        return True

    def _leave(
        self, protection: Protection, name: str, quantity: Decimal, terms: Market | StopLoss, reason: CloseReason
    ) -> None:
        self._by_order[name] = protection.position_id
        self._broker.place(leaving_order(protection, name, quantity, terms, reason))

    def _next_exit(self) -> str:
        self._totals.sent.exit += 1
        return own_id(Family.EXIT, self._totals.sent.exit)

    # -- what is stored ------------------------------------------------------------------------------------------

    def register(self, parts: Parts) -> None:
        """What stands in no row: the protections, the ATR that trailing stops go by, and what is counted."""
        self._changed = parts.table("execution.protection", Protection, self._protections, restore=self._restore)
        self._atr_changed = parts.keyed(
            "execution.atr", Decimal, self._watch.atr.get, self._restore_atr, self._watch.atr.keys
        )
        parts.held("execution.protection_totals", ProtectionTotals, self, "_totals")

    def _restore(self, protections: dict[str, Protection]) -> None:
        for protection in sorted(protections.values(), key=lambda each: each.number):
            self._protections[protection.position_id] = protection
            self.by_symbol[protection.symbol] += 1
            self._note_way_out(protection)
            self._by_order.update((name, protection.position_id) for name, _ in protection.open_orders())
            self._watch.look_at(protection)

    def _restore_atr(self, atr: dict[str, Decimal]) -> None:
        self._watch.atr.update(atr)
        for symbol in atr:
            self._look_at(symbol)
