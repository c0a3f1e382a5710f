"""The recorded five minutes of Binance BTC/USDT (2024-08-09) as columns of `workload.py`, for every engine alike.

    python bench/recorded_market.py CAPTURES MARKET.npz

The book of the first file is followed to its end and shown whole as the first rows; then each message of depth gives a
row per level that changed, removals first, and each trade one, in the order in which they were received, each a
nanosecond after the one before at least: engines that look once at each moment see all of them. Levels that are removed
without having been there give none. A tick is 0.01, which engines that count in tenths take for 0.1: the
coin costs ten times as much there.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from workload import Columns, write

FOLDER = "binance_spot_l2_trades_btcusdt_2024-08"
FIRST, SECOND = "btcusdt_20240808.gz", "btcusdt_20240809.gz"
MILLISECOND_NS = 1_000_000
Row = tuple[int, int, int]


def _units(written: str, places: int) -> int:
    return int(Decimal(written).scaleb(places))


class _Book:
    """Followed from the snapshot on; changes that came before it wait for it."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._last: int | None = None
        self._waiting: list[dict[str, Any]] = []

    def snapshot(self, told: dict[str, Any]) -> None:
        self._last = told["lastUpdateId"]
        for levels, side in zip((told["bids"], told["asks"]), self.sides, strict=True):
            side.update((_units(price, 2), _units(size, 8)) for price, size in levels)
        for change in self._waiting:
            self.change(change)

    def change(self, told: dict[str, Any]) -> list[Row]:
        """Rows of side, price and size; none for what the book knows already."""
        if self._last is None:
            self._waiting.append(told)
            return []
        if told["u"] <= self._last:
            return []
        self._last = told["u"]
        rows: list[Row] = []
        for side, name in enumerate("ba"):
            levels = self.sides[side]
            for written, size_written in told[name]:
                price, size = _units(written, 2), _units(size_written, 8)
                if size or price in levels:
                    rows.append((side, price, size))
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)
        return sorted(rows, key=lambda row: row[2] != 0)


def _messages(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as lines:
        for line in lines:
            yield json.loads(line.partition(b" ")[2])


def recorded(captures: Path) -> Columns:
    """Raises OSError where the capture is not in the folder."""
    book, columns = _Book(), Columns()

    def add(told_ms: int, kind: int, price: int, size: int) -> None:
        columns.add(max(columns.ts[-1] + 1 if columns.ts else 0, told_ms * MILLISECOND_NS), kind, price, size)

    for name in (FIRST, SECOND):
        for message in _messages(captures / FOLDER / name):
            told = message.get("data", message)
            match message.get("stream", "snapshot").partition("@")[2] or "snapshot":
                case "snapshot":
                    book.snapshot(told)
                case kind if kind.startswith("depth"):
                    if name is SECOND and not columns:
                        for side, levels in enumerate(book.sides):
                            for price, size in levels.items():
                                add(told["E"], side, price, size)
                    for row in book.change(told):
                        if columns:
                            add(told["E"], *row)
                case "trade" if columns:
                    add(told["T"], 3 if told["m"] else 2, _units(told["p"], 2), _units(told["q"], 8))
                case _:
                    pass
    return columns


if __name__ == "__main__":
    write(recorded(Path(sys.argv[1])), Path(sys.argv[2]))
