"""Prices for a session: from its feed, else from what is stored, else from a table for tests."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from decimal import Decimal

from msgspec import Struct

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import (
    PRICED_STATES,
    CandleClosed,
    FeedState,
    FeedStatus,
    MarketDepth,
    MarketEvent,
    TimePassed,
)
from triplegain.domain.quote import Quote, QuoteSource

#: Silence after which a feed with a book counts as dead (Kraken's heartbeat comes every second).
ALIVE_WITHIN_NS = 10 * SECOND_NS

#: How long a price without a feed behind it is fresh.
LONE_PRICE_NS = 60 * SECOND_NS


class HealthSeen(Struct, frozen=True):
    """States and lengths of candles by symbol, and when the feed was heard last."""

    states: dict[str, FeedState]
    candle_length_ns: dict[str, int]
    heard_ns: int


@dataclass(eq=False)
class FeedHealth:
    """What was last heard of a feed, in market time."""

    _depth: Mapping[str, MarketDepth]
    _candle_length_ns: dict[str, int]
    _alive_within_ns: int
    _lone_price_ns: int
    _states: dict[str, FeedState] = field(default_factory=dict)
    _heard_ns: int = 0

    def seen(self) -> HealthSeen:
        return HealthSeen(dict(self._states), dict(self._candle_length_ns), self._heard_ns)

    def see(self, seen: HealthSeen) -> None:
        """Go on as another one stood."""
        self._states, self._heard_ns = dict(seen.states), seen.heard_ns
        self._candle_length_ns = dict(seen.candle_length_ns)

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
        if self._states.get(quote.symbol, FeedState.SYNCED) not in PRICED_STATES:
            return False
        if depth is MarketDepth.BOOK:
            return now_ns - self._heard_ns <= self._alive_within_ns
        if depth is MarketDepth.TAPE:
            return True
        return age_ns <= 2 * self._candle_length_ns.get(quote.symbol, self._lone_price_ns // 2)

    def __copy__(self) -> FeedHealth:
        return replace(self, _candle_length_ns=dict(self._candle_length_ns), _states=dict(self._states))

    def is_lone_price_fresh(self, quote: Quote, now_ns: int) -> bool:
        """A stored price, with no feed behind it."""
        return now_ns - quote.exchange_time_ns <= self._lone_price_ns


class MockPriceSource:
    """Symbol to a price that never changes and is always as new as the question."""

    def __init__(self, prices: Mapping[str, Decimal]) -> None:
        for symbol, price in prices.items():
            if not (price.is_finite() and price > 0):
                raise InvalidValueError(f"the mock price of {symbol} must be above zero, this is {price}")
        self._prices = dict(prices)

    def quote(self, symbol: str, now_ns: int) -> Quote | None:
        """The price as last trade, without bid and ask, marked MOCK."""
        price = self._prices.get(symbol)
        if price is None:
            return None
        return Quote(symbol, None, None, price, None, None, now_ns, now_ns, QuoteSource.MOCK)


_log = logging.getLogger(__name__)


#: The last stored price of a symbol not after a market time, read without blocking the event loop.
HistoricalPrices = Callable[[str, int], Awaitable[Quote | None]]

#: The last quote of each symbol, and how the feed is.
PricesSeen = tuple[dict[str, Quote], FeedHealth]


class PaperPriceSource:
    """The latest quote of every symbol, with a rule for when it is too old. All times are market time.

    `feed` is the source of the session's feed, `depth` and `candle_length_ns` what that feed offers. The chain is
    feed, then historical, then mock; a link that is not given is not there.
    """

    def __init__(
        self,
        feed: QuoteSource | None = None,
        depth: Mapping[str, MarketDepth] | None = None,
        candle_length_ns: Mapping[str, int] | None = None,
        historical: HistoricalPrices | None = None,
        mock: MockPriceSource | None = None,
        alive_within_ns: int = ALIVE_WITHIN_NS,
        lone_price_ns: int = LONE_PRICE_NS,
    ) -> None:
        self._feed = feed
        self.historical = historical
        self._mock = mock
        self.health = FeedHealth(dict(depth or {}), dict(candle_length_ns or {}), alive_within_ns, lone_price_ns)
        self._quotes: dict[str, Quote] = {}
        self._stored: dict[str, Quote] = {}
        self._complained: set[str] = set()
        self._told: dict[str, int] = {}

    def asks_again(self, symbol: str, told: int) -> bool:
        """Whether the market may have another quote than the last time it was asked for: of all that ask between two
        messages about it the first one makes it. `told` counts those messages; 0: it changes while it is asked for."""
        if told and self._told.get(symbol) == told:
            return False
        self._told[symbol] = told
        return True

    def observe(self, event: MarketEvent) -> None:
        """Every event of the feed, in order: signs of life, gaps and resynchronisation."""
        self.health.observe(event)

    def update_price(self, quote: Quote) -> bool:
        """Take a quote; False if it is older than the one stored. Raises InvalidValueError for an impossible price."""
        for price in (quote.bid, quote.ask, quote.last):
            if price is not None and not (price.is_finite() and price > 0):
                raise InvalidValueError(f"a price of {quote.symbol} must be above zero, this is {price}")
        stored = self._quotes.get(quote.symbol)
        if stored is not None and quote.exchange_time_ns < stored.exchange_time_ns:
            late = stored.exchange_time_ns - quote.exchange_time_ns
            # One warning per symbol: a feed that is late once is late a thousand times.
            level = logging.DEBUG if quote.symbol in self._complained else logging.WARNING
            self._complained.add(quote.symbol)
            _log.log(level, "%s: quote refused, it is %d ns older than the one we have", quote.symbol, late)
            return False
        self._quotes[quote.symbol] = quote
        if quote.source is self._feed:
            self.health.heard(quote.exchange_time_ns)
        return True

    def quote(self, symbol: str, now_ns: int) -> Quote | None:
        """The freshest quote there is, None if all are too old. Of what is stored it sees what was looked up before."""
        return self._fresh(symbol, now_ns) or (self._mock.quote(symbol, now_ns) if self._mock else None)

    def seen(self) -> PricesSeen:
        """What the feed has told so far."""
        return dict(self._quotes), copy(self.health)

    def see(self, seen: PricesSeen) -> None:
        """Put new prices where the feed had left others."""
        self._quotes, self.health = dict(seen[0]), copy(seen[1])
        self._told.clear()

    async def look_up(self, symbol: str, now_ns: int) -> None:
        """Read the stored price of a market for which nothing fresh is known."""
        if self.historical is not None and self._fresh(symbol, now_ns) is None:
            self._keep(await self.historical(symbol, now_ns), now_ns)

    def _fresh(self, symbol: str, now_ns: int) -> Quote | None:
        quote = self._quotes.get(symbol)
        if quote is not None:
            ours = quote.source is self._feed
            fresh = self.health.is_fresh if ours else self.health.is_lone_price_fresh
            if fresh(quote, now_ns):
                return quote
        return self._keep(self._stored.get(symbol), now_ns)

    def _keep(self, quote: Quote | None, now_ns: int) -> Quote | None:
        """Remember a stored price; None if it is too old to be used."""
        if quote is None:
            return None
        self._stored[quote.symbol] = quote
        return quote if self.health.is_lone_price_fresh(quote, now_ns) else None
