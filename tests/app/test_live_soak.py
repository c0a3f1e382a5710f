"""A minute of the soak: `bench/soak.py` is the same for as long as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.live_soak import SoakPlan, soak

pytestmark = pytest.mark.slow


async def test_a_minute_of_random_faults_loses_nothing_and_keeps_nothing(captures: Path) -> None:
    plan = SoakPlan(duration_s=60.0, speed="10", seed=7, faults_every_s=4.0, sample_every_s=5.0)
    outcome = await soak(captures / "binance_spot_l2_trades_btcusdt_2024-08", plan)
    assert not outcome.wrong
    # Something did go wrong, and trading went on all the same.
    assert sum(outcome.faults.values()) >= 5
    assert outcome.orders > 100
    assert outcome.fills > 100
    assert outcome.trades > 1000
    settled, end = outcome.samples[2], outcome.samples[-1]
    assert end.handles <= settled.handles + 5
    assert end.tasks <= settled.tasks + 5
    assert end.threads == settled.threads
    assert end.rss_mb < settled.rss_mb + 40
    # Never further behind than what a full queue takes.
    assert outcome.lags.share(0.99) < 5.0
