"""What kind of order it is, in its terms: a market order has no price to get wrong.

What an order does follows from properties that every type has: whether it waits for a trigger and where that lies,
whether it has a limit, whether what does not fill at once rests in the book. A type says these, and nobody else needs
to know it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.price import Offset, Price, most, price_text


class OrderKind(StrEnum):
    """The word for each type of order, as it is stored and sent."""

    MARKET = "market"
    MARKET_BY_COST = "market-by-cost"
    LIMIT = "limit"
    ICEBERG = "iceberg"
    STOP_LOSS = "stop-loss"
    STOP_LOSS_LIMIT = "stop-loss-limit"
    TAKE_PROFIT = "take-profit"
    TAKE_PROFIT_LIMIT = "take-profit-limit"
    TRAILING_STOP = "trailing-stop"
    TRAILING_STOP_LIMIT = "trailing-stop-limit"
    SETTLE_POSITION = "settle-position"


class _Terms(msgspec.Struct, frozen=True, tag_field="kind"):
    #: Asleep until the last trade reaches its trigger.
    waits: ClassVar[bool] = False
    #: The trigger lies where the price is better for the trader, not worse.
    favourable: ClassVar[bool] = False
    #: Never at a worse price than its limit.
    limited: ClassVar[bool] = False
    #: What does not fill at once waits in the book.
    rests: ClassVar[bool] = False
    #: It gives back what was lent for a position, and trades nothing.
    settles: ClassVar[bool] = False

    @property
    def kind(self) -> OrderKind:
        return OrderKind(str(self.__struct_config__.tag))

    @property
    def first(self) -> Price | None:
        """The limit, or the trigger of what waits for one; None where there is none."""
        return None

    @property
    def second(self) -> Price | None:
        """The limit of what waits for a trigger; where that trails, from the trigger."""
        return None

    @property
    def trail(self) -> Offset | None:
        """How far the trigger stays behind the best price since arrival."""
        return None

    @property
    def display(self) -> Decimal | None:
        """How much of it is shown at a time; None: all."""
        return None

    @property
    def cost(self) -> Decimal | None:
        """Quote currency to be spent, fee not counted; the order's quantity follows from the prices it meets."""
        return None

    @property
    def price(self) -> Decimal | None:
        """The price that an amendment moves, and that a view shows; None where there is none, or none yet."""
        return self.first if isinstance(self.first, Decimal) else None

    @property
    def words(self) -> str:
        """`at market`, `limit 100`, `stop-loss-limit 100, 99`, `trailing-stop +2%`."""
        prices = [price_text(each) for each in (self.first, self.trail, self.second) if each is not None]
        return f"{self.kind} {', '.join(prices)}" if prices else "at market"

    @property
    def guards(self) -> bool:
        """A stop: it waits for a price that is worse for whoever sends it."""
        return self.waits and not self.favourable

    def heading(self, side: int) -> int:
        """1 where the market must rise to reach the order, -1 where it must fall. `side` is 0 for purchases."""
        rises = (side == 0) is not self.favourable if self.waits else side == 1
        return 1 if rises else -1

    def worst(self, far: Decimal) -> Decimal:
        """What a coin may come to cost at the most, as far as can be said while it is offered at `far`."""
        named = [most(price, far) for price in (self.first, self.second) if price is not None]
        return max(named if self.limited else [*named, far])


class _Hidden(_Terms, frozen=True):
    """Not in the book on arrival, so never post-only."""

    post_only: ClassVar[bool] = False


class Market(_Hidden, frozen=True, tag=OrderKind.MARKET.value):
    """Take what the book shows; what it does not show is cancelled."""


class MarketByCost(_Hidden, frozen=True, tag=OrderKind.MARKET_BY_COST.value):
    """Buy for so much of the quote currency and no more, fee extra. The order's own quantity is 0."""

    cost: Decimal


