"""What two runs of the same market must have in common, to the byte.

A canonical line is JSON with sorted keys, no spaces, and amounts as exact text. Left out is everything that names
the session or this machine's time: order and fill ids, client order ids, wall times. Orders go by their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.money import text

FILLS = """
SELECT fill_number, order_number, symbol, side::text, price, quantity, notional, fee, fee_asset, maker,
       cumulative_quantity, status::text, explanation, time_ns::bigint, visible_at_ns::bigint
FROM paper_trades WHERE session_id = $1 ORDER BY fill_number
"""
LEDGER = """
SELECT sequence, ledger_transaction AS transaction, time_ns::bigint, kind::text, account::text, asset, amount,
       order_number, fill_number
FROM paper_ledger_entries WHERE session_id = $1 ORDER BY sequence
"""
#: Keys of an explanation that name the session or measure this machine.
_SESSION_KEYS = frozenset({"session_id", "order_id", "fill_id", "client_order_id", "position_id", "recorded_at_ns"})
_ENCODER = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class SessionHashes:
    """SHA-256 in hex."""

    fills_sha256: str
    ledger_sha256: str


def canonical_line(row: Mapping[str, Any]) -> bytes:
    return _ENCODER.encode({key: _without_session(value) for key, value in row.items()})


def _without_session(value: Any) -> Any:
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, dict):
        return {key: _without_session(each) for key, each in value.items() if key not in _SESSION_KEYS}
    if isinstance(value, list):
        return [_without_session(each) for each in value]
    return value
