"""A trade that somebody asks about, as it may be sent."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema, model_validator

from triplegain.api.requests import Body, lower
from triplegain.api.wire import Money, Symbol
from triplegain.domain.orders import Side, terms_of
from triplegain.domain.proposal import Intent, Regime, TradeProposal

_FRACTION = r"0(\.[0-9]{1,6})?|1(\.0{1,6})?"


def _fraction(raw: Any) -> Decimal:
    if not isinstance(raw, str) or not re.fullmatch(_FRACTION, raw):
        raise ValueError('must be text from "0" to "1", like "0.75", with at most 6 decimals')
    return Decimal(raw)


Fraction = Annotated[
    Decimal,
    BeforeValidator(_fraction),
    WithJsonSchema({"type": "string", "pattern": f"^({_FRACTION})$", "example": "0.75"}),
]


class RiskQuestion(Body):
    """What would risk say? A buy opens a position, a sell takes off what is held.

    `quantity` in the base asset, or `notional` (`size`) in the quote currency; with neither a buy gets what the
    sizing rule gives and a sell is of everything held. Without `price` at market. `regime`: by default the current.
    """

    symbol: Symbol
    side: Annotated[Literal["buy", "sell"], BeforeValidator(lower)]
    quantity: Money | None = None
    notional: Money | None = Field(None, validation_alias=AliasChoices("notional", "size"))
    price: Money | None = Field(None, validation_alias=AliasChoices("price", "entry_price"))
    stop: Money | None = None
    target: Money | None = None
    leverage: Annotated[int, Field(strict=True, ge=1, le=5)] = 1
    confidence: Fraction = Decimal("0.75")
    regime: Annotated[Regime, BeforeValidator(lower)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> RiskQuestion:
        if self.quantity is not None and self.notional is not None:
            raise ValueError("give the quantity or the notional, not both")
        if self.side == "sell" and (self.stop is not None or self.target is not None):
            raise ValueError("a sell takes off what is held: it has no stop and no target (there are no shorts)")
        return self

    def proposal(self) -> TradeProposal:
        """The trade as far as it is said here."""
        side = Side.parse(self.side)
        return TradeProposal(
            symbol=self.symbol,
            side=side,
            intent=Intent.OPEN if side is Side.BUY else Intent.CLOSE,
            terms=terms_of(None, self.price),
            quantity=self.quantity,
            stop=self.stop,
            target=self.target,
            leverage=self.leverage,
            confidence=self.confidence,
        )
