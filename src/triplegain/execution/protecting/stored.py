"""A `Protection` as JSON and back, for the state of a session."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.domain.records import CloseReason
from triplegain.execution.protecting.protection import Protection, Reduction
from triplegain.execution.protecting.stage import (
    Amendment,
    Closed,
    Entering,
    Leaving,
    Leg,
    Move,
    Protected,
    Protecting,
    Resize,
    Selling,
    Stage,
    StopLevel,
    Unguarded,
)


def _known(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _int(value: str | None) -> int | None:
    return None if value is None else int(value)


def level_to_json(level: StopLevel | None) -> list[str] | None:
    return None if level is None else [text(level.trigger), level.reason.value]


def level_from_json(stored: list[str] | None) -> StopLevel | None:
    return None if stored is None else _level(stored)


def _level(stored: list[str]) -> StopLevel:
    trigger, reason = stored
    return StopLevel(Decimal(trigger), CloseReason(reason))


def _amendment_to_json(amendment: Amendment | None) -> list[Any] | None:
    match amendment:
        case None:
            return None
        case Resize(quantity):
            return ["resize", text(quantity)]
        case Move(level):
            return ["move", level_to_json(level)]


def _amendment_from_json(stored: list[Any] | None) -> Amendment | None:
    match stored:
        case None:
            return None
        case ["resize", quantity]:
            return Resize(Decimal(quantity))
        case ["move", level]:
            return Move(_level(level))
        case _:
            raise InvalidValueError(f"the stored protection has an unknown amendment: {stored!r}")


def _reduction_to_json(reduction: Reduction | None) -> list[Any] | None:
    if reduction is None:
        return None
    return [
        *(reduction.reason.value, text(reduction.remaining), _known(reduction.base), _known(reduction.keep)),
        *(reduction.exit_id, str(reduction.retry_at_ns), reduction.failures),
    ]


def _reduction_from_json(stored: list[Any] | None) -> Reduction | None:
    if stored is None:
        return None
    reason, remaining, base, keep, exit_id, retry_at_ns, failures = stored
    sizes = Decimal(remaining), _decimal(base), _decimal(keep)
    return Reduction(CloseReason(reason), *sizes, exit_id, int(retry_at_ns), failures)


def _stage_to_json(stage: Stage) -> list[Any]:
    match stage:
        case Entering():
            return ["entering"]
        case Unguarded():
            return ["unguarded"]
        case Protecting(stop_id, quantity, level):
            return ["protecting", stop_id, text(quantity), level_to_json(level)]
        case Protected(stop_id, covered, level, asked):
            return ["protected", stop_id, text(covered), level_to_json(level), _amendment_to_json(asked)]
        case Leaving(reason, leaving_stop, leg):
            return ["leaving", reason.value, leaving_stop, leg.value]
        case Selling(reason, exit_id, retry_at_ns, failures):
            return ["selling", reason.value, exit_id, str(retry_at_ns), failures]
        case Closed():
            return ["closed"]
        case _:
            assert_never(stage)


def _stage_from_json(stored: list[Any]) -> Stage:
    match stored:
        case ["entering"]:
            return Entering()
        case ["unguarded"]:
            return Unguarded()
        case ["protecting", stop_id, quantity, level]:
            return Protecting(stop_id, Decimal(quantity), _level(level))
        case ["protected", stop_id, covered, level, asked]:
            return Protected(stop_id, Decimal(covered), _level(level), _amendment_from_json(asked))
        case ["leaving", reason, stop_id, leg]:
            return Leaving(CloseReason(reason), stop_id, Leg(leg))
        case ["selling", reason, exit_id, retry_at_ns, failures]:
            return Selling(CloseReason(reason), exit_id, int(retry_at_ns), failures)
        case ["closed"]:
            return Closed()
        case _:
            raise InvalidValueError(f"the stored protection has an unknown stage: {stored!r}")


def protection_to_json(protection: Protection) -> dict[str, Any]:
    def time(value: int | None) -> str | None:
        return None if value is None else str(value)

    return {
        "position_id": protection.position_id,
        "symbol": protection.symbol,
        "entry_id": protection.entry_id,
        "ordered": text(protection.ordered),
        "wanted": level_to_json(protection.wanted),
        "target": _known(protection.target),
        "entry": protection.entry.value,
        "stage": _stage_to_json(protection.stage),
        "buys_no_more": protection.buys_no_more,
        "is_trailing": protection.is_trailing,
        "reduction": _reduction_to_json(protection.reduction),
        "tighten": _known(protection.tighten),
        "move_at_ns": str(protection.move_at_ns),
        "move_failures": protection.move_failures,
        "opened_at_ns": time(protection.opened_at_ns),
        "unprotected_since_ns": time(protection.unprotected_since_ns),
        "alarmed": protection.alarmed,
        "cancel_at_ns": str(protection.cancel_at_ns),
        "stops_lost": protection.stops_lost,
        "owing_since_ns": time(protection.owing_since_ns),
        "overdue": protection.overdue,
    }


def protection_from_json(stored: Mapping[str, Any]) -> Protection:
    return Protection(
        position_id=stored["position_id"],
        symbol=stored["symbol"],
        entry_id=stored["entry_id"],
        ordered=Decimal(stored["ordered"]),
        wanted=level_from_json(stored["wanted"]),
        target=_decimal(stored["target"]),
        entry=Leg(stored["entry"]),
        stage=_stage_from_json(stored["stage"]),
        buys_no_more=stored["buys_no_more"],
        is_trailing=stored["is_trailing"],
        reduction=_reduction_from_json(stored["reduction"]),
        tighten=_decimal(stored["tighten"]),
        move_at_ns=int(stored["move_at_ns"]),
        move_failures=stored["move_failures"],
        opened_at_ns=_int(stored["opened_at_ns"]),
        unprotected_since_ns=_int(stored["unprotected_since_ns"]),
        alarmed=stored["alarmed"],
        cancel_at_ns=int(stored["cancel_at_ns"]),
        stops_lost=stored["stops_lost"],
        owing_since_ns=_int(stored["owing_since_ns"]),
        overdue=stored["overdue"],
    )
