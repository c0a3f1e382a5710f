"""The kinds of value a key can have. Amounts and percentages are exact: they are read from the text of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.domain.money import parse, plain

_DURATION = re.compile(r"[1-9][0-9]*[smhd]")


class Section(BaseModel):
    """Base of every part of the tree: immutable, no unknown keys, a description for each key."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _exact(raw: Any) -> Decimal:
    return plain(parse(raw.strip() if isinstance(raw, str) else raw))


def _symbol(raw: str) -> str:
    symbol = raw.strip().upper()
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote):
        raise ValueError(f"a symbol reads BASE/QUOTE, this is {raw!r}")
    return symbol


def _asset(raw: str) -> str:
    asset = raw.strip().upper()
    if not asset or "/" in asset:
        raise ValueError(f"an asset is a word like BTC, this is {raw!r}")
    return asset


def _candle_length(raw: str) -> str:
    length = raw.strip().lower()
    if length != "auto" and not _DURATION.fullmatch(length):
        raise ValueError(f"a candle length reads 1s, 5m, 1h, 1d or auto, this is {raw!r}")
    return length


def _word(raw: Any) -> Any:
    """Names of choices: blanks around them and capitals do not matter."""
    return raw.strip().casefold() if isinstance(raw, str) else raw


Exact = Annotated[Decimal, BeforeValidator(_exact)]
Amount = Annotated[Exact, Field(ge=0)]
Percent = Annotated[Exact, Field(ge=0, le=100)]
Fraction = Annotated[Exact, Field(ge=0, le=1)]
Positive = Annotated[Exact, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[int, Field(ge=0, le=600_000)]
Asset = Annotated[str, AfterValidator(_asset)]
Symbol = Annotated[str, AfterValidator(_symbol)]
CandleLength = Annotated[str, AfterValidator(_candle_length)]
Word = BeforeValidator(_word)
Balances = Annotated[Mapping[Asset, Amount], AfterValidator(FrozenMapping), PlainSerializer(dict)]
SymbolPercents = Annotated[Mapping[Symbol, Percent], AfterValidator(FrozenMapping), PlainSerializer(dict)]
