from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import pytest
from tests.gateway.small_market import ASKS, BIDS, BTC, SNAPSHOT, SmallFeed, at, book, changes, trade
from tests.venues.followed import Followed

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import Heartbeat, MarketDepth
from triplegain.feeds.captures.replay import open_replay
from triplegain.gateway.served_market import Outgoing
from triplegain.gateway.venue import DERIVATIONS, Venue
from triplegain.market.feed import FeedError
from triplegain.market.scaling import Scale
from triplegain.venues.kraken.wire.frames import read_frame, read_trade_frame
from triplegain.venues.kraken.wire.writer import acknowledgement

BINANCE = "binance_spot_l2_trades_btcusdt_2024-08"
KRAKEN_USD = "kraken_wsv2_btcusd_book/orderbook-v2.json"
KRAKEN_GBP = "kraken_wsv2_minagbp_book/kraken_minagbp_d25_20260816.ndjson"
KRAKEN_TAPE = "kraken_trades_btcusdt_2023-11/BTC_USDT-trades.feather"


def _listen(venue: Venue, depth: int, symbols: list[str] | None = None) -> list[Outgoing]:
    """Everybody listens to book and trades; the book snapshots of now."""
    frames: list[Outgoing] = []
    for symbol in symbols or list(venue.markets):
        market = venue.markets[symbol]
        market.listen(("book", symbol, depth))
        market.listen(("trade", symbol, ""))
        frames.append((("book", symbol, depth), market.book_snapshot(depth)))
    return frames


def _play(venue: Venue, events: int | None = None) -> list[Outgoing]:
    frames: list[Outgoing] = []
    while venue.next_ns is not None and (events is None or venue.events < events):
        frames += venue.step()
    return frames


def _decoder(venue: Venue, depth: int, begin_ns: int) -> Followed:
    decoder = Followed(venue.instruments, begin_ns)
    for symbol in venue.markets:
        result = {"channel": "book", "depth": depth, "snapshot": True, "symbol": symbol}
        decoder.take(acknowledgement("subscribe", result, None, "", ""))
    return decoder


def _decode(venue: Venue, depth: int, frames: list[Outgoing]) -> tuple[int, int, int]:
    """Book messages, what was wrong with them, holes in the trade numbers."""
    decoder = _decoder(venue, depth, venue.now_ns)
    for _, frame in frames:
        decoder.take(frame)
    return decoder.found


def test_a_book_recorded_from_kraken_goes_out_byte_for_byte(captures: Path) -> None:
    path = captures / KRAKEN_GBP
    recorded = [
        line.partition(b'"frame": ')[2][:-1] for line in path.read_bytes().splitlines() if b'"channel":"book"' in line
    ]
    recorded = [frame for frame in recorded if read_frame(frame).channel == "book"]
    venue = Venue(open_replay(path))
    frames = [frame for _, frame in _listen(venue, 25) + _play(venue)]
    assert len(recorded) == 30
    assert frames[1:] == recorded[1:]
    # The snapshot is that of Kraken too, but for its time: that of its last change, before the recording began.
    assert frames[0].partition(b',"timestamp"')[0] == recorded[0].partition(b',"timestamp"')[0]


def test_a_book_that_lost_its_zeros_goes_out_with_them_and_is_else_the_same(captures: Path) -> None:
    document = json.loads((captures / KRAKEN_USD).read_text(), parse_float=Decimal)
    venue = Venue(open_replay(captures / KRAKEN_USD))
    frames = [json.loads(frame, parse_float=Decimal) for _, frame in _listen(venue, 10) + _play(venue)]
    assert len(frames) == 510
    for frame, recorded in zip(frames, [document["init"], *document["updates"]], strict=True):
        # The snapshot was recorded without a time.
        if "timestamp" not in recorded["data"][0]:
            del frame["data"][0]["timestamp"]
        assert frame == recorded


@pytest.mark.parametrize(
    ("file", "depth", "events"),
    [(KRAKEN_USD, 10, None), (KRAKEN_GBP, 10, None), (BINANCE, 100, 1_000), (KRAKEN_TAPE, 10, 1_000)],
)
def test_our_own_decoder_takes_every_frame(captures: Path, file: str, depth: int, events: int | None) -> None:
    venue = Venue(open_replay(captures / file))
    frames = _listen(venue, depth) + _play(venue, events)
    updates, mismatches, gaps = _decode(venue, depth, frames)
    assert updates > 29
    assert (mismatches, gaps) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [10, 1000])
def test_our_own_decoder_takes_the_whole_recording_and_what_is_made_from_it(captures: Path, depth: int) -> None:
    venue = Venue(open_replay(captures / BINANCE))
    updates, mismatches, gaps = _decode(venue, depth, _listen(venue, depth) + _play(venue))
    assert updates > 240_000
    assert (mismatches, gaps) == (0, 0)


