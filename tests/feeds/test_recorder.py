from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from tests.feeds.recorded_lines import START_NS, asset_pairs, recorded_books, some_lines

from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.feeds.recording import folder as recording_folder
from triplegain.feeds.recording import recorder as recorder_module
from triplegain.feeds.recording import writer as recording_writer
from triplegain.feeds.recording.folder import RecordingError, load_manifest
from triplegain.feeds.recording.manifest import Manifest, read_manifest
from triplegain.feeds.recording.recorded_file import FileReader, read_header, scan_file
from triplegain.feeds.recording.recorder import Recorder
from triplegain.feeds.recording.settings import RecorderSettings
from triplegain.feeds.recording.writer import RecordingFile
from triplegain.venues.kraken.feed_line import FeedLine, FrameLine, write_line

HOUR_NS = 3600 * SECOND_NS
SYMBOLS = ("BTC/USD", "MINA/GBP")
SETTINGS = RecorderSettings(SYMBOLS, 10, 3 * SECOND_NS, disk_bytes_free_min=0)


def record(folder: Path, lines: Sequence[FeedLine], settings: RecorderSettings = SETTINGS) -> Manifest:
    recorder = Recorder(folder, settings, ManualClock(START_NS))
    for line in lines:
        recorder.take(line)
    manifest = recorder.close()
    assert not recorder.problem
    return manifest


def texts(path: Path) -> list[bytes]:
    """Lines of a file without its first, the header."""
    return [line for lines in FileReader(path).blocks() for line in lines][1:]


def written(lines: Sequence[FeedLine]) -> list[bytes]:
    return [write_line(line)[:-1] for line in lines]


def test_every_line_is_written_as_it_came(tmp_path: Path) -> None:
    lines = some_lines(1000)
    record(tmp_path / "one", lines)
    assert texts(tmp_path / "one" / "000001.jsonl.zst") == written(lines)


def test_any_zstandard_program_reads_a_file(tmp_path: Path) -> None:
    lines = some_lines(300, step_ns=SECOND_NS)  # several frames in the file
    record(tmp_path, lines)
    with zstandard.open(tmp_path / "000001.jsonl.zst", "rb") as file:
        first, *rest = file.read().splitlines()
    assert json.loads(first) == {
        "recording": 1,
        "run": 1,
        "file": 1,
        "preamble": 0,
        "started_at_ns": START_NS,
        "symbols": ["BTC/USD", "MINA/GBP"],
        "book_depth": 10,
        "stale_after_ns": 3 * SECOND_NS,
        "recorder": json.loads(first)["recorder"],
    }
    assert rest == written(lines)


