"""The protections of all positions: what the venue answers, what the market says, what time it is.

Nothing here waits for an agent, a model or a schedule: answers, prices and its own timers are all that moves it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never

from msgspec import UNSET, UnsetType

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.exchange_events import ExchangeEvent, OrderRejected, OrderSubmitted, PositionRolledOver
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.parts import Parts
from triplegain.domain.records import CloseReason
from triplegain.execution.blotter import KnownPositions
from triplegain.execution.broker import Broker
from triplegain.execution.last_quotes import LastQuote
from triplegain.execution.position import short_leverage
from triplegain.execution.protection.next_step import NextStep
from triplegain.execution.protection.protection import (
    Closed,
    OrderRole,
    Protected,
    Protection,
    StopLevel,
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
    _protections: dict[str, Protection] = field(default_factory=dict, init=False)
    _by_order: dict[str, str] = field(default_factory=dict, init=False)
    #: How many there are.
    by_symbol: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._next = NextStep(
            self._broker, self._instruments, self._positions, self._settings, self._lacking, self._room, self._by_order
        )
        self.alerts = self._next.alerts
        self._watch = watch = PriceWatch(self._instruments, self._positions, self._settings, self._room)
        self.moved, self.next_due_ns = watch.moved, watch.next_due_ns
        self.next_price, self.next_fall = watch.next_price, watch.next_fall
        self._changed: Callable[[str], None] = lambda position_id: None
        self._atr_changed: Callable[[str], None] = lambda symbol: None

    @property
    def delays(self) -> ProtectionDelays:
        return self._next.totals.delays

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
        self._next.totals.begun += 1
        self._protections[position_id] = Protection(
            position_id,
            request.symbol,
            request.client_order_id,
            request.quantity,
            None if stop is None else StopLevel(stop),
            target,
            number=self._next.totals.begun,
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
                self._next.alert(
                    protection, AlertKind.PROTECTION_LATE, f"{traded} coins are still without a stop", now_ns
                )
            due = overdue_alarm_ns(protection, self._settings)
            if due is not None and now_ns >= due:
                protection.overdue = True
                shut = self._room.why_shut(protection.symbol)
                words = f"{shut}; it is sent at the opening" if shut else "it goes on"
                self._next.alert(protection, AlertKind.OVERDUE, f"still not {protection.owes}; {words}", now_ns)
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
        self._next.alert(protection, AlertKind.STOP_AT_MARKET, words, now_ns)

    def _answered(self, protection: Protection, role: OrderRole, event: ExchangeEvent, now_ns: int) -> None:
        retry_ns = self._settings.retry_ns
        match role:
            case OrderRole.ENTRY:
                return protection.entry_answered(event, now_ns, retry_ns)
            case OrderRole.STOP:
                notice = protection.stop_answered(event, now_ns, retry_ns, self._next.is_shut(protection))
            case OrderRole.PART:
                notice = protection.part_answered(event, now_ns, retry_ns)
            case OrderRole.EXIT:
                notice = protection.exit_answered(event, now_ns, retry_ns)
                self._write_off_if_too_small(protection, event)
            case _:
                assert_never(role)
        if notice is not None and (role is OrderRole.STOP or self._can_sell_more(protection)):
            self._next.alert(protection, *notice, now_ns)

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
                self._next.totals.delays.add(event.time_ns - since)
            protection.unprotected_since_ns, protection.alarmed = None, False

    # -- what follows --------------------------------------------------------------------------------------------

    def _go_on(self, protection: Protection, now_ns: int) -> None:
        while self._next.act(protection, now_ns):
            pass
        if isinstance(protection.stage, Closed) and self._protections.pop(protection.position_id, None) is not None:
            self.by_symbol[protection.symbol] -= 1
        self._next.note_way_out(protection)
        if not protection.owes:
            protection.owing_since_ns, protection.overdue = None, False
        elif protection.owing_since_ns is None:
            protection.owing_since_ns = max(now_ns, self._room.done_by_ns(protection.symbol))
        self._watch.look_at(protection)
        self._changed(protection.position_id)

    def _look_at(self, symbol: str) -> None:
        """What all of a symbol go by has changed."""
        for protection in self._protections.values():
            if protection.symbol == symbol:
                self._watch.look_at(protection)

    # -- what is stored ------------------------------------------------------------------------------------------

    def register(self, parts: Parts) -> None:
        """What stands in no row: the protections, the ATR that trailing stops go by, and what is counted."""
        self._changed = parts.table("execution.protection", Protection, self._protections, restore=self._restore)
        self._atr_changed = parts.keyed(
            "execution.atr", Decimal, self._watch.atr.get, self._restore_atr, self._watch.atr.keys
        )
        parts.held("execution.protection_totals", ProtectionTotals, self._next, "totals")

    def _restore(self, protections: dict[str, Protection]) -> None:
        for protection in sorted(protections.values(), key=lambda each: each.number):
            self._protections[protection.position_id] = protection
            self.by_symbol[protection.symbol] += 1
            self._next.note_way_out(protection)
            self._by_order.update((name, protection.position_id) for name, _ in protection.open_orders())
            self._watch.look_at(protection)

    def _restore_atr(self, atr: dict[str, Decimal]) -> None:
        self._watch.atr.update(atr)
        for symbol in atr:
            self._look_at(symbol)
