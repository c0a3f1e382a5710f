"""Orders as we ask for them. What kind of order it is stands in its terms: a market order has no price to get wrong."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum


class Side(IntEnum):
    """BUY is 0 and SELL is 1, so that a side indexes a pair; `label` is the word."""

    BUY = 0
    SELL = 1

    @property
    def label(self) -> str:
        return "buy" if self is Side.BUY else "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @classmethod
    def parse(cls, word: str) -> Side:
        """`buy` or `sell`, any case. Raises ValueError otherwise."""
        try:
            return {"buy": cls.BUY, "sell": cls.SELL}[word.strip().lower()]
        except KeyError:
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


@dataclass(frozen=True, slots=True)
class Market:
    """Take what the book shows; what it does not show is cancelled."""

    kind = "market"


@dataclass(frozen=True, slots=True)
class Limit:
    """Not worse than `price`."""

    price: Decimal
    post_only: bool = False
    kind = "limit"


@dataclass(frozen=True, slots=True)
class StopLoss:
    """A market order once the last trade reaches `trigger` in the unfavourable direction."""

    trigger: Decimal
    kind = "stop-loss"


OrderTerms = Market | Limit | StopLoss


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client asks of a venue. `client_order_id` is unique in a session: sent twice, it is one order.

    `quantity` in base. `expires_at_ns` (market time) only with GTD. `leverage` above 1 asks for margin.
    `position_id` and `purpose` travel with the order for the record and never change a fill.
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


@dataclass(frozen=True, slots=True)
class AmendRequest:
    """Change a resting order in place; None leaves a term as it is. `price` is the limit or the trigger price."""

    client_order_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
