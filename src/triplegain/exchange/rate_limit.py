"""Kraken's order rate limits per pair: a counter with decay and penalties for young orders, and a cap on open orders.

Counter units are thousandths. Source: the exchange's trading rate limit page (table in the fee and limit reference).
"""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.domain.clock import SECOND_NS
from triplegain.exchange.settings import AccountTier


@dataclass(frozen=True, slots=True)
class RateLimits:
    threshold: int
    decay_per_s: int
    open_orders: int


LIMITS = {
    AccountTier.STARTER: RateLimits(60_000, 1_000, 60),
    AccountTier.INTERMEDIATE: RateLimits(125_000, 2_340, 80),
    AccountTier.PRO: RateLimits(180_000, 3_750, 225),
}

_AMEND_PENALTIES = ((5, 3_000), (10, 2_000), (15, 1_000))
_EDIT_PENALTIES = ((5, 6_000), (10, 5_000), (15, 4_000), (45, 2_000), (90, 1_000))
_CANCEL_PENALTIES = ((5, 8_000), (10, 6_000), (15, 5_000), (45, 4_000), (90, 2_000), (300, 1_000))
PLACE_COST = 1_000
AMEND_COST = 1_000
EDIT_COST = 1_000


def _penalty(table: tuple[tuple[int, int], ...], age_ns: int) -> int:
    for seconds, cost in table:
        if age_ns < seconds * SECOND_NS:
            return cost
    return 0


def amend_penalty(age_ns: int) -> int:
    """Thousandths charged, beyond the fixed part, for amending an order of this age (since creation or last amend)."""
    return _penalty(_AMEND_PENALTIES, age_ns)


def edit_penalty(age_ns: int) -> int:
    """Thousandths charged, beyond the fixed part, for editing an order of this age."""
    return _penalty(_EDIT_PENALTIES, age_ns)


def batch_cost(orders: int) -> int:
    """Thousandths charged for placing so many orders in one batch: half of what they would cost alone."""
    return PLACE_COST * orders // 2


def cancel_cost(age_ns: int) -> int:
    """Thousandths charged for cancelling an order of this age."""
    return _penalty(_CANCEL_PENALTIES, age_ns)


class RateCounter:
    """The counter of one pair. A command is refused when the counter, before it, stands at the threshold or above."""

    def __init__(self, tier: AccountTier) -> None:
        #: None: commands are not counted.
        self.limits = LIMITS.get(tier)
        self.value = 0
        self.at_ns = 0

    def charge(self, cost: int, now_ns: int) -> bool:
        """Add `cost`; False if the limit had been reached. Cancels are charged but never refused."""
        limits = self.limits
        if limits is None:
            return True
        decayed = (now_ns - self.at_ns) * limits.decay_per_s // SECOND_NS
        # Only whole thousandths decay; the clock moves on by just the time they took.
        if decayed > 0:
            self.value = max(0, self.value - decayed)
            self.at_ns = now_ns if self.value == 0 else self.at_ns + decayed * SECOND_NS // limits.decay_per_s
        allowed = self.value < limits.threshold
        self.value += cost
        return allowed

    def allows_another(self, open_orders: int) -> bool:
        return self.limits is None or open_orders < self.limits.open_orders

    def at(self, now_ns: int) -> int:
        """The value then, without a command in between."""
        decay_per_s = 0 if self.limits is None else self.limits.decay_per_s
        return max(0, self.value - (now_ns - self.at_ns) * decay_per_s // SECOND_NS)
