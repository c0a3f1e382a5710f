from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.feeds.recorded_lines import START_NS, asset_pairs, recorded_books, some_lines

from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, Heartbeat, MarketDepth, MarketEvent
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.captures.capture import VerifyReport
from triplegain.feeds.captures.replay import list_captures, open_replay, verify_capture
from triplegain.feeds.recording.folder import load_manifest
from triplegain.feeds.recording.manifest import Manifest, write_manifest
from triplegain.feeds.recording.recorder import Recorder
from triplegain.feeds.recording.recording import RecordedFeed, verify_recording
from triplegain.feeds.recording.settings import RecorderSettings
from triplegain.market.feed import CaptureError
from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine, write_line
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings

SYMBOLS = ("BTC/USD", "MINA/GBP")
SETTINGS = RecorderSettings(SYMBOLS, 10, 3 * SECOND_NS, disk_bytes_free_min=0)


def record(folder: Path, lines: Iterable[FeedLine], settings: RecorderSettings = SETTINGS) -> Manifest:
    recorder = Recorder(folder, settings, ManualClock(START_NS))
    for line in lines:
        recorder.take(line)
    return recorder.close()


def live_events(lines: Iterable[FeedLine]) -> list[MarketEvent]:
    """What the session saw that recorded these lines."""
    stream = KrakenStream(SYMBOLS, StreamSettings(10, 3 * SECOND_NS))
    return [event for line in lines for event in stream.on_line(line)]


def with_troubles(lines: Sequence[FeedLine]) -> list[FeedLine]:
    """A lost connection in the middle, a garbled frame, and the book again."""
    books = [line for line in lines if isinstance(line, FrameLine) and b'"BTC/USD"' in line.frame]
    first, middle = books[0], books[250]
    position = lines.index(middle)
    again: list[FeedLine] = [
        DownLine(middle.received_at_ns, 0, "connection reset by peer"),
        FrameLine(middle.received_at_ns, 0, first.frame),
        FrameLine(middle.received_at_ns, 0, b"\xff not a frame"),
    ]
    return list(lines[:position]) + again + list(lines[position:])


def test_a_replay_tells_what_the_live_stream_told(captures: Path, tmp_path: Path) -> None:
    lines = with_troubles(recorded_books(captures))
    record(tmp_path / "session", lines)
    feed = open_replay(tmp_path / "session")
    assert isinstance(feed, RecordedFeed)
    live = live_events(lines)
    assert list(feed.events()) == live == list(feed.events())
    assert sum(isinstance(event, BookUpdate) for event in live) > 250
    assert any(isinstance(event, Heartbeat) for event in live)
    assert any(isinstance(event, FeedStatus) and event.state is FeedState.GAP for event in live)


def test_a_recording_is_a_feed_with_the_instruments_of_its_time(captures: Path, tmp_path: Path) -> None:
    record(tmp_path / "session", recorded_books(captures))
    feed = open_replay(tmp_path / "session")
    assert feed.name == f"replay:{tmp_path / 'session'}"
    assert feed.source is QuoteSource.REPLAY and not feed.synthetic
    assert [(one.symbol, str(one.tick)) for one in feed.instruments] == [("BTC/USD", "0.1"), ("MINA/GBP", "0.0001")]
    assert feed.depth == dict.fromkeys(SYMBOLS, MarketDepth.BOOK) and not feed.candle_length_ns
    events = [event.exchange_time_ns for event in feed.events() if isinstance(event, BookUpdate)]
    assert feed.span_ns is not None and feed.span_ns[1] == events[-1]


def test_a_root_with_one_recording_means_that_one(tmp_path: Path) -> None:
    record(tmp_path / "root" / "one", some_lines(50))
    (tmp_path / "root" / "notes").mkdir()
    assert list(open_replay(tmp_path / "root").events()) == list(open_replay(tmp_path / "root" / "one").events())
    record(tmp_path / "root" / "two", some_lines(50))
    with pytest.raises(CaptureError, match="holds 2 recordings, name one of them: one, two"):
        open_replay(tmp_path / "root")


