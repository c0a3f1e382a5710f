from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.feeds.small_exchange import (
    HEARTBEAT,
    LOT,
    SECOND,
    START,
    SmallExchange,
    ack,
    book_frame,
    line,
    pair_row,
    pair_status,
    pairs_line,
    reply,
    status,
    time_line,
)

from triplegain.domain.market import (
    BookUpdate,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketEvent,
    PastCandles,
    PublicTrade,
    TimePassed,
)
from triplegain.venues.kraken.feed_line import DownLine, OverrunLine, ReplyLine, TickLine
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings
from triplegain.venues.kraken.stream_clock import BookWanted, StatesWanted, StreamRequest, TradesWanted

SYMBOL, OTHER = "BTC/USD", "ETH/USD"
MS = 10**6


class Desk:
    """A stream, the exchange it follows, and what was told; every message is received a millisecond later."""

    def __init__(self, *symbols: str, stale_after_s: int = 3) -> None:
        names = symbols or (SYMBOL,)
        self.stream = KrakenStream(names, StreamSettings(10, stale_after_s * SECOND))
        self.exchange = SmallExchange(names[0])
        self.received_ns = START
        self.told: list[MarketEvent] = []
        self.stream.on_line(pairs_line(*names))

    def frame(self, frame: bytes, connection: int = 0, later_s: float = 0.001) -> list[MarketEvent]:
        self.received_ns += int(later_s * SECOND)
        self.exchange.time_ns = max(self.exchange.time_ns, self.received_ns)
        events = self.stream.on_line(line(frame, self.received_ns, connection))
        self.told += events
        return events

    def tick(self, later_s: float) -> list[MarketEvent]:
        self.received_ns += int(later_s * SECOND)
        return self.stream.on_line(TickLine(self.received_ns))

    def down(self, reason: str = "reset", connection: int = 0) -> list[MarketEvent]:
        self.received_ns += MS
        return self.stream.on_line(DownLine(self.received_ns, connection, reason))

    def listen(self) -> list[MarketEvent]:
        """Subscribed, and the book is there."""
        self.frame(ack("trade"))
        self.frame(self.exchange.trade_frame(kind="snapshot"))
        self.stream.take_requests()
        return self.frame(self.exchange.open())


def states(events: list[MarketEvent]) -> list[FeedState]:
    return [event.state for event in events if isinstance(event, FeedStatus)]


def trades_wanted(requests: list[StreamRequest]) -> TradesWanted:
    """The one thing that is asked for: trades."""
    (wanted,) = requests
    assert isinstance(wanted, TradesWanted)
    return wanted


def numbers(events: list[MarketEvent]) -> list[str]:
    return [event.trade_id for event in events if isinstance(event, PublicTrade)]


def test_instruments_are_known_from_the_first_line() -> None:
    desk = Desk(SYMBOL, OTHER)
    assert list(desk.stream.instruments) == [SYMBOL, OTHER]
    assert str(desk.stream.instruments[SYMBOL].tick) == "0.1"
    assert desk.stream.instruments[SYMBOL].fees.tier(0).taker_ppm == 4000


def test_a_book_is_asked_for_once_the_tape_is_known_and_then_told() -> None:
    desk = Desk()
    assert desk.frame(ack("trade")) == []
    assert desk.stream.take_requests() == []
    desk.exchange.trade_row()
    assert desk.frame(desk.exchange.trade_snapshot()) == []
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    (snapshot,) = desk.frame(desk.exchange.open())
    assert isinstance(snapshot, BookUpdate) and snapshot.snapshot and snapshot.depth == 10
    assert snapshot.bids[0] == (999, LOT) and snapshot.asks[0] == (1001, LOT)
    (update,) = desk.frame(desk.exchange.update(bids=[(999, 0), (998, 5)]))
    assert isinstance(update, BookUpdate) and update.bids == ((999, 0), (998, 5)) and not update.snapshot
    assert not desk.stream.is_waiting(SYMBOL) and desk.stream.take_requests() == []


