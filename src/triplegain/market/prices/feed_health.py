"""Whether a stored quote still is the market: the rule depends on what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import CandleClosed, FeedState, FeedStatus, MarketDepth, MarketEvent, TimePassed
from triplegain.domain.quote import Quote

#: Silence after which a feed with a book counts as dead (Kraken's heartbeat comes every second).
ALIVE_WITHIN_NS = 10 * SECOND_NS

#: How long a price without a feed behind it is fresh.
LONE_PRICE_NS = 60 * SECOND_NS

#: States in which the exchange takes fewer orders but its prices are right.
_PRICED_STATES = (FeedState.SYNCED, FeedState.CANCEL_ONLY, FeedState.POST_ONLY)


class FeedHealth:
    """What was last heard of a feed, in market time."""

    def __init__(
        self,
        depth: Mapping[str, MarketDepth],
        candle_length_ns: Mapping[str, int],
        alive_within_ns: int = ALIVE_WITHIN_NS,
        lone_price_ns: int = LONE_PRICE_NS,
    ) -> None:
        self._depth = dict(depth)
        self._candle_length_ns = dict(candle_length_ns)
        self._alive_within_ns = alive_within_ns
        self._lone_price_ns = lone_price_ns
        self._states: dict[str, FeedState] = {}
        self._heard_ns = 0

    def observe(self, event: MarketEvent) -> None:
        """Every event but our own clock is a sign of life; states and candles say more."""
        if isinstance(event, TimePassed):
            return
        self._heard_ns = max(self._heard_ns, event.exchange_time_ns)
        if isinstance(event, FeedStatus):
            self._states[event.symbol] = event.state
        elif isinstance(event, CandleClosed):
            self._candle_length_ns[event.symbol] = event.candle.length_ns

    def heard(self, time_ns: int) -> None:
        """The feed was alive at that market time."""
        self._heard_ns = max(self._heard_ns, time_ns)

    def is_fresh(self, quote: Quote, now_ns: int) -> bool:
        """With a book: feed alive and in sync. Tape: no gap. Candles: not older than two. Neither: 60 s."""
        depth = self._depth.get(quote.symbol)
        age_ns = now_ns - quote.exchange_time_ns
        if depth is None:
            return age_ns <= self._lone_price_ns
        if self._states.get(quote.symbol, FeedState.SYNCED) not in _PRICED_STATES:
            return False
        if depth is MarketDepth.BOOK:
            return now_ns - self._heard_ns <= self._alive_within_ns
        if depth is MarketDepth.TAPE:
            return True
        return age_ns <= 2 * self._candle_length_ns.get(quote.symbol, self._lone_price_ns // 2)

    def is_lone_price_fresh(self, quote: Quote, now_ns: int) -> bool:
        """A stored price, with no feed behind it."""
        return now_ns - quote.exchange_time_ns <= self._lone_price_ns
