"""The one way to the terminal for what is shown to people: nothing that is stored or quoted can steer it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from triplegain.domain.outside import tame_lines


class Terminal(Console):
    """Rows of an earlier version, and names of files and folders, hold what they hold: their control characters are
    shown as U+FFFD."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or text.isprintable() else Segment(tame_lines(text), style)