def test_every_recorded_frame_passes_through_the_stream(captures: Path) -> None:
    document = json.loads((captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json").read_text(), parse_float=str)

    def frame(message: dict[str, Any]) -> bytes:
        (one,) = message["data"]
        # The file has lost trailing zeros, and with them nothing that whole lots need.
        told = {
            side: ",".join(f'{{"price":{level["price"]},"qty":{level["qty"]}}}' for level in one[side])
            for side in ("bids", "asks")
        }
        time = f',"timestamp":"{one["timestamp"]}"' if "timestamp" in one else ""
        return (
            f'{{"channel":"book","type":"{message["type"]}","data":[{{"symbol":"BTC/USD","bids":[{told["bids"]}],'
            f'"asks":[{told["asks"]}],"checksum":{one["checksum"]}{time}}}]}}'
        ).encode()

    frames = [frame(one) for one in (document["init"], *document["updates"])]
    stream = KrakenStream((SYMBOL,), StreamSettings(10, 3 * SECOND))
    stream.on_line(pairs_line(SYMBOL))
    events = [event for n, one in enumerate(frames) for event in stream.on_line(line(one, START + n))]
    assert len(events) == 510 and all(isinstance(event, BookUpdate) for event in events)
    assert (stream.counters.book_updates, stream.counters.mismatches) == (510, 0)


def test_every_recorded_line_of_mina_passes_through_the_stream(captures: Path) -> None:
    lines = (captures / "kraken_wsv2_minagbp_book" / "kraken_minagbp_d25_20260816.ndjson").read_bytes().splitlines()
    stream = KrakenStream(("MINA/GBP",), StreamSettings(25, 3 * SECOND))
    stream.on_line(reply({"MINAGBP": pair_row("MINA/GBP", tick="0.0001")}))
    events: list[MarketEvent] = []
    for text in lines[1:]:
        one = json.loads(text)
        if one.get("dir") != "tx":
            start = text.index(b'"frame": ') + len(b'"frame": ')
            events += stream.on_line(line(text[start:-1], one["rx_ns"]))
    assert sum(isinstance(event, BookUpdate) for event in events) == 30
    assert sum(isinstance(event, Heartbeat) for event in events) == 60
    assert (stream.counters.mismatches, stream.counters.garbage, stream.counters.unknown) == (0, 0, 0)
    times = [event.exchange_time_ns for event in events]
    assert times == sorted(times)


# -- faults of the book ----------------------------------------------------------------------------------------------


def test_a_wrong_checksum_pauses_that_instrument_alone_until_its_new_snapshot() -> None:
    desk = Desk(SYMBOL, OTHER)
    desk.listen()
    other = SmallExchange(OTHER)
    desk.frame(other.open())
    good = desk.exchange.update(bids=[(990, 7)])
    bad = good.replace(b'"checksum":', b'"checksum":1')
    (told,) = desk.frame(bad)
    assert isinstance(told, FeedStatus) and told.symbol == SYMBOL and told.state is FeedState.CHECKSUM_MISMATCH
    assert told.reason == "the order book does not agree with Kraken's checksum; a new one is asked for"
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    # What comes before the snapshot is left out; the other instrument goes on.
    assert desk.frame(desk.exchange.update(bids=[(991, 7)])) == []
    assert len(desk.frame(other.update(bids=[(990, 7)]))) == 1
    snapshot, synced = desk.frame(desk.exchange.snapshot())
    assert isinstance(snapshot, BookUpdate) and snapshot.snapshot
    assert isinstance(synced, FeedStatus) and synced.state is FeedState.SYNCED
    assert (desk.stream.counters.mismatches, desk.stream.counters.skipped) == (1, 1)


def test_a_snapshot_with_a_wrong_checksum_is_asked_for_again() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.update(bids=[(990, 7)]).replace(b'"checksum":', b'"checksum":1'))
    desk.stream.take_requests()
    assert desk.frame(desk.exchange.snapshot().replace(b'"checksum":', b'"checksum":1')) == []
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    assert states(desk.frame(desk.exchange.snapshot())) == [FeedState.SYNCED]


def test_a_crossed_book_pauses_though_its_checksum_is_right() -> None:
    desk = Desk()
    desk.listen()
    (told,) = desk.frame(desk.exchange.update(bids=[(1001, 7)]))
    assert isinstance(told, FeedStatus) and told.state is FeedState.CROSSED
    assert told.reason == "the order book is crossed (bid 100.1, ask 100.1); a new one is asked for"
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"99.0", b"99.05", "99.05 is not a multiple of 0.1"),
        (b"99.0", b"-99.0", "negative"),
        (b"99.0", b"0.0", "price 0"),
        (b"0.00000007", b"-0.00000007", "negative"),
        (b"0.00000007", b"1e999999", "too large"),
        (b"0.00000007", b"1e-9", "not a multiple"),
        (b"0.00000007", b"[1]", "not a number"),
        (b"0.00000007", b"true", "not a number"),
        (b"0.00000007", b"NaN", "cannot be read"),
        (b'"checksum":', b'"checksum":"x', "cannot be read"),
        (b'"bids":[', b'"bids":[[', "cannot be read"),
        (b"2024-01-01", b"2024-13-01", "not a time"),
        (b'"timestamp":"', b'"timestamp":"\xff', "cannot be read"),
    ],
)
def test_a_message_that_cannot_be_right_pauses_its_instrument(old: bytes, new: bytes, words: str) -> None:
    desk = Desk()
    desk.listen()
    frame = desk.exchange.update(bids=[(990, 7)])
    assert old in frame
    (told,) = desk.frame(frame.replace(old, new))
    assert isinstance(told, FeedStatus) and told.state is FeedState.GAP and words in told.reason
    assert told.reason.endswith("a new one is asked for")
    assert BookWanted(SYMBOL) in desk.stream.take_requests()
    assert desk.stream.counters.garbage == 1
    assert states(desk.frame(desk.exchange.snapshot())) == [FeedState.SYNCED]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b'{"channel":"book"}',
        b'{"channel":"book","type":"update","data":{}}',
        b'{"channel":"trade","type":"update","data":[{}]}',
        b'{"channel":"status","data":[{"system":5}]}',
        b'{"channel":"instrument","data":[]}',
        b"[" * 100_000,
    ],
)
def test_garbage_that_names_nobody_is_counted_and_touches_nothing(frame: bytes) -> None:
    desk = Desk()
    desk.listen()
    assert desk.frame(frame) == []
    assert desk.stream.counters.garbage == 1 and desk.stream.take_requests() == []
    assert len(desk.frame(desk.exchange.update(bids=[(990, 7)]))) == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"{}",
        b'{"channel":"level3","data":[]}',
        b'{"method":"dance"}',
        book_frame("DOGE/USD", "update", [], [], 0, START),
        b'{"channel":"trade","type":"update","data":[{"symbol":"DOGE/USD","side":"buy","price":1.0,"qty":1.0,'
        b'"ord_type":"limit","trade_id":1,"timestamp":"2024-01-01T00:00:00.000000Z"}]}',
    ],
)
def test_messages_nobody_asked_for_are_counted(frame: bytes) -> None:
    desk = Desk()
    desk.listen()
    assert desk.frame(frame) == [] and desk.stream.counters.unknown == 1


