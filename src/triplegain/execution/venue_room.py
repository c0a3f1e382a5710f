"""What can be sent to a venue now: a market may be shut, and commands are limited."""

from __future__ import annotations

from typing import Protocol


class VenueRoom(Protocol):
    """Asked before something is sent. Times are market time in nanoseconds."""

    def why_shut(self, symbol: str) -> str:
        """Why nothing is taken in this market, no cancel either, in words; empty where something is."""
        ...

    def may_place(self, symbol: str, positions: int) -> bool:
        """Whether an order that protects nothing leaves room for the ways out of so many positions."""
        ...

    def may_guard(self, symbol: str, position_id: str) -> bool:
        """Whether a stop that is sent now still meets what came after the purchase of a position was filled."""
        ...

    def done_by_ns(self, symbol: str) -> int:
        """When what is sent now has been done and told in this market, latency not counted; in the past: at once."""
        ...

    def replaceable_at_ns(self, client_order_id: str) -> int:
        """From when on an order can be taken back and another be sent in its place; 0: now."""
        ...


class UnlimitedRoom:
    """A venue that takes everything at once."""

    def why_shut(self, symbol: str) -> str:
        return ""

    def may_place(self, symbol: str, positions: int) -> bool:
        return True

    def may_guard(self, symbol: str, position_id: str) -> bool:
        return False

    def done_by_ns(self, symbol: str) -> int:
        return 0

    def replaceable_at_ns(self, client_order_id: str) -> int:
        return 0
