"""Many accounts on one market: each is what it would have been alone, and a message costs those it does not concern
nothing."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest
from tests.session.many_accounts import Script, alone, opened, scripts, together
from tests.session.sessions import demo

from triplegain.domain.candle_time import candle_open_ns
from triplegain.domain.clock import DAY_NS
from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.session.trading_session import TradingSession


@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_accounts_that_share_a_market_are_what_they_would_be_alone(count: int) -> None:
    feed = demo(seconds=120)
    events = list(feed.events())
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
        200: [lambda session: session.place(order("in", side=Side.BUY))],
        700: [TradingSession.flat],
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