def test_a_doubled_book_message_is_told_once() -> None:
    desk = Desk()
    desk.listen()
    frame = desk.exchange.update(bids=[(990, 7)])
    assert len(desk.frame(frame)) == 1
    assert desk.frame(frame) == []
    assert desk.stream.counters.duplicates == 1


def test_swapped_book_messages_pause_the_instrument() -> None:
    desk = Desk()
    desk.listen()
    # Far from the touch: the checksum of the first to come is right all the same.
    first = book_frame(SYMBOL, "update", [], [], 0, desk.exchange.time_ns + 1000)
    desk.exchange.time_ns += 2000
    second = desk.exchange.update(bids=[(989, 5)])
    assert len(desk.frame(second)) == 1
    (told,) = desk.frame(first)
    assert isinstance(told, FeedStatus) and told.state is FeedState.GAP and "out of order" in told.reason
    assert desk.stream.counters.reordered == 1 and desk.stream.counters.mismatches == 0


def test_a_late_snapshot_does_not_turn_the_book_back() -> None:
    desk = Desk()
    (old,) = desk.listen()
    assert isinstance(old, BookUpdate)
    snapshot = desk.exchange.snapshot()
    desk.frame(desk.exchange.update(bids=[(999, 5)]))
    assert desk.frame(snapshot) == []
    assert not desk.stream.is_waiting(SYMBOL)
    assert len(desk.frame(desk.exchange.update(bids=[(999, 6)]))) == 1


def test_an_overrun_is_told_and_the_book_asked_for() -> None:
    desk = Desk()
    desk.listen()
    (told,) = desk.stream.on_line(OverrunLine(desk.received_ns, SYMBOL, 1234))
    assert isinstance(told, FeedStatus) and told.state is FeedState.GAP
    assert told.reason == "this program was too slow and left out 1,234 order book messages; a new one is asked for"
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    assert (desk.stream.counters.overruns, desk.stream.counters.dropped) == (1, 1234)


# -- the tape --------------------------------------------------------------------------------------------------------


def test_the_first_snapshot_of_trades_is_the_past() -> None:
    desk = Desk()
    for _ in range(3):
        desk.exchange.trade_row()
    assert numbers(desk.frame(desk.exchange.trade_snapshot())) == []
    assert numbers(desk.frame(desk.exchange.trade(price=1001, side="sell"))) == ["4"]


def test_doubled_trades_are_told_once_and_swapped_ones_both() -> None:
    desk = Desk()
    desk.listen()
    first, second, third = (desk.exchange.trade() for _ in range(3))
    told = [numbers(desk.frame(frame)) for frame in (first, first, third, second, second)]
    assert told == [["1"], [], ["3"], ["2"], []]
    counters = desk.stream.counters
    assert (counters.duplicates, counters.gaps, counters.late_trades, counters.lost_trades) == (2, 1, 1, 0)


def test_a_hole_in_the_tape_is_closed_from_the_history() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.exchange.trade_row()
    desk.exchange.trade_row()
    assert numbers(desk.frame(desk.exchange.trade())) == ["4"]
    assert numbers(desk.frame(desk.exchange.trade())) == ["5"]
    # However many trades follow, it is asked for once.
    wanted = trades_wanted(desk.stream.take_requests())
    events = desk.stream.on_line(desk.exchange.trades_line(wanted.since_ns, desk.received_ns))
    assert numbers(events) == ["2", "3"] and states(events) == []
    assert desk.stream.take_requests() == []
    assert numbers(desk.frame(desk.exchange.trade())) == ["6"]


def test_after_a_hole_of_thousands_trades_wait_for_the_history() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    for _ in range(6000):
        desk.exchange.trade_row()
    told = [numbers(desk.frame(desk.exchange.trade())) for _ in range(2)]
    pages = 0
    while requests := desk.stream.take_requests():
        wanted = trades_wanted(requests)
        told.append(numbers(desk.stream.on_line(desk.exchange.trades_line(wanted.since_ns, desk.received_ns))))
        pages += 1
    assert told[:2] == [[], []]
    assert [number for page in told for number in page] == [str(number) for number in range(2, 6004)]
    assert 6 <= pages <= 8 and not desk.stream.is_waiting(SYMBOL)
    assert numbers(desk.frame(desk.exchange.trade())) == ["6004"]


