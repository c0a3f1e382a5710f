"""The life of one position's protection, as a state machine without any I/O.

    Entering -> PendingStop -> Protected -> Exiting -> Selling -> Closed
             -> Unprotected (no stop asked for) -^

A venue with spot coins only lets one sell order stand on the same coins. So the stop rests there, the target is
watched by us, and every way out first takes the stop back, waits until the venue has said so, and only then sells.
A part is sold the same way: the stop is first cut to what stays. Orders that lose a race have filled all the same:
the machine looks at what the position still holds, never at what it had meant to sell. A short goes the same way with
the sides turned, by orders that only reduce it. `protections.py` does what is next; here stands what the answers make
of it. What was refused is tried again after a pause that doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
)
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import ceil_to, divide, text
from triplegain.domain.orders import Side
from triplegain.domain.records import CloseReason
from triplegain.exchange.reduce_only import CLOSED

#: How often a stop that somebody else took away is placed again before the position is given up.
STOP_REPLACEMENTS_MAX = 3
#: What the venue refuses is tried again ever more slowly, up to this many doublings of the pause.
_DOUBLINGS_MAX = 6
#: A part that sells bit by bit costs two amendments and an order each time: a rhythm the venue's rate counter bears.
_PAUSES_AFTER_PROGRESS = 4

#: What a person should be told.
Notice = tuple[AlertKind, str]


class OrderRole(StrEnum):
    """What an order is to its position. PART sells some of it, EXIT all that is left."""

    ENTRY = "entry"
    STOP = "stop"
    PART = "part"
    EXIT = "exit"


class LegState(StrEnum):
    """An order of ours at the venue, as far as answers tell. Only a WORKING one can be cancelled without a race."""

    PENDING_NEW = "pending_new"
    WORKING = "working"
    PENDING_CANCEL = "pending_cancel"
    TRIGGERED = "triggered"
    DONE = "done"


def is_tighter(side: Side, one: Decimal, other: Decimal) -> bool:
    """Whether `one` is farther than `other` on the way in which a position that was entered on `side` gains: of two
    stops the tighter one."""
    return one > other if side is Side.BUY else one < other


def is_reached(side: Side, level: Decimal, price: Decimal) -> bool:
    """Whether the market has come to `level` on that way."""
    return not is_tighter(side, level, price)


class StopLevel(Struct, frozen=True):
    """The trigger of a stop, and the reason a position closes with if it fires there."""

    trigger: Decimal
    reason: CloseReason = CloseReason.STOP_LOSS


class Resize(Struct, frozen=True, tag="resize"):
    """The stop is to cover `quantity`."""

    quantity: Decimal


class Move(Struct, frozen=True, tag="move"):
    """The stop is to stand at `level`."""

    level: StopLevel


#: One thing at a time: a refusal then says which of the two the venue did not want.
Amendment = Resize | Move


class Entering(Struct, frozen=True, tag="entering"):
    """Nothing has been opened yet, or less than the venue would take a stop for."""


class Unprotected(Struct, frozen=True, tag="unprotected"):
    """Bought, and no stop was asked for."""


class PendingStop(Struct, frozen=True, tag="pending_stop"):
    """The stop is on its way for `quantity`, at `level`."""

    stop_id: str
    quantity: Decimal
    level: StopLevel


class Protected(Struct, frozen=True, tag="protected"):
    """The stop rests for `covered` at `level`; `asked` is under way and not answered."""

    stop_id: str
    covered: Decimal
    level: StopLevel
    asked: Amendment | None = None


class Exiting(Struct, frozen=True, tag="exiting"):
    """On the way out: waits until entry and stop (None: there is none) are over. `guarded`: there was one."""

    reason: CloseReason
    stop_id: str | None
    stop: LegState
    guarded: bool | UnsetType = UNSET


class Selling(Struct, frozen=True, tag="selling"):
    """Nothing else rests: sell what is left, again if needed. `exit_id` None: next try at `retry_at_ns`."""

    reason: CloseReason
    exit_id: str | None
    retry_at_ns: int
    failures: int = 0


class Closed(Struct, frozen=True, tag="closed"):
    """Nothing left to protect."""


Stage = Entering | Unprotected | PendingStop | Protected | Exiting | Selling | Closed


class PartialExit(Struct, frozen=True):
    """A part of the position is to be sold: of `base` first a `quantity` where one was asked for, and of the rest the
    fraction `remaining` stays.

    `base` is a quantity; None: what is held once the entry buys no more. `keep`: what stays in coins, None until it
    is known. `exit_id` sells at the moment; without it the next try is at `retry_at_ns`, and until then the stop
    covers everything again.
    """

    reason: CloseReason
    remaining: Decimal
    base: Decimal | None = None
    keep: Decimal | None = None
    exit_id: str | None = None
    retry_at_ns: int = 0
    failures: int = 0
    quantity: Decimal | UnsetType = UNSET

    @property
    def is_bounded(self) -> bool:
        """No more may be sold than the quantity that was asked for."""
        return self.quantity is not UNSET and self.remaining == 1

    def failed(self, now_ns: int, retry_ns: int) -> PartialExit:
        """Tried in vain: again after a pause."""
        retry_at_ns = now_ns + _pause(retry_ns, self.failures)
        return replace(self, exit_id=None, retry_at_ns=retry_at_ns, failures=self.failures + 1)


class Protection(Struct):
    """One position under protection, `number` in the order they began. `ordered` is what the entry asked for.

    `wanted` is the stop there should be; the stage tells the one there is. It only ever gets tighter. A move the venue
    refused is asked for again at `move_at_ns`. `tighten` is a distance from the market, as a fraction, that waits for a
    price. `unprotected_since_ns`: since when coins have had no stop. `cancel_at_ns`: no cancel before this.
    `stops_lost` counts stops that were taken away from outside. `owing_since_ns`: since when something that was begun
    (a way out, a sale of a part, a tighter stop) could have been done and is not. `by_hand`: a person opened it. A
    short was sold on margin with `short_leverage`. Times are market time.
    """

    position_id: str
    symbol: str
    entry_id: str
    ordered: Decimal
    wanted: StopLevel | None
    target: Decimal | None
    entry: LegState = LegState.PENDING_NEW
    stage: Stage = field(default_factory=Entering)
    number: int = 0
    buys_no_more: bool = False
    is_trailing: bool = False
    reduction: PartialExit | None = None
    tighten: Decimal | None = None
    move_at_ns: int = 0
    move_failures: int = 0
    opened_at_ns: int | None = None
    unprotected_since_ns: int | None = None
    alarmed: bool = False
    cancel_at_ns: int = 0
    stops_lost: int = 0
    owing_since_ns: int | None = None
    overdue: bool = False
    by_hand: bool = False
    short_leverage: int | UnsetType = UNSET

    # -- what is so ----------------------------------------------------------------------------------------------

    @property
    def side(self) -> Side:
        """That of the entry."""
        return Side.BUY if self.short_leverage is UNSET else Side.SELL

    @property
    def leverage(self) -> int:
        """Of its entry and so of its exits."""
        return 1 if self.short_leverage is UNSET else self.short_leverage

    @property
    def is_leaving(self) -> bool:
        return isinstance(self.stage, Exiting | Selling | Closed)

    @property
    def is_held(self) -> bool:
        """Something has been opened, and it is not on its way out."""
        return self.opened_at_ns is not None and not self.is_leaving

    @property
    def stop(self) -> Decimal | None:
        """The trigger there should be."""
        return None if self.wanted is None else self.wanted.trigger

    @property
    def part_exit_id(self) -> str | None:
        """The order that is selling a part."""
        return None if self.reduction is None else self.reduction.exit_id

    def open_orders(self) -> Iterator[tuple[str, OrderRole]]:
        """Every order of this position that is at the venue or on its way there."""
        if self.entry is not LegState.DONE:
            yield self.entry_id, OrderRole.ENTRY
        if isinstance(self.stage, PendingStop | Protected | Exiting) and self.stage.stop_id is not None:
            yield self.stage.stop_id, OrderRole.STOP
        if self.part_exit_id is not None:
            yield self.part_exit_id, OrderRole.PART
        if isinstance(self.stage, Selling) and self.stage.exit_id is not None:
            yield self.stage.exit_id, OrderRole.EXIT

    @property
    def move_is_due(self) -> bool:
        """The stop at the venue is wider than the one there should be, and nothing is being asked of it."""
        return self._stands_too_wide and isinstance(self.stage, Protected) and self.stage.asked is None

    @property
    def waits_to_move(self) -> bool:
        """The venue has refused the last move, and it is to be asked again."""
        return self.move_failures > 0 and self.move_is_due

    @property
    def _stands_too_wide(self) -> bool:
        stop, stage = self.stop, self.stage
        return isinstance(stage, Protected) and stop is not None and self._is_tighter(stop, stage.level.trigger)

    def _is_tighter(self, one: Decimal, other: Decimal) -> bool:
        return is_tighter(self.side, one, other)

    @property
    def owes(self) -> str:
        """What was begun and is not done, in words; empty where nothing is."""
        if self.is_leaving:
            return "closed"
        if self.reduction is not None:
            return "reduced"
        if self.tighten is not None or self._stands_too_wide:
            return f"protected by the {'higher' if self.side is Side.BUY else 'lower'} stop"
        return ""

    # -- what is asked of it -------------------------------------------------------------------------------------

    def leave(self, reason: CloseReason) -> bool:
        """Start the way out. False if it has begun already: the first reason stands."""
        match self.stage:
            case Entering() | Unprotected():
                self.stage = Exiting(reason, None, LegState.DONE)
            case PendingStop(stop_id=stop_id):
                self.stage = Exiting(reason, stop_id, LegState.PENDING_NEW)
            case Protected(stop_id=stop_id):
                self.stage = Exiting(reason, stop_id, LegState.WORKING)
            case Exiting() | Selling() | Closed():
                return False
            case _:
                assert_never(self.stage)
        return True

    def tighten_stop(self, level: StopLevel) -> bool:
        """Want a tighter stop. False if it is not tighter than the one wanted already, or the position is leaving."""
        if self.is_leaving or (self.wanted is not None and not self._is_tighter(level.trigger, self.wanted.trigger)):
            return False
        self.wanted = level
        if isinstance(self.stage, Unprotected):
            self.stage = Entering()
        return True

    def reduce(self, fraction: Decimal, reason: CloseReason, quantity: Decimal | UnsetType = UNSET) -> bool:
        """Want a fraction of the position, or of what an unfinished reduction leaves of it, sold; or, where there is
        none, this quantity. The entry ends."""
        if self.is_leaving:
            return False
        self.buys_no_more = True
        remaining, earlier = 1 - fraction, self.reduction
        if earlier is None:
            self.reduction = PartialExit(reason, remaining, quantity=quantity)
        elif earlier.keep is None:
            self.reduction = replace(earlier, reason=reason, remaining=earlier.remaining * remaining)
        else:
            self.reduction = replace(
                earlier, reason=reason, remaining=remaining, base=earlier.keep, keep=None, quantity=UNSET
            )
        return True

    def forget_pauses(self) -> None:
        """The venue takes commands again: what it refused is asked for at once."""
        self.cancel_at_ns = self.move_at_ns = 0
        if isinstance(self.stage, Selling):
            self.stage = replace(self.stage, retry_at_ns=0)
        if self.reduction is not None:
            self.reduction = replace(self.reduction, retry_at_ns=0)

    # -- what the venue answers ----------------------------------------------------------------------------------

    def entry_answered(self, event: ExchangeEvent, now_ns: int, retry_ns: int) -> None:
        """The order that opens. A refused cancel is tried again after a pause."""
        match event:
            case OrderAccepted() if self.entry is LegState.PENDING_NEW:
                self.entry = LegState.WORKING
            case OrderAmended(quantity=quantity):
                self.ordered = quantity
            case OrderFilled():
                if self.opened_at_ns is None:
                    self.opened_at_ns = event.time_ns
                if self.stop is not None and self.unprotected_since_ns is None:
                    self.unprotected_since_ns = event.time_ns
                if event.status.is_final:
                    self.entry = LegState.DONE
            case OrderCancelled() | OrderRejected():
                self.entry = LegState.DONE
            case CommandRefused(command="cancel") if self.entry is LegState.PENDING_CANCEL:
                self.entry = LegState.WORKING
                self.cancel_at_ns = now_ns + retry_ns
            case _:
                pass

    def stop_answered(self, event: ExchangeEvent, now_ns: int, retry_ns: int, is_shut: bool = False) -> Notice | None:
        """The stop at the venue: accepted, amended, triggered, filled, gone or refused. `is_shut`: the market takes
        nothing, and what it refused for that is asked for again when it does."""
        stage = self.stage
        match event, stage:
            case OrderAccepted(), PendingStop(stop_id, quantity, level):
                self.stage = Protected(stop_id, quantity, level)
            case OrderAccepted(), Exiting(stop=LegState.PENDING_NEW):
                self.stage = replace(stage, stop=LegState.WORKING)
            case OrderAmended(), Protected():
                self._stop_amended(stage, event)
            case ((OrderTriggered() | OrderFilled()), (PendingStop() | Protected())):
                self._stop_fired(Exiting(stage.level.reason, stage.stop_id, LegState.TRIGGERED), event)
            case ((OrderTriggered() | OrderFilled()), Exiting()):
                self._stop_fired(replace(stage, stop=LegState.TRIGGERED), event)
            case ((OrderCancelled() | OrderRejected()), Exiting()):
                self.stage = replace(stage, stop_id=None, stop=LegState.DONE, guarded=True)
            case OrderRejected(), PendingStop() if is_shut:
                self.stage = Entering()
                return AlertKind.STOP_REJECTED, f"the stop was rejected ({event.code}); it is placed at the opening"
            case CommandRefused(command="amend"), Protected(asked=asked) if (
                is_shut and asked and _refuses(event, asked)
            ):
                self.stage = replace(stage, asked=None)
            case OrderRejected(), PendingStop():
                self.stage = Exiting(CloseReason.BREAKER, None, LegState.DONE, guarded=True)
                return AlertKind.STOP_REJECTED, f"the stop was rejected ({event.code}); the position is being closed"
            case OrderCancelled(reason=reason), (PendingStop() | Protected()) if reason == CLOSED:
                self._taken_off(now_ns + retry_ns)
            case OrderCancelled(), (PendingStop() | Protected()):
                return self._stop_lost(event)
            case CommandRefused(command="cancel"), Exiting(stop=LegState.PENDING_CANCEL):
                self.stage = replace(stage, stop=LegState.WORKING)
                self.cancel_at_ns = now_ns + retry_ns
            case CommandRefused(command="amend"), Protected(asked=asked) if asked and _refuses(event, asked):
                return self._stop_not_amended(stage, asked, event.code, now_ns, retry_ns)
            case _:
                pass
        return None

    def _taken_off(self, retry_at_ns: int) -> None:
        """The exchange has liquidated all of it; the fill that says so may still be on its way to us, and so may the
        answers to entry and part."""
        self.stage = Exiting(CloseReason.LIQUIDATION, None, LegState.DONE)
        if not any(self.open_orders()):
            self.stage = Selling(CloseReason.LIQUIDATION, None, retry_at_ns)

    def _stop_amended(self, stage: Protected, event: OrderAmended) -> None:
        """What the venue says is so, whether we asked for it or somebody else did."""
        level, asked = stage.level, stage.asked
        match asked:
            case Move(wanted) if wanted.trigger == event.price:
                level, asked = wanted, None
                self.move_at_ns = self.move_failures = 0
            case Resize(quantity) if quantity == event.quantity:
                asked = None
            case _:
                pass
        if event.price != level.trigger:
            level = StopLevel(event.price, level.reason)
        if self.wanted is None or self._is_tighter(level.trigger, self.wanted.trigger):
            self.wanted = level
        covered = event.quantity
        if self.leverage > 1 and asked is stage.asked and covered < stage.covered:
            # The exchange has cut it to what a liquidation leaves; that fill is still on its way to us.
            covered = stage.covered
        self.stage = Protected(stage.stop_id, covered, level, asked)

    def liquidated(self, left: Decimal) -> None:
        """A fill of a liquidation has reached us; the exchange has cut the stop to what is left."""
        if isinstance(self.stage, Protected):
            self.stage = replace(self.stage, covered=min(self.stage.covered, left))

    def _stop_fired(self, exiting: Exiting, event: OrderTriggered | OrderFilled) -> None:
        is_over = isinstance(event, OrderFilled) and event.status.is_final
        self.stage = replace(exiting, stop_id=None, stop=LegState.DONE, guarded=True) if is_over else exiting

    def _stop_not_amended(self, stage: Protected, asked: Amendment, code: str, now_ns: int, retry_ns: int) -> Notice:
        """A stop that may not cover more ends the position; where it stands or what it gives up can wait a moment."""
        match asked:
            case Resize(quantity) if quantity > stage.covered:
                self.leave(CloseReason.BREAKER)
                return AlertKind.STOP_NOT_GROWN, f"the stop could not grow ({code}); the position is being closed"
            case Resize():
                if self.reduction is not None:
                    self.reduction = self.reduction.failed(now_ns, retry_ns)
                message = f"the stop could not be cut to what is to stay ({code}); it is tried again"
            case Move(level):
                self.move_at_ns = now_ns + _pause(retry_ns, self.move_failures)
                self.move_failures += 1
                message = f"the stop could not be moved to {text(level.trigger)} ({code}); it is tried again"
            case _:
                assert_never(asked)
        self.stage = replace(stage, asked=None)
        return AlertKind.STOP_NOT_AMENDED, message

    def _stop_lost(self, event: OrderCancelled) -> Notice:
        self.stops_lost += 1
        self.unprotected_since_ns = event.time_ns
        if self.stops_lost > STOP_REPLACEMENTS_MAX:
            self.stage = Exiting(CloseReason.BREAKER, None, LegState.DONE, guarded=True)
            return AlertKind.STOP_LOST, f"the stop was cancelled again ({event.reason}); the position is being closed"
        self.stage = Entering()
        return AlertKind.STOP_LOST, f"the stop was cancelled from outside ({event.reason}); it is placed again"

    def part_answered(self, event: ExchangeEvent, now_ns: int, retry_ns: int) -> Notice | None:
        """The order that sells a part. What it did not sell goes back under the stop and is tried after a pause."""
        reduction = self.reduction
        if reduction is None or not isinstance(event, OrderFilled | OrderCancelled | OrderRejected):
            return None
        if isinstance(event, OrderFilled):
            if event.status.is_final:
                self.reduction = replace(reduction, exit_id=None, retry_at_ns=0)
        elif isinstance(event, OrderRejected) and is_too_small(event):
            self.reduction = None
            return AlertKind.NOT_REDUCED, f"the part to be sold is too small for the venue ({event.code}); it is kept"
        elif isinstance(event, OrderCancelled) and event.cumulative_quantity:
            retry_at_ns = now_ns + _PAUSES_AFTER_PROGRESS * retry_ns
            self.reduction = replace(reduction, exit_id=None, retry_at_ns=retry_at_ns, failures=0)
        else:
            self.reduction = reduction.failed(now_ns, retry_ns)
        if self.is_leaving and self.part_exit_id is None:
            self.reduction = None
            return None
        match event:
            case OrderCancelled(reason=reason):
                return AlertKind.EXIT_INCOMPLETE, f"the market took less than was to be sold ({reason}); tried again"
            case OrderRejected(code=code):
                return AlertKind.EXIT_REJECTED, f"the sale of a part was rejected ({code}); it is tried again"
            case OrderFilled():
                return None

    def exit_answered(self, event: ExchangeEvent, now_ns: int, retry_ns: int) -> Notice | None:
        """The order that sells everything. What it did not sell is tried again after a pause."""
        stage = self.stage
        if not isinstance(stage, Selling):
            return None
        match event:
            case OrderFilled() if event.status.is_final:
                self.stage = Selling(stage.reason, None, now_ns + retry_ns)
            case OrderCancelled(reason=reason):
                self.stage = Selling(stage.reason, None, now_ns + retry_ns)
                return AlertKind.EXIT_INCOMPLETE, f"the market took only a part ({reason}); the rest is tried again"
            case OrderRejected(code=code, reason=reason):
                retry_at_ns = now_ns + _pause(retry_ns, stage.failures)
                self.stage = Selling(stage.reason, None, retry_at_ns, stage.failures + 1)
                return AlertKind.EXIT_REJECTED, f"the exit was rejected ({code}: {reason}); it is tried again"
            case _:
                pass
        return None


def smallest_order(protection: Protection, instrument: Instrument) -> Decimal:
    """The smallest order the venue takes, its minimum cost reckoned at the stop, or at the target of a short: the
    lowest price that may be had."""
    if protection.stop is None:
        return instrument.quantity_min
    lowest = protection.stop if protection.target is None else min(protection.stop, protection.target)
    return max(instrument.quantity_min, ceil_to(divide(instrument.cost_min, lowest), instrument.lot))


def smallest_exit(side: Side, instrument: Instrument) -> Decimal:
    """The least that can be taken off whole, of a position that was entered on `side`: coins below the venue's minimum
    are dust, but what is owed can be given back however little it is."""
    return instrument.quantity_min if side is Side.BUY else instrument.lot


def is_too_small(event: OrderRejected) -> bool:
    """Whether the venue did not take the order because it is below a minimum."""
    # The venue has a minimum cost as well, which depends on the price: it alone can tell.
    return "minimum not met" in event.code


def _pause(retry_ns: int, failures: int) -> int:
    return retry_ns << min(failures, _DOUBLINGS_MAX)


def _refuses(event: CommandRefused, asked: Amendment) -> bool:
    amend = event.amend
    match asked:
        case Resize(quantity):
            return amend is not None and amend.quantity == quantity
        case Move(level):
            return amend is not None and amend.price == level.trigger
        case _:
            assert_never(asked)
