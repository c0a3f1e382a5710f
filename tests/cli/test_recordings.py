"""Recordings in front of `captures`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tg
from tests.feeds.recorded_lines import START_NS, recorded_books

from triplegain.cli import paper
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.feeds.recording.recorder import Recorder
from triplegain.feeds.recording.settings import RecorderSettings

SETTINGS = RecorderSettings(("BTC/USD", "MINA/GBP"), 10, 3 * SECOND_NS, disk_bytes_free_min=0)


@pytest.fixture
def recording(home: Path, captures: Path) -> Path:
    """One in the place where recordings are."""
    recorder = Recorder(home / "recordings" / "paper_1", SETTINGS, ManualClock(START_NS))
    for line in recorded_books(captures):
        recorder.take(line)
    recorder.close()
    return recorder.folder


def test_recordings_of_the_home_folder_are_listed(tg: Tg, recording: Path, tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    found = json.loads(tg("captures", "list", str(recording.parent), "--json").out)
    assert [(each["path"], each["format"], each["rows"]) for each in found] == [(str(recording), "recording", 603)]
    assert found[0]["symbol"] == "BTC/USD, MINA/GBP"
    shown = tg("captures", "list", str(recording)).out
    assert "BTC/USD +1" in shown and "603" in shown
    assert "no recorded market" in tg("captures", "list", str(empty)).out


def test_without_a_folder_the_recordings_are_listed_too(
    tg: Tg, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "captures").mkdir()
    monkeypatch.setenv("TRIPLEGAIN_CAPTURES", str(tmp_path / "captures"))
    assert [each["path"] for each in json.loads(tg("captures", "list", "--json").out)] == [str(recording)]
    assert "paper_1" in tg("captures", "list").out


def test_a_recording_is_verified_by_its_name(tg: Tg, recording: Path) -> None:
    ran = tg("captures", "verify", "paper_1", "--json")
    assert ran.code == 0
    answer = ran.json
    assert {
        name: answer[name] for name in ("updates", "mismatches", "gaps", "runs", "lines", "damaged", "cut_off")
    } == {
        "updates": 540,
        "mismatches": 0,
        "gaps": 0,
        "runs": 1,
        "lines": 603,
        "damaged": [],
        "cut_off": [],
    }
    assert "540 updates checked" in tg("captures", "verify", str(recording)).out


def test_a_damaged_recording_ends_with_exit_code_6(tg: Tg, recording: Path) -> None:
    last = sorted(recording.glob("*.zst"))[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[:300] + b"\x00" + whole[301:])
    ran = tg("captures", "verify", "paper_1", "--json")
    assert ran.code == 6 and f"{last}: its SHA-256 is not the manifest's (changed)" in ran.json["damaged"]
    assert "SHA-256" in tg("captures", "verify", "paper_1").out


def test_replay_is_short_for_paper_as_fast_as_possible(
    tg: Tg, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(paper, "paper", lambda **options: asked.append(options))
    assert tg("captures", "replay", "paper_1", "--candle", "1s").code == 0
    assert asked == [{"feed": f"replay:{recording}", "speed": "max", "candle": "1s", "session": None, "as_json": False}]
