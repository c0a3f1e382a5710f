"""Three minutes of the soak: `bench/soak.py` is the same for as long as one likes."""

from __future__ import annotations

import faulthandler
from pathlib import Path

import pytest
from tests.app.live_soak import soak
from tests.app.soak_figures import SoakPlan

pytestmark = pytest.mark.slow

_BLOWS_EVERY_S = 40.0


def test_minutes_of_faults_and_kills_lose_nothing_and_keep_nothing(captures: Path, tmp_path: Path) -> None:
    # It is not stuck because it takes its minutes.
    faulthandler.cancel_dump_traceback_later()
    plan = SoakPlan(150.0, "5", 7, faults_every_s=5.0, kills_every_s=_BLOWS_EVERY_S, sample_every_s=5.0)
    outcome = soak(captures / "binance_spot_l2_trades_btcusdt_2024-08", plan, folder=tmp_path)
    assert not outcome.wrong, outcome.wrong
    # Something did go wrong, and trading went on all the same.
    assert sum(outcome.faults.values()) >= 10
    assert sum(map(len, outcome.toll.seconds.values())) >= 3
    assert outcome.hangs >= 3
    assert outcome.toll.answers["201"] > 100
    assert outcome.samples[-1].fills or outcome.samples[-2].fills
    assert outcome.trades > 500
    settled, end = outcome.samples[len(outcome.samples) // 5], outcome.samples[-1]
    assert end.handles <= settled.handles + 10
    assert end.tasks <= settled.tasks + 10
    assert end.rss_mb < settled.rss_mb + 60