def test_a_hole_of_thousands_without_history_is_told() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    for _ in range(6000):
        desk.exchange.trade_row()
    desk.frame(desk.exchange.trade())
    wanted = trades_wanted(desk.stream.take_requests())
    events = desk.stream.on_line(desk.exchange.no_trades_line(wanted.since_ns, "EService:Busy", desk.received_ns))
    assert states(events) == [FeedState.MISSED] and numbers(events) == ["6002"]
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    assert states(desk.frame(desk.exchange.snapshot())) == [FeedState.SYNCED]


def test_numbers_that_leap_are_told_once_the_history_leaps_too() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    number, time_ns, price, quantity, side = desk.exchange.trade_row()
    desk.exchange.trades[-1] = (number + 10**9, time_ns, price, quantity, side)
    assert numbers(desk.frame(desk.exchange.trade_frame(desk.exchange.trades[-1]))) == []
    wanted = trades_wanted(desk.stream.take_requests())
    events = desk.stream.on_line(desk.exchange.trades_line(wanted.since_ns, desk.received_ns))
    assert numbers(events) == [str(number + 10**9)] and desk.stream.take_requests() == []


def test_a_hole_without_history_is_told() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.exchange.trade_row()
    desk.frame(desk.exchange.trade())
    wanted = trades_wanted(desk.stream.take_requests())
    events = desk.stream.on_line(desk.exchange.no_trades_line(wanted.since_ns, "EService:Busy", desk.received_ns))
    assert states(events) == [FeedState.MISSED, FeedState.SYNCED]
    assert isinstance(events[0], FeedStatus) and events[0].reason.endswith("UTC cannot be had: EService:Busy")
    assert desk.stream.counters.lost_trades == 1


def test_a_trade_the_history_does_not_have_either_is_lost_and_not_asked_for_again() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.exchange.trade_row()
    desk.exchange.trade_row()
    desk.frame(desk.exchange.trade())
    wanted = trades_wanted(desk.stream.take_requests())
    del desk.exchange.trades[1]
    assert numbers(desk.stream.on_line(desk.exchange.trades_line(wanted.since_ns, desk.received_ns))) == ["3"]
    assert desk.stream.take_requests() == [] and desk.stream.counters.lost_trades == 1


def test_a_trade_that_cannot_be_read_pauses_and_is_fetched() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    events = desk.frame(desk.exchange.trade().replace(b"100.0", b"100.05"))
    assert states(events) == [FeedState.GAP]
    wanted = desk.stream.take_requests()
    assert BookWanted(SYMBOL) in wanted
    (since,) = [one.since_ns for one in wanted if isinstance(one, TradesWanted)]
    assert numbers(desk.stream.on_line(desk.exchange.trades_line(since, desk.received_ns))) == ["2"]


def test_an_exchange_that_counts_anew_is_followed() -> None:
    desk = Desk()
    desk.listen()
    for _ in range(5):
        desk.frame(desk.exchange.trade())
    desk.down()
    desk.exchange.trades.clear()
    desk.exchange.trade_row()
    desk.frame(ack("trade"))
    assert numbers(desk.frame(desk.exchange.trade_snapshot())) == []
    assert numbers(desk.frame(desk.exchange.trade())) == ["2"]


def test_a_number_beyond_reason_does_not_silence_the_tape() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.frame(desk.exchange.trade().replace(b'"trade_id":2', b'"trade_id":999999999999'))
    assert numbers(desk.frame(desk.exchange.trade())) == []
    # The history knows better.
    wanted = trades_wanted(desk.stream.take_requests())
    events = desk.stream.on_line(desk.exchange.trades_line(wanted.since_ns, desk.received_ns))
    assert numbers(events) == ["2", "3", "999999999999"]
    assert numbers(desk.frame(desk.exchange.trade())) == ["4"]
    assert numbers(desk.frame(desk.exchange.trade())) == ["5"]


# -- connections -----------------------------------------------------------------------------------------------------


def test_a_lost_connection_pauses_its_instruments_and_missed_trades_come_before_the_book() -> None:
    desk = Desk(SYMBOL, OTHER)
    desk.listen()
    other = SmallExchange(OTHER)
    desk.frame(other.open(), connection=1)
    desk.frame(desk.exchange.trade())
    (told,) = desk.down("reset by peer")
    assert isinstance(told, FeedStatus) and (told.symbol, told.state) == (SYMBOL, FeedState.GAP)
    assert told.reason == "the connection to Kraken was lost (reset by peer)"
    desk.exchange.trade_row()
    desk.exchange.trade_row()
    assert desk.frame(ack("trade")) == []
    events = desk.frame(desk.exchange.trade_snapshot())
    assert states(events) == [FeedState.CATCH_UP, FeedState.GAP] and numbers(events) == ["2", "3"]
    assert isinstance(events[0], FeedStatus) and isinstance(events[-1], FeedStatus)
    assert events[-1].reason == "waiting for the order book"
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    snapshot, synced = desk.frame(desk.exchange.snapshot())
    assert isinstance(snapshot, BookUpdate) and states([synced]) == [FeedState.SYNCED]
    assert desk.stream.counters.reconnects == 1


