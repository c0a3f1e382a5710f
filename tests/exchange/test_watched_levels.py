"""Who is told of a level of a market that many follow."""

from __future__ import annotations

from typing import Any

from triplegain.exchange.book import ASK, BID


def test_a_level_is_watched_by_those_who_have_not_stopped(usual: Any) -> None:
    public = usual.market.public
    public.watch("one", BID, 1000)
    public.watch("two", BID, 1000)
    public.watch("one", BID, 1000)
    public.unwatch("three", BID, 1000)
    public.unwatch("one", ASK, 1000)
    assert public._watchers[BID][1000] == ["one", "two"]
    public.unwatch("one", BID, 1000)
    assert public._watchers[BID][1000] == ["two"]
    public.unwatch("two", BID, 1000)
    assert 1000 not in public._watchers[BID]
