"""What a live stream learns by REST: candles from before it began, trades it missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import msgspec

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import MarketEvent, PastCandles
from triplegain.venues.kraken.candles import past_candles
from triplegain.venues.kraken.market import KrakenMarket
from triplegain.venues.kraken.stream_clock import StreamClock
from triplegain.venues.kraken.wire.rest import read_candles, read_trade_page
from triplegain.venues.kraken.wire.writer import TapeTrade


@dataclass(slots=True)
class _Window:
    """Of one instrument: since when, what was traded, and why the rest cannot be had."""

    since_ns: int
    trades: list[TapeTrade] = field(default_factory=list)
    why_missed: str = ""


class KrakenHistory:
    """Before the first subscription replies are gathered: trades of all instruments are told in order of time, then
    candles. Afterwards a page of trades closes a hole."""

    def __init__(self, clock: StreamClock, markets: Mapping[str, KrakenMarket]) -> None:
        self._clock = clock
        self._markets = markets
        self._symbols: dict[str, str] = {}
        #: The time away by instrument.
        self._away: dict[str, _Window] = {}
        self._candles: list[PastCandles] = []
        #: Until the first message of a subscription.
        self.is_gathering = True

    @property
    def is_holding(self) -> bool:
        """Whether trades of the time away wait to be told: until then no time passes."""
        return self.is_gathering and bool(self._away)

    def name(self, symbol: str, names: tuple[str, ...]) -> None:
        """Names by which a request may ask for an instrument."""
        self._symbols |= dict.fromkeys(names, symbol)

    def on_reply(
        self, path: str, asked: Mapping[str, str], result: msgspec.Raw, why: str, received_ns: int
    ) -> list[MarketEvent]:
        """A reply to OHLC or Trades; `why` are its errors. Raises ValueError or DecodeError if it cannot be read."""
        market = self._markets.get(self._symbols.get(asked.get("pair", ""), ""))
        if market is None:
            return []
        if path.endswith("/OHLC"):
            return [] if why else self._on_candles(market, asked, result, received_ns)
        since_ns = int(asked.get("since", "0"))
        if why:
            return self._on_no_trades(market, since_ns, why, received_ns)
        trades = market.read_rows(read_trade_page(result).rows)
        if not self.is_gathering:
            return market.on_history(trades, received_ns)
        self._window(market, since_ns).trades += trades
        return []

    def on_unreadable(self, path: str, why: str, received_ns: int) -> list[MarketEvent]:
        """A reply that cannot be read."""
        parts = urlsplit(path)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        market = self._markets.get(self._symbols.get(asked.get("pair", ""), ""))
        if market is None or not parts.path.endswith("/Trades"):
            return []
        since = asked.get("since", "")
        return self._on_no_trades(market, int(since) if since.isdecimal() else 0, why, received_ns)

    def begin(self, received_ns: int) -> list[MarketEvent]:
        """Everything gathered, in order."""
        self.is_gathering = False
        events: list[MarketEvent] = []
        away, self._away = sorted(self._away.items(), key=lambda one: one[1].since_ns), {}
        told = [(trade.time_ns, symbol, trade.number, trade) for symbol, one in away for trade in one.trades]
        waiting = [(symbol, one.since_ns) for symbol, one in away if one.trades or not one.why_missed]
        # Pages may overlap: of two trades with one number the tape takes the first.
        for time_ns, symbol, _, trade in sorted(told, key=lambda one: one[:3]):
            while waiting and waiting[0][1] <= time_ns:
                first, since_ns = waiting.pop(0)
                events += self._markets[first].begin_away(since_ns, received_ns)
            events += self._markets[symbol].trade_away(trade, received_ns)
        for symbol, since_ns in waiting:
            events += self._markets[symbol].begin_away(since_ns, received_ns)
        for symbol, one in away:
            if one.why_missed:
                market = self._markets[symbol]
                missed_ns = max(one.since_ns, market.tape.last_time_ns)
                events += market.miss_away(missed_ns, one.why_missed, received_ns)
        return events + self._tell_candles()

    def is_told(self) -> None:
        """Everything gathered was told by the stream that this one goes on from."""
        self.is_gathering = False
        self._away.clear()
        self._candles.clear()

    def _window(self, market: KrakenMarket, since_ns: int) -> _Window:
        """The first reply of an instrument says where its window begins."""
        return self._away.setdefault(market.symbol, _Window(since_ns))

    def _on_no_trades(self, market: KrakenMarket, since_ns: int, why: str, received_ns: int) -> list[MarketEvent]:
        if self.is_gathering:
            self._window(market, since_ns).why_missed = why
            return []
        return market.on_no_history(why, received_ns)

    def _on_candles(
        self, market: KrakenMarket, asked: Mapping[str, str], result: msgspec.Raw, received_ns: int
    ) -> list[MarketEvent]:
        """The fragment of the request's path says in seconds how long candles are to be, if not as they come."""
        interval = int(asked.get("interval", "1"))
        length_ns = int(asked.get("length") or interval * 60) * SECOND_NS
        closed, unfinished = past_candles(read_candles(result), market.instrument, interval, length_ns)
        if not closed:
            return []
        self._candles.append(PastCandles(market.symbol, 0, received_ns, closed, unfinished))
        return [] if self.is_holding else self._tell_candles()

    def _tell_candles(self) -> list[MarketEvent]:
        """They know the trades up to the time at which they came."""
        told: list[MarketEvent] = []
        for one in self._candles:
            if not self._clock.is_known:
                self._clock.set(one.candles[-1].close_time_ns, one.received_at_ns)
            time_ns = self._clock.now(one.received_at_ns)
            received_ns = max(one.received_at_ns, time_ns)
            told.append(PastCandles(one.symbol, time_ns, received_ns, one.candles, one.unfinished))
        self._candles.clear()
        return told
