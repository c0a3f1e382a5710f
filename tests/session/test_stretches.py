"""Messages that concern nobody are taken together, and everybody ends as if each had been looked at."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace
from tests.app.played_on import market_of, whole
from tests.examples import seeds
from tests.session.many_accounts import RICH, Account, Script, five_orders, opened
from tests.session.sessions import demo, settings_for

from triplegain.agents.baselines.baseline import BuyAndHoldSettings
from triplegain.agents.baselines.choice import BaselineChoice
from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.domain.event_rows import NO_ROWS, EventRows
from triplegain.domain.market import BestQuote, BookUpdate, FeedState, FeedStatus, Heartbeat, MarketEvent, PublicTrade
from triplegain.domain.records import CommitBatch
from triplegain.feeds.captures import event_columns
from triplegain.feeds.captures.replay import open_replay
from triplegain.market.row_stream import RowStream
from triplegain.session.market_floor import MarketFloor
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession

_EMA = BaselineSettings()


def _troubled(events: Sequence[MarketEvent], chance: Random) -> Iterator[MarketEvent]:
    """What a feed may also say: late news, trades that cannot have been, crossed and new books, conditions, life."""
    bids: dict[str, BestQuote] = {}
    for event in events:
        time_ns = event.exchange_time_ns
        if isinstance(event, BestQuote):
            bids[event.symbol] = event
        match chance.randrange(400):
            case 0 | 1 | 2 | 3 | 4 | 5 if not isinstance(event, Heartbeat):
                event = replace(event, exchange_time_ns=time_ns - chance.randrange(2 * SECOND_NS))
            case 6 if isinstance(event, PublicTrade):
                yield replace(event, price=event.price * 5, trade_id="")
            case 7 if event.symbol in bids:
                (bid, size), quote = bids[event.symbol].bid, bids[event.symbol]
                yield BookUpdate(event.symbol, time_ns, time_ns, (), ((bid - 1, size),))
                yield BookUpdate(event.symbol, time_ns, time_ns, (), ((bid - 1, 0),))
                yield replace(quote, exchange_time_ns=time_ns)
            case 8 if event.symbol:
                state = chance.choice([FeedState.GAP, FeedState.STALE, FeedState.POST_ONLY])
                yield FeedStatus(event.symbol, time_ns, time_ns, state, "for a while")
                yield FeedStatus(event.symbol, time_ns, time_ns, FeedState.SYNCED)
            case 9:
                yield Heartbeat(time_ns, time_ns)
            case _:
                pass
        yield event


def _accounts(feed: Any, floor: MarketFloor, name: str, script: Script, trader: BaselineChoice | None) -> Account:
    if trader is None:
        return opened(feed, name, script, floor)
    settings = settings_for(feed, session_id=name, initial_balances=RICH, baseline=trader)
    return Account(TradingSession(settings, floor), script)


def _one_by_one(feed: Any, floor: MarketFloor, accounts: list[Account], events: Sequence[MarketEvent]) -> None:
    for number, event in enumerate(events):
        floor.on_event(event)
        for account in accounts:
            account.store(number)
            account.act(number)


class _AsRows(RowStream):
    """As a decoded capture tells them, in chunks of any length."""

    def __init__(self, events: Sequence[MarketEvent], chance: Random, crosses: bool) -> None:
        self._left = deque(events)
        self._crosses = crosses
        self._chance = chance
        self._rows, self._next = NO_ROWS, 0
        self.passed = 0

    def __next__(self) -> MarketEvent:
        here = self._turn()
        if here is None:
            raise StopIteration
        self._next += 1
        return here[0].event(here[1])

    def here(self) -> tuple[EventRows, int] | None:
        return self._turn()

    def pass_over(self, count: int) -> None:
        self._next += count
        self.passed += count

    def _turn(self) -> tuple[EventRows, int] | None:
        if self._next == len(self._rows):
            chunk = [self._left.popleft() for _ in range(min(len(self._left), self._chance.randrange(1, 500)))]
            rows = event_columns.read(event_columns.written(chunk)).rows_of()
            self._rows, self._next = dataclasses.replace(rows, arrays=None) if self._crosses else rows, 0
        return (self._rows, self._next) if self._next < len(self._rows) else None


def _by_stretches(
    floor: MarketFloor, accounts: list[Account], events: Sequence[MarketEvent], coming: Iterator[MarketEvent], seed: int
) -> int:
    """How many messages were taken together."""
    chance, number, together = Random(seed), 0, 0
    stops = sorted({at for account in accounts for at in account.script} | {len(events)})
    waiting: MarketEvent | None = None

    def after(last: int) -> None:
        for account in accounts:
            account.store(last)
            account.act(last)

    while (event := waiting or next(coming, None)) is not None:
        floor.on_event(event)
        after(number)
        number += 1
        stop = next(at for at in stops if at >= number)
        taken, waiting = floor.on_stretch(coming, min(chance.randrange(1, 300), stop - number + 1), NEVER)
        if taken:
            number, together = number + taken, together + taken
            after(number - 1)
    assert number == len(events)
    return together


def _aiming(session: TradingSession) -> None:
    """Its prices are watched from here on, two ticks around where they are."""
    bid, ask = session.exchange.markets["BTC/USDT"].quotes()
    assert bid is not None and ask is not None
    session._targets["BTC/USDT"] = (bid + 2, ask - 2)


def _heard(account: Account) -> list[Any]:
    """What risk is told of candles and the desk of prices, from here on."""
    told: list[Any] = []
    session = account.session
    on_candles, on_quote = session.watch.on_candles, session.desk.on_quote

    def candles(*closed: Any) -> None:
        told.append(closed)
        on_candles(*closed)

    def quote(*prices: Any) -> None:
        told.append(prices)
        on_quote(*prices)

    session.watch.on_candles = candles  # type: ignore[method-assign, assignment]
    session.desk.on_quote = quote  # type: ignore[method-assign, assignment]
    return told


def _unordered(batch: CommitBatch) -> CommitBatch:
    """Rows of parts have no order among themselves."""
    return structs.replace(batch, parts=tuple(sorted(batch.parts, key=lambda row: (row.part, row.key))))


def _check(
    feed: Any,
    events: Sequence[MarketEvent],
    traders: Sequence[bool],
    seed: int,
    least: float,
    trader: BaselineChoice = _EMA,
    crosses: bool = True,
) -> None:
    ends = []
    by_rows = _AsRows(events, Random(seed), crosses)
    ways: list[Iterator[MarketEvent] | None] = [None, iter(events)]
    if len(feed.instruments) == 1:
        ways.append(by_rows)
    for coming in ways:
        floor = MarketFloor({one: feed.depth[one.symbol] for one in feed.instruments}, feed.source)
        accounts = [
            _accounts(
                feed,
                floor,
                f"a{number}",
                five_orders(f"a{number}", seed + number, len(events)),
                trader if trades else None,
            )
            for number, trades in enumerate(traders)
        ]
        assert {account.session.still_until_ns for account in accounts} == {0}
        heard = [_heard(account) for account in accounts]
        for account in accounts:
            account.script.setdefault(len(events) // 2, []).append(_aiming)
        if coming is None:
            _one_by_one(feed, floor, accounts, events)
        else:
            assert _by_stretches(floor, accounts, events, coming, seed) > least * len(events)
        for account in accounts:
            account.end(len(events))
        markets = [market_of(account.session) for account in accounts]
        ends.append(([account.batches for account in accounts], markets, heard))
    (batches, markets, heard), *others = ends
    for batches_too, markets_too, heard_too in others:
        assert heard == heard_too and all(heard)
        for one, other in zip(batches, batches_too, strict=True):
            assert [batch.feed_position for batch in one] == [batch.feed_position for batch in other]
            assert list(map(_unordered, one)) == list(map(_unordered, other))
        assert markets == markets_too
    assert any(batch.fills for one in batches for batch in one)
    assert len(ways) == 2 or by_rows.passed > 0.5 * least * len(events)


@pytest.mark.parametrize("traders", [(False,), (True,), (False, True, False)])
@pytest.mark.parametrize("seed", seeds(2, always=1))
def test_accounts_end_the_same_with_messages_taken_together(traders: tuple[bool, ...], seed: int) -> None:
    feed = demo(seed, seconds=100)
    _check(feed, list(feed.events()), traders, seed, 0.5)
    _check(feed, list(_troubled(list(feed.events()), Random(seed))), traders, seed, 0.3)


@pytest.mark.parametrize("traders", [(False,), (True, False)])
def test_accounts_end_the_same_with_messages_passed_over_as_rows(traders: tuple[bool, ...]) -> None:
    for seed in (1, 2, 3):
        whole = demo(seed, seconds=100)
        feed = type(whole)(seed, whole.start_ns, whole.instruments[:1], 100 * SECOND_NS)
        events = list(feed.events())
        _check(feed, list(_troubled(events, Random(seed))) if seed > 1 else events, traders, seed, 0.3)


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_candle_of_one_pair_that_is_over_before_the_others_is_decided_by_in_its_own_moment(seed: int) -> None:
    """A pair's first trade comes late, of the second before, when the candles of the others are of this one already."""
    feed = demo(seed, seconds=30)
    events: list[MarketEvent] = []
    quiet_until_ns = next(iter(feed.events())).exchange_time_ns + 8 * SECOND_NS
    for event in feed.events():
        of_other = isinstance(event, PublicTrade) and event.symbol == "XRP/USDT"
        if of_other and event.exchange_time_ns < quiet_until_ns:
            continue
        if of_other and quiet_until_ns:
            began_ns, quiet_until_ns = event.exchange_time_ns - event.exchange_time_ns % SECOND_NS, 0
            event = replace(event, exchange_time_ns=began_ns - SECOND_NS // 20)
        events.append(event)
    _check(feed, events, (True,), seed, 0.1, BuyAndHoldSettings())


@pytest.mark.slow
@pytest.mark.parametrize("traders", [(False,), (True, False)])
def test_the_same_on_a_recorded_market(captures: Path, traders: tuple[bool, ...]) -> None:
    feed = open_replay(captures / "binance_spot_l2_trades_btcusdt_2024-08")
    # In its second half a watched price is reached nearly all the time: every other message is looked at.
    _check(feed, list(feed.events()), traders, 1, 0.7, crosses=False)


async def _nothing(runner: SessionRunner, events: Iterator[MarketEvent]) -> None:
    """A run that looks at each message."""


def test_a_run_stores_the_same_with_messages_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = partial(demo, 3, 60, past=True)
    life, session = whole(feed)
    monkeypatch.setattr(SessionRunner, "_take_stretch", _nothing)
    other, again = whole(feed)
    assert life.kept.records == other.kept.records and life.kept.records["fills"]
    assert market_of(session) == market_of(again)
    told, told_too = (
        [(batch.feed_position, batch.market_time_ns, _unordered(batch).parts) for batch in each.kept.batches]
        for each in (life, other)
    )
    assert told == told_too


def test_a_hurried_run_takes_breath_at_every_256th_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, Ctrl-C and the screen wait for it, wherever stretches begin and end."""
    breaths: list[int] = []

    async def breathe(runner: SessionRunner, wait_s: float) -> None:
        breaths.append(runner.events_seen)

    monkeypatch.setattr(SessionRunner, "_breathe", breathe)
    for seed in (3, 4):
        breaths.clear()
        _, session = whole(partial(demo, seed, 60, past=True))
        last = breaths[-1]
        assert last > 2_000 and set(range(0, last, 256)) <= set(breaths) and session.is_open
