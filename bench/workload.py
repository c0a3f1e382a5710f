"""A generated level-2 market in BTC ticks of 0.1 and lots of 1e-8, the same for every engine.

Four columns of equal length: `ts` nanoseconds, `kind` (0 bid level set, 1 ask level set, 2 print by a buyer, 3 print by
a seller), `px` ticks, `qty` lots (0 removes a level). Stored as .npz, written and read without numpy, so that peers can
load it with numpy and files made by other generators with these columns can be used as they are.

    python bench/workload.py 1000000 market_1M.npz
"""

from __future__ import annotations

import ast
import sys
import zipfile
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SEED = 20260101
START_NS = 1_767_225_600_000_000_000
MIDDLE = 600_000
REACH = 120_000
FIRST_LEVELS = 100
MEAN_GAP_NS = 5_000_000
#: Shares of what happens: somebody places, cancels, or (the rest) takes.
PLACES, CANCELS = 0.48, 0.45


@dataclass(slots=True)
class Columns:
    ts: array[int] = field(default_factory=lambda: array("q"))
    kind: array[int] = field(default_factory=lambda: array("b"))
    px: array[int] = field(default_factory=lambda: array("q"))
    qty: array[int] = field(default_factory=lambda: array("q"))

    def add(self, ts: int, kind: int, px: int, qty: int) -> None:
        self.ts.append(ts)
        self.kind.append(kind)
        self.px.append(px)
        self.qty.append(qty)

    def __len__(self) -> int:
        return len(self.ts)


class _Market:
    """Side 0 bids, 1 asks. `towards` is the step from a side's best to worse prices."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.rows = Columns()
        self.now = START_NS
        self.levels = ([0] * (2 * REACH), [0] * (2 * REACH))
        self.best = [REACH - 1, REACH]

    def size(self, mean: float, deviation: float) -> int:
        return int(self.random.lognormvariate(mean, deviation) * 1e8) + 1

    def distance(self, shape: float) -> int:
        away = int(self.random.paretovariate(shape)) - 1
        return away if away < FIRST_LEVELS else self.random.randrange(FIRST_LEVELS)

    def show(self, side: int, tick: int, size: int) -> None:
        self.levels[side][tick] = size
        self.rows.add(self.now, side, MIDDLE - REACH + tick, size)
        worse = 1 if side else -1
        if size and (tick - self.best[side]) * worse < 0:
            self.best[side] = tick
        while not self.levels[side][self.best[side]]:
            self.best[side] += worse

    def open(self) -> None:
        for away in range(FIRST_LEVELS):
            for side, tick in ((0, REACH - 1 - away), (1, REACH + away)):
                self.show(side, tick, self.size(-1.0, 1.2))
                self.now += 1

    def place(self) -> None:
        side = self.random.getrandbits(1)
        worse = 1 if side else -1
        tick = self.best[1 - side] + worse * (1 + self.distance(0.9))
        self.show(side, tick, self.levels[side][tick] + self.size(-2.0, 1.4))

    def cancel(self) -> None:
        side = self.random.getrandbits(1)
        worse = 1 if side else -1
        away = self.distance(0.7)
        tick = self.best[side] + worse * away
        there = self.levels[side][tick]
        whole = self.random.random() < 0.25 and (away > 0 or self.levels[side][tick + worse] > 0)
        if there:
            self.show(side, tick, 0 if whole else there - int(there * 0.6 * self.random.random()))

    def take(self) -> None:
        side = self.random.getrandbits(1)
        wanted = self.size(-2.2, 1.6)
        for _ in range(20):
            tick = self.best[side]
            taken = min(wanted, self.levels[side][tick])
            self.rows.add(self.now, 3 - side, MIDDLE - REACH + tick, taken)
            self.now += 1
            self.show(side, tick, self.levels[side][tick] - taken)
            self.now += 1
            wanted -= taken
            if not wanted:
                return

    def refill(self) -> None:
        """Keep a hundred levels on each side."""
        for side, worse in ((0, -1), (1, 1)):
            tick = self.best[side] + worse * FIRST_LEVELS
            if not self.levels[side][tick]:
                self.now += 1
                self.show(side, tick, self.size(-1.0, 1.2))

    def prune(self) -> None:
        """Withdraw what was left far behind."""
        for side, worse in ((0, -1), (1, 1)):
            for away in range(4 * FIRST_LEVELS, 3000):
                tick = self.best[side] + worse * away
                if self.levels[side][tick]:
                    self.now += 1
                    self.show(side, tick, 0)


def generate(rows: int, seed: int = SEED) -> Columns:
    """The first `rows` rows of the market of this seed."""
    market = _Market(seed)
    market.open()
    steps = 0
    while len(market.rows) < rows:
        steps += 1
        market.now += int(market.random.expovariate(1 / MEAN_GAP_NS)) + 1
        what = market.random.random()
        if what < PLACES:
            market.place()
        elif what < PLACES + CANCELS:
            market.cancel()
        else:
            market.take()
        if steps % 50 == 0:
            market.refill()
        if steps % 5000 == 0:
            market.prune()
    made = market.rows
    return Columns(made.ts[:rows], made.kind[:rows], made.px[:rows], made.qty[:rows])


def write(columns: Columns, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, code in (("ts", "<i8"), ("kind", "|i1"), ("px", "<i8"), ("qty", "<i8")):
            values: array[int] = getattr(columns, name)
            header = f"{{'descr': '{code}', 'fortran_order': False, 'shape': ({len(values)},), }}"
            header += " " * (-(len(header) + 11) % 64) + "\n"
            start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
            archive.writestr(f"{name}.npy", start + values.tobytes())


def read(path: Path) -> Columns:
    columns = Columns()
    with zipfile.ZipFile(path) as archive:
        for name, code in (("ts", "<i8"), ("kind", "|i1"), ("px", "<i8"), ("qty", "<i8")):
            raw = archive.read(f"{name}.npy")
            end = 10 + int.from_bytes(raw[8:10], "little")
            header = ast.literal_eval(raw[10:end].decode().strip())
            if header["descr"] != code or header["fortran_order"]:
                raise SystemExit(f"{path}: column {name} is {header['descr']}, expected {code}")
            getattr(columns, name).frombytes(raw[end:])
    return columns


if __name__ == "__main__":
    write(generate(int(sys.argv[1])), Path(sys.argv[2]))
