"""An order as the engine works on it: integers only, changed in place, never seen outside this room."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, get_type_hints

import msgspec

from triplegain.domain.clock import NO_MOMENT, Moment
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import OrderRequest, OrderStatus

Quotes = tuple[int | None, int | None]


# No Struct: setting an attribute of one takes four times as long, and places in queues are set at most events.
@dataclass(slots=True, eq=False)
class WorkingOrder:
    """`price` is the limit or the trigger, as amended; 0 where the terms name none. `ahead` counts public lots only.

    `ahead_before` is the queue as it was before the level shrank at `shrunk_ns`: a late print of the trade that caused
    the shrink is counted from there, so that one execution seen twice counts once. `stands_ns` is since when it has its
    place: trades and books from before that do nothing to it.
    """

    number: int
    order_id: str
    request: OrderRequest
    instrument: Instrument
    sent_ns: int
    #: When it arrives at the exchange, or has.
    arrived_ns: int
    status: OrderStatus = OrderStatus.PENDING
    post_only: bool = False
    price: int = 0
    lots: int = 0
    left: int = 0
    ahead: int = 0
    ahead_before: int = 0
    ahead_at_arrival: int = 0
    fee_ceiling_ppm: int = 0
    fee_exact: int = 0
    fee_charged: int = 0
    spent_atoms: int = 0
    opened_ns: int = 0
    touched_ns: int = 0
    shrunk_ns: Moment = NO_MOMENT
    stands_ns: Moment = NO_MOMENT
    triggered: bool = False
    #: Of a stop: the first price at which the tape went through its trigger while there was no book to sell into.
    passed: int = 0
    #: A limit without a book that has met no price yet: the first one may still be taken instead of waited for.
    fresh: bool = False
    #: Number of the answer with which it took its place among those that wait: who came first has the lower one.
    place: int = 0
    quote_at_decision: Quotes = (None, None)
    quote_at_arrival: Quotes = (None, None)
    # As its request says, read at every event.
    client_order_id: str = field(init=False)
    side: int = field(init=False)
    #: Under which it is stored.
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.client_order_id = self.request.client_order_id
        self.side = self.request.side.index
        self.key = str(self.number)

    def fee_after(self, notional_atoms: int, rate_ppm: int) -> tuple[int, int]:
        """(exact, charged) fee of the order if it also filled this notional. Exact is in atoms x ppm.

        The charge is rounded up to the fee unit once per order, not once per fill, and never exceeds what was traded.
        """
        exact = self.fee_exact + notional_atoms * rate_ppm
        unit = self.instrument.fee_unit_atoms * RATE_UNIT
        charged = -(-exact // unit) * self.instrument.fee_unit_atoms
        return exact, min(charged, self.spent_atoms + notional_atoms)

    def worst_cost(self, lots: int, price: int) -> int:
        """Atoms of the quote currency that buying `lots` more at up to `price` may cost, fee included."""
        notional = lots * price * self.instrument.atoms_per_tick_lot
        exact = self.fee_exact + notional * self.fee_ceiling_ppm
        unit = self.instrument.fee_unit_atoms * RATE_UNIT
        return notional + -(-exact // unit) * self.instrument.fee_unit_atoms - self.fee_charged


_DERIVED = {"instrument", "client_order_id", "side", "key"}
#: Whole numbers that may exceed 64 bits; stored as text.
_WIDE = {
    "price", "lots", "left", "ahead", "ahead_before", "ahead_at_arrival", "fee_exact", "fee_charged", "spent_atoms",
}  # fmt: skip
#: What an order has in it that was stored before there was such a field; not stored where it is that.
_ADDED = {"passed": 0, "stands_ns": NO_MOMENT}
#: What is stored of an order.
StoredOrder = msgspec.defstruct(
    "StoredOrder",
    [
        (name, Decimal if name in _WIDE else kind, _ADDED.get(name, msgspec.NODEFAULT))
        for name, kind in get_type_hints(WorkingOrder).items()
        if name not in _DERIVED
    ],
    frozen=True,
    kw_only=True,
    omit_defaults=True,
)


def stored_order(order: WorkingOrder) -> msgspec.Struct:
    """As a `StoredOrder`."""
    return msgspec.convert(order, StoredOrder, from_attributes=True)


def working_order(stored: Any, instrument: Instrument) -> WorkingOrder:
    """What `stored_order` was made of."""
    values = msgspec.structs.asdict(stored)
    return WorkingOrder(instrument=instrument, **values | {name: int(values[name]) for name in _WIDE})
