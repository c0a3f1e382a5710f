"""What is next for one position, done: the stop placed, changed or taken back, parts and the rest sold.

Stops are named `stop-N` and exits `exit-N`. Each method that does something says whether it did: what was done may
already allow the next thing. Otherwise the position waits for an answer, a price or a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.ids import Family, Origin, own_id
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, ceil_to, divide, floor_to, text
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, Side, StopLoss
from triplegain.domain.records import CloseReason
from triplegain.execution.blotter import KnownPositions
from triplegain.execution.broker import Broker
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
    Unprotected,
)


class OrderCounts(Struct):
    """Stops and exits sent so far."""

    stop: int = 0
    exit: int = 0


class ProtectionActions:
    """Counts what it sends in `sent`, and keeps in `by_order` which position each order serves.

    `alert` is told of what a person should know.
    """

    def __init__(
        self,
        broker: Broker,
        instruments: Mapping[str, Instrument],
        positions: KnownPositions,
        sent: OrderCounts,
        by_order: dict[str, str],
        alert: Callable[[Protection, AlertKind, str, int], None],
    ) -> None:
        self.sent = sent
        self._broker = broker
        self._instruments = instruments
        self._positions = positions
        self._by_order = by_order
        self._alert = alert

    def act(self, protection: Protection, now_ns: int) -> bool:
        """Do the next thing. False: there is nothing to do now."""
        instrument, quantity = self._instruments[protection.symbol], self._positions.quantity(protection.position_id)
        stage, minimum, entry_over = protection.stage, instrument.quantity_min, protection.entry is LegState.DONE
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
                too_small = minimum if entry_over else _smallest(protection, instrument)
                # While a part is being sold its coins are spoken for: a stop for all of them would be refused.
                if quantity < too_small or protection.part_exit_id is not None:
                    return False
                return self._protect(protection, quantity)
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
            protection.stage = replace(stage, stop=LegState.PENDING_CANCEL)
            self._broker.cancel(stage.stop_id)
            return True
        if any(protection.open_orders()):
            return False
        if quantity < minimum:
            return self._close(protection)
        protection.stage = Selling(stage.reason, None, 0)
        return self._sell_rest(protection, quantity, now_ns)

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
        smallest = _smallest(protection, instrument)
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
        self._sell(protection, exit_id, part, Market(), reduction.reason)
        return True

    def _plan(
        self, protection: Protection, reduction: PartialExit, quantity: Decimal, smallest: Decimal, now_ns: int
    ) -> bool:
        base = quantity if reduction.base is None else reduction.base
        lot = self._instruments[protection.symbol].lot
        part = floor_to(EXACT.multiply(base, 1 - reduction.remaining), lot)
        keep = EXACT.subtract(base, part)
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

    def _keep_all(self, protection: Protection, unsold: Decimal | None, now_ns: int) -> bool:
        """The reduction ends. `unsold` is what was to be sold and is too small for the venue; None: it is done."""
        if unsold is not None:
            base = self._instruments[protection.symbol].base
            words = f"{text(unsold)} {base} to be sold is below the exchange's minimum; it is kept"
            self._alert(protection, AlertKind.NOT_REDUCED, words, now_ns)
        protection.reduction = None
        return True

    def _protect(self, protection: Protection, quantity: Decimal) -> bool:
        level = protection.wanted
        if level is None:
            protection.stage = Unprotected()
            return True
        self.sent.stop += 1
        stop_id = own_id(Family.STOP, self.sent.stop)
        protection.stage = PendingStop(stop_id, quantity, level)
        self._sell(protection, stop_id, quantity, StopLoss(level.trigger), level.reason)
        return True

    def _cancel_entry(self, protection: Protection, now_ns: int) -> bool:
        if protection.entry is not LegState.WORKING or now_ns < protection.cancel_at_ns:
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
        if not isinstance(stage, Selling) or now_ns < stage.retry_at_ns:
            return False
        exit_id = self._next_exit()
        protection.stage = Selling(stage.reason, exit_id, 0, stage.failures)
        self._sell(protection, exit_id, quantity, Market(), stage.reason)
        return True

    def _close(self, protection: Protection) -> bool:
        protection.stage = Closed()
        return True

    def _sell(
        self, protection: Protection, name: str, quantity: Decimal, terms: Market | StopLoss, reason: CloseReason
    ) -> None:
        position_id = protection.position_id
        self._by_order[name] = position_id
        self._broker.place(
            OrderRequest(
                name,
                protection.symbol,
                Side.SELL,
                quantity,
                terms,
                position_id=position_id,
                purpose=reason.value,
                origin=Origin.PROTECTION,
            )
        )

    def _next_exit(self) -> str:
        self.sent.exit += 1
        return own_id(Family.EXIT, self.sent.exit)


def _smallest(protection: Protection, instrument: Instrument) -> Decimal:
    """The smallest order the venue takes, its minimum cost reckoned at the stop: the lowest price that may be had."""
    if protection.stop is None:
        return instrument.quantity_min
    return max(instrument.quantity_min, ceil_to(divide(instrument.cost_min, protection.stop), instrument.lot))
