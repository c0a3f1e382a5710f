"""How orders are sent and positions are protected."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.domain.configured import key, part
from triplegain.domain.written import ANY_HOURS
from triplegain.execution.protection.trailing import ProtectionSettings


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """`entry_expiry_ns` ends a resting limit entry (0: never); it never touches protection."""

    entry_expiry_ns: int = key(
        "orders.limit_expiry_hours", 24, ANY_HOURS, "a resting limit order ends after this; 0: never"
    )
    protection: ProtectionSettings = part(ProtectionSettings, "positions")
