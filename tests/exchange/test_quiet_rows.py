"""A market whose quiet messages are passed over as rows ends as one that was told each of them, for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.streams import INSTRUMENT, KINDS, MORE_KINDS, PublicBook, Trader, drawn_stream, settings_of

from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.domain.event_rows import EventRows
from triplegain.domain.market import BestQuote, BookUpdate, FeedState, FeedStatus, MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.money import ATOMS_PER_UNIT
from triplegain.domain.orders import Side
from triplegain.exchange import public_market, quiet_rows, row_index
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import Aims, public_markets
from triplegain.exchange.quiet_rows import RowPass
from triplegain.feeds.captures.event_columns import read, written
from triplegain.ledger.wallet import Wallet

SYMBOL = INSTRUMENT.symbol
#: Messages of a chunk.
_CHUNK = 170
Acts = dict[int, list[tuple[int, tuple[Any, ...]]]]


def _drawn(seed: int, length: int, busy: float, crosses: bool) -> tuple[list[MarketEvent], Acts]:
    """Messages, and which account does what behind which of them."""
    chance, market = Random(seed), PublicBook()
    events, acts = market.opening(), Acts()
    for action in drawn_stream(seed, length, (*KINDS, *MORE_KINDS)):
        if action[0] in ("place", "cancel", "amend"):
            if chance.random() < busy:
                acts.setdefault(len(events) - 1, []).append((chance.randrange(2), action))
        elif action[0] not in ("snapshot", "gap") or chance.random() < 0.2:
            # Most of what happens in a book happens behind its best.
            if action[0] == "level" and chance.random() < 0.7:
                action = ("level", *action[1:3], chance.randrange(1, 12), action[4])
            elif action[0] == "level" and chance.random() < 0.6:
                action = ("quote", action[1], chance.randrange(-1, 3), chance.randrange(-1, 3), action[4] + 1)
            events += market.messages(action)
    return list(_troubled(events, chance, crosses)), acts


def _troubled(events: Sequence[MarketEvent], chance: Random, crosses: bool) -> Iterator[MarketEvent]:
    """What a feed may also say, each in the place of a message: late news, trades that cannot have been or that are
    large, books that cross, cut ones, conditions."""
    time_ns = 0
    for number, event in enumerate(events):
        time_ns += chance.choice((0, 0, 1, SECOND_NS // 2))
        at = {"exchange_time_ns": time_ns, "received_at_ns": time_ns + number}
        match chance.randrange(60) if number else -1:
            case 0 | 1 | 2:
                yield replace(event, **(at | {"exchange_time_ns": max(time_ns - chance.randrange(3 * SECOND_NS), 1)}))
            case 3 if isinstance(event, PublicTrade):
                yield replace(event, price=event.price * chance.choice((3, 5)), **at)
            case 4 if isinstance(event, PublicTrade):
                yield replace(event, quantity=event.quantity * 10 ** chance.choice((6, 9)), **at)
            case 5 if crosses and isinstance(event, BestQuote):
                yield replace(event, bid=(event.ask[0], 5), **at)
            case 6 if isinstance(event, BookUpdate) and not event.snapshot:
                yield replace(event, depth=chance.choice((2, 5)), **at)
            case 7 if crosses and isinstance(event, BookUpdate) and event.bids:
                yield replace(event, bids=tuple((price + 4, size) for price, size in event.bids), **at)
            case 8:
                state = chance.choice((FeedState.STALE, FeedState.CATCH_UP, FeedState.SYNCED, FeedState.SYNCED))
                yield FeedStatus(SYMBOL, state=state, reason="for a while", **at)
            case _:
                yield replace(event, **at)


class _Floor:
    """Two accounts on one market, and what becomes of them."""

    def __init__(self, depth: MarketDepth) -> None:
        self.public = public_markets({INSTRUMENT: depth})
        self.market = self.public[SYMBOL]
        self.now_ns = 0
        self.told: list[Any] = []
        self.passed = 0
        self.exchanges = []
        for number, delay in enumerate(((2, 1, 1, 0), (SECOND_NS, SECOND_NS, 0, 3))):
            wallet = Wallet()
            wallet.deposit({"BTC": 100 * ATOMS_PER_UNIT, "USDT": 10_000 * ATOMS_PER_UNIT}, 0)
            self.exchanges.append((PaperExchange(f"a{number}", self.public, wallet, settings_of(delay)), wallet))
        self.traders = [Trader(exchange) for exchange, _ in self.exchanges]

    def take(self, event: MarketEvent) -> None:
        self.now_ns = max(self.now_ns, event.exchange_time_ns)
        for exchange, _ in self.exchanges:
            exchange.run_before(self.now_ns)
        self.told.append(self.market.on_event(event, self.now_ns))
        for exchange, _ in self.exchanges:
            exchange.follow(event, self.now_ns)

    def pass_over(self, rows: EventRows, first: int, end: int) -> int:
        until_ns = min(exchange.next_due_ns for exchange, _ in self.exchanges)
        passed = self.market.pass_over(rows, first, end, self.now_ns, Aims(until_ns))
        self.now_ns = max(self.now_ns, passed.latest_ns)
        for exchange, _ in self.exchanges:
            exchange.now_ns = self.now_ns
        self.told += [True] * passed.count
        self.passed += passed.count
        return passed.count

    def act(self, acts: list[tuple[int, tuple[Any, ...]]]) -> None:
        self.told.append(self.market.seen())
        for account, action in acts:
            self.traders[account].act(action)

    def ends(self) -> list[Any]:
        market = self.market
        ends = [market.seen(), market.told, market._now_ns, market.no_news, market.book.prices, self.told]
        for exchange, wallet in self.exchanges:
            own = exchange.markets[SYMBOL]
            ends += [exchange.drain_events(), wallet.drain_entries(), own.book.taken, own.approach.stored()]
            ends += [exchange.orders.keys(), exchange.paths.drain()]
        return ends


def _check(seed: int, depth: MarketDepth, length: int, busy: float, crosses: bool = True) -> float:
    """The share of the messages that were passed over."""
    events, acts = _drawn(seed, length, busy, crosses)
    if depth is not MarketDepth.BOOK:
        events = [event for event in events if isinstance(event, PublicTrade | FeedStatus)]
    plain, passing, chance = _Floor(depth), _Floor(depth), Random(seed)
    stops = sorted({*acts, *chance.sample(range(len(events)), 40), len(events) - 1})
    for number, event in enumerate(events):
        plain.take(event)
        if number in stops:
            plain.act(acts.get(number, []))
    chunks = [read(written(events[begin : begin + _CHUNK])).rows_of() for begin in range(0, len(events), _CHUNK)]
    number = 0
    while number < len(events):
        stop = next(each for each in stops if each >= number) + 1
        rows, place = chunks[number // _CHUNK], number % _CHUNK
        end = min(place + chance.randrange(1, 60), place + stop - number, len(rows))
        count = passing.pass_over(rows, place, end)
        if not count:
            passing.take(rows.event(place))
            count = 1
        number += count
        if number == stop:
            passing.act(acts.get(stop - 1, []))
    assert passing.ends() == plain.ends(), seed
    return passing.passed / len(events)


@pytest.mark.parametrize("depth", [MarketDepth.BOOK, MarketDepth.TAPE])
def test_all_end_as_if_each_message_had_been_told(depth: MarketDepth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_market, "_APART", 0)
    shares = [_check(seed, depth, 400, busy) for seed in range(30) for busy in (0.02, 0.3)]
    assert max(shares) > 0.6 and sum(shares) / len(shares) > 0.3


def test_many_rows_at_once_leave_what_each_of_them_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """No decoder tells a crossed book. So short that they end, begin and hit at all places of a block."""
    for module in (public_market, quiet_rows):
        monkeypatch.setattr(module, "LONG", 4)
    monkeypatch.setattr(row_index, "BLOCK", 8)
    monkeypatch.setattr(public_market, "_APART", 0)
    leaps: list[int] = []
    leap = RowPass._leap

    def noted(*arguments: Any) -> int:
        reached = leap(*arguments)
        leaps.append(reached - arguments[2])
        return reached

    monkeypatch.setattr(RowPass, "_leap", noted)
    for seed in range(60):
        _check(seed, MarketDepth.BOOK, 600, (0.01, 0.05, 0.3)[seed % 3], crosses=False)
    assert sum(leaps) > 2_000 and max(leaps) > 20


@pytest.mark.parametrize("long", [1_000, 2])
def test_aims_end_what_is_passed_over_at_the_very_message(monkeypatch: pytest.MonkeyPatch, long: int) -> None:
    """Bid 100, ask 101; then bids of 90 to 99 and asks of 102 to 110, a bid of 100.5, an ask of 100.6, in ticks."""
    for module in (public_market, quiet_rows):
        monkeypatch.setattr(module, "LONG", long)
    monkeypatch.setattr(row_index, "BLOCK", 4)
    floor = _Floor(MarketDepth.BOOK)
    floor.take(BookUpdate(SYMBOL, 1, 1, ((1000, 5),), ((1010, 5),), True))
    behind = [BookUpdate(SYMBOL, 2 + n, 2 + n, ((900 + 10 * n, 1),), ((1020 + 10 * n, 1),)) for n in range(9)]
    rises = BookUpdate(SYMBOL, 11, 11, ((1005, 1),), ())
    falls = BestQuote(SYMBOL, 12, 12, (1005, 2), (1006, 1))
    trade = PublicTrade(SYMBOL, 13, 13, 1006, 1, Side.BUY)
    floor.take(replace(trade, exchange_time_ns=1))
    rows = read(written([*behind, rises, falls, trade])).rows_of()
    cases = (
        (Aims(NEVER), 12), (Aims(NEVER, rise_at=1005), 9), (Aims(NEVER, rise_at=1006), 12), (Aims(5), 3),
        (Aims(NEVER, fall_at=1006), 10), (Aims(NEVER, fall_at=1005), 12), (Aims(NEVER, trades_until_ns=13), 11),
    )  # fmt: skip
    begun = floor.market.seen()
    for aims, count in cases:
        another = _Floor(MarketDepth.BOOK)
        another.market.see(begun)
        passed = another.market.pass_over(rows, 0, len(rows), 1, aims)
        assert passed.count == count, aims
        assert list(passed.trades) == ([11] if count == 12 else [])


def test_rows_of_before_settle_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The book is of 100, the trade of 101, 5 lots at 1010; what follows is of 50 to 58, and no later than either."""
    for module in (public_market, quiet_rows):
        monkeypatch.setattr(module, "LONG", 2)
    told = [BookUpdate(SYMBOL, 50 + n, 102, ((900 + n, 1),), ()) for n in range(9)]
    seen = []
    for is_many in (False, True):
        floor = _Floor(MarketDepth.BOOK)
        floor.take(BookUpdate(SYMBOL, 100, 100, ((1000, 5),), ((1010, 50),), True))
        floor.take(PublicTrade(SYMBOL, 101, 101, 1010, 5, Side.BUY))
        if is_many:
            assert floor.pass_over(read(written(told)).rows_of(), 0, 9) == 9
        else:
            for event in told:
                floor.take(event)
        assert (floor.market.book.moment, floor.market.book.available(1, 1010)) == (100, 45)
        seen.append(floor.market.seen())
    assert seen[0] == seen[1]


def test_a_message_whose_own_sides_cross_is_told() -> None:
    """Bid 100, ask 110: a bid of 106 and an ask of 104 are each better than what was there, and cross one another."""
    floor = _Floor(MarketDepth.BOOK)
    floor.take(BookUpdate(SYMBOL, 1, 1, ((100, 5),), ((110, 5),), True))
    gone = BookUpdate(SYMBOL, 2, 2, ((106, 0), (101, 1)), ((104, 0), (109, 1)))
    crossed = BookUpdate(SYMBOL, 3, 3, ((106, 1), (90, 1)), ((104, 1), (120, 1)))
    assert floor.pass_over(read(written([gone, crossed])).rows_of(), 0, 2) == 1
    floor.take(crossed)
    assert floor.market.state is FeedState.CROSSED
