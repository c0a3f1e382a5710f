"""Orders as we ask for them. What kind of order it is stands in its terms: a market order has no price to get wrong."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, assert_never

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.ids import Origin


class Side(StrEnum):
    """Of an order, or of who took in a public trade."""

    BUY = "buy"
    SELL = "sell"

    @property
    def index(self) -> int:  # type: ignore[override]  # nobody looks for letters in a side
        """0 for BUY and 1 for SELL: the place of a side in a pair."""
        return 0 if self is Side.BUY else 1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @classmethod
    def parse(cls, word: str) -> Side:
        """`buy` or `sell`, any case. Raises ValueError otherwise."""
        try:
            return cls(word.strip().lower())
        except ValueError:
            raise ValueError(f"side must be buy or sell, not {word!r}") from None


class TimeInForce(StrEnum):
    """Good till cancelled, immediate or cancel, good till date."""

    GTC = "gtc"
    IOC = "ioc"
    GTD = "gtd"


class SelfTradePrevention(StrEnum):
    CANCEL_NEWEST = "cancel_newest"
    CANCEL_OLDEST = "cancel_oldest"
    CANCEL_BOTH = "cancel_both"


class OrderStatus(StrEnum):
    """Life of an order. REJECTED is a business refusal, ERROR a technical fault; the last five are final."""

    PENDING = "pending"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ERROR = "error"

    @property
    def is_final(self) -> bool:
        return self not in _LIVE


_LIVE = frozenset({OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})


class OrderKind(StrEnum):
    """The word for each type of order, as it is stored and sent."""

    MARKET = "market"
    LIMIT = "limit"
    STOP_LOSS = "stop-loss"


class _Terms(msgspec.Struct, frozen=True, tag_field="kind"):
    """What every type says beside this: `limit` (never a worse price), `trigger` (asleep until the last trade is
    there), `rests` (what does not fill at once waits in the book), `post_only`, and `worst`."""

    @property
    def kind(self) -> OrderKind:
        return OrderKind(str(self.__struct_config__.tag))


class Market(_Terms, frozen=True, tag=OrderKind.MARKET.value):
    """Take what the book shows; what it does not show is cancelled."""

    limit: ClassVar[Decimal | None] = None
    trigger: ClassVar[Decimal | None] = None
    rests: ClassVar[bool] = False
    post_only: ClassVar[bool] = False

    @property
    def price(self) -> Decimal | None:
        return None

    def worst(self, far: Decimal) -> Decimal:
        return far


class Limit(_Terms, frozen=True, tag=OrderKind.LIMIT.value):
    """Not worse than `limit`."""

    limit: Decimal = msgspec.field(name="price")
    post_only: bool = False
    trigger: ClassVar[Decimal | None] = None
    rests: ClassVar[bool] = True

    @property
    def price(self) -> Decimal | None:
        """The price that an amendment moves, and that a view shows; None where there is none."""
        return self.limit

    def worst(self, far: Decimal) -> Decimal:
        """What a coin may come to cost at the most, as far as can be said while it is offered at `far`."""
        return self.limit


class StopLoss(_Terms, frozen=True, tag=OrderKind.STOP_LOSS.value):
    """A market order once the last trade reaches `trigger` in the unfavourable direction."""

    trigger: Decimal
    limit: ClassVar[Decimal | None] = None
    rests: ClassVar[bool] = False
    post_only: ClassVar[bool] = False

    @property
    def price(self) -> Decimal | None:
        return self.trigger

    def worst(self, far: Decimal) -> Decimal:
        return max(self.trigger, far)


OrderTerms = Market | Limit | StopLoss


def terms_of(kind: OrderKind | None, price: Decimal | None, post_only: bool = False) -> OrderTerms:
    """Terms from a word and a price. Without a word: limit where there is a price, else market.

    Raises InvalidValueError for what does not go together.
    """
    if kind is None:
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    if kind is OrderKind.MARKET and price is not None:
        raise InvalidValueError("a market order takes no price: leave it out, or make it a limit order")
    if post_only and kind is not OrderKind.LIMIT:
        raise InvalidValueError("only a limit order can be post_only")
    if kind is OrderKind.MARKET:
        return Market()
    if price is None:
        raise InvalidValueError(f"a {kind} order needs a price")
    match kind:
        case OrderKind.LIMIT:
            return Limit(price, post_only)
        case OrderKind.STOP_LOSS:
            return StopLoss(price)
        case _:
            assert_never(kind)


class OrderRequest(msgspec.Struct, frozen=True):
    """What a client asks of a venue. `client_order_id` is unique in a session: sent twice, it is one order.

    `quantity` in base. `expires_at_ns` (market time) only with GTD. `leverage` above 1 asks for margin.
    `position_id` and `purpose` travel with the order for the record and never change a fill; `origin` says who wants it
    and so which account pays.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    terms: OrderTerms
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_at_ns: int | None = None
    leverage: int = 1
    self_trade: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST
    position_id: str | None = None
    purpose: str = "manual"
    origin: Origin = Origin.HAND


class AmendRequest(msgspec.Struct, frozen=True):
    """Change a resting order in place; None leaves a term as it is. `price` is the limit or the trigger price."""

    client_order_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
