"""The session's prices: the exchange's books, looked at through the rules of freshness."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from triplegain.domain.market import MarketDepth
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.market.prices.price_source import PaperPriceSource


class SessionPrices:
    """Quotes are made when somebody asks: a market that moves a thousand times between two looks costs nothing."""

    def __init__(
        self,
        exchange: PaperExchange,
        source: QuoteSource,
        depth: Mapping[str, MarketDepth],
        chain: PaperPriceSource,
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._depth = depth
        self.chain = chain
        self.observe = chain.observe

    def quote(self, symbol: str) -> Quote | None:
        """The quote of now (market time), None if there is no fresh one."""
        self._take_from_exchange(symbol)
        return self.chain.quote(symbol, self._exchange.now_ns)

    def mark(self, symbol: str) -> Decimal | None:
        """Price to value with, None if it is not fresh."""
        quote = self.quote(symbol)
        return None if quote is None else quote.mark

    def _take_from_exchange(self, symbol: str) -> None:
        market = self._exchange.markets.get(symbol)
        if market is None:
            return
        instrument, book = market.instrument, market.book
        bid, ask = market.quotes()
        has_book = self._depth[symbol] is MarketDepth.BOOK
        at_ns = max(book.time_ns, market.last_at_ns)
        if at_ns <= 0 or (bid is None and ask is None and market.last is None):
            return
        self.chain.update_price(
            Quote(
                symbol,
                None if bid is None or not has_book else instrument.price(bid),
                None if ask is None or not has_book else instrument.price(ask),
                None if market.last is None else instrument.price(market.last),
                None if bid is None or not has_book else instrument.quantity(book.displayed(0, bid)),
                None if ask is None or not has_book else instrument.quantity(book.displayed(1, ask)),
                at_ns,
                max(at_ns, market.received_at_ns),
                self._source,
            )
        )