class _Resting(_Terms, frozen=True):
    limit: Price = msgspec.field(name="price")
    limited: ClassVar[bool] = True
    rests: ClassVar[bool] = True

    @property
    def first(self) -> Price:
        return self.limit


class Limit(_Resting, frozen=True, tag=OrderKind.LIMIT.value):
    """Not worse than `limit`."""

    post_only: bool = False


class Iceberg(_Resting, frozen=True, tag=OrderKind.ICEBERG.value):
    """A limit order of which the book shows `display` at a time."""

    display: Decimal
    post_only: bool = False


class _Triggered(_Hidden, frozen=True):
    trigger: Price
    waits: ClassVar[bool] = True

    @property
    def first(self) -> Price:
        return self.trigger


class _TriggeredLimit(_Triggered, frozen=True):
    limit: Price
    limited: ClassVar[bool] = True

    @property
    def second(self) -> Price:
        return self.limit


class StopLoss(_Triggered, frozen=True, tag=OrderKind.STOP_LOSS.value):
    """A market order once the last trade reaches `trigger` in the unfavourable direction."""


class StopLossLimit(_TriggeredLimit, frozen=True, tag=OrderKind.STOP_LOSS_LIMIT.value):
    """A limit order once the last trade reaches `trigger` in the unfavourable direction."""


class TakeProfit(_Triggered, frozen=True, tag=OrderKind.TAKE_PROFIT.value):
    """A market order once the last trade reaches `trigger` in the favourable direction."""

    favourable: ClassVar[bool] = True


class TakeProfitLimit(_TriggeredLimit, frozen=True, tag=OrderKind.TAKE_PROFIT_LIMIT.value):
    """A limit order once the last trade reaches `trigger` in the favourable direction."""

    favourable: ClassVar[bool] = True


class _Trailing(_Hidden, frozen=True):
    offset: Offset
    waits: ClassVar[bool] = True

    @property
    def trail(self) -> Offset:
        return self.offset

    def worst(self, far: Decimal) -> Decimal:
        trigger = self.offset.most(far)
        return trigger if self.second is None else max(trigger, most(self.second, trigger))


class TrailingStop(_Trailing, frozen=True, tag=OrderKind.TRAILING_STOP.value):
    """A market order once the last trade has come back by `offset` from the best one since arrival."""


class TrailingStopLimit(_Trailing, frozen=True, tag=OrderKind.TRAILING_STOP_LIMIT.value):
    """The same, and then a limit order at `limit_offset` from the trigger."""

    limit_offset: Offset
    limited: ClassVar[bool] = True

    @property
    def second(self) -> Offset:
        return self.limit_offset


class SettlePosition(_Hidden, frozen=True, tag=OrderKind.SETTLE_POSITION.value):
    """Pay with what the account has for what is open of positions on the other side, and keep what they hold."""

    settles: ClassVar[bool] = True

    @property
    def words(self) -> str:
        return str(self.kind)


OrderTerms = (
    Market
    | MarketByCost
    | Limit
    | Iceberg
    | StopLoss
    | StopLossLimit
    | TakeProfit
    | TakeProfitLimit
    | TrailingStop
    | TrailingStopLimit
    | SettlePosition
)


class _Asked:
    """What a client named, each part to be used up by the type it asked for."""

    def __init__(self, kind: OrderKind, parts: dict[str, Price | None]) -> None:
        self._kind = kind
        self._named = {name: value for name, value in parts.items() if value is not None}

    def price(self, name: str = "price") -> Price:
        value = self._named.pop(name, None)
        if value is None:
            raise InvalidValueError(f"a {self._kind} order needs a {name.replace('_', ' ')}")
        return value

    def amount(self, name: str) -> Decimal:
        value = self.price(name)
        assert isinstance(value, Decimal)
        return value

    def offset(self, name: str, signs: str, words: str) -> Offset:
        value = self.price(name)
        if not isinstance(value, Offset) or value.sign not in signs:
            raise InvalidValueError(f"the {name.replace('_', ' ')} of a {self._kind} order is {words}")
        return value

    def nothing_else(self) -> None:
        for name in self._named:
            word = name.replace("_", " ")
            raise InvalidValueError(f"a {self._kind} order takes no {word}: leave it out, or choose another type")