def test_a_lost_connection_without_a_trade_meanwhile_needs_no_catching_up() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.down()
    events = desk.frame(desk.exchange.trade_snapshot())
    assert states(events) == [FeedState.GAP] and numbers(events) == []


def test_more_missed_trades_than_the_snapshot_holds_come_from_the_history_in_order() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.down()
    for _ in range(120):
        desk.exchange.trade_row()
    assert desk.frame(desk.exchange.trade_snapshot(50)) == []
    wanted = trades_wanted(desk.stream.take_requests())
    # While the history is fetched trades go on, and a book that comes all the same waits.
    assert desk.frame(desk.exchange.trade()) == []
    assert desk.frame(desk.exchange.snapshot()) == []
    page = desk.stream.on_line(desk.exchange.trades_line(wanted.since_ns, desk.received_ns, count=60))
    assert states(page) == [FeedState.CATCH_UP] and numbers(page) == [str(n) for n in range(2, 61)]
    (wanted,) = [one for one in desk.stream.take_requests() if isinstance(one, TradesWanted)][-1:]
    rest = desk.stream.on_line(desk.exchange.trades_line(wanted.since_ns, desk.received_ns, count=60))
    assert numbers(rest) == [str(n) for n in range(61, 123)] and states(rest) == [FeedState.GAP]
    assert BookWanted(SYMBOL) in desk.stream.take_requests()
    assert states(desk.frame(desk.exchange.snapshot())) == [FeedState.SYNCED]
    assert (desk.stream.counters.lost_trades, desk.stream.counters.gaps) == (0, 0)


def test_missed_trades_that_cannot_be_had_are_told_as_missed() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.down()
    for _ in range(120):
        desk.exchange.trade_row()
    desk.frame(desk.exchange.trade_snapshot(50))
    wanted = trades_wanted(desk.stream.take_requests())
    events = desk.stream.on_line(desk.exchange.no_trades_line(wanted.since_ns, "no answer", desk.received_ns))
    assert states(events) == [FeedState.MISSED]
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    assert states(desk.frame(desk.exchange.snapshot())) == [FeedState.SYNCED]
    assert numbers(desk.frame(desk.exchange.trade())) == ["122"]


def test_a_history_that_does_not_have_the_trades_is_given_up() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(desk.exchange.trade())
    desk.down()
    for _ in range(120):
        desk.exchange.trade_row()
    desk.frame(desk.exchange.trade_snapshot(50))
    told: list[MarketEvent] = []
    asked = 0
    while wanted := [one for one in desk.stream.take_requests() if isinstance(one, TradesWanted)]:
        asked += 1
        path = f"/0/public/Trades?pair=XBTUSD&since={wanted[0].since_ns}"
        told += desk.stream.on_line(reply({"XBTUSD": [], "last": "0"}, desk.received_ns, path))
    assert asked == 3 and states(told) == [FeedState.MISSED]


def test_silence_makes_instruments_stale_and_a_heartbeat_fresh_again() -> None:
    desk = Desk()
    desk.listen()
    assert states(desk.tick(2.9)) == []
    events = desk.tick(0.1)
    assert states(events) == [FeedState.STALE] and isinstance(events[-1], TimePassed)
    assert isinstance(events[0], FeedStatus) and events[0].reason == "nothing was heard from Kraken for 3 s"
    assert states(desk.tick(1)) == []
    events = desk.frame(HEARTBEAT)
    assert states(events) == [FeedState.SYNCED] and isinstance(events[-1], Heartbeat)
    # The connection never dropped, so the book goes on.
    assert len(desk.frame(desk.exchange.update(bids=[(990, 7)]))) == 1
    assert desk.stream.counters.silences == 1


def test_silence_of_one_connection_shows_though_another_talks() -> None:
    desk = Desk(SYMBOL, OTHER)
    desk.listen()
    other = SmallExchange(OTHER)
    desk.frame(other.open(), connection=1)
    told = [event for _ in range(4) for event in desk.frame(HEARTBEAT, connection=1, later_s=1)]
    stale = [event for event in told if isinstance(event, FeedStatus)]
    assert [(event.symbol, event.state) for event in stale] == [(SYMBOL, FeedState.STALE)]


def test_an_instrument_without_a_book_is_not_stale() -> None:
    desk = Desk()
    desk.frame(ack("trade"))
    desk.stream.on_line(time_line())
    assert states(desk.tick(60)) == []


def test_ticks_let_time_pass_and_heartbeats_are_signs_of_life() -> None:
    desk = Desk()
    assert desk.tick(1) == []
    desk.stream.on_line(time_line(START + 5 * SECOND, desk.received_ns))
    assert desk.tick(1) == [TimePassed(START + 6 * SECOND, desk.received_ns)]
    (beat,) = desk.frame(HEARTBEAT)
    assert isinstance(beat, Heartbeat) and beat.exchange_time_ns == START + 6 * SECOND + MS


# -- what the exchange allows ----------------------------------------------------------------------------------------


