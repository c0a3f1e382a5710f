"""Many accounts on one market: each is what it would have been alone, and a message costs those it does not concern
nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import pytest
from tests.session.candle_session import START_NS, instrument
from tests.session.many_accounts import Script, alone, opened, scripts, together
from tests.session.sessions import demo

from triplegain.domain.candle_time import candle_open_ns
from triplegain.domain.clock import DAY_NS, MINUTE_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BestQuote, BookUpdate, Candle, CandleClosed, MarketDepth, MarketEvent
from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.domain.quote import QuoteSource
from triplegain.session.market_floor import MarketFloor


def _by_the_book(count: int) -> tuple[Any, list[MarketEvent]]:
    feed = demo(seconds=120)
    return feed, list(feed.events())


def _by_the_tape(count: int) -> tuple[Any, list[MarketEvent]]:
    """The trades alone."""
    feed = demo(seconds=240)
    trades: list[MarketEvent] = [each for each in feed.events() if not isinstance(each, BookUpdate | BestQuote)]
    return Only(feed.instruments, MarketDepth.TAPE), trades


def _by_candles(count: int) -> tuple[Any, list[MarketEvent]]:
    """Minutes that go a per cent up or down, of two pairs."""
    random, price, told = Random(count), 600_000, list[MarketEvent]()
    pairs = tuple(map(instrument, ("BTC/USDT", "XRP/USDT")))
    for closes_ns in range(START_NS + MINUTE_NS, START_NS + 300 * MINUTE_NS, MINUTE_NS):
        close = price * random.randrange(990, 1011) // 1000
        low, high = min(price, close) * 997 // 1000, max(price, close) * 1003 // 1000
        for one in pairs:
            bar = Candle(one.symbol, closes_ns - MINUTE_NS, MINUTE_NS, price, high, low, close, 10**11)
            told.append(CandleClosed(one.symbol, closes_ns, closes_ns, bar))
        price = close
    return Only(pairs, MarketDepth.CANDLES), told


@dataclass(frozen=True)
class Only:
    """Markets of which no more is told than that."""

    instruments: tuple[Instrument, ...]
    told: MarketDepth
    source: QuoteSource = QuoteSource.REPLAY

    @property
    def depth(self) -> dict[str, MarketDepth]:
        return {each.symbol: self.told for each in self.instruments}


@pytest.mark.parametrize(
    ("market", "count"),
    [(_by_the_book, 5), pytest.param(_by_the_book, 50, marks=pytest.mark.slow), (_by_the_tape, 4), (_by_candles, 3)],
)
def test_accounts_that_share_a_market_are_what_they_would_be_alone(
    market: Callable[[int], tuple[Any, list[MarketEvent]]], count: int
) -> None:
    feed, events = market(count)
    scripted = scripts(count, len(events))
    _, accounts = together(feed, scripted, events)
    fills = 0
    for account, (name, script) in zip(accounts, scripted, strict=True):
        by_itself = alone(feed, name, script, events)
        assert account.batches == by_itself.batches, name
        fills += sum(len(batch.fills) for batch in account.batches)
    assert fills > count


def test_what_has_come_of_the_last_coins_is_looked_at() -> None:
    """A session of dollars alone rests, but not before risk knows what is left of them."""
    feed = demo(seconds=60)
    events = list(feed.events())
    order = partial(OrderRequest, symbol="BTC/USDT", quantity=Decimal("0.1"), terms=Market())
    script: Script = {
        200: [lambda session: session.by_hand.place(order("in", side=Side.BUY))],
        700: [lambda session: session.by_hand.flat()],
    }
    account = opened(feed, "one", script, balances={"USDT": Decimal(100_000)})
    looks = []
    for number, event in enumerate(events):
        account.session.on_event(event)
        account.act(number)
        looks.append(account.session.watch.due_ns)
    session = account.session
    equity = session.portfolio.equity_usd()
    assert session.portfolio.is_cash and equity is not None and equity < 100_000
    assert session.risk.memory.equity == equity
    # It looks at each second while it owns a coin, and before and after that with the next day.
    day_ns = candle_open_ns(session.now_ns, DAY_NS) + DAY_NS
    assert looks[150] == looks[-1] == day_ns > max(looks[300:650])


@pytest.mark.parametrize("act", ["before", "follow", "pass_to"])
def test_what_goes_wrong_in_one_session_ends_that_one_alone(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    feed, events = _by_the_book(3)
    scripted = scripts(3, len(events))
    floor = MarketFloor({one: feed.depth[one.symbol] for one in feed.instruments}, feed.source)
    accounts = [opened(feed, name, script, floor) for name, script in scripted]
    ended: list[object] = []

    def fails(*_: Any) -> None:
        raise RuntimeError("a fault within")

    def end(session: Any, error: Exception) -> None:
        ended.append(session)
        floor.leave(session)

    floor.failed = end
    for number, event in enumerate(events):
        if number == 700:
            monkeypatch.setattr(accounts[1].session, act, fails)
            floor.heed(accounts[1].session)
            floor.advance_to(floor.now_ns)
        floor.on_event(event)
        for account in accounts:
            if account.session in floor.sessions:
                account.store(number)
                account.act(number)
    assert ended == [accounts[1].session] and len(floor.sessions) == 2
    for account, (name, script) in zip(accounts[::2], scripted[::2], strict=True):
        account.end(len(events))
        assert account.batches[-1] == alone(feed, name, script, events).batches[-1]
