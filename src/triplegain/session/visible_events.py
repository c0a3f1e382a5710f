"""Answers of the exchange on their way back to us, in the order in which they become visible."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from triplegain.domain.clock import NEVER
from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.parts import Parts


class VisibleEvents:
    """A queue by time of visibility, then by sequence."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._waiting: dict[str, ExchangeEvent] = {}
        self._changed: Callable[[str], None] = lambda sequence: None

    @property
    def next_ns(self) -> int:
        return self._heap[0][0] if self._heap else NEVER

    def add(self, event: ExchangeEvent) -> None:
        key = str(event.sequence)
        self._waiting[key] = event
        heapq.heappush(self._heap, (event.visible_at_ns, event.sequence))
        self._changed(key)

    def pop(self) -> ExchangeEvent:
        key = str(heapq.heappop(self._heap)[1])
        self._changed(key)
        return self._waiting.pop(key)

    def register(self, parts: Parts) -> None:
        self._changed = parts.table("session.event", ExchangeEvent, self._waiting, restore=self._restore)

    def _restore(self, waiting: dict[str, ExchangeEvent]) -> None:
        for event in waiting.values():
            self.add(event)