def test_states_of_exchange_and_pair_are_told_as_one() -> None:
    desk = Desk()
    desk.listen()
    steps = [
        (status("online"), []),
        (status("cancel_only"), [FeedState.CANCEL_ONLY]),
        (pair_status(SYMBOL, "post_only"), []),
        (status("online"), [FeedState.POST_ONLY]),
        (status("maintenance"), [FeedState.MAINTENANCE]),
        (pair_status(SYMBOL, "online"), []),
        (status("post_only"), [FeedState.POST_ONLY]),
        (status("online"), [FeedState.SYNCED]),
        (pair_status(SYMBOL, "cancel_only"), [FeedState.CANCEL_ONLY]),
        # The stricter of the two counts.
        (status("post_only"), []),
        (status("online"), []),
        (pair_status(SYMBOL, "limit_only"), [FeedState.LIMIT_ONLY]),
        (pair_status(SYMBOL, "reduce_only"), [FeedState.REDUCE_ONLY]),
        (status("post_only"), []),
        (status("cancel_only"), [FeedState.CANCEL_ONLY]),
        (status("online"), [FeedState.REDUCE_ONLY]),
        (pair_status(SYMBOL, "delisted"), [FeedState.DELISTED]),
        (pair_status(SYMBOL, "work_in_progress"), [FeedState.WORK_IN_PROGRESS]),
        (pair_status(SYMBOL, "online"), [FeedState.SYNCED]),
        (pair_status("DOGE/USD", "cancel_only"), []),
    ]
    assert [states(desk.frame(frame)) for frame, _ in steps] == [told for _, told in steps]


def test_a_word_that_nobody_knows_is_asked_again_and_is_no_mode_for_ever() -> None:
    desk = Desk()
    desk.listen()
    desk.stream.take_requests()
    words = "\\u001b]0;owned\\u0007\u202e" * 5_000
    (closed,) = desk.frame(status(words))
    assert isinstance(closed, FeedStatus) and closed.state is FeedState.CANCEL_ONLY
    assert closed.reason == "Kraken is in a state that nobody here knows; it is asked again"
    assert desk.stream.take_requests() == [StatesWanted()]
    # Another such word changes nothing, and asks for nothing at once.
    assert desk.frame(status("something else")) == [] and desk.stream.take_requests() == []
    desk.frame(HEARTBEAT, later_s=31)
    assert desk.stream.take_requests() == [StatesWanted()]
    told = desk.stream.on_line(reply({"status": "online"}, desk.received_ns, "/0/public/SystemStatus"))
    assert states(told) == [FeedState.SYNCED]
    desk.frame(HEARTBEAT, later_s=31)
    assert desk.stream.take_requests() == []


def test_a_pair_in_a_state_that_nobody_knows_is_asked_for_by_rest() -> None:
    desk = Desk()
    desk.listen()
    desk.stream.take_requests()
    assert states(desk.frame(pair_status(SYMBOL, "dancing"))) == [FeedState.CANCEL_ONLY]
    assert desk.stream.take_requests() == [StatesWanted()]
    pairs = reply({"XBTZUSD": pair_row(SYMBOL, status="post_only")}, desk.received_ns)
    assert states(desk.stream.on_line(pairs)) == [FeedState.POST_ONLY]


def test_a_market_that_comes_back_while_only_cancels_are_taken_stays_closed() -> None:
    desk = Desk()
    desk.listen()
    desk.down()
    desk.frame(status("cancel_only"))
    desk.frame(desk.exchange.trade_snapshot())
    closed, snapshot = desk.frame(desk.exchange.snapshot())
    # Said before the snapshot, so that nothing matches on it.
    assert isinstance(closed, FeedStatus) and closed.state is FeedState.CANCEL_ONLY
    assert closed.reason == "Kraken is in cancel only mode"
    assert isinstance(snapshot, BookUpdate)
    assert states(desk.frame(status("online"))) == [FeedState.SYNCED]


@pytest.mark.parametrize(
    ("tick", "lot", "words"),
    [
        ("0.01", "0.00000001", "tick from 0.1 to 0.01"),
        ("0.5", "0.0001", "tick from 0.1 to 0.5, lot from 0.00000001 to 0.0001"),
        ("0.1", "0.0001", "lot from 0.00000001 to 0.0001"),
    ],
)
def test_changed_steps_are_a_state_of_their_own_until_they_are_the_old_ones_again(
    tick: str, lot: str, words: str
) -> None:
    desk = Desk()
    desk.listen()
    assert states(desk.frame(pair_status(SYMBOL, "online"))) == []
    (told,) = desk.frame(pair_status(SYMBOL, "online", tick, lot))
    assert isinstance(told, FeedStatus) and told.state is FeedState.STEPS_CHANGED
    assert told.reason == (
        f"Kraken has changed the steps of BTC/USD ({words}), and this session counts in the old ones: "
        "it sends no order there, cancels go through; go on with a new one: --reset"
    )
    # A book that is good does not end it, nor does a word about the pair that leaves its steps out; the exchange's own
    # closure goes before.
    assert [each for each in desk.frame(desk.exchange.snapshot()) if isinstance(each, FeedStatus)] == []
    bare = b'{"channel":"instrument","type":"update","data":{"pairs":[{"symbol":"BTC/USD","status":"online"}]}}'
    assert desk.frame(bare) == []
    assert states(desk.frame(status("maintenance"))) == [FeedState.MAINTENANCE]
    assert states(desk.frame(status("online"))) == [FeedState.STEPS_CHANGED]
    assert states(desk.frame(pair_status(SYMBOL, "online"))) == [FeedState.SYNCED]


