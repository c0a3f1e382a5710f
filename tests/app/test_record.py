from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome, eventually

from triplegain.app import record_run
from triplegain.app.record_run import RecordRun, RecordView
from triplegain.app.session_recording import recorder_for_session, recordings_dir
from triplegain.config import load_config
from triplegain.domain.clock import SECOND_NS, ManualClock, SteadyClock
from triplegain.domain.market import BookUpdate, MarketEvent
from triplegain.feeds.captures.replay import list_captures, open_replay
from triplegain.feeds.recording.recorder import Recorder
from triplegain.feeds.recording.recording import RecordedFeed, verify_recording
from triplegain.feeds.recording.settings import RecorderSettings
from triplegain.gateway.local_kraken import LocalKraken, sent_log
from triplegain.gateway.pacing import ServingSettings
from triplegain.venues.kraken.feed import KrakenFeed, open_kraken_feed
from triplegain.venues.kraken.settings import FeedSettings

SYMBOLS = ("BTC/USD",)
SETTINGS = RecorderSettings(SYMBOLS, 10, 3 * SECOND_NS, disk_bytes_free_min=0)


@pytest.fixture
async def kraken(captures: Path) -> AsyncIterator[LocalKraken]:
    """Fifty seconds of Kraken's BTC/USD book in half a second."""
    path = captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json"
    async with LocalKraken(path, ServingSettings(speed=100, derive_xrp=False)) as server:
        yield server


def feed_settings(kraken: LocalKraken) -> FeedSettings:
    return FeedSettings(SYMBOLS, kraken.rest_url, kraken.websocket_url, 10, 100, 0.2, 3.0, 5.0, 20_000)


class Watcher:
    """Stops when the whole market has come."""

    def __init__(self) -> None:
        self.run: RecordRun | None = None
        self.views: list[RecordView] = []

    def update(self, view: RecordView) -> None:
        self.views.append(view)
        if self.run is not None and self.run.summary()["book_updates"] >= 510:
            self.run.stop()


async def test_a_recorded_feed_replays_to_the_very_events_it_told(kraken: LocalKraken, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "session", SETTINGS, ManualClock())
    feed = await open_kraken_feed(feed_settings(kraken), SteadyClock(), recorder.take)
    told: list[MarketEvent] = []
    async for events in feed.batches():
        told += events
        if sum(isinstance(event, BookUpdate) for event in told) >= 510:
            break
    await feed.aclose()
    recorder.close()
    replayed = list(open_replay(tmp_path / "session").events())
    assert replayed == told
    assert verify_recording(tmp_path / "session").updates == feed.counters.book_updates


async def test_what_a_local_kraken_logs_replays_to_the_same_market(captures: Path, tmp_path: Path) -> None:
    path, symbols = captures / "binance_spot_l2_trades_btcusdt_2024-08", ("BTC/USDT", "XRP/USDT")
    with sent_log(tmp_path / "sent.jsonl") as log:
        async with LocalKraken(path, ServingSettings(speed=20), on_sent=log) as server:
            feed = await open_kraken_feed(replace(feed_settings(server), symbols=symbols), SteadyClock())
            told: list[MarketEvent] = []
            async for events in feed.batches():
                told += events
                if feed.counters.book_updates >= 2000:
                    break
            await feed.aclose()
    replayed = open_replay(tmp_path / "sent.jsonl")
    assert isinstance(replayed, RecordedFeed) and set(replayed.depth) == set(symbols)
    assert str(replayed.instruments[0].tick) == "0.01"
    for symbol in symbols:
        seen = [(event.bids, event.asks) for event in told if isinstance(event, BookUpdate) and event.symbol == symbol]
        sent = [event for event in replayed.events() if isinstance(event, BookUpdate) and event.symbol == symbol]
        # The last frames were on their way when the session ended.
        assert seen == [(event.bids, event.asks) for event in sent][: len(seen)] and len(seen) > 100
    (summary,) = list_captures(tmp_path)
    assert summary.format == "recording" and not summary.problem


