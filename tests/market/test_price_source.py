from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle, CandleClosed, FeedState, FeedStatus, Heartbeat, MarketDepth
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.market.prices.price_source import MockPriceSource, PaperPriceSource

NOW = 1_000_000 * SECOND_NS
BTC = "BTC/USDT"


def _quote(
    symbol: str = BTC,
    bid: str | None = "100.0",
    ask: str | None = "100.2",
    last: str | None = None,
    at: int = NOW,
    source: QuoteSource = QuoteSource.REPLAY,
) -> Quote:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return Quote(symbol, number(bid), number(ask), number(last), None, None, at, at, source)


def _feed(depth: MarketDepth) -> PaperPriceSource:
    return PaperPriceSource(QuoteSource.REPLAY, {BTC: depth}, {BTC: 60 * SECOND_NS})


def _status(state: FeedState, at: int) -> FeedStatus:
    return FeedStatus(BTC, at, at, state)


class _Stored:
    """A database that counts how often it is asked."""

    def __init__(self, quote: Quote | None) -> None:
        self.quote = quote
        self.asked = 0

    async def latest(self, symbol: str, now_ns: int) -> Quote | None:
        self.asked += 1
        return self.quote


def test_a_quote_older_than_the_stored_one_is_refused_and_said(caplog: pytest.LogCaptureFixture) -> None:
    prices = _feed(MarketDepth.BOOK)
    with caplog.at_level(logging.WARNING):
        assert prices.update_price(_quote())
        assert prices.update_price(_quote(bid="101.0", ask="101.2"))  # the same time is not older
        assert not prices.update_price(_quote(bid="90.0", at=NOW - 1))
    assert "older than the one we have" in caplog.text
    quote = prices.quote(BTC, NOW)
    assert quote is not None and quote.bid == Decimal("101.0")


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_an_impossible_price_is_refused(price: str) -> None:
    with pytest.raises(InvalidValueError, match="above zero"):
        _feed(MarketDepth.BOOK).update_price(_quote(last=price))


def test_with_a_book_a_quiet_market_is_fresh_while_the_feed_is_alive() -> None:
    prices = _feed(MarketDepth.BOOK)
    prices.update_price(_quote())
    hour = 3600 * SECOND_NS
    assert prices.quote(BTC, NOW + 10 * SECOND_NS) is not None
    assert prices.quote(BTC, NOW + 10 * SECOND_NS + 1) is None
    prices.observe(Heartbeat(NOW + hour, NOW + hour))
    assert prices.quote(BTC, NOW + hour) is not None


@pytest.mark.parametrize("state", [FeedState.GAP, FeedState.CHECKSUM_MISMATCH, FeedState.CROSSED, FeedState.STALE])
@pytest.mark.parametrize("depth", list(MarketDepth))
def test_a_feed_out_of_sync_has_no_fresh_price_until_it_is_back(state: FeedState, depth: MarketDepth) -> None:
    prices = _feed(depth)
    prices.update_price(_quote())
    prices.observe(_status(state, NOW))
    assert prices.quote(BTC, NOW) is None
    prices.observe(_status(FeedState.SYNCED, NOW))
    assert prices.quote(BTC, NOW) is not None


def test_with_a_tape_an_old_trade_is_fresh() -> None:
    prices = _feed(MarketDepth.TAPE)
    prices.update_price(_quote(bid=None, ask=None, last="100"))
    quote = prices.quote(BTC, NOW + 86_400 * SECOND_NS)
    assert quote is not None and quote.mark == Decimal("100")


def test_with_candles_a_price_is_fresh_for_two_candles() -> None:
    prices = PaperPriceSource(QuoteSource.REPLAY, {BTC: MarketDepth.CANDLES})
    candle = Candle(BTC, NOW - 300 * SECOND_NS, 300 * SECOND_NS, 1, 1, 1, 1, 1)
    prices.observe(CandleClosed(BTC, NOW, NOW, candle))
    prices.update_price(_quote(bid=None, ask=None, last="100"))
    assert prices.quote(BTC, NOW + 600 * SECOND_NS) is not None
    assert prices.quote(BTC, NOW + 600 * SECOND_NS + 1) is None


@pytest.mark.parametrize(
    "prices", [PaperPriceSource(), PaperPriceSource(QuoteSource.LIVE, {"XRP/USDT": MarketDepth.BOOK})]
)
def test_a_price_alone_is_fresh_for_a_minute(prices: PaperPriceSource) -> None:
    prices.update_price(_quote())
    assert prices.quote(BTC, NOW + 60 * SECOND_NS) is not None
    assert prices.quote(BTC, NOW + 60 * SECOND_NS + 1) is None


async def test_the_chain_is_feed_then_historical_then_mock() -> None:
    stored = _Stored(_quote(last="50", bid=None, ask=None, at=NOW - 30 * SECOND_NS, source=QuoteSource.HISTORICAL))
    mock = MockPriceSource({BTC: Decimal("7")})
    prices = PaperPriceSource(QuoteSource.REPLAY, {BTC: MarketDepth.BOOK}, historical=stored.latest, mock=mock)
    prices.update_price(_quote(at=NOW - 20 * SECOND_NS))

    async def source(now_ns: int) -> QuoteSource | None:
        await prices.look_up(BTC, now_ns)
        quote = prices.quote(BTC, now_ns)
        return quote.source if quote else None

    assert await source(NOW - 15 * SECOND_NS) is QuoteSource.REPLAY and stored.asked == 0
    assert await source(NOW) is QuoteSource.HISTORICAL  # the feed has been silent for 20 s
    assert await source(NOW + 31 * SECOND_NS) is QuoteSource.MOCK  # and the stored price is 61 s old
    assert stored.asked == 2


async def test_what_is_stored_is_seen_once_it_was_looked_up() -> None:
    stored = _Stored(_quote(source=QuoteSource.HISTORICAL))
    prices = PaperPriceSource(historical=stored.latest)
    before = prices.quote(BTC, NOW)
    await prices.look_up(BTC, NOW)
    await prices.look_up(BTC, NOW)
    after = prices.quote(BTC, NOW)
    assert (before, after, stored.asked) == (None, stored.quote, 1)


def test_a_mock_price_must_be_a_price() -> None:
    with pytest.raises(InvalidValueError):
        MockPriceSource({BTC: Decimal(0)})