def test_a_stream_that_goes_on_elsewhere_knows_of_changed_steps() -> None:
    desk = Desk()
    desk.listen()
    desk.frame(pair_status(SYMBOL, "online"))
    desk.frame(pair_status(SYMBOL, "online", lot="0.0001"))
    seen, again = desk.stream.seen(), Desk()
    assert seen is not None
    again.stream.see(seen)
    (back,) = again.frame(pair_status(SYMBOL, "online"))
    assert isinstance(back, FeedStatus) and back.state is FeedState.SYNCED


def test_a_refused_subscription_is_told_with_krakens_words() -> None:
    desk = Desk()
    desk.stream.on_line(time_line())
    refusal = b'{"error":"Currency pair not supported BTC/USD","method":"subscribe","success":false,"symbol":"BTC/USD"}'
    (told,) = desk.frame(refusal)
    assert isinstance(told, FeedStatus) and told.state is FeedState.GAP
    assert told.reason == "Kraken refuses a subscription of BTC/USD: Currency pair not supported BTC/USD"
    assert desk.stream.counters.refusals == 1


@pytest.mark.parametrize("named", [b"", b',"symbol":""', b',"symbol":"NEVER/HEARD"'])
def test_a_refusal_of_nobody_knows_what_is_told_of_all_that_wait(named: bytes) -> None:
    desk = Desk()
    desk.stream.on_line(time_line())
    refusal = b'{"error":"Exceeded","method":"subscribe","success":false' + named + b"}"
    (told,) = desk.frame(refusal)
    assert isinstance(told, FeedStatus) and told.state is FeedState.GAP
    assert told.reason == "Kraken refuses a subscription that it does not name: Exceeded"
    assert desk.stream.counters.words().endswith(", 1 refused subscription")
    healthy = Desk()
    healthy.listen()
    assert healthy.frame(refusal) == []


# -- time ------------------------------------------------------------------------------------------------------------


def test_a_book_message_from_the_far_future_poisons_neither_clock_nor_book() -> None:
    desk = Desk()
    desk.listen()
    frame = desk.exchange.update(bids=[(990, 7)]).replace(b"2024-01-01", b"2099-01-01")
    (update,) = desk.frame(frame)
    assert isinstance(update, BookUpdate) and update.exchange_time_ns < START + SECOND
    (after,) = desk.frame(desk.exchange.update(bids=[(990, 8)]))
    assert isinstance(after, BookUpdate) and after.exchange_time_ns < START + SECOND
    assert desk.stream.counters.leaps == 1


# -- the time away ---------------------------------------------------------------------------------------------------


def test_trades_of_the_time_away_are_told_in_order_over_all_instruments_before_anything_else() -> None:
    desk = Desk(SYMBOL, OTHER)
    other = SmallExchange(OTHER)
    since = START
    for second in range(1, 5):
        for exchange in (desk.exchange, other):
            exchange.time_ns = START + second * SECOND + (500 * MS if exchange is other else 0)
            exchange.trade_row()
    now = START + 60 * SECOND
    desk.received_ns = now
    for exchange in (desk.exchange, other):
        assert desk.stream.on_line(exchange.trades_line(since, now)) == []
        # A second page that overlaps the first.
        assert desk.stream.on_line(exchange.trades_line(START + 3 * SECOND, now)) == []
    assert desk.tick(1) == []
    desk.stream.on_line(time_line(now, now))
    assert desk.tick(1) == []
    candle = [1704067200, "100.0", "100.0", "100.0", "100.0", "100.0", "4.00000000", 4]
    rows = {"XBTUSD": [candle, [1704067260, *candle[1:]]], "last": 1704067200}
    path = "/0/public/OHLC?pair=XBTUSD&interval=1"
    assert desk.stream.on_line(reply(rows, now, path)) == []
    desk.exchange.trade_row()
    events = desk.frame(ack("trade"))
    assert states(events) == [FeedState.CATCH_UP] * 2
    told = [(event.symbol, event.trade_id) for event in events if isinstance(event, PublicTrade)]
    assert told == [(symbol, str(n)) for n in range(1, 5) for symbol in (SYMBOL, OTHER)]
    times = [event.exchange_time_ns for event in events]
    assert times == sorted(times) and times[0] == START and times[-2] == START + 4 * SECOND + 500 * MS + 1000
    assert isinstance(events[-1], PastCandles) and len(events[-1].candles) == 1
    # What happened between the history and the subscription comes with the snapshot.
    events = desk.frame(desk.exchange.trade_snapshot())
    assert numbers(events) == ["5"] and states(events) == [FeedState.GAP]
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    assert states(desk.frame(desk.exchange.open())) == [FeedState.SYNCED]


