"""A seeded sample of `bench/deaths.py`, one cell for each victim. TRIPLEGAIN_DEATHS_SEED takes another."""

from __future__ import annotations

import os
import random

import pytest
from tests.crash.cells import Cell, sample
from tests.crash.deaths import look_at

pytestmark = pytest.mark.crash

_SEED = int(os.environ.get("TRIPLEGAIN_DEATHS_SEED", "3"))


@pytest.mark.parametrize("cell", sample(_SEED), ids=str)
def test_the_home_comes_back_by_itself(cell: Cell) -> None:
    if why := cell.why_not:
        pytest.skip(why)
    look_at(cell, random.Random(f"{_SEED} {cell}"))
