"""Delays that somebody has measured, as the configuration takes them: a file, or the list itself.

They are read where the configuration is, and kept by value: another file does nothing to a session that runs. Written
in milliseconds; whole nanoseconds for the room, in rising order.

A file has one delay a line, perhaps under a heading; or rows of several cells, parted by commas, under a heading that
calls one of them `delay_ms`.
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.money import plain
from triplegain.domain.written import Fault, Kind, Wrong, exact, listing

#: Of more delays than this as many quantiles are kept: the least, the largest, and every half of a percent between.
KEPT = 201
#: More than this is not what somebody has measured to say how long messages take.
FILE_BYTES_MAX, DELAYS_MAX = 8 << 20, 100_000
_COLUMN = "delay_ms"
_LONGEST_MS = 600_000
_LIST = listing(exact(ge=0, le=_LONGEST_MS))
_DELAY = re.compile(r"[0-9]{1,6}(\.[0-9]+)?", re.ASCII)
_NANOSECOND = Decimal("0.000001")


def _lines(name: str) -> list[str]:
    try:
        path = Path(name).expanduser()
        if not path.is_absolute():
            raise ValueError("it is named by its whole path")
        # A pipe or a device would be waited for.
        if path.exists() and not path.is_file():
            raise ValueError("it is no regular file")
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise ValueError(f"it is larger than {FILE_BYTES_MAX >> 20} MB")
        return raw.decode("utf-8-sig").splitlines()
    except (OSError, RuntimeError, ValueError) as error:
        raise Wrong(Fault(f"the file of delays cannot be read: {error}", shown=name)) from None


def _delay(cell: str) -> Decimal:
    if not _DELAY.fullmatch(cell) or (delay := Decimal(cell)) > _LONGEST_MS:
        raise ValueError(f"a delay is written as 12 or 12.5, from 0 to {_LONGEST_MS} ms, not {cell[:40]!r}")
    return plain(delay.quantize(_NANOSECOND, ROUND_DOWN))


def _is_heading(cells: list[str]) -> bool:
    words = "".join(cells)
    return any(map(str.isalpha, words)) and words.lower().strip("+-") not in ("nan", "inf", "infinity")


def _of_file(name: str) -> list[Decimal]:
    """Raises Wrong."""
    rows = [(number, line.split(",")) for number, line in enumerate(_lines(name), start=1) if line.strip()]
    rows = [(number, [cell.strip() for cell in cells]) for number, cells in rows]
    wide, column = 1, 0
    if rows and _is_heading(rows[0][1]) and not any(map(str.isdigit, "".join(rows[0][1]))):
        _, heading = rows.pop(0)
        wide = len(heading)
        if wide > 1 and heading.count(_COLUMN) != 1:
            raise Wrong(Fault(f"of several columns one is called {_COLUMN}", shown=name))
        column = heading.index(_COLUMN) if wide > 1 else 0
    if not 0 < len(rows) <= DELAYS_MAX:
        raise Wrong(Fault(f"a file of delays has 1 to {DELAYS_MAX} of them, this one {len(rows)}", shown=name))
    delays = []
    for number, cells in rows:
        try:
            if len(cells) != wide:
                raise ValueError(f"{len(cells)} cells instead of {wide}; a fraction has a point")
            delays.append(_delay(cells[column]))
        except ValueError as error:
            raise Wrong(Fault(f"line {number}: {error}", shown=name)) from None
    return delays


def _quantile(rising: list[Decimal], place: int) -> Decimal:
    """`place` of `KEPT` - 1 parts of the way from the least to the largest, between two of them by proportion."""
    index, rest = divmod(place * (len(rising) - 1), KEPT - 1)
    if not rest:
        return rising[index]
    lower, upper = rising[index], rising[index + 1]
    return plain((lower + (upper - lower) * rest / (KEPT - 1)).quantize(_NANOSECOND, ROUND_DOWN))


def _read(written: Any) -> tuple[Decimal, ...]:
    if written == "":
        return ()
    rising = sorted(_of_file(written.strip()) if isinstance(written, str) else _LIST.read(written))
    if len(rising) <= KEPT:
        return tuple(rising)
    return tuple(_quantile(rising, place) for place in range(KEPT))


def _nanoseconds(delays: tuple[Decimal, ...]) -> tuple[int, ...]:
    return tuple(int(delay * MILLISECOND_NS) for delay in delays)


MEASURED_DELAYS = Kind(_read, _nanoseconds, _LIST.nearest)