def test_an_instrument_that_was_seen_longer_begins_to_catch_up_later() -> None:
    desk = Desk(SYMBOL, OTHER)
    other = SmallExchange(OTHER)
    for exchange, second in ((desk.exchange, 1), (other, 5)):
        exchange.time_ns = START + second * SECOND
        exchange.trade_row()
    now = START + 60 * SECOND
    desk.stream.on_line(other.trades_line(START + 3 * SECOND, now))
    desk.stream.on_line(desk.exchange.trades_line(START, now))
    events = desk.frame(ack("trade"))
    assert [event.symbol for event in events] == [SYMBOL, SYMBOL, OTHER, OTHER]
    assert [(event.exchange_time_ns - START) // SECOND for event in events] == [0, 1, 3, 5]


def test_a_time_away_without_history_is_told_as_missed() -> None:
    desk = Desk()
    desk.stream.on_line(desk.exchange.no_trades_line(START, "two weeks are more than can be fetched", START + SECOND))
    (told,) = desk.frame(ack("trade"))
    assert isinstance(told, FeedStatus) and told.state is FeedState.MISSED
    assert told.reason == (
        "the trades since 2024-01-01T00:00:00 UTC cannot be had: two weeks are more than can be fetched"
    )
    for _ in range(3):
        desk.exchange.trade_row()
    assert desk.frame(desk.exchange.trade_snapshot()) == []
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]
    assert states(desk.frame(desk.exchange.open())) == [FeedState.SYNCED]
    assert numbers(desk.frame(desk.exchange.trade())) == ["4"]


def test_a_history_cut_short_tells_what_it_has_and_then_that_the_rest_is_missed() -> None:
    desk = Desk()
    for _ in range(3):
        desk.exchange.trade_row()
    desk.stream.on_line(desk.exchange.trades_line(START - SECOND, START + SECOND))
    desk.stream.on_line(desk.exchange.no_trades_line(START + 3000, "EService:Busy", START + SECOND))
    events = desk.frame(ack("trade"))
    assert numbers(events) == ["1", "2", "3"] and states(events) == [FeedState.CATCH_UP, FeedState.MISSED]


def test_a_quiet_time_away_ends_with_the_first_snapshot() -> None:
    desk = Desk()
    desk.exchange.trade_row()
    since = desk.exchange.trades[-1][1]
    desk.stream.on_line(desk.exchange.trades_line(since, START + SECOND))
    assert states(desk.frame(ack("trade"))) == [FeedState.CATCH_UP]
    assert states(desk.frame(desk.exchange.trade_snapshot())) == [FeedState.GAP]
    assert desk.stream.take_requests() == [BookWanted(SYMBOL)]


def test_a_trade_that_was_seen_before_the_stop_is_not_told_again() -> None:
    desk = Desk()
    desk.exchange.trade_row()
    since = desk.exchange.trades[-1][1]
    desk.exchange.time_ns += SECOND
    desk.exchange.trade_row()
    # The history rounds times to tenths of a microsecond: the trade of `since` itself may come again.
    page = desk.exchange.trades_line(since - 100, START + SECOND)
    desk.stream.on_line(ReplyLine(START + SECOND, f"/0/public/Trades?pair=XBTUSD&since={since}", page.reply))
    assert numbers(desk.frame(ack("trade"))) == ["2"]


def test_candles_from_before_the_feed_are_told_at_once_where_nothing_waits() -> None:
    desk = Desk()
    desk.stream.on_line(time_line())
    row = [1704067140, "100.0", "100.2", "99.9", "100.1", "100.0", "1.50000000", 3]
    rows = {"XBTUSD": [row, [1704067200, *row[1:]]], "last": 1704067140}
    (past,) = desk.stream.on_line(reply(rows, START, "/0/public/OHLC?pair=XBTUSD&interval=1"))
    assert isinstance(past, PastCandles) and past.unfinished is not None
    (candle,) = past.candles
    assert (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.trades) == (
        1000,
        1002,
        999,
        1001,
        3 * LOT // 2,
        3,
    )


def test_longer_candles_are_made_of_shorter_ones() -> None:
    desk = Desk()
    desk.stream.on_line(time_line())
    first = 1704067200 - 5 * 60
    rows = [[first + 60 * n, "100.0", f"{101 + n}.0", "99.0", "100.1", "100.0", "1.00000000", 2] for n in range(6)]
    path = "/0/public/OHLC?pair=XBTUSD&interval=1#180"
    (past,) = desk.stream.on_line(reply({"XBTUSD": rows, "last": first + 240}, START, path))
    assert isinstance(past, PastCandles) and past.unfinished is not None
    # Minutes 55 and 56 belong to a candle that began at 54: left out. 57 to 59 make one, 00 is still open.
    (candle,) = past.candles
    assert (candle.open_time_ns, candle.length_ns) == (START - 180 * SECOND, 180 * SECOND)
    assert (candle.high, candle.low, candle.volume, candle.trades) == (1050, 990, 3 * LOT, 6)
    assert past.unfinished.open_time_ns == START


def test_replies_that_cannot_be_read_are_counted() -> None:
    desk = Desk()
    desk.listen()
    for path in ("/0/public/Trades?pair=XBTUSD&since=1", "/0/public/OHLC?pair=XBTUSD&interval=1", "/0/public/Time"):
        assert desk.stream.on_line(ReplyLine(desk.received_ns, path, b"<html>")) == []
    assert desk.stream.counters.garbage == 3
