"""`record` from start to end: the exchange's feed, its recorder, what the user watches."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triplegain.app.feeds import parse_duration_ns
from triplegain.app.live_market import feed_settings, why_away
from triplegain.app.session_recording import recorder_settings, recordings_dir
from triplegain.config import Config
from triplegain.domain.clock import Clock, SteadyClock, SystemClock, to_datetime
from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, MarketEvent
from triplegain.feeds.recording.recorder import Recorder, RecorderProgress
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.feed import KrakenFeed, open_kraken_feed
from triplegain.venues.kraken.stream import state_lines
from triplegain.venues.kraken.stream_clock import StreamCounters

#: Seconds between two looks at how it goes.
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What was asked for on the command line; None leaves it to the configuration."""

    instruments: tuple[str, ...] | None = None
    to: Path | None = None
    duration: str | None = None
    depth: int | None = None


@dataclass(frozen=True, slots=True)
class RecordView:
    """A recording as it runs."""

    elapsed_ns: int
    instruments: int
    in_sync: int
    counters: StreamCounters
    progress: RecorderProgress
    problem: str


#: Is told how it goes.
Watch = Callable[[RecordView], None]


async def run_record(options: RecordOptions, config: Config, home: Path, watch: Watch) -> dict[str, Any]:
    """Record until Ctrl-C or the end of the duration; the summary that `record --json` prints.

    Raises FeedError when Kraken does not answer, RecordingError when nothing can be recorded where it should be,
    InvalidValueError for wrong words.
    """
    duration_ns = parse_duration_ns(options.duration)
    away = await why_away(config)
    if away:
        raise FeedError(f"nothing was recorded, Kraken does not answer: {away}")
    symbols = options.instruments or config.market.symbols
    clock, root = SystemClock(), recordings_dir(home)
    folder = options.to or root / f"{to_datetime(clock.now_ns()):%Y%m%d_%H%M%S}"
    settings = recorder_settings(config, symbols, None if options.to else root)
    feed_options = feed_settings(config, home, symbols)
    if options.depth is not None:
        settings = replace(settings, book_depth=options.depth)
        feed_options = replace(feed_options, book_depth=options.depth)
    recorder = Recorder(folder.expanduser().absolute(), settings, clock)
    try:
        feed = await open_kraken_feed(feed_options, SteadyClock(), recorder.take)
        run = RecordRun(feed, recorder, SteadyClock())
        try:
            await run.follow(duration_ns, watch)
        finally:
            await feed.aclose()
    finally:
        await asyncio.to_thread(recorder.close)
    return run.summary()


class RecordRun:
    """One feed and its recorder until somebody stops it."""

    def __init__(self, feed: KrakenFeed, recorder: Recorder, clock: Clock) -> None:
        self._feed = feed
        self._recorder = recorder
        self._clock = clock
        self._started_ns = clock.now_ns()
        self._stop = asyncio.Event()
        self._states = dict.fromkeys((one.symbol for one in feed.instruments), FeedState.GAP)
        self._mismatches: Counter[str] = Counter()
        recorder.state_lines = lambda received_at_ns: state_lines(feed.markets, received_at_ns)
        recorder.mismatches = lambda: {symbol: self._mismatches[symbol] for symbol in self._states}

    def stop(self) -> None:
        self._stop.set()

    async def follow(self, duration_ns: int | None, watch: Watch) -> None:
        """Until `stop`, SIGINT or SIGTERM, the end of the duration, or a problem of the recording."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.stop)
        following = asyncio.create_task(self._take_all())
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while not self._is_over(duration_ns) and not following.done():
                await asyncio.wait({following, stopped}, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                watch(self.view())
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
            stopped.cancel()
            following.cancel()
            await asyncio.wait({following, stopped})
        if not following.cancelled():
            following.result()

    def _is_over(self, duration_ns: int | None) -> bool:
        elapsed_ns = self._clock.now_ns() - self._started_ns
        return self._stop.is_set() or bool(self._recorder.problem) or elapsed_ns >= (duration_ns or 1 << 63)

    async def _take_all(self) -> None:
        async for events in self._feed.batches():
            for event in events:
                self._observe(event)

    def _observe(self, event: MarketEvent) -> None:
        if isinstance(event, BookUpdate):
            if event.snapshot and self._states.get(event.symbol) is FeedState.GAP:
                self._states[event.symbol] = FeedState.SYNCED
        elif isinstance(event, FeedStatus):
            self._states[event.symbol] = event.state
            self._mismatches[event.symbol] += event.state is FeedState.CHECKSUM_MISMATCH

    def view(self) -> RecordView:
        return RecordView(
            self._clock.now_ns() - self._started_ns,
            len(self._states),
            sum(state is FeedState.SYNCED for state in self._states.values()),
            replace(self._feed.counters),
            self._recorder.progress,
            self._recorder.problem,
        )

    def summary(self) -> dict[str, Any]:
        """After the recorder was closed: what is in the folder now."""
        view, counters = self.view(), self._feed.counters
        return {
            "folder": str(self._recorder.folder),
            "instruments": list(self._states),
            "seconds": round(view.elapsed_ns / 10**9, 3),
            "lines": view.progress.lines,
            "frames": counters.frames,
            "book_updates": counters.book_updates,
            "trades": counters.trades,
            "mismatches": counters.mismatches,
            "gaps": counters.holes,
            "reconnects": counters.reconnects,
            "dropped": counters.dropped,
            "size_bytes": view.progress.written_bytes,
            "problem": view.problem,
        }
