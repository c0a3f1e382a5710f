"""A market that can be told as rows: whoever takes its messages may look ahead, and need not have each of them made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from triplegain.domain.event_rows import EventRows
from triplegain.domain.market import MarketEvent


class RowStream(Iterator[MarketEvent], ABC):
    """Its messages one after the other, as any other market's; some of them may be passed over."""

    @abstractmethod
    def here(self) -> tuple[EventRows, int] | None:
        """The rows in which the next message stands, and its number there; None where it is not told as rows, or there
        is none."""

    @abstractmethod
    def pass_over(self, count: int) -> None:
        """So many messages from here on, no more than `here` holds, have been taken as rows."""
