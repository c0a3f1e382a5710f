"""A `Protection` as JSON and back, for the state of a session."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.domain.records import CloseReason
from triplegain.execution.protection import (
    Closed,
    Entering,
    Leaving,
    Leg,
    Protected,
    Protecting,
    Protection,
    Selling,
    Stage,
    Unguarded,
)


def _known(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _int(value: str | None) -> int | None:
    return None if value is None else int(value)


def _stage_to_json(stage: Stage) -> list[Any]:
    match stage:
        case Entering():
            return ["entering"]
        case Unguarded():
            return ["unguarded"]
        case Protecting(stop_id, quantity):
            return ["protecting", stop_id, text(quantity)]
        case Protected(stop_id, covered, growing_to):
            return ["protected", stop_id, text(covered), _known(growing_to)]
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
        case ["protecting", stop_id, quantity]:
            return Protecting(stop_id, Decimal(quantity))
        case ["protected", stop_id, covered, growing_to]:
            return Protected(stop_id, Decimal(covered), _decimal(growing_to))
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
        "stop": _known(protection.stop),
        "target": _known(protection.target),
        "entry": protection.entry.value,
        "stage": _stage_to_json(protection.stage),
        "opened_at_ns": time(protection.opened_at_ns),
        "unprotected_since_ns": time(protection.unprotected_since_ns),
        "alarmed": protection.alarmed,
        "cancel_at_ns": str(protection.cancel_at_ns),
        "stops_lost": protection.stops_lost,
    }


def protection_from_json(stored: Mapping[str, Any]) -> Protection:
    return Protection(
        position_id=stored["position_id"],
        symbol=stored["symbol"],
        entry_id=stored["entry_id"],
        ordered=Decimal(stored["ordered"]),
        stop=_decimal(stored["stop"]),
        target=_decimal(stored["target"]),
        entry=Leg(stored["entry"]),
        stage=_stage_from_json(stored["stage"]),
        opened_at_ns=_int(stored["opened_at_ns"]),
        unprotected_since_ns=_int(stored["unprotected_since_ns"]),
        alarmed=stored["alarmed"],
        cancel_at_ns=int(stored["cancel_at_ns"]),
        stops_lost=stored["stops_lost"],
    )
