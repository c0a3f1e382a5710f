"""Answers of the exchange on their way back to us, in the order in which they become visible."""

from __future__ import annotations

import heapq
from typing import Any

import msgspec

from triplegain.domain.clock import NEVER
from triplegain.domain.exchange_events import ExchangeEvent


class VisibleEvents:
    """A queue by time of visibility, then by sequence."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, ExchangeEvent]] = []

    @property
    def next_ns(self) -> int:
        return self._heap[0][0] if self._heap else NEVER

    def add(self, event: ExchangeEvent) -> None:
        heapq.heappush(self._heap, (event.visible_at_ns, event.sequence, event))

    def pop(self) -> ExchangeEvent:
        return heapq.heappop(self._heap)[2]

    def state(self) -> list[Any]:
        waiting = [event for _, _, event in sorted(self._heap, key=lambda item: item[:2])]
        return [msgspec.to_builtins(event, enc_hook=dict) for event in waiting]

    def restore(self, stored: list[Any]) -> None:
        for event in msgspec.convert(stored, list[ExchangeEvent]):
            self.add(event)
