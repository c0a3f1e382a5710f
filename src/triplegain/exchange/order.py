"""An order as the engine works on it: integers only, changed in place, never seen outside this room."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, get_type_hints

import msgspec

from triplegain.domain.clock import NO_MOMENT, Moment
from triplegain.domain.fees import FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import LedgerAccount, account_of
from triplegain.domain.orders import OrderRequest, OrderStatus
from triplegain.domain.queue_path import QueueChange
from triplegain.domain.views import OrderStanding

Quotes = tuple[int | None, int | None]


class Role(Enum):
    """What an order does now; its terms say which of these, and when it turns from one into another."""

    #: Takes what there is.
    MARKET = "market"
    #: Takes what its limit reaches; the rest waits at its price.
    LIMIT = "limit"
    #: Asleep until the last trade reaches its trigger.
    TRIGGER = "trigger"


# No Struct: setting an attribute of one takes four times as long, and places in queues are set at most events.
@dataclass(slots=True, eq=False)
class WorkingOrder:
    """`price` is the limit, or the trigger of an order that waits for one, as amended; 0 where the terms name none.
    `ahead` counts public lots only.

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
    #: By what the extremes of the trades since it waits are found; 0: it has not waited.
    waits_since: int = 0
    #: Lots in front of it that have been traded, in all its places.
    queue_traded: int = 0
    #: How many points of its queue's path are kept, the queue and what had been traded of it at the last one, and by
    #: how much one of these must change for the next. What `queue_placed_by` names is a point that is not kept yet.
    queue_points: int = 0
    queue_noted: int = 0
    queue_traded_noted: int = 0
    queue_step: int = 0
    queue_skipped: int = 0
    queue_placed_ns: int = 0
    queue_placed_by: QueueChange | None = None
    fee_ceiling_ppm: int = 0
    #: The rates of all its fills, once it has one, and the 30-day volume in USD by which it has them.
    tier: FeeTier | None = None
    tier_volume_usd: int = 0
    spent_atoms: int = 0
    opened_ns: int = 0
    touched_ns: int = 0
    shrunk_ns: Moment = NO_MOMENT
    stands_ns: Moment = NO_MOMENT
    triggered: bool = False
    #: The limit of an order that still waits for its trigger.
    limit: int = 0
    #: Where its trigger stood when it was reached.
    fired: int = 0
    #: The best quotes then; where no book is seen, the trade that reached it. 0: it was not reached.
    bid_when_fired: int = 0
    ask_when_fired: int = 0
    #: The best trade since arrival, where the trigger trails behind it.
    peak: int = 0
    #: Lots left of the slice that the book shows; 0: all of it is shown.
    shown: int = 0
    #: Atoms of the quote currency that may be spent, where that says how much is bought.
    cost: int = 0
    #: Of a stop: the first price at which the tape went through its trigger while there was no book to sell into.
    passed: int = 0
    #: A limit without a book that has met no price yet: the first one may still be taken instead of waited for.
    fresh: bool = False
    #: It waits at the exchange for its time.
    scheduled: bool = False
    #: How many fills it has had.
    fills: int = 0
    #: Number of the answer with which it took its place among those that wait: who came first has the lower one.
    place: int = 0
    quote_at_decision: Quotes = (None, None)
    quote_at_arrival: Quotes = (None, None)
    # As its request says, read at every event.
    client_order_id: str = field(init=False)
    side: int = field(init=False)
    #: Whether a trigger is reached from below.
    rising: bool = field(init=False)
    #: In this asset its funds are held.
    funds_asset: str = field(init=False)
    #: In this one its fees are taken: coins, if `pays_fee_in_base`.
    fee_asset: str = field(init=False)
    pays_fee_in_base: bool = field(init=False)
    #: From which of our accounts it pays.
    account: LedgerAccount = field(init=False)
    is_plain: bool = field(init=False)
    #: Lots of the quantity that was asked for; None where that is no quantity at all.
    asked: int | None = field(init=False)
    role: Role = field(init=False)
    #: Under which it is stored.
    key: str = field(init=False)

    def __post_init__(self) -> None:
        request = self.request
        self.client_order_id = request.client_order_id
        self.side = side = request.side.index
        self.funds_asset = request.funds_asset
        self.is_plain = request.is_plain
        self.pays_fee_in_base = request.pays_fee_in_base
        self.fee_asset = request.fee_asset
        self.account = account_of(request.origin)
        self.asked = self.instrument.tradable_lots(request.quantity)
        self.rising = request.terms.heading(side) > 0
        self.key = str(self.number)
        self._take_role()

    @property
    def is_at_exchange(self) -> bool:
        """It has arrived and is not over, though it may wait for its time."""
        return self.scheduled or self.status is not OrderStatus.PENDING

    def _take_role(self) -> None:
        terms = self.request.terms
        if terms.waits and not self.triggered:
            self.role = Role.TRIGGER
        else:
            self.role = Role.LIMIT if terms.limited else Role.MARKET

    @property
    def worst_price(self) -> int:
        """The highest that it may come to pay by its own words: its limit, or where it waits, its trigger too."""
        return max(self.price, self.limit) if self.role is Role.TRIGGER else self.price

    @property
    def in_book(self) -> int:
        """Lots of it that a trade at its price may fill."""
        return min(self.shown, self.left) if self.shown else self.left

    @property
    def filled(self) -> int:
        return self.lots - self.left

    def standing(self) -> OrderStanding:
        """For whoever looks at it from outside."""
        price, waits, rests = self.instrument.price, self.role is Role.TRIGGER, self.role is Role.LIMIT
        limit = self.limit if waits else self.price if rests else 0
        return OrderStanding(
            trigger=price(self.price) if waits else None,
            limit=price(limit) if limit else None,
            peak=price(self.peak) if waits and self.peak else None,
            displayed=self.instrument.quantity(self.in_book) if rests else None,
        )

    def fire(self, bid: int = 0, ask: int = 0) -> None:
        """Its trigger is reached, at these quotes: from here on it is a market order, or one with its limit."""
        self.triggered, self.fired, self.passed, self.price = True, self.price, 0, self.limit
        self.bid_when_fired, self.ask_when_fired = bid, ask
        # For its limit it waits anew.
        self.waits_since = 0
        self._take_role()

    def show_slice(self) -> None:
        """An iceberg shows the next part of what is left of it."""
        display = self.request.terms.display
        if display is not None:
            self.shown = min(self.instrument.whole_lots(display), self.left)

    @property
    def budget(self) -> int:
        """What is left of the cost that it names, in whole steps: what is bought for it is rounded up to these."""
        left = max(self.cost - self.spent_atoms, 0)
        return left - left % max(self.instrument.cost_unit_atoms, self.instrument.balance_unit_atoms)

    def size_at(self, price: int) -> None:
        """How much is bought of an order that names its cost: what is left of that buys so much at `price`."""
        filled = self.filled
        self.left = self.budget // (price * self.instrument.atoms_per_tick_lot)
        self.lots = filled + self.left


