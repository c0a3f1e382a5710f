"""What language models may cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.configured import key
from triplegain.domain.written import AMOUNT


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """`per_day_usd` is of the UTC day, `per_decision_usd` of all questions of one round; `warn_usd` a day is told."""

    per_day_usd: Decimal = key("per_day_usd", 5, AMOUNT, "of a UTC day; then paid models rest until 00:00 UTC")
    per_decision_usd: Decimal = key("per_decision_usd", "0.50", AMOUNT, "of all the questions of one decision")
    warn_usd: Decimal = key("warn_usd", 4, AMOUNT, "from here on it is told")
