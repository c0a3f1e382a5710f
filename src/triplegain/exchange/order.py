"""An order as the engine works on it: integers only, changed in place, never seen outside this room."""

from __future__ import annotations

from typing import Any

from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import OrderRequest, OrderStatus

#: Fields that go into the stored state as they are.
_PLAIN = (
    "price", "lots", "left", "post_only", "fee_ceiling_ppm", "fee_exact", "fee_charged", "spent_atoms",
    "ahead", "ahead_before", "ahead_at_arrival", "sent_ns", "arrived_ns", "touched_ns", "triggered", "opened_ns",
    "shrunk_ns",
)  # fmt: skip


class WorkingOrder:
    """`price` is the limit or the trigger, as amended; 0 where the terms name none. `ahead` counts public lots only.

    `ahead_before` is the queue as it was before the level shrank at `shrunk_ns`: a late print of the trade that caused
    the shrink is counted from there, so that one execution seen twice counts once.
    """

    __slots__ = (
        "ahead", "ahead_at_arrival", "ahead_before", "arrived_ns", "client_order_id", "fee_ceiling_ppm", "fee_charged",
        "fee_exact", "instrument", "left", "lots", "number", "opened_ns", "order_id", "post_only", "price",
        "quote_at_arrival", "quote_at_decision", "request", "sent_ns", "shrunk_ns", "side", "spent_atoms", "status",
        "touched_ns", "triggered",
    )  # fmt: skip

    def __init__(self, number: int, order_id: str, request: OrderRequest, instrument: Instrument, sent_ns: int) -> None:
        self.number = number
        self.order_id = order_id
        self.client_order_id = request.client_order_id
        self.request = request
        self.instrument = instrument
        self.side = request.side.index
        self.post_only = False
        self.price = 0
        self.lots = 0
        self.left = 0
        self.ahead = 0
        self.ahead_before = 0
        self.ahead_at_arrival = 0
        self.fee_ceiling_ppm = 0
        self.fee_exact = 0
        self.fee_charged = 0
        self.spent_atoms = 0
        self.sent_ns = sent_ns
        self.arrived_ns = 0
        self.opened_ns = 0
        self.touched_ns = sent_ns
        self.shrunk_ns = -1
        self.triggered = False
        self.status = OrderStatus.PENDING
        self.quote_at_decision: tuple[int | None, int | None] = (None, None)
        self.quote_at_arrival: tuple[int | None, int | None] = (None, None)

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

    def state(self) -> dict[str, Any]:
        stored: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        for name in ("ahead", "ahead_before", "ahead_at_arrival", "fee_exact", "fee_charged", "spent_atoms"):
            stored[name] = str(stored[name])
        stored |= {
            "number": self.number,
            "order_id": self.order_id,
            "status": self.status.value,
            "quote_at_decision": list(self.quote_at_decision),
            "quote_at_arrival": list(self.quote_at_arrival),
        }
        return stored

    @classmethod
    def restore(cls, stored: dict[str, Any], request: OrderRequest, instrument: Instrument) -> WorkingOrder:
        order = cls(stored["number"], stored["order_id"], request, instrument, stored["sent_ns"])
        for name in _PLAIN:
            value = stored[name]
            setattr(order, name, int(value) if isinstance(value, str) else value)
        order.status = OrderStatus(stored["status"])
        order.quote_at_decision = (stored["quote_at_decision"][0], stored["quote_at_decision"][1])
        order.quote_at_arrival = (stored["quote_at_arrival"][0], stored["quote_at_arrival"][1])
        return order
