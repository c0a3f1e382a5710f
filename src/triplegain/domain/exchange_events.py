"""What a venue answers. Every event carries its number in the session and two times.

`time_ns` is when it happened at the exchange, `visible_at_ns` when we may know of it (response latency later).
`order_number` counts the orders of the session from 1 in the order they were sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from triplegain.domain.money import EXACT
from triplegain.domain.orders import AmendRequest, OrderRequest, OrderStatus, OrderTerms, Side


class _Event(msgspec.Struct, frozen=True, tag_field="kind"):
    sequence: int
    time_ns: int
    visible_at_ns: int

    @property
    def kind(self) -> str:
        """The word by which events of this type are told apart where they are stored."""
        return str(self.__struct_config__.tag)


class _OrderEvent(_Event, frozen=True):
    """Of an order that the venue has named."""

    order_number: int
    client_order_id: str
    symbol: str


class OrderSubmitted(_Event, frozen=True, tag="submitted"):
    """The request left us; it reaches the engine at `arrives_at_ns`. Status PENDING.

    `quantity` is what can be traded of it, cut to the lot; None: all that was asked for.
    """

    order_number: int
    order_id: str
    request: OrderRequest
    arrives_at_ns: int
    quantity: Decimal | None = None


class OrderAccepted(_OrderEvent, frozen=True, tag="accepted"):
    """The engine took the order and holds `held` of `held_asset` for it. `status` may be final already."""

    held_asset: str
    held: Decimal


class OrderScheduled(_OrderEvent, frozen=True, tag="scheduled"):
    """The engine took the order for later: at `starts_at_ns` it is accepted or rejected. It holds nothing yet, and its
    status stays PENDING."""

    starts_at_ns: int


class OrderRejected(_OrderEvent, frozen=True, tag="rejected"):
    """A business refusal: Kraken's code and a plain reason. Nothing is held, nothing was filled.

    `seen`: how the market stood (quote, last trade, book).
    """

    code: str
    reason: str
    seen: Mapping[str, Any] | UnsetType = UNSET


class OrderFilled(_OrderEvent, frozen=True, tag="filled"):
    """One execution. `notional` in the quote currency, rounded against us; `status` is the order's after this fill.

    `explanation` answers "why this price": model, levels or queue, causing event, latency, tier, quotes, shortfall.
    """

    fill_number: int
    fill_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    cumulative_quantity: Decimal
    status: OrderStatus
    explanation: Mapping[str, Any]

    @property
    def coins(self) -> Decimal:
        """What came (went, if it sold) of the base: less (and) a fee that was taken in it."""
        return EXACT.subtract(self.quantity, self._signed(self._coins_of_fee))

    @property
    def opening_fee(self) -> Decimal:
        """What lending cost that this fill has opened on margin, in the quote currency; beside the `fee`."""
        lent = self.explanation.get("margin")
        return Decimal(lent["opening_fee"]) if lent else Decimal(0)

    @property
    def fee_value(self) -> Decimal:
        """The fee in the quote currency, one in coins at the price of the fill."""
        return self.fee if not self._coins_of_fee else EXACT.multiply(self._coins_of_fee, self.price)

    @property
    def coins_value(self) -> Decimal:
        """What `coins` cost (brought): with `fee_value` it comes to what was paid (received)."""
        return EXACT.subtract(self.notional, self._signed(EXACT.multiply(self._coins_of_fee, self.price)))

    @property
    def _coins_of_fee(self) -> Decimal:
        return self.fee if self.fee_asset == self.symbol.partition("/")[0] else Decimal(0)

    def _signed(self, amount: Decimal) -> Decimal:
        return amount if self.side is Side.BUY else EXACT.minus(amount)


class OrderCancelled(_OrderEvent, frozen=True, tag="cancelled"):
    """The rest of the order is gone: CANCELLED or EXPIRED, with the reason and what had been filled.

    `seen`: how the market stood, and of an order that waited how near a trade came and what stood in front of it.
    """

    status: OrderStatus
    reason: str
    cumulative_quantity: Decimal
    seen: Mapping[str, Any] | UnsetType = UNSET


class OrderTriggered(_OrderEvent, frozen=True, tag="triggered"):
    """The last trade reached the trigger: the order is a market order now, or has its limit (`OrderPriced`)."""

    trigger: Decimal
    last: Decimal


class OrderPriced(_OrderEvent, frozen=True, tag="priced"):
    """The order stands at this price, by its own terms: a relative price was worked out at arrival, a trigger started
    to trail there, or a limit took the place of a trigger that was reached."""

    price: Decimal


class OrderRefilled(_OrderEvent, frozen=True, tag="refilled"):
    """The book shows the next slice of an iceberg, `displayed`, at the back of the queue."""

    displayed: Decimal


class OrderAmended(_OrderEvent, frozen=True, tag="amended"):
    """Terms after the amendment; `queue_kept` says whether the place in the queue survived. `terms`, where they name
    something else now than quantity and price."""

    quantity: Decimal
    price: Decimal
    queue_kept: bool
    terms: OrderTerms | UnsetType = UNSET


class CommandRefused(_Event, frozen=True, tag="refused"):
    """A cancel or amend that could not be done (unknown order, already final, off tick). The order is as it was."""

    client_order_id: str
    command: str
    code: str
    reason: str
    amend: AmendRequest | None = None


class _AccountEvent(_Event, frozen=True):
    """Of the account as a whole."""

    @property
    def client_order_id(self) -> str:
        """Of no order."""
        return ""


class MarginCalled(_AccountEvent, frozen=True, tag="margin_call"):
    """The margin level of the account has come to the call level. `level` and `equity` in USD as the exchange reckons
    them, `level` a fraction of the margin used; `liquidates`: it is so low that positions are being sold."""

    level: Decimal
    equity: Decimal
    used: Decimal
    liquidates: bool


class PositionRolledOver(_AccountEvent, frozen=True, tag="rollover"):
    """What is open of a position has been lent for another period. `position` is the number of the order that opened
    it; `owed` is what of `fee` the wallet did not have."""

    position: int
    symbol: str
    fee: Decimal
    fee_asset: str
    owed: Decimal


#: Of the account as a whole, and of no order.
AccountEvent = MarginCalled | PositionRolledOver

ExchangeEvent = (
    OrderSubmitted
    | OrderScheduled
    | OrderAccepted
    | OrderRejected
    | OrderFilled
    | OrderCancelled
    | OrderTriggered
    | OrderPriced
    | OrderRefilled
    | OrderAmended
    | CommandRefused
    | AccountEvent
)