def test_the_manifest_says_what_was_recorded(tmp_path: Path) -> None:
    lines = some_lines(100)
    recorder = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    recorder.mismatches = lambda: {"BTC/USD": 2}
    for line in lines:
        recorder.take(line)
    assert recorder.close() == read_manifest(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (file,) = manifest["files"]
    stored = (tmp_path / file["name"]).read_bytes()
    assert (file["size_bytes"], file["sha256"]) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert (file["lines"], file["first_rx_ns"], file["last_rx_ns"]) == (100, START_NS, START_NS + 99 * SECOND_NS // 10)
    # Line 1 is the first update, line 97 the last (98 is an overrun, 99 a tick); 40 ms on the way.
    first, last = START_NS + SECOND_NS // 10 - 40_000_000, START_NS + 97 * SECOND_NS // 10 - 40_000_000
    assert (file["first_exchange_ns"], file["last_exchange_ns"]) == (first, last)
    # Lines that end in 0, 1, 2, 4, 6 are updates, eight of those in 7 and four of those in 8; the first line is none.
    plain = sum(number % 10 in (0, 1, 2, 4, 6) for number in range(1, 100)) + 8 + 4
    assert manifest["counts"] == {
        "BTC/USD": {"book_updates": plain, "trades": 0, "overruns": 3, "dropped": 18 + 58 + 98},
        "MINA/GBP": {"book_updates": 0, "trades": 10, "overruns": 0, "dropped": 0},
    }
    assert [gap["reason"] for gap in file["gaps"]] == ["connection reset by peer"] * 3 and file["disconnects"] == 3
    assert [each["symbol"] for each in manifest["instruments"]] == ["BTC/USD", "MINA/GBP"]
    assert manifest["instruments"][0]["tick"] == "0.1" and manifest["instruments"][0]["lot"] == "0.00000001"
    (run,) = manifest["runs"]
    assert (run["book_depth"], run["mismatches"], run["problem"]) == (10, {"BTC/USD": 2}, "")


def test_a_file_cut_anywhere_gives_its_whole_lines_and_says_that_it_was_cut(tmp_path: Path) -> None:
    """What `kill -9`, a full disk or a lost page leave: every length of file there can be."""
    lines = some_lines(60, step_ns=3 * SECOND_NS)  # three minutes: several frames
    header = read_header(_closed(tmp_path / "whole", lines))
    assert header is not None
    path = tmp_path / "000001.jsonl.zst"
    file = RecordingFile(path, header, ())
    readable = [(0, 0), (file.size_bytes, 0)]
    for start in range(0, len(lines), 6):
        file.write(lines[start : start + 6])
        readable.append((file.size_bytes, start + 6))
    file.close()
    whole, expected = path.read_bytes(), written(lines)
    cut_path = tmp_path / "cut" / path.name
    cut_path.parent.mkdir()
    ends = set()
    for length in range(len(whole)):
        cut_path.write_bytes(whole[:length])
        reader = FileReader(cut_path)
        found = [line for block in reader.blocks() for line in block][1:]
        assert found == expected[: max(count for size, count in readable if size <= length)]
        if not reader.cut:
            ends.add(length)
    # Between two frames nothing seems to be missing; here there are three, of a minute each.
    frames = FileReader(path)
    assert list(frames.blocks()) and ends == {byte for byte, _ in frames.frames} and len(ends) == 3


def test_only_a_file_cut_between_two_frames_looks_whole(tmp_path: Path) -> None:
    path = _closed(tmp_path, some_lines(300, step_ns=SECOND_NS))
    reader = FileReader(path)
    assert len([line for block in reader.blocks() for line in block]) == 301 and not reader.cut
    assert len(reader.frames) == 5  # 300 seconds, a frame a minute
    whole = path.read_bytes()
    path.write_bytes(whole[: reader.frames[2][0]])
    shorter = FileReader(path)
    assert len([line for block in shorter.blocks() for line in block]) == reader.frames[2][1] and not shorter.cut
    # The manifest knows better.
    (file,) = load_manifest(tmp_path).files
    assert file.cut == "not the file that was recorded"


def test_what_was_taken_is_on_the_disk_before_the_recording_ends(tmp_path: Path) -> None:
    lines = some_lines(50)
    recorder = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    for line in lines:
        recorder.take(line)
    recorder.flush()
    assert texts(tmp_path / "000001.jsonl.zst") == written(lines)
    assert recorder.progress.lines == 50 and recorder.progress.pending_bytes == 0
    recorder.close()


def test_lines_reach_the_disk_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_WRITE_WITHIN_S", 0.001)
    recorder = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    recorder.take(asset_pairs())
    for _ in range(1000):
        recorder._thread.join(0.002)  # the thread's turn
        if recorder.progress.lines:
            break
    assert texts(tmp_path / "000001.jsonl.zst") == written([asset_pairs()])
    recorder.close()


def test_a_new_file_begins_with_the_hour_and_says_again_what_was_known(tmp_path: Path) -> None:
    lines = some_lines(40, step_ns=100 * SECOND_NS)  # half past twelve to half past one
    snapshot = FrameLine(0, 0, b'{"channel":"book","type":"snapshot","data":[]}')
    recorder = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    recorder.state_lines = lambda received_at_ns: [snapshot]
    for line in lines:
        recorder.take(line)
    first, second = recorder.close().files
    # 18 lines of 100 s are in the half hour; the pairs and the snapshot stand before the others.
    assert (first.lines, first.preamble, second.lines, second.preamble) == (18, 0, 22, 2)
    assert second.first_rx_ns == START_NS + HOUR_NS // 2
    assert texts(tmp_path / second.name) == written([asset_pairs(), snapshot, *lines[18:]])


def test_a_file_is_closed_at_its_size(tmp_path: Path) -> None:
    lines = some_lines(3000, step_ns=1_000_000)
    recorder = Recorder(tmp_path, replace(SETTINGS, rotate_bytes=5000), ManualClock(START_NS))
    for number, line in enumerate(lines):
        recorder.take(line)
        if number % 100 == 0:
            recorder.flush()
    files = recorder.close().files
    assert len(files) > 3 and all(file.size_bytes < 15_000 for file in files)
    assert [file.preamble for file in files] == [0] + [1] * (len(files) - 1)
    assert sum(file.lines for file in files) == 3000
    found = [line for file in files for line in texts(tmp_path / file.name)[file.preamble :]]
    assert found == written(lines)


def test_seek_points_lead_to_where_they_say(tmp_path: Path) -> None:
    path = _closed(tmp_path, some_lines(300, step_ns=SECOND_NS))
    (file,) = load_manifest(tmp_path).files
    whole = texts(path)
    assert [point.lines for point in file.seek] == [1 + 60 * minute for minute in (1, 2, 3, 4)]
    for point in file.seek:
        rest = [line for block in FileReader(path, point.byte).blocks() for line in block]
        assert rest == whole[point.lines - 1 :]
        assert json.loads(rest[0])["rx_ns"] == point.rx_ns
        assert point.exchange_ns < point.rx_ns


def _closed(folder: Path, lines: Sequence[FeedLine]) -> Path:
    """One file, written a line at a time, so that frames end at the same places every time."""
    folder.mkdir(exist_ok=True)
    writer = recording_writer.RecordingWriter(folder, SETTINGS, ManualClock(START_NS))
    writer.begin_file(())
    for line in lines:
        writer.write([line])
    writer.close(None)
    return folder / "000001.jsonl.zst"


def _many_files(folder: Path, count: int, settings: RecorderSettings = SETTINGS, start_ns: int = START_NS) -> Manifest:
    """A file an hour, of equal size."""
    writer = recording_writer.RecordingWriter(folder, settings, ManualClock(start_ns))
    for hour in range(count):
        writer.begin_file(() if hour == 0 else (asset_pairs(),))
        writer.write(some_lines(50, start_ns + hour * HOUR_NS))
    writer.close(None)
    return writer.manifest


def test_the_oldest_closed_files_make_room_and_the_manifest_says_so(tmp_path: Path) -> None:
    size = max(file.size_bytes for file in _many_files(_made(tmp_path / "probe"), 3).files)
    folder = _made(tmp_path / "recording")
    manifest = _many_files(folder, 10, replace(SETTINGS, disk_bytes_max=4 * size + size // 2))
    kept = [file.name for file in manifest.files]
    assert kept == [f"{number:06}.jsonl.zst" for number in (7, 8, 9, 10)]
    assert sorted(path.name for path in folder.glob("*.zst")) == kept
    assert [file.name for file in manifest.removed] == [f"{number:06}.jsonl.zst" for number in range(1, 7)]
    assert all(file.lines == 50 and file.removed_at_ns == START_NS for file in manifest.removed)
    # Counts are of all that was recorded.
    assert manifest.counts["MINA/GBP"].trades == 10 * 5
    assert read_manifest(folder) == manifest == load_manifest(folder)


def test_recordings_under_one_root_share_the_room(tmp_path: Path) -> None:
    older = _made(tmp_path / "older")
    size = max(file.size_bytes for file in _many_files(older, 4).files)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "000001.jsonl.zst").write_bytes(b"not ours" * size)
    shared = replace(SETTINGS, disk_bytes_max=4 * size + size // 2, root=tmp_path)
    _many_files(_made(tmp_path / "newer"), 2, shared, START_NS + 24 * HOUR_NS)
    assert [file.name for file in load_manifest(older).files] == ["000003.jsonl.zst", "000004.jsonl.zst"]
    removed = [file.name for file in load_manifest(older).removed]
    assert removed == ["000001.jsonl.zst", "000002.jsonl.zst"]
    assert (tmp_path / "notes" / "000001.jsonl.zst").exists()


def test_a_recording_that_another_process_writes_loses_nothing(tmp_path: Path) -> None:
    other = _made(tmp_path / "other")
    size = max(file.size_bytes for file in _many_files(other, 3).files)
    writing = Recorder(other, SETTINGS, ManualClock(START_NS))
    shared = replace(SETTINGS, disk_bytes_max=5 * size + size // 2, root=tmp_path)
    own = _many_files(_made(tmp_path / "own"), 6, shared)
    assert [file.name for file in own.files] == ["000005.jsonl.zst", "000006.jsonl.zst"]
    assert len(writing.close().files) == 3
    held = Recorder(other, SETTINGS, ManualClock(START_NS))
    full = Recorder(tmp_path / "third", replace(shared, disk_bytes_max=size), ManualClock(START_NS))
    full.take(asset_pairs())
    full.flush()
    assert "the rest of them is being written: recording has stopped" in full.problem
    full.close()
    held.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_one_folder_has_one_writer(tmp_path: Path) -> None:
    first = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    with pytest.raises(RecordingError, match="is being recorded by another process"):
        Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    first.close()
    Recorder(tmp_path, SETTINGS, ManualClock(START_NS)).close()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=r"cannot be written .*: name another folder"):
        Recorder(tmp_path / "file" / "recording", SETTINGS, ManualClock(START_NS))


def test_a_recording_taken_up_again_is_another_run_in_the_same_folder(tmp_path: Path) -> None:
    record(tmp_path, some_lines(20))
    later = replace(SETTINGS, book_depth=100)
    manifest = record(tmp_path, some_lines(30, START_NS + HOUR_NS), later)
    assert [(run.run, run.book_depth) for run in manifest.runs] == [(1, 10), (2, 100)]
    assert [(file.name, file.run, file.lines) for file in manifest.files] == [
        ("000001.jsonl.zst", 1, 20),
        ("000002.jsonl.zst", 2, 30),
    ]
    with pytest.raises(RecordingError, match="is a recording of BTC/USD, MINA/GBP: name another folder for BTC/USD"):
        Recorder(tmp_path, replace(SETTINGS, symbols=("BTC/USD",)), ManualClock(START_NS))


def test_a_run_without_a_line_leaves_nothing(tmp_path: Path) -> None:
    record(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["recording.lock"]


def test_the_manifest_of_a_killed_recording_is_made_from_its_files(tmp_path: Path) -> None:
    whole = _many_files(_made(tmp_path / "whole"), 3)
    for state in ("without manifest", "half a manifest", "manifest of an hour ago"):
        folder = _made(tmp_path / state)
        for file in whole.files:
            (folder / file.name).write_bytes((tmp_path / "whole" / file.name).read_bytes())
        if state == "half a manifest":
            (folder / "manifest.json").write_text((tmp_path / "whole" / "manifest.json").read_text()[:500])
        if state == "manifest of an hour ago":
            _many_files(_made(tmp_path / "early"), 2)
            (folder / "manifest.json").write_bytes((tmp_path / "early" / "manifest.json").read_bytes())
        assert load_manifest(folder) == whole
    folder = tmp_path / "without manifest"
    last = folder / whole.files[-1].name
    last.write_bytes(last.read_bytes()[:-30])
    found = load_manifest(folder)
    assert found.files[:2] == whole.files[:2] and found.files[2].cut == "cut off after line 2"
    # Whoever goes on with it writes this down, and begins a new file.
    manifest = record(folder, some_lines(10, START_NS + 5 * HOUR_NS))
    assert [(file.run, file.cut) for file in manifest.files] == [(1, ""), (1, ""), (1, found.files[2].cut), (2, "")]
    assert read_manifest(folder) == manifest


def test_a_file_without_even_a_first_line_is_passed_over(tmp_path: Path) -> None:
    record(tmp_path, some_lines(10))
    (tmp_path / "000002.jsonl.zst").write_bytes(b"")
    (tmp_path / "000003.jsonl.zst").write_bytes((tmp_path / "000001.jsonl.zst").read_bytes()[:9])
    assert len(load_manifest(tmp_path).files) == 1
    assert record(tmp_path, some_lines(10)).files[-1].name == "000004.jsonl.zst"


def test_scanned_and_written_figures_agree(tmp_path: Path, captures: Path) -> None:
    lines = recorded_books(captures)
    (file,) = record(tmp_path, lines).files[:1]
    assert scan_file(tmp_path / file.name) == file
    assert file.counts["BTC/USD"].book_updates == 510


@pytest.mark.parametrize(
    ("number", "words"),
    [(28, "is full: free some space, then start again"), (5, r"cannot be written \(Input/output error\)")],
)
def test_a_disk_that_fails_ends_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    recorder = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    lines = some_lines(400)
    for line in lines[:200]:
        recorder.take(line)
    recorder.flush()
    monkeypatch.setattr(RecordingFile, "_out", _failing(number))
    for line in lines[200:]:
        recorder.take(line)
    recorder.flush()
    recorder.take(lines[0])
    manifest = recorder.close()
    assert re.match(f"not recorded any more: the disk of .* {words}", recorder.problem)
    assert manifest.runs[-1].problem == recorder.problem
    assert texts(tmp_path / "000001.jsonl.zst") == written(lines[:200])


def test_recording_stops_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_folder, "free_bytes", lambda folder: 100_000_000)
    recorder = Recorder(tmp_path, replace(SETTINGS, disk_bytes_free_min=512_000_000), ManualClock(START_NS))
    recorder.take(asset_pairs())
    recorder.flush()
    assert "only 100 MB are free on the disk" in recorder.problem
    recorder.close()


def test_a_disk_that_is_too_slow_never_makes_the_session_wait_or_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, replace(SETTINGS, pending_bytes_max=100_000), ManualClock(START_NS))
    lines = some_lines(5000)
    hanging = threading.Event()
    write = RecordingFile.write

    def slow(self: RecordingFile, block: Sequence[FeedLine]) -> None:
        hanging.wait(10)
        write(self, block)

    monkeypatch.setattr(RecordingFile, "write", slow)
    for line in lines:
        recorder.take(line)
    assert recorder.problem.endswith("is too slow: 0 MB are waiting for it")
    assert recorder.progress.pending_bytes < 110_000
    hanging.set()
    (file,) = recorder.close().files
    # Up to there it is whole.
    assert 0 < file.lines < 5000 and texts(tmp_path / file.name) == written(lines[: file.lines])


def test_what_a_new_file_begins_with_cannot_harm_the_session(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))

    def broken(received_at_ns: int) -> Sequence[FeedLine]:
        raise KeyError("BTC/USD")

    recorder.state_lines = broken
    for line in some_lines(40, step_ns=100 * SECOND_NS):
        recorder.take(line)
    assert "KeyError" in recorder.problem
    assert recorder.close().lines == 18


def _failing(number: int) -> Callable[..., None]:
    def out(self: RecordingFile, compressed: bytes) -> None:
        raise OSError(number, os.strerror(number))

    return out
