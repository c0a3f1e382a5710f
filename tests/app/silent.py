"""Nobody watches a long load."""

from __future__ import annotations

from triplegain.domain.span import Span


class Silent:
    """Nobody watches."""

    def begin(self, name: str, span: Span) -> None: ...

    def reached(self, name: str, time_ns: int, rows: int) -> None: ...

    def waits(self, reason: str, seconds: float) -> None: ...