_DERIVED = {
    "instrument", "client_order_id", "side", "rising", "funds_asset", "fee_asset", "pays_fee_in_base", "account",
    "is_plain", "asked", "role", "key",
}  # fmt: skip
#: Whole numbers that may exceed 64 bits; stored as text.
_WIDE = {
    "price", "lots", "left", "ahead", "ahead_before", "ahead_at_arrival", "spent_atoms",
    "limit", "fired", "bid_when_fired", "ask_when_fired", "peak", "shown", "cost",
    "queue_noted", "queue_step", "queue_traded", "queue_traded_noted", "waits_since",
}  # fmt: skip
#: Those of them that came later. msgspec leaves out what is this very object.
_NONE = Decimal(0)
_ADDED_WIDE = dict.fromkeys(
    (
        "limit", "fired", "bid_when_fired", "ask_when_fired", "peak", "shown", "cost",
        "queue_noted", "queue_step", "queue_traded", "queue_traded_noted", "waits_since",
    ),
    _NONE,
)  # fmt: skip
#: What an order has in it that was stored before there was such a field; not stored where it is that.
_ADDED = {
    "passed": 0, "queue_points": 0, "queue_skipped": 0, "queue_placed_ns": 0, "queue_placed_by": None,
    "stands_ns": NO_MOMENT, "scheduled": False, "fills": 0, "tier": None, "tier_volume_usd": 0, **_ADDED_WIDE,
}  # fmt: skip
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
    stored = msgspec.convert(order, StoredOrder, from_attributes=True)
    for name, usual in _ADDED_WIDE.items():
        if not getattr(order, name):
            msgspec.structs.force_setattr(stored, name, usual)
    return stored


def working_order(stored: Any, instrument: Instrument) -> WorkingOrder:
    """What `stored_order` was made of."""
    values = msgspec.structs.asdict(stored)
    return WorkingOrder(instrument=instrument, **values | {name: int(values[name]) for name in _WIDE})
