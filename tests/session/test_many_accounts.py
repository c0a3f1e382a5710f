"""Many accounts on one market: each is what it would have been alone, and a message costs those it does not concern
nothing."""

from __future__ import annotations

import pytest
from tests.session.many_accounts import alone, scripts, together
from tests.session.sessions import demo


@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_accounts_that_share_a_market_are_what_they_would_be_alone(count: int) -> None:
    feed = demo(seconds=240)
    events = list(feed.events())
    scripted = scripts(count, len(events))
    _, accounts = together(feed, scripted, events)
    fills = 0
    for account, (name, script) in zip(accounts, scripted, strict=True):
        by_itself = alone(feed, name, script, events)
        assert account.batches == by_itself.batches, name
        fills += sum(len(batch.fills) for batch in account.batches)
    assert fills > count