def test_captures_in_a_folder_are_played_though_recordings_lie_below_it(captures: Path, tmp_path: Path) -> None:
    shutil.copy(captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json", tmp_path)
    record(tmp_path / "one", some_lines(50))
    assert open_replay(tmp_path).instruments[0].symbol == "BTC/USD"
    assert not isinstance(open_replay(tmp_path), RecordedFeed)


def test_one_file_of_a_recording_replays_alone(tmp_path: Path) -> None:
    lines = some_lines(40, step_ns=100 * SECOND_NS)
    record(tmp_path, lines)
    first, second = tmp_path / "000001.jsonl.zst", tmp_path / "000002.jsonl.zst"
    assert list(open_replay(first).events()) == live_events(lines[:18])
    assert list(open_replay(second).events()) == live_events([asset_pairs(), *lines[18:]])


def test_a_session_taken_up_again_replays_as_one(captures: Path, tmp_path: Path) -> None:
    books = recorded_books(captures)
    earlier, later = books[:300], [asset_pairs(START_NS + 7200 * SECOND_NS), *books[511:]]
    record(tmp_path, earlier)
    record(tmp_path, later)
    events = list(open_replay(tmp_path).events())
    before, after = live_events(earlier), live_events(later)
    away = events[len(before) : len(before) + 2]
    assert events == [*before, *away, *after]
    # In between nobody knows the market, as the session itself says when it goes on.
    last_ns = before[-1].exchange_time_ns
    assert away == [
        FeedStatus(symbol, last_ns, last_ns, FeedState.GAP, "waiting for the order book") for symbol in SYMBOLS
    ]


def test_a_recording_whose_oldest_files_were_removed_replays_from_the_next(tmp_path: Path) -> None:
    lines = some_lines(120, step_ns=100 * SECOND_NS)
    recorder = Recorder(tmp_path, SETTINGS, ManualClock(START_NS))
    for line in lines:
        recorder.take(line)
    files = recorder.close().files
    assert len(files) == 4
    (tmp_path / files[0].name).unlink()
    with pytest.raises(CaptureError, match=r"000001.jsonl.zst: the file is missing: put it back"):
        open_replay(tmp_path)
    manifest = load_manifest(tmp_path)
    write_manifest(tmp_path, replace(manifest, files=manifest.files[1:]))
    assert list(open_replay(tmp_path).events()) == live_events([asset_pairs(), *lines[18:]])
    (tmp_path / files[2].name).unlink()
    write_manifest(tmp_path, replace(manifest, files=(manifest.files[1], manifest.files[3])))
    with pytest.raises(CaptureError, match=r"a file between 000002.jsonl.zst and 000004.jsonl.zst is missing"):
        list(open_replay(tmp_path).events())


def test_a_killed_recording_replays_up_to_its_last_whole_line(tmp_path: Path) -> None:
    lines = some_lines(400)
    record(tmp_path, lines)
    (tmp_path / "manifest.json").unlink()
    path = tmp_path / "000001.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-100])
    feed = open_replay(tmp_path)
    assert isinstance(feed, RecordedFeed)
    kept = feed.manifest.lines
    assert 0 < kept < 400
    assert list(feed.events()) == live_events(lines[:kept])
    (summary,) = list_captures(tmp_path)
    assert summary.note == f"run 1 was cut off after line {kept + 1}" and summary.rows == kept


def test_a_file_cut_off_in_the_middle_of_a_run_is_refused(tmp_path: Path) -> None:
    record(tmp_path, some_lines(40, step_ns=100 * SECOND_NS))
    path = tmp_path / "000001.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CaptureError, match=r"000001.jsonl.zst: is cut off after line \d+: get the file again"):
        list(open_replay(tmp_path).events())
    assert "its SHA-256 is not the manifest's (cut off" in verify_recording(tmp_path).damaged[0]


@pytest.mark.parametrize("content", [b"", b"hello\n" * 50, bytes(range(256))])
def test_a_listed_file_in_which_nothing_is_left_of_a_recording_is_found(tmp_path: Path, content: bytes) -> None:
    record(tmp_path, some_lines(400))
    path = tmp_path / "000001.jsonl.zst"
    path.write_bytes(content)
    damage = f"{path}: its SHA-256 is not the manifest's (not the file that was recorded)"
    assert verify_recording(tmp_path).damaged[0] == damage
    with pytest.raises(CaptureError):
        open_replay(tmp_path)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    record(tmp_path, some_lines(400))
    path = tmp_path / "000001.jsonl.zst"
    whole = path.read_bytes()
    assert not verify_recording(tmp_path).damaged
    for position in range(40, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert f"{path}: its SHA-256 is not the manifest's (changed)" in verify_recording(tmp_path).damaged
    with pytest.raises(CaptureError, match="is damaged after line"):
        list(open_replay(tmp_path).events())


def test_verify_counts_what_is_wrong_and_what_is_missing(captures: Path, tmp_path: Path) -> None:
    lines = with_troubles(recorded_books(captures))
    record(tmp_path, lines)
    report = verify_recording(tmp_path)
    assert (report.runs, report.lines, report.disconnects, report.mismatches) == (1, len(lines), 1, 0)
    # 510 and 30 recorded messages, and the first one once more.
    assert report.updates == 541
    assert verify_capture(tmp_path) == VerifyReport(541, 0, 1)
    broken = [
        replace(line, frame=line.frame.replace(b'"checksum":', b'"checksum":1'))
        if isinstance(line, FrameLine) and number == 100
        else line
        for number, line in enumerate(lines)
    ]
    record(tmp_path / "broken", broken)
    assert verify_capture(tmp_path / "broken").mismatches == 1


def test_recordings_are_listed_beside_captures(captures: Path, tmp_path: Path) -> None:
    shutil.copy(captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json", tmp_path)
    record(tmp_path / "recordings" / "one", some_lines(50))
    held = Recorder(tmp_path / "recordings" / "one", SETTINGS, ManualClock(START_NS))
    book, recording = list_captures(tmp_path)
    assert (book.format, recording.format) == ("kraken-v2-json", "recording")
    assert (recording.symbol, recording.rows, recording.note) == ("BTC/USD, MINA/GBP", 50, "being recorded")
    held.close()
    assert list_captures(tmp_path / "recordings")[0].note == ""


def test_what_does_not_begin_as_a_recording_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "late", some_lines(50)[1:])
    with pytest.raises(CaptureError, match="does not begin with the exchange's list of pairs"):
        open_replay(tmp_path / "late")
    record(tmp_path / "nothing", [])
    with pytest.raises(CaptureError, match="no recorded market"):
        open_replay(tmp_path / "nothing")


def test_a_tick_that_changed_between_two_runs_is_refused(tmp_path: Path) -> None:
    record(tmp_path, some_lines(50))
    pairs = asset_pairs(START_NS + 3600 * SECOND_NS)
    record(tmp_path, [replace(pairs, reply=pairs.reply.replace(b'"tick_size":"0.1"', b'"tick_size":"0.01"'))])
    with pytest.raises(CaptureError, match="tick or lot of BTC/USD is another from run 2 on"):
        open_replay(tmp_path)


def test_a_plain_log_of_several_instruments_replays_as_a_recording(captures: Path, tmp_path: Path) -> None:
    lines = with_troubles(recorded_books(captures))
    path = tmp_path / "sent.jsonl"
    path.write_bytes(b"".join(map(write_line, lines)))
    feed = open_replay(path)
    assert isinstance(feed, RecordedFeed) and feed.manifest.symbols == SYMBOLS
    assert list(feed.events()) == live_events(lines)
    assert verify_capture(path) == VerifyReport(541, 0, 1)
    path.write_bytes(path.read_bytes()[:-10])
    assert list(open_replay(path).events()) == live_events(lines[:-1])
    (summary,) = list_captures(path)
    assert summary.note == f"run 1 was cut off after line {len(lines) - 1}"
    path.write_bytes(b"".join(map(write_line, lines[:300])) + b"nonsense\n" + b"".join(map(write_line, lines[300:])))
    with pytest.raises(CaptureError, match=r"sent.jsonl, record 301: is no line of a feed"):
        open_replay(path)