async def test_a_recording_ends_when_it_is_told_to_and_says_what_it_holds(
    kraken: LocalKraken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_run, "_LOOK_S", 0.01)
    recorder = Recorder(tmp_path / "session", SETTINGS, ManualClock())
    feed = await open_kraken_feed(feed_settings(kraken), SteadyClock(), recorder.take)
    watcher = Watcher()
    watcher.run = run = RecordRun(feed, recorder, SteadyClock())
    await run.follow(None, watcher.update)
    await feed.aclose()
    manifest = recorder.close()
    view = watcher.views[-1]
    assert (view.in_sync, view.instruments, view.counters.mismatches, view.problem) == (1, 1, 0, "")
    summary = run.summary()
    assert summary["instruments"] == ["BTC/USD"] and summary["lines"] == manifest.lines > 510
    assert summary["size_bytes"] == sum(file.size_bytes for file in manifest.files)
    assert manifest.runs[0].mismatches == {"BTC/USD": 0}
    assert manifest.counts["BTC/USD"].book_updates == summary["book_updates"]


async def test_a_recording_with_a_problem_ends_by_itself(
    kraken: LocalKraken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_run, "_LOOK_S", 0.01)
    recorder = Recorder(tmp_path / "session", SETTINGS, ManualClock())
    feed: KrakenFeed = await open_kraken_feed(feed_settings(kraken), SteadyClock(), recorder.take)
    recorder.problem = "not recorded any more: the disk is full"
    run = RecordRun(feed, recorder, SteadyClock())
    await run.follow(None, Watcher().update)
    await feed.aclose()
    recorder.close()
    assert run.summary()["problem"] == "not recorded any more: the disk is full"


async def test_the_command_records_until_ctrl_c(captures: Path, tmp_path: Path) -> None:
    path = captures / "binance_spot_l2_trades_btcusdt_2024-08"
    async with LocalKraken(path, ServingSettings(speed=20)) as kraken:
        kraken_urls = {
            "TRIPLEGAIN_KRAKEN_REST_URL": kraken.rest_url,
            "TRIPLEGAIN_KRAKEN_WS_URL": kraken.websocket_url,
        }
        home = PaperHome(tmp_path / "home", kraken_urls)
        home.path.mkdir(mode=0o700)
        with home.running("record", "--instruments", "btc/usdt,xrp/usdt", "--depth", "25", "--json") as running:
            await asyncio.to_thread(eventually, lambda: _recorded_bytes(home.path) > 100_000, "the recording")
            summary = (await asyncio.to_thread(running.interrupt)).answer
    assert summary["instruments"] == ["BTC/USDT", "XRP/USDT"]
    assert summary["book_updates"] > 100 and summary["trades"] > 10 and summary["problem"] == ""
    folder = Path(summary["folder"])
    assert folder.parent == recordings_dir(home.path)
    verified = await asyncio.to_thread(home.run, "captures", "verify", folder.name, "--json")
    assert verified.code == 0 and json.loads(verified.stdout)["updates"] == summary["book_updates"]


def _recorded_bytes(home: Path) -> int:
    return sum(path.stat().st_size for path in home.glob("recordings/*/*.jsonl.zst"))


def test_without_kraken_nothing_is_recorded_and_the_reason_is_said(tmp_path: Path) -> None:
    home = PaperHome(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    finished = home.run("record", "--duration", "1s")
    assert finished.code == 6 and finished.stdout == ""
    assert finished.stderr.startswith("nothing was recorded, Kraken does not answer: http://127.0.0.1:9/")
    assert not recordings_dir(home.path).exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--depth", "7"), "books of 10, 25, 100, 500 or 1000 levels"), (("--duration", "soon"), "--duration is a whole")],
)
def test_wrong_words_are_told_before_anything_starts(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    home = PaperHome(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    finished = home.run("record", *words)
    assert finished.code == 2 and told in " ".join(finished.stderr.split())


def test_a_session_is_recorded_under_its_name_in_the_room_all_recordings_share(tmp_path: Path) -> None:
    config = load_config({"TRIPLEGAIN_HOME": str(tmp_path)})
    recorder = recorder_for_session(config, tmp_path, "paper_1", ManualClock(), ("XRP/BTC",))
    assert recorder.folder == tmp_path / "recordings" / "paper_1"
    recorder.close()