def test_the_same_recording_is_told_the_same_way_twice(captures: Path) -> None:
    told = []
    for _ in range(2):
        venue = Venue(open_replay(captures / BINANCE))
        told.append(_listen(venue, 25) + _play(venue, 1500))
    assert told[0] == told[1] and len(told[0]) > 1500


def test_updates_carry_one_side_each(captures: Path) -> None:
    venue = Venue(open_replay(captures / BINANCE), derive_xrp=False)
    _listen(venue, 100)
    books = [json.loads(frame) for topic, frame in _play(venue, 1500) if topic[0] == "book"]
    assert books and all(bool(one["data"][0]["bids"]) != bool(one["data"][0]["asks"]) for one in books)


def test_a_lap_goes_on_where_the_last_one_ended() -> None:
    feed = SmallFeed((SNAPSHOT, book(1, [(370_000, 7)]), trade(2, 370_000, number="9"), trade(4, 370_010, number="10")))
    venue = Venue(feed, loop=True, derive_xrp=False)
    frames = _listen(venue, 10)
    for _ in range(11):
        frames += venue.step()
    assert venue.laps == 3
    decoder = _decoder(venue, 10, at(0))
    events = [event for _, frame in frames for event in decoder.take(frame, venue.now_ns)]
    assert decoder.found[1:] == (0, 0)
    # A lap is 4 s and the second between two laps. The start of the next lap puts the first bid back.
    assert [event.exchange_time_ns - at(0) for event in events] == [
        seconds * SECOND_NS for seconds in (0, 1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14)
    ]
    numbers = [read_trade_frame(frame).data[0].trade_id for topic, frame in frames if topic[0] == "trade"]
    assert numbers == [9, 10, 11, 12, 13, 14]


def test_without_laps_the_end_is_the_end() -> None:
    venue = Venue(SmallFeed(changes(3)))
    _play(venue)
    assert (venue.next_ns, venue.step(), venue.now_ns) == (None, [], at(0.3))


def test_a_market_of_trades_gets_a_book_that_moves_with_them() -> None:
    trades = tuple(trade(second, 370_000 + 7 * second, number=str(second + 1)) for second in range(20))
    venue = Venue(SmallFeed(trades, kind=MarketDepth.TAPE), derive_xrp=False)
    frames = _listen(venue, 10) + _play(venue)
    updates, mismatches, gaps = _decode(venue, 10, frames)
    assert updates > 20 and (mismatches, gaps) == (0, 0)
    # Each trade bought at the best ask of the book that was told just before it.
    assert venue.markets["BTC/USDT"].book.asks.best == 370_000 + 7 * 19


def test_xrp_pairs_have_the_moves_of_their_source(captures: Path) -> None:
    venue = Venue(open_replay(captures / BINANCE))
    assert venue.derived == ("XRP/BTC", "XRP/USDT")
    _play(venue, 2500)
    source = venue.markets["BTC/USDT"]
    for derivation in DERIVATIONS:
        derived = venue.markets[derivation.symbol]
        ratio = Fraction(source.instrument.tick) * Fraction(derivation.price) / Fraction(derived.instrument.tick)
        bids, asks = Counter[int](), Counter[int]()
        for price, size in source.book.bids.sizes.items():
            bids[floor(price * ratio)] += size * derivation.quantity
        for price, size in source.book.asks.sizes.items():
            asks[ceil(price * ratio)] += size * derivation.quantity
        assert (derived.book.bids.sizes, derived.book.asks.sizes) == (bids, asks)
        assert derived.book.bids.best < derived.book.asks.best
        assert derived.tape.count == source.tape.count


def test_only_what_was_recorded_is_served_when_so_asked() -> None:
    assert list(Venue(SmallFeed(changes(1)), derive_xrp=False).markets) == ["BTC/USDT"]


def test_history_is_told_to_nobody() -> None:
    venue = Venue(SmallFeed(changes(30)), derive_xrp=False)
    venue.skip_to(at(2))
    assert venue.now_ns == at(2) and venue.markets["BTC/USDT"].tape.count == 2


def test_a_recording_of_candles_is_refused(captures: Path) -> None:
    with pytest.raises(FeedError, match="only candles for BTC/USDT; books or trades are needed"):
        Venue(open_replay(captures / "kraken_ohlcv_btcusdt" / "XBTUSDT_60.csv"))


def test_a_recording_without_a_book_is_refused() -> None:
    with pytest.raises(FeedError, match="no book and no trade of BTC/USDT"):
        Venue(SmallFeed((Heartbeat(at(0), at(0)), book(1, BIDS))), derive_xrp=False)


def test_places_are_those_of_the_recording(captures: Path) -> None:
    market = Venue(open_replay(captures / BINANCE)).markets["BTC/USDT"]
    assert (market.price_places, market.quantity_places) == (2, 8)
    assert Scale(BTC.tick).places == 1 and ASKS[0][0] == BTC.ticks(Decimal("37001.0"))
