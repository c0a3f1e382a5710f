"""What is counted over all positions that were ever protected."""

from __future__ import annotations

from msgspec import Struct, field


class OrderCounts(Struct):
    """Stops and exits sent so far."""

    stop: int = 0
    exit: int = 0


class ProtectionDelays(Struct):
    """Time between a fill and the stop that covers it, both as the exchange dates them."""

    count: int = 0
    total_ns: int = 0
    longest_ns: int = 0

    def add(self, delay_ns: int) -> None:
        self.count += 1
        self.total_ns += delay_ns
        self.longest_ns = max(self.longest_ns, delay_ns)


class ProtectionTotals(Struct):
    """`begun` numbers the positions."""

    begun: int = 0
    sent: OrderCounts = field(default_factory=OrderCounts)
    delays: ProtectionDelays = field(default_factory=ProtectionDelays)
