"""A recording is killed at any moment: what had come a second before is there, and the rest is the beginning of it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.feeds.recorded_lines import START_NS, some_lines

from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.feeds.recording.folder import load_manifest
from triplegain.feeds.recording.manifest import read_manifest
from triplegain.feeds.recording.recorder import Recorder
from triplegain.feeds.recording.recording import RecordedLines
from triplegain.feeds.recording.settings import RecorderSettings
from triplegain.venues.kraken.feed_line import FeedLine

pytestmark = pytest.mark.crash

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = RecorderSettings(("BTC/USD", "MINA/GBP"), 10, 3 * SECOND_NS, rotate_bytes=40_000, disk_bytes_free_min=0)

#: Records the same lines over and over, twenty a millisecond, and says how many after each hundred.
_RECORDING = """
import sys, time
from pathlib import Path
from tests.crash.test_kill_recording import SETTINGS, all_lines
from triplegain.domain.clock import ManualClock
from triplegain.feeds.recording.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), SETTINGS, ManualClock())
for number, line in enumerate(all_lines(), 1):
    recorder.take(line)
    if number % 100 == 0:
        print(number, flush=True)
        time.sleep(0.005)
"""


def all_lines() -> list[FeedLine]:
    return some_lines(100_000, START_NS, 1_000_000)


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_recording_keeps_all_but_its_last_second(tmp_path: Path, seed: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _RECORDING, str(tmp_path / "session")],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told: list[tuple[float, int]] = []
    kill_at = None
    for line in process.stdout:
        told.append((time.monotonic(), int(line)))
        kill_at = kill_at or told[0][0] + 1.2 + random.Random(seed).random()
        if told[-1][0] >= kill_at:
            break
    process.kill()
    process.wait()
    a_second_before = max(number for at, number in told if at < told[-1][0] - 1)
    manifest = load_manifest(tmp_path / "session")
    found = list(RecordedLines(tmp_path / "session", manifest).of_run(1))
    assert len(found) >= a_second_before > 0
    assert found == all_lines()[: len(found)]
    # The next run goes on in the same folder.
    recorder = Recorder(tmp_path / "session", SETTINGS, ManualClock(START_NS))
    recorder.take(some_lines(1)[0])
    assert recorder.close() == read_manifest(tmp_path / "session")
    assert [run.run for run in load_manifest(tmp_path / "session").runs] == [1, 2]
