"""What a client may send. Unknown fields are refused; money is text."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from msgspec import UNSET
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from triplegain.api.order_options import AskedPrice, CloseTerms, Moment, moment_ns
from triplegain.api.wire import Money, Name, Symbol
from triplegain.domain.money import text
from triplegain.domain.orders import (
    AmendRequest,
    FeePreference,
    OrderKind,
    OrderOptions,
    OrderRequest,
    OrderStatus,
    OrderTerms,
    SelfTradePrevention,
    Side,
    TimeInForce,
    terms_of,
)
from triplegain.domain.price import Offset
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.records import Outcome
from triplegain.domain.values import INTEGER_MAX, PAIR_OR_ASSET, WORD
from triplegain.storage.rows import Pages

_FRACTION = r"0(\.[0-9]{1,6})?|1(\.0{1,6})?"
_R = TypeVar("_R")


def _lower(raw: Any) -> Any:
    """A word however it was written."""
    return raw.strip().lower() if isinstance(raw, str) else raw


def _upper(raw: Any) -> Any:
    return raw.strip().upper() if isinstance(raw, str) else raw


_Word = BeforeValidator(_lower)


def _fraction(raw: Any) -> Decimal:
    if not isinstance(raw, str) or not re.fullmatch(_FRACTION, raw):
        raise ValueError('must be text from "0" to "1", like "0.75", with at most 6 decimals')
    return Decimal(raw)


Fraction = Annotated[
    Decimal,
    BeforeValidator(_fraction),
    WithJsonSchema({"type": "string", "pattern": f"^({_FRACTION})$", "example": "0.75"}),
]


def _other_names(schema: dict[str, Any], body: type[BaseModel]) -> None:
    """The description has each name under which a field is taken, and that one body has one of them."""
    for field in body.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            name, *others = field.validation_alias.choices
            for other in others:
                schema["properties"][other] = schema["properties"][name] | {"description": f"another word for {name}"}
                schema.setdefault("allOf", []).append({"not": {"required": [name, other]}})


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_other_names)


class Nothing(Body):
    """A command without parameters: whatever is sent along is refused."""


class Trade(Body):
    """An order. Without `order_type`: limit where there is a price, else market.

    `price` is the limit, or the trigger of what waits for one; of a trailing stop how far it trails (`+100`, `+2%`).
    `limit_price` is the limit of what waits for a trigger; of a trailing stop from the trigger (`-10`, `+0.1%`). Prices
    may be relative to the last trade: `+5`, `-2%`, `#1%` (to the side where the order is not reached yet). `cost`, in
    the quote currency, stands for the quantity of a purchase at market. An iceberg shows `display_quantity` at a time.

    `expires` is market time (RFC 3339) or a length from now (`90s`, `5m`, `1h`, `2d`, `+90`), and means time in force
    gtd. So are `starts`, until when the order waits at the exchange, and `deadline`, after which it may not arrive (500
    ms to 60 s from now). `close`: what each fill opens to close what it filled.
    """

    symbol: Symbol
    side: Annotated[Literal["buy", "sell"], _Word]
    quantity: Money | None = None
    cost: Money | None = None
    order_type: Annotated[OrderKind, _Word] | None = None
    price: AskedPrice | None = Field(None, validation_alias=AliasChoices("price", "entry_price"))
    limit_price: AskedPrice | None = None
    display_quantity: Money | None = None
    stop: Money | None = None
    target: Money | None = None
    time_in_force: Annotated[TimeInForce, _Word] | None = None
    expires: Annotated[str, Field(max_length=40)] | None = None
    post_only: Annotated[bool, Field(strict=True)] = False
    leverage: Annotated[int, Field(strict=True, ge=1, le=100)] = 1
    self_trade: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST
    reduce_only: Annotated[bool, Field(strict=True)] = False
    close: CloseTerms | None = None
    starts: Moment | None = None
    deadline: Moment | None = None
    fee_preference: Annotated[FeePreference, _Word] = FeePreference.QUOTE
    client_order_id: Name | None = None

    @property
    def terms(self) -> OrderTerms:
        return terms_of(
            self.order_type,
            self.price,
            self.post_only,
            limit_price=self.limit_price,
            display=self.display_quantity,
            cost=self.cost,
        )

    @model_validator(mode="after")
    def _agrees(self) -> Trade:
        if (self.quantity is None) is (self.cost is None):
            raise ValueError("give the quantity, or what a purchase at market is to cost: one of them")
        _ = self.terms
        if self.expires is None and self.time_in_force is TimeInForce.GTD:
            raise ValueError("time in force gtd needs `expires`")
        if self.expires is not None and self.time_in_force not in (None, TimeInForce.GTD):
            raise ValueError(f"an order that expires is gtd, not {self.time_in_force}")
        if self.expires is not None:
            expiry_ns(self.expires, 0)
        _ = self.options(0)
        return self

    def options(self, market_time_ns: int) -> OrderOptions:
        return OrderOptions(
            reduce_only=self.reduce_only,
            close=None if self.close is None else self.close.terms,
            deadline_ns=None if self.deadline is None else moment_ns(self.deadline, market_time_ns, "deadline"),
            starts_at_ns=None if self.starts is None else moment_ns(self.starts, market_time_ns, "starts"),
            fee_preference=self.fee_preference,
        )

    def order(self, client_order_id: str, market_time_ns: int) -> OrderRequest:
        expires_at_ns = None if self.expires is None else expiry_ns(self.expires, market_time_ns)
        return OrderRequest(
            client_order_id=client_order_id,
            symbol=self.symbol,
            side=Side.parse(self.side),
            quantity=self.quantity or Decimal(0),
            terms=self.terms,
            time_in_force=self.time_in_force or (TimeInForce.GTC if expires_at_ns is None else TimeInForce.GTD),
            expires_at_ns=expires_at_ns,
            leverage=self.leverage,
            self_trade=self.self_trade,
            options=self.options(market_time_ns),
        )


class Amendment(Body):
    """What is to be different: the total quantity, the price (limit or trigger; of a trailing stop how far it trails,
    `+100`, `+2%`), the `limit_price` of what waits for its trigger, what an iceberg shows (`display_quantity`).

    `post_only`: a price at which the order would take is refused. `deadline`: it may not arrive later (60 s from now at
    most).
    """

    quantity: Money | None = None
    price: AskedPrice | None = None
    limit_price: AskedPrice | None = None
    display_quantity: Money | None = None
    post_only: Annotated[bool, Field(strict=True)] = False
    deadline: Moment | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Amendment:
        if all(each is None for each in (self.quantity, self.price, self.limit_price, self.display_quantity)):
            raise ValueError("name a new quantity, a new price, or another term")
        _ = self.request("", 0)
        return self

    def changes(self) -> dict[str, str]:
        """What was asked for, as it is written down."""
        named = {name: value for name, value in self if value is not None and name in self.model_fields_set}
        return {name: text(value) if isinstance(value, Decimal) else str(value) for name, value in named.items()}

    def request(self, client_order_id: str, market_time_ns: int) -> AmendRequest:
        return AmendRequest(
            client_order_id,
            self.quantity,
            self.price if isinstance(self.price, Decimal) else None,
            limit_price=UNSET if self.limit_price is None else self.limit_price,
            trail=self.price if isinstance(self.price, Offset) else UNSET,
            display=UNSET if self.display_quantity is None else self.display_quantity,
            post_only=self.post_only or UNSET,
            deadline_ns=UNSET if self.deadline is None else moment_ns(self.deadline, market_time_ns, "deadline"),
        )


class Batch(Body):
    """Orders of one pair that are sent together; what is not valid of one refuses all of them."""

    orders: Annotated[list[Trade], Field(max_length=100)]


class Edit(Body):
    """New quantity, new price (limit or trigger), or both, of the order that takes its place."""

    quantity: Money | None = None
    price: Money | None = None
    deadline: Moment | None = None
    client_order_id: Name | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Edit:
        if self.quantity is None and self.price is None:
            raise ValueError("name a new quantity, a new price, or both")
        _ = self.deadline_ns(0)
        return self

    def deadline_ns(self, market_time_ns: int) -> int | None:
        return None if self.deadline is None else moment_ns(self.deadline, market_time_ns, "deadline")


class CancelBatch(Body):
    """Client order ids or order ids."""

    orders: Annotated[list[Name], Field(max_length=100)]


class CancelAfter(Body):
    """Seconds of market time; 0 switches it off."""

    timeout: Annotated[int, Field(strict=True, ge=0, le=INTEGER_MAX)]


class PositionClose(Body):
    """All of it, or `quantity`."""

    quantity: Money | None = None


class RiskQuestion(Body):
    """What would risk say? A buy opens a position, a sell takes off what is held; with a stop it opens a short.

    `quantity` in the base asset, or `notional` (`size`) in the quote currency; with neither a buy gets what the
    sizing rule gives and a sell is of everything held. Without `price` at market. `regime`: by default the current.
    """

    symbol: Symbol
    side: Annotated[Literal["buy", "sell"], _Word]
    quantity: Money | None = None
    notional: Money | None = Field(None, validation_alias=AliasChoices("notional", "size"))
    price: Money | None = Field(None, validation_alias=AliasChoices("price", "entry_price"))
    stop: Money | None = None
    target: Money | None = None
    leverage: Annotated[int, Field(strict=True, ge=1, le=5)] = 1
    confidence: Fraction = Decimal("0.75")
    regime: Annotated[Regime, _Word] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> RiskQuestion:
        if self.quantity is not None and self.notional is not None:
            raise ValueError("give the quantity or the notional, not both")
        if self.side == "sell" and self.stop is None and self.target is not None:
            raise ValueError("a sell takes off what is held and has no target; with a stop as well it opens a short")
        return self

    def proposal(self) -> TradeProposal:
        """The trade as far as it is said here."""
        side = Side.parse(self.side)
        return TradeProposal(
            symbol=self.symbol,
            side=side,
            intent=Intent.OPEN if side is Side.BUY or self.stop is not None else Intent.CLOSE,
            terms=terms_of(None, self.price),
            quantity=self.quantity,
            stop=self.stop,
            target=self.target,
            leverage=self.leverage,
            confidence=self.confidence,
        )


class Page(BaseModel):
    """`after` is the `next` of the page before; the other fields are filters of the stored rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: Annotated[int, Field(ge=0, le=INTEGER_MAX)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100

    async def rows(self, pages: Pages[_R], session_id: str) -> tuple[list[_R], int | None]:
        """What belongs on this page, and `after` of the next one: whether there is one, a row too many tells."""
        wanted = {name: value for name, value in self if value != []} | {"limit": self.limit + 1}
        found = await pages(session_id, **wanted)
        rows = found[: self.limit]
        return rows, getattr(rows[-1], pages.key) if len(found) > self.limit else None


class SessionQuery(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    running: bool = Field(False, description="true: only those that run here")
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class HistoryPage(Page):
    newest_first: bool = False


class OrderPage(Page):
    """`status` may be given several times."""

    newest_first: bool = True
    status: list[OrderStatus] = Field(default_factory=list)
    symbol: Symbol | None = None


class PositionPage(Page):
    newest_first: bool = True
    closed: bool = Field(False, description="true: those that are closed, too")
    symbol: Symbol | None = None


class AnalysisPage(Page):
    """`symbol` is a pair or, for sentiment, an asset."""

    newest_first: bool = True
    task: Annotated[str, Field(pattern=WORD)] | None = None
    symbol: Annotated[str, Field(pattern=PAIR_OR_ASSET), BeforeValidator(_upper)] | None = None


class DecisionPage(Page):
    newest_first: bool = True
    symbol: Symbol | None = None
    outcome: Annotated[Outcome, _Word] | None = None


def expiry_ns(text: str, now_ns: int) -> int:
    """The market time a text names. Raises InvalidValueError."""
    return moment_ns(text, now_ns, "expires")
