"""When what is sent arrives, and when we hear of what came of it.

Commands travel one channel and answers another, as on one connection: on neither does a later one overtake an earlier
one. A market of candles has a time of its own, which is asked for here and nowhere else.
"""

from __future__ import annotations

from triplegain.exchange.candle_time import AFTER_NS
from triplegain.exchange.latency import Latency
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.simple_fills import SimpleFills
from triplegain.exchange.venue_market import VenueMarket


class Channels:
    """Of one account."""

    def __init__(self, latency: Latency) -> None:
        self._latency = latency
        #: When the last command, and the last answer, that is under way arrives.
        self.arriving_ns = 0
        self.answered_ns = 0

    def arrival_ns(
        self, now_ns: int, delay_ns: int, market: VenueMarket | None, changed: WorkingOrder | None = None
    ) -> int:
        """When a command that is sent now arrives. `market`: the one that it is for, None where it is for the account;
        `changed` is the order that it would cancel, amend or replace."""
        if (candles := _own_time(market)) is not None:
            return candles.arrives_ns(now_ns, delay_ns, changed)
        if now_ns + delay_ns > self.arriving_ns:
            self.arriving_ns = now_ns + delay_ns
        return self.arriving_ns

    def answer_ns(self, now_ns: int, market: VenueMarket | None) -> int:
        """When we hear of what happens now."""
        delay_ns = self._latency.response()
        if market is not None and market.has_own_time:
            return market.simple.arrives_ns(now_ns, delay_ns, None)
        if now_ns + delay_ns > self.answered_ns:
            self.answered_ns = now_ns + delay_ns
        return self.answered_ns

    def done_by_ns(self, now_ns: int, market: VenueMarket) -> int:
        """When what is sent now has been done and told, as far as time is the market's own; else no later than now."""
        candles = _own_time(market)
        return now_ns if candles is None or candles.told is None else candles.told.done_by_ns(now_ns)

    def are_of(self, market: VenueMarket | None) -> bool:
        """Whether what is under way to this market holds up what is sent later."""
        return _own_time(market) is None


def date_ns(date_ns: int, market: VenueMarket) -> int:
    """When a date counts: one that falls on a close comes after the candle that ends there."""
    return date_ns if _own_time(market) is None else date_ns + AFTER_NS


def _own_time(market: VenueMarket | None) -> SimpleFills | None:
    """Of a market where candles are all there is."""
    return market.simple if market is not None and market.has_own_time else None