def terms_of(
    kind: OrderKind | None,
    price: Price | None,
    post_only: bool = False,
    *,
    limit_price: Price | None = None,
    display: Decimal | None = None,
    cost: Decimal | None = None,
) -> OrderTerms:
    """Terms from a word and what a client names beside it. Without a word: limit where there is a price, else market.

    Raises InvalidValueError for what does not go together.
    """
    if kind is None:
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    if kind is OrderKind.MARKET and cost is not None:
        kind = OrderKind.MARKET_BY_COST
    if kind is OrderKind.MARKET and price is not None:
        raise InvalidValueError("a market order takes no price: leave it out, or make it a limit order")
    if post_only and kind not in (OrderKind.LIMIT, OrderKind.ICEBERG):
        raise InvalidValueError("only a limit order can be post_only")
    asked = _Asked(kind, {"price": price, "limit_price": limit_price, "display_quantity": display, "cost": cost})
    terms = _terms(kind, asked, post_only)
    asked.nothing_else()
    return terms


def _terms(kind: OrderKind, asked: _Asked, post_only: bool) -> OrderTerms:
    match kind:
        case OrderKind.MARKET:
            return Market()
        case OrderKind.MARKET_BY_COST:
            return MarketByCost(asked.amount("cost"))
        case OrderKind.LIMIT:
            return Limit(asked.price(), post_only)
        case OrderKind.ICEBERG:
            return Iceberg(asked.price(), asked.amount("display_quantity"), post_only)
        case OrderKind.STOP_LOSS:
            return StopLoss(asked.price())
        case OrderKind.STOP_LOSS_LIMIT:
            return StopLossLimit(asked.price(), asked.price("limit_price"))
        case OrderKind.TAKE_PROFIT:
            return TakeProfit(asked.price())
        case OrderKind.TAKE_PROFIT_LIMIT:
            return TakeProfitLimit(asked.price(), asked.price("limit_price"))
        case OrderKind.TRAILING_STOP:
            return TrailingStop(asked.offset("price", "+", "how far it trails, like +100 or +2%"))
        case OrderKind.TRAILING_STOP_LIMIT:
            trail = asked.offset("price", "+", "how far it trails, like +100 or +2%")
            words = "its distance from the trigger, like +10, -10 or -0.1%"
            return TrailingStopLimit(trail, asked.offset("limit_price", "+-", words))
        case OrderKind.SETTLE_POSITION:
            return SettlePosition()
        case _:
            assert_never(kind)


def changed_terms(
    terms: OrderTerms, limit_price: Price | UnsetType, trail: Offset | UnsetType, display: Decimal | UnsetType
) -> OrderTerms:
    """The same with what is named in its place. Raises InvalidValueError where there is no such place, or the price is
    of another kind: the limit of what trails is a distance, and every other one is named."""
    changes: dict[str, Price] = {}
    if display is not UNSET:
        if terms.display is None:
            raise InvalidValueError(f"a {terms.kind} order shows all of itself")
        changes["display"] = display
    if trail is not UNSET:
        if terms.trail is None:
            raise InvalidValueError(f"a {terms.kind} order does not trail: its price is named")
        changes["offset"] = trail
    if limit_price is not UNSET:
        if terms.second is None:
            raise InvalidValueError(f"a {terms.kind} order has no second price")
        if isinstance(limit_price, Offset) is not (terms.trail is not None):
            kind = "its distance from the trigger, like -10" if terms.trail is not None else "a price"
            raise InvalidValueError(f"the limit of a {terms.kind} order is {kind}, not {price_text(limit_price)}")
        changes["limit" if terms.trail is None else "limit_offset"] = limit_price
    return msgspec.structs.replace(terms, **changes) if changes else terms
