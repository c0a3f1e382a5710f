"""Delays that somebody has measured, as the configuration takes them: a file with one a line, or the list itself.

They are read where the configuration is, and kept by value: another file does nothing to a session that runs. Written
in milliseconds; whole nanoseconds for the room, in rising order.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.written import Fault, Kind, Wrong, exact, listing

#: Of more delays than this as many quantiles are kept: the least, the largest, and every half of a percent between.
KEPT = 201
#: A larger file is not a list of delays.
FILE_BYTES_MAX = 16 << 20
_LIST = listing(exact(ge=0, le=600_000))
_MS = exact(ge=0, le=600_000)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _of_file(name: str) -> Iterator[Decimal]:
    """Numbers parted by commas and line ends; a first line without any number is a heading. Raises Wrong."""
    path = Path(name).expanduser()
    if not path.is_absolute():
        raise Wrong(Fault("a file of delays is named by its whole path", shown=name))
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        lines = raw.decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise Wrong(Fault(f"the file of delays cannot be read: {error}", shown=name)) from None
    if len(raw) > FILE_BYTES_MAX:
        raise Wrong(Fault(f"a file of delays has at most {FILE_BYTES_MAX >> 20} MB", shown=name))
    for number, line in enumerate(lines, start=1):
        cells = [cell for cell in line.split(",") if cell.strip()]
        if number == 1 and not any(map(_is_number, cells)):
            continue
        for cell in cells:
            try:
                yield _MS.read(cell)
            except Wrong as wrong:
                raise Wrong(Fault(f"line {number}: {wrong}", shown=name)) from None


def _quantile(rising: list[Decimal], place: int) -> Decimal:
    """`place` of `KEPT` - 1 parts of the way from the least to the largest, between two of them by proportion."""
    index, rest = divmod(place * (len(rising) - 1), KEPT - 1)
    if not rest:
        return rising[index]
    lower, upper = rising[index], rising[index + 1]
    return (lower + (upper - lower) * rest / (KEPT - 1)).quantize(Decimal("0.000001"))


def _read(written: Any) -> tuple[Decimal, ...]:
    if written == "":
        return ()
    if isinstance(written, str):
        rising = sorted(_of_file(written.strip()))
        if not rising:
            raise Wrong(Fault("no delay stands in this file", shown=written))
    else:
        rising = sorted(_LIST.read(written))
    if len(rising) <= KEPT:
        return tuple(rising)
    return tuple(_quantile(rising, place) for place in range(KEPT))


def _nanoseconds(delays: tuple[Decimal, ...]) -> tuple[int, ...]:
    return tuple(int(delay * MILLISECOND_NS) for delay in delays)


MEASURED_DELAYS = Kind(_read, _nanoseconds, _LIST.nearest)
