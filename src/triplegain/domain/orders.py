"""Orders as we ask for them."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import assert_never

import msgspec
from msgspec import UNSET, UnsetType

from triplegain.domain.ids import Origin
from triplegain.domain.price import Offset, Price
from triplegain.domain.terms import Limit, Market, OrderKind, OrderTerms, StopLoss, changed_terms, terms_of

__all__ = (
    "AmendRequest", "Limit", "Market", "OrderKind", "OrderRequest", "OrderStatus", "OrderTerms", "SelfTradePrevention",
    "Side", "StopLoss", "TimeInForce", "terms_of",
)  # fmt: skip


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
    """Good till cancelled, immediate or cancel, good till date, all at once or nothing (fill or kill)."""

    GTC = "gtc"
    IOC = "ioc"
    GTD = "gtd"
    FOK = "fok"


class SelfTradePrevention(StrEnum):
    CANCEL_NEWEST = "cancel_newest"
    CANCEL_OLDEST = "cancel_oldest"
    CANCEL_BOTH = "cancel_both"


class FeePreference(StrEnum):
    """Which of a pair's currencies the fee is taken in."""

    BASE = "base"
    QUOTE = "quote"


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


class OrderOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What may be asked of an order beside its terms; moments are market time.

    `reduce_only`: it must take a margin position off. `close`: the terms of the order that each fill of this one opens
    for what it filled, on the other side. `deadline_ns`: arriving later it is refused. `starts_at_ns`: it waits at the
    exchange until then. `replaces`: the client order id of the order in whose place it comes (an edit). `closes`: the
    client order id of the order whose fill opened it; only the exchange writes it. A fee in base comes off the coins
    that are bought, and on top of those that are sold.
    """

    reduce_only: bool = False
    close: OrderTerms | None = None
    deadline_ns: int | None = None
    starts_at_ns: int | None = None
    replaces: str | None = None
    closes: str | None = None
    fee_preference: FeePreference = FeePreference.QUOTE


_NO_OPTIONS = OrderOptions()


@lru_cache(maxsize=1024)
def _assets(symbol: str) -> tuple[str, str]:
    """Base and quote."""
    base, _, quote = symbol.partition("/")
    return base, quote


class OrderRequest(msgspec.Struct, frozen=True):
    """What a client asks of a venue. `client_order_id` is unique in a session: sent twice, it is one order.

    `quantity` in base, 0 where the terms name a cost instead. `expires_at_ns` (market time) only with GTD. `leverage`
    above 1 asks for margin. `position_id` and `purpose` travel with the order for the record and never change a fill;
    `origin` says who wants it and so which account pays.
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
    options: OrderOptions = _NO_OPTIONS

    @property
    def only_reduces(self) -> bool:
        """It takes a position on margin off and never opens one."""
        return self.options.reduce_only or self.terms.settles

    @property
    def is_plain(self) -> bool:
        """Nothing is asked of it but its terms, and it has to do with no position on margin."""
        return self.leverage == 1 and self.options == _NO_OPTIONS and not self.terms.settles

    @property
    def pays_fee_in_base(self) -> bool:
        """Its fees are taken in coins."""
        preference = self.options.fee_preference
        match preference:
            case FeePreference.QUOTE:
                return False
            case FeePreference.BASE:
                return True
            case _:
                assert_never(preference)

    @property
    def funds_asset(self) -> str:
        """In which its funds are held: what it spends, or with leverage the currency of its fees."""
        base, quote = _assets(self.symbol)
        return base if self.side is Side.SELL and self.leverage == 1 else quote

    @property
    def fee_asset(self) -> str:
        """In which its fees are taken."""
        base, quote = _assets(self.symbol)
        return base if self.pays_fee_in_base else quote


class AmendRequest(msgspec.Struct, frozen=True):
    """Change an open order in place; what is not named stays as it is. `price` is the limit or the trigger price.

    `limit_price` is the second price of what waits for its trigger, where that trails its distance from the trigger;
    `trail` how far a trigger trails; `display` how much of an iceberg is shown. `post_only`: a price at which the order
    would take is refused. `deadline_ns` (market time): arriving later it is refused.
    """

    client_order_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    limit_price: Price | UnsetType = UNSET
    trail: Offset | UnsetType = UNSET
    display: Decimal | UnsetType = UNSET
    post_only: bool | UnsetType = UNSET
    deadline_ns: int | UnsetType = UNSET

    @property
    def changes_terms(self) -> bool:
        """Whether it changes more than quantity and price."""
        return not (self.limit_price is UNSET and self.trail is UNSET and self.display is UNSET)

    def changed(self, terms: OrderTerms) -> OrderTerms:
        """Terms of an order after it. Raises InvalidValueError where they name no such thing."""
        return changed_terms(terms, self.limit_price, self.trail, self.display)
