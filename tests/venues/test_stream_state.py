from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.feeds.recorded_lines import START_NS, asset_pairs, recorded_books

from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, MarketEvent
from triplegain.feeds.captures.instruments import capture_instrument
from triplegain.feeds.captures.replay import open_replay
from triplegain.feeds.recording.recorder import Recorder
from triplegain.feeds.recording.settings import RecorderSettings
from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine
from triplegain.venues.kraken.market import KrakenMarket
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings, state_lines
from triplegain.venues.kraken.wire.writer import instruments, status

SYMBOLS = ("BTC/USD", "MINA/GBP")


def new_stream() -> KrakenStream:
    return KrakenStream(SYMBOLS, StreamSettings(10, 3 * SECOND_NS))


def markets(stream: KrakenStream) -> list[KrakenMarket]:
    return list(stream._markets.values())


def told(stream: KrakenStream, lines: Iterable[FeedLine]) -> list[MarketEvent]:
    return [event for line in lines for event in stream.on_line(line)]


def books_of(events: Iterable[MarketEvent]) -> list[BookUpdate]:
    return [event for event in events if isinstance(event, BookUpdate)]


@pytest.mark.parametrize("position", [*range(20, 500, 60), 530, 550, 570])
def test_a_stream_that_begins_in_the_middle_goes_on_like_the_one_from_the_start(captures: Path, position: int) -> None:
    lines = recorded_books(captures)
    # The two books were recorded years apart: one at a time.
    start, end = (0, 511) if position < 511 else (511, len(lines))
    whole = new_stream()
    told(whole, [asset_pairs(), *lines[start:position]])
    state = state_lines(markets(whole), lines[position - 1].received_at_ns)
    later = new_stream()
    begun = told(later, [asset_pairs(), *state])
    synced = [market.symbol for market in markets(whole) if market.is_synced]
    assert [event.symbol for event in books_of(begun) if event.snapshot] == synced and len(synced) == 1
    for one, other in zip(markets(whole), markets(later), strict=True):
        assert one.book.levels() == other.book.levels()
    rest = books_of(told(whole, lines[position:end]))
    assert rest and books_of(told(later, lines[position:end])) == rest
    assert later.counters.mismatches == 0


def test_a_book_that_waits_is_not_told(captures: Path) -> None:
    lines = recorded_books(captures)[:100]
    stream = new_stream()
    told(stream, [*lines, DownLine(lines[-1].received_at_ns, 0, "gone")])
    assert state_lines(markets(stream), START_NS) == []
    assert state_lines(markets(new_stream()), START_NS) == []


def test_what_the_exchange_does_not_allow_is_told_before_the_books(captures: Path) -> None:
    lines = recorded_books(captures)[:100]
    for frame, state in (
        (status("cancel_only"), FeedState.CANCEL_ONLY),
        (status("maintenance"), FeedState.MAINTENANCE),
        (instruments("update", [(capture_instrument("BTC/USD"), "post_only")]), FeedState.POST_ONLY),
    ):
        stream = new_stream()
        told(stream, [*lines, FrameLine(lines[-1].received_at_ns, 0, frame)])
        begun = told(new_stream(), [asset_pairs(), *state_lines(markets(stream), lines[-1].received_at_ns)])
        first, *_ = [event for event in begun if event.symbol == "BTC/USD"]
        assert isinstance(first, FeedStatus) and first.state is state


def test_a_file_of_a_long_recording_begins_with_the_books_as_they_stand(captures: Path, tmp_path: Path) -> None:
    lines = recorded_books(captures)
    books = [line for line in lines[1:511] if isinstance(line, FrameLine)]
    # Half of it before the hour, half after.
    hour = (START_NS // (3600 * SECOND_NS) + 1) * 3600 * SECOND_NS
    early = [FrameLine(hour - 300 * SECOND_NS + n * SECOND_NS, 0, one.frame) for n, one in enumerate(books[:250])]
    late = [FrameLine(hour + n * SECOND_NS, 0, one.frame) for n, one in enumerate(books[250:])]
    stream = new_stream()
    recorder = Recorder(tmp_path, RecorderSettings(SYMBOLS, 10, 3 * SECOND_NS, disk_bytes_free_min=0), ManualClock(1))
    recorder.state_lines = lambda received_at_ns: state_lines(markets(stream), received_at_ns)
    seen: list[MarketEvent] = []
    lines = [asset_pairs(early[0].received_at_ns), *early, *late]
    for line in lines:
        recorder.take(line)
        seen += stream.on_line(line)
    first, second = recorder.close().files
    assert (first.lines, second.lines, second.preamble) == (251, 260, 3)
    assert list(open_replay(tmp_path).events()) == seen
    alone = books_of(open_replay(tmp_path / second.name).events())
    assert alone[0].snapshot and alone[1:] == books_of(seen)[-260:]
