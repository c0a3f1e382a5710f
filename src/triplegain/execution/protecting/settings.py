"""How positions are protected."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.domain.clock import SECOND_NS
from triplegain.execution.protecting.trailing import BreakEven, TrailingStop


@dataclass(frozen=True, slots=True)
class ProtectionSettings:
    """`retry_ns` is the first pause before what the venue refused is asked for again.

    `late_ns`: coins without a stop are alarmed after this; `overdue_ns`: so is a way out, a sale of a part or a higher
    stop that is not done. None: no trailing stop, no break-even move.
    """

    max_holding_ns: int = 48 * 3600 * SECOND_NS
    retry_ns: int = SECOND_NS
    late_ns: int = 5 * SECOND_NS
    overdue_ns: int = 30 * SECOND_NS
    trailing: TrailingStop | None = None
    break_even: BreakEven | None = None
