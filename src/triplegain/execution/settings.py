"""How orders are sent and positions are protected."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.configured import key, part
from triplegain.domain.values import EXPIRY_NS_MAX
from triplegain.domain.written import integer
from triplegain.execution.protection.trailing import ProtectionSettings


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """`entry_expiry_ns` ends a resting limit entry (0: never); it never touches protection."""

    entry_expiry_ns: int = key(
        "orders.limit_expiry_hours",
        24,
        integer(HOUR_NS, ge=0, le=EXPIRY_NS_MAX // HOUR_NS),
        "a resting limit order ends after this; 0: never",
    )
    protection: ProtectionSettings = part(ProtectionSettings, "positions")
