"""A small line chart of braille dots: two dots wide and four high in each character."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.text import Text

#: Bit of the dot at (column, row) of a character, row 0 at the top.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BRAILLE = 0x2800

#: (time, value or None)
Points = Sequence[tuple[int, Decimal | None]]


def curve(lines: Sequence[tuple[Points, str]], width: int, height: int) -> list[Text]:
    """One `Text` a row, `width` characters each. `lines` are (points, style); the first is drawn on top.

    All share one scale from the lowest to the highest value. An unknown value leaves a hole.
    """
    known = [(time, value) for points, _ in lines for time, value in points if value is not None]
    if not known or width < 1 or height < 1:
        return []
    times = [time for time, _ in known]
    values = [value for _, value in known]
    low, high = min(values), max(values)
    span = max(times) - min(times)
    bits: dict[tuple[int, int], int] = {}
    styles: dict[tuple[int, int], str] = {}
    for points, style in reversed(lines):
        for x, y in _dots(points, min(times), span, low, high, width * 2, height * 4):
            cell = (x // 2, y // 4)
            if styles.get(cell) != style:
                bits[cell] = 0
            styles[cell] = style
            bits[cell] |= _DOTS[x % 2][y % 4]
    rows = []
    for row in range(height):
        drawn = Text()
        for column in range(width):
            dots = bits.get((column, row), 0)
            drawn.append(chr(_BRAILLE + dots) if dots else " ", styles.get((column, row), ""))
        rows.append(drawn)
    return rows


def _dots(
    points: Points, start: int, span: int, low: Decimal, high: Decimal, columns: int, rows: int
) -> list[tuple[int, int]]:
    """Each point's dot, and the dots on the way to the next one."""
    found: list[tuple[int, int]] = []
    before: tuple[int, int] | None = None
    for time, value in points:
        if value is None:
            before = None
            continue
        x = (time - start) * (columns - 1) // span if span else 0
        y = rows // 2 if high == low else int((high - value) / (high - low) * (rows - 1))
        found += _way(before, (x, y))
        before = (x, y)
    return found


def _way(before: tuple[int, int] | None, to: tuple[int, int]) -> list[tuple[int, int]]:
    if before is None:
        return [to]
    steps = max(abs(to[0] - before[0]), abs(to[1] - before[1]), 1)
    return [
        (before[0] + (to[0] - before[0]) * step // steps, before[1] + (to[1] - before[1]) * step // steps)
        for step in range(1, steps + 1)
    ]
