"""A session that is started again goes on from the last place that its market was stored at, and nothing shows it."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.app.played_on import Kept, Life, killed_often, market_of, whole
from tests.session.sessions import demo, settings_for

from triplegain.app.play_on import begun
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.feeds.captures.decoded_folder import DecodedFolder
from triplegain.feeds.captures.replay import open_replay
from triplegain.session.market_mark import MarketMark, sealed
from triplegain.session.trading_session import TradingSession

SECONDS = 100


def test_a_demo_market_goes_on_from_its_mark_as_if_nobody_had_been_away() -> None:
    seed = 3
    feed = partial(demo, seed, SECONDS, past=True)
    unharmed, session = whole(feed)
    killed, again = killed_often(feed, seed, by_mark=True)
    assert killed.kept.records == unharmed.kept.records and unharmed.kept.records["fills"]
    assert market_of(again) == market_of(session)
    from_zero, played = killed_often(feed, seed, by_mark=False)
    assert from_zero.kept.records == unharmed.kept.records and market_of(played) == market_of(session)
    # The starts are many, and all of them together play little of the market again.
    assert len(killed.played) >= 4 and killed.words == []
    assert sum(killed.played) < sum(from_zero.played) / 3


@pytest.mark.parametrize("count", [1_000, 2_345])
def test_what_is_put_back_is_what_was_seen(count: int) -> None:
    feed = demo(3, 100, past=True)
    session, again = (TradingSession(settings_for(feed)) for _ in range(2))
    events, marks = asyncio.run(begun(session, feed))
    for event in islice(events, count):
        session.observe(event)
    time_ns = session.exchange.now_ns
    session.observe(FeedStatus("XRP/USDT", time_ns, time_ns, FeedState.GAP, "a gap"))
    change = marks.joined(session.take_batch(count, SECOND_NS)).mark
    assert change is not None
    MarketMark(change.put, feed.identity).put_into(again)
    again.exchange.now_ns = time_ns
    assert market_of(again) == market_of(session)


@pytest.mark.slow
def test_a_recorded_market_goes_on_from_its_mark_as_if_nobody_had_been_away(captures: Path) -> None:
    feed = partial(open_replay, captures / "binance_spot_l2_trades_btcusdt_2024-08")
    unharmed, session = whole(feed)
    killed, again = killed_often(feed, 5, by_mark=True)
    assert killed.kept.records == unharmed.kept.records and unharmed.kept.records["fills"]
    assert market_of(again) == market_of(session)
    assert killed.kept.marked and sum(killed.played[2:]) < killed.kept.batches[-1].feed_position


@pytest.mark.slow
def test_a_recorded_market_goes_on_with_its_events_decoded_or_not(captures: Path, tmp_path: Path) -> None:
    path, kept = captures / "binance_spot_l2_trades_btcusdt_2024-08", DecodedFolder(tmp_path / "decoded", 10**9)
    unharmed, session = whole(partial(open_replay, path))
    for _ in range(2):
        decoded, again = whole(partial(open_replay, path, kept))
        assert decoded.kept.records == unharmed.kept.records and market_of(again) == market_of(session)
    ways = cycle([None, kept, kept])
    killed, again = killed_often(lambda: open_replay(path, next(ways)), 5, by_mark=True)
    assert killed.kept.records == unharmed.kept.records and unharmed.kept.records["fills"]
    assert market_of(again) == market_of(session) and "beginning" not in "".join(killed.words)
    assert sum(killed.played[2:]) < killed.kept.batches[-1].feed_position


def test_a_mark_of_another_program_or_feed_is_not_believed() -> None:
    feed = partial(demo, 3, 100)
    life = Life(feed)
    assert asyncio.run(life.run(kill_after=15)) is None and life.kept.marked
    sound = dict(life.kept.mark)
    head = msgspec.json.decode(sound[""][:-16])
    unharmed, _ = whole(feed)
    wrong: dict[str, dict[str, Any]] = {
        "was written by": {"made_by": "0.0.1, form 1"},
        "another recording": {"feed": "another"},
        "cannot be read": {"markets": "none"},
        "does not lie before": {"position": life.kept.batches[-1].feed_position + 1},
        "other timeframes": {"view": {**head["view"], "symbols": {
            symbol: {**each, "unfinished": {}} for symbol, each in head["view"]["symbols"].items()
        }}},
        "demo market cannot go on": {"mark": {**head["mark"], "place": {**head["mark"]["place"], "random": "AAAA"}}},
    }  # fmt: skip
    for words, change in wrong.items():
        again = Life(feed, kept=Kept(list(life.kept.batches)))
        again.kept.mark = {**sound, "": sealed("", msgspec.json.encode({**head, **change}))}
        assert asyncio.run(again.run()) is not None
        assert [words in told for told in again.words] == [True], (words, again.words)
        assert again.kept.records == unharmed.kept.records


def test_an_edit_of_a_mark_shows() -> None:
    life = Life(partial(demo, 3, 100, past=True))
    assert asyncio.run(life.run(kill_after=15)) is None
    edited = next(key for key in life.kept.mark if key)
    life.kept.mark[edited] = life.kept.mark[edited].replace(b"[[", b"[[9", 1)
    assert asyncio.run(life.run()) is not None
    [told] = life.words
    assert f"its row '{edited}' was changed" in told


def test_missing_candles_are_noticed() -> None:
    life = Life(partial(demo, 3, 100, past=True))
    assert asyncio.run(life.run(kill_after=15)) is None
    page = next(key for key in life.kept.mark if key)
    del life.kept.mark[page]
    assert asyncio.run(life.run()) is not None
    [told] = life.words
    assert "candles of" in told or "do not follow" in told
