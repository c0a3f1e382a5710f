"""What is next for one position: a stop for its coins, a part of it sold, its way out. One thing at a time.

Each step says whether it did something: what was done may already allow the next thing. Otherwise the position waits
for an answer, a price or a time. Stops are named `stop-N` and exits `exit-N`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never

from msgspec import UnsetType
from msgspec.structs import replace

from triplegain.domain.agent_records import AlertKind, AlertRecord
from triplegain.domain.ids import Family, own_id
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, floor_to, text
from triplegain.domain.orders import AmendRequest, Market, Side, StopLoss
from triplegain.domain.records import CloseReason
from triplegain.execution.blotter import KnownPositions
from triplegain.execution.broker import Broker
from triplegain.execution.protection.leaving import leaving_order
from triplegain.execution.protection.protection import (
    Closed,
    Entering,
    Exiting,
    LegState,
    Move,
    PartialExit,
    PendingStop,
    Protected,
    Protection,
    Resize,
    Selling,
    StopLevel,
    Unprotected,
    smallest_exit,
    smallest_order,
)
from triplegain.execution.protection.totals import ProtectionTotals
from triplegain.execution.protection.trailing import ProtectionSettings
from triplegain.execution.venue_room import VenueRoom

_ALERTS_KEPT = 200


@dataclass(eq=False)
class NextStep:
    """Of any position. `by_order` names the position that each order serves.

    `lacking`: coins of an asset that positions own and that are not there; 0 where the books agree.
    """

    _broker: Broker
    _instruments: Mapping[str, Instrument]
    _positions: KnownPositions
    _settings: ProtectionSettings
    _lacking: Callable[[str], Decimal]
    _room: VenueRoom
    by_order: dict[str, str]
    alerts: deque[AlertRecord] = field(default_factory=lambda: deque(maxlen=_ALERTS_KEPT), init=False)
    totals: ProtectionTotals = field(default_factory=ProtectionTotals, init=False)
    #: By symbol those on their way out that hold coins.
    _selling_out: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set), init=False)

    def act(self, protection: Protection, now_ns: int) -> bool:
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
                if quantity < too_small or protection.part_exit_id is not None or self.is_shut(protection):
                    return False
                return self._protect(protection, quantity)
            case Unprotected() | Protected() if self.is_shut(protection):
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
            if self.is_shut(protection):
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
            self.alert(protection, AlertKind.CLOSED_WHOLE, words, now_ns)
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
            self.alert(protection, AlertKind.NOT_REDUCED, words, now_ns)
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
        self.totals.sent.stop += 1
        stop_id = own_id(Family.STOP, self.totals.sent.stop)
        self._leave(protection, stop_id, quantity, StopLoss(level.trigger), level.reason)
        return stop_id

    def _cancel_entry(self, protection: Protection, now_ns: int) -> bool:
        if protection.entry is not LegState.WORKING or now_ns < protection.cancel_at_ns or self.is_shut(protection):
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
        if not isinstance(stage, Selling) or now_ns < stage.retry_at_ns or self.is_shut(protection):
            return False
        instrument = self._instruments[protection.symbol]
        is_ours = protection.side is Side.BUY
        if is_ours and (lacking := min(self._lacking(instrument.base), quantity)):
            quantity = EXACT.subtract(quantity, lacking)
            if quantity < instrument.quantity_min:
                words = f"{text(lacking)} {instrument.base} of it are not in the wallet: written off"
                self.alert(protection, AlertKind.BOOKS_DIFFER, words, now_ns)
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
        self.by_order[name] = protection.position_id
        self._broker.place(leaving_order(protection, name, quantity, terms, reason))

    def _next_exit(self) -> str:
        self.totals.sent.exit += 1
        return own_id(Family.EXIT, self.totals.sent.exit)

    def note_way_out(self, protection: Protection) -> None:
        holds = protection.is_leaving and self._positions.quantity(protection.position_id) > 0
        if holds and not isinstance(protection.stage, Closed):
            self._selling_out[protection.symbol].add(protection.position_id)
        else:
            self._selling_out[protection.symbol].discard(protection.position_id)

    def is_shut(self, protection: Protection) -> bool:
        """Nothing can be sent; what stands as wanted goes out when it is `opened`."""
        return bool(self._room.why_shut(protection.symbol))

    def alert(self, protection: Protection, kind: AlertKind, message: str, now_ns: int) -> None:
        self.alerts.append(AlertRecord(0, now_ns, kind, protection.symbol, protection.position_id, message))
