"""The risk state as JSON and back. What cannot be read back without a doubt is not read at all: trading halts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeVar

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import parse, text
from triplegain.risk.limits import CoolDownKind
from triplegain.risk.state import CoolDown, Halt, HaltKind, MarketMemory, PriceSpan, RiskState

T = TypeVar("T")


def encode(state: RiskState) -> dict[str, Any]:
    """JSON-able: amounts and times as text."""
    return {
        "day_start_ns": str(state.day_start_ns),
        "week_start_ns": str(state.week_start_ns),
        "peak_equity": _amount_text(state.peak_equity),
        "day_equity": _amount_text(state.day_equity),
        "week_equity": _amount_text(state.week_equity),
        "equity": _amount_text(state.equity),
        "equity_at_ns": str(state.equity_at_ns),
        "losses_in_a_row": state.losses_in_a_row,
        "last_loss_ns": str(state.last_loss_ns),
        "halve_next": state.halve_next,
        "leverage_one_until_ns": str(state.leverage_one_until_ns),
        "halts": [[h.kind.value, None if h.until_ns is None else str(h.until_ns), h.reason] for h in state.halts],
        "cooldowns": [[c.kind.value, c.symbol, str(c.until_ns)] for c in state.cooldowns],
        "markets": {symbol: _market_record(memory) for symbol, memory in sorted(state.markets.items())},
        "changes": state.changes,
    }


def decode(raw: Mapping[str, Any] | None) -> RiskState:
    """The state that was stored; a missing or damaged record gives a halted one and never raises."""
    if raw is None:
        return RiskState.damaged("missing")
    try:
        return _decoded(raw)
    except (InvalidValueError, ValueError, TypeError, KeyError, AttributeError) as error:
        return RiskState.damaged(f"damaged ({error})")


def _decoded(raw: Mapping[str, Any]) -> RiskState:
    known = {field.name for field in fields(RiskState)}
    if raw.keys() != known:
        odd = ", ".join(sorted(known ^ raw.keys()))
        raise InvalidValueError(f"not the fields it should have: {odd}")
    state = RiskState(
        day_start_ns=_time(raw["day_start_ns"]),
        week_start_ns=_time(raw["week_start_ns"]),
        peak_equity=_optional(_positive, raw["peak_equity"]),
        day_equity=_optional(_positive, raw["day_equity"]),
        week_equity=_optional(_positive, raw["week_equity"]),
        equity=_optional(_amount, raw["equity"]),
        equity_at_ns=_time(raw["equity_at_ns"]),
        losses_in_a_row=_count(raw["losses_in_a_row"]),
        last_loss_ns=_time(raw["last_loss_ns"]),
        halve_next=_flag(raw["halve_next"]),
        leverage_one_until_ns=_time(raw["leverage_one_until_ns"]),
        halts=tuple(Halt(HaltKind(kind), _optional(_time, until), _words(why)) for kind, until, why in raw["halts"]),
        cooldowns=tuple(
            CoolDown(CoolDownKind(kind), _words(symbol), _time(until)) for kind, symbol, until in raw["cooldowns"]
        ),
        markets={_words(symbol): _market(memory) for symbol, memory in raw["markets"].items()},
        changes=_count(raw["changes"]),
    )
    bases = {state.peak_equity is None, state.day_equity is None, state.week_equity is None}
    if len(bases) > 1:
        raise InvalidValueError("peak, day and week are known together or not at all")
    return state


def _market_record(memory: MarketMemory) -> dict[str, Any]:
    return {
        "atrs": list(memory.atrs),
        "spike": memory.spike,
        "prices": [[str(p.start_ns), str(p.last_ns), text(p.low), text(p.high)] for p in memory.prices],
    }


def _market(raw: Mapping[str, Any]) -> MarketMemory:
    prices = tuple(
        PriceSpan(_time(start), _time(last), _positive(low), _positive(high))
        for start, last, low, high in raw["prices"]
    )
    return MarketMemory(tuple(_atr(each) for each in raw["atrs"]), _flag(raw["spike"]), prices)


def _amount_text(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _optional(read: Callable[[Any], T], raw: Any) -> T | None:
    return None if raw is None else read(raw)


def _amount(raw: Any) -> Decimal:
    return parse(raw, "an amount")


def _positive(raw: Any) -> Decimal:
    value = parse(raw, "an amount")
    if value <= 0:
        raise InvalidValueError(f"an amount must be above zero: {raw!r}")
    return value


def _time(raw: Any) -> int:
    if not isinstance(raw, str) or not raw.isdecimal():
        raise InvalidValueError(f"not a time: {raw!r}")
    return int(raw)


def _count(raw: Any) -> int:
    if type(raw) is not int or raw < 0:
        raise InvalidValueError(f"not a count: {raw!r}")
    return raw


def _flag(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise InvalidValueError(f"not true or false: {raw!r}")
    return raw


def _words(raw: Any) -> str:
    if not isinstance(raw, str):
        raise InvalidValueError(f"not text: {raw!r}")
    return raw


def _atr(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not (math.isfinite(raw) and raw > 0):
        raise InvalidValueError(f"not an average true range: {raw!r}")
    return float(raw)
