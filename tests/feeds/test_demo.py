"""The demo market: is it a possible market, a consistent one, a lively one, and always the same one?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import islice, pairwise

import pytest
from tests.examples import seeds

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.market import BookUpdate, Heartbeat, MarketDepth, MarketEvent, PastCandles, PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.demo.demo import DemoMarket

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
SYMBOLS = ("BTC/USDT", "XRP/USDT", "XRP/BTC")
DEPTH = 25


class Book:
    """A subscriber's book, as the protocol asks: levels in order, then cut to the depth."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def apply(self, update: BookUpdate) -> None:
        if update.snapshot:
            self.bids, self.asks = {}, {}
        for levels, side in ((update.bids, self.bids), (update.asks, self.asks)):
            for price, size in levels:
                side[price] = size
                if not size:
                    del side[price]
        self.bids = dict(sorted(self.bids.items(), reverse=True)[:DEPTH])
        self.asks = dict(sorted(self.asks.items())[:DEPTH])

    @property
    def bid(self) -> int:
        return next(iter(self.bids))

    @property
    def ask(self) -> int:
        return next(iter(self.asks))


@lru_cache(maxsize=2)
def half_hour(seed: int) -> tuple[MarketEvent, ...]:
    """What several tests look at."""
    return tuple(DemoMarket(seed, START, duration_ns=1800 * SECOND).events())


def played(seed: int, seconds: int) -> Iterator[tuple[MarketEvent, dict[str, Book]]]:
    """Every event, with the books as they stood *before* it."""
    books = {symbol: Book() for symbol in SYMBOLS}
    for event in DemoMarket(seed, START, duration_ns=seconds * SECOND).events():
        yield event, books
        if isinstance(event, BookUpdate):
            books[event.symbol].apply(event)


def market(seed: int) -> Iterator[MarketEvent]:
    """The endless market from its first book on: the candles of before are not in it."""
    return (event for event in DemoMarket(seed, START).events() if not isinstance(event, PastCandles))


def fingerprint(events: Iterator[MarketEvent]) -> str:
    digest = hashlib.sha256()
    for event in events:
        digest.update(repr(event).encode())
    return digest.hexdigest()


def closes(seed: int, seconds: int, symbol: str = "BTC/USDT") -> dict[int, int]:
    """Second to last traded price, for seconds with a trade."""
    return {
        (event.exchange_time_ns - START) // SECOND: event.price
        for event in (
            half_hour(seed) if seconds == 1800 else DemoMarket(seed, START, duration_ns=seconds * SECOND).events()
        )
        if isinstance(event, PublicTrade) and event.symbol == symbol
    }


def ema_crosses(by_second: dict[int, int]) -> list[tuple[int, int]]:
    """(second, +1 or -1) of each EMA 9/21 cross of one-second candles, from the 21st candle on."""
    crosses: list[tuple[int, int]] = []
    fast = slow = 0.0
    above: bool | None = None
    for count, (second, price) in enumerate(sorted(by_second.items()), start=1):
        fast = price if count == 1 else fast + (price - fast) * 2 / 10
        slow = price if count == 1 else slow + (price - slow) * 2 / 22
        if count >= 21:
            if above is not None and (fast > slow) != above:
                crosses.append((second, 1 if fast > slow else -1))
            above = fast > slow
    return crosses


def percentile(values: list[int], per_cent: int) -> int:
    return sorted(values)[(len(values) - 1) * per_cent // 100]


@pytest.mark.parametrize("minutes", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_a_market_is_possible_at_every_event(minutes: int) -> None:
    """Books full, positive, never locked or crossed; prints at displayed prices for no more than is displayed."""
    last_exchange = last_received = START
    shown: dict[tuple[str, Side, int], int] = {}
    for event, books in played(7, 60 * minutes):
        assert last_exchange <= event.exchange_time_ns
        assert last_received <= event.received_at_ns
        assert 2_000_000 <= event.received_at_ns - event.exchange_time_ns <= 10_000_000
        last_exchange, last_received = event.exchange_time_ns, event.received_at_ns
        if isinstance(event, PublicTrade):
            book = books[event.symbol]
            side = book.asks if event.side is Side.BUY else book.bids
            assert 0 < event.quantity <= side[event.price]
            shown[event.symbol, event.side, event.price] = side[event.price] - event.quantity
        elif isinstance(event, BookUpdate):
            assert event.snapshot or bool(event.bids) != bool(event.asks)
            assert all(price > 0 and size >= 0 for price, size in event.bids + event.asks)
            book = Book()
            book.bids, book.asks = books[event.symbol].bids, books[event.symbol].asks
            book.apply(event)
            assert len(book.bids) == len(book.asks) == DEPTH
            assert book.bid < book.ask
            for (_, taker, price), left in shown.items():
                assert (book.asks if taker is Side.BUY else book.bids).get(price, 0) <= left
            shown.clear()


def test_a_print_is_followed_by_its_level_change_at_the_same_time() -> None:
    events = [event for event, _ in played(3, 300) if not isinstance(event, Heartbeat | PastCandles)]
    for event, following in pairwise(events):
        if isinstance(event, PublicTrade):
            assert following.symbol == event.symbol
            assert following.exchange_time_ns == event.exchange_time_ns


def test_the_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    one = DemoMarket(11, START)
    assert fingerprint(islice(one.events(), 20_000)) == fingerprint(islice(one.events(), 20_000))
    assert fingerprint(islice(market(12), 500)) != fingerprint(islice(market(11), 500))


def test_the_market_is_the_one_every_machine_makes() -> None:
    """Sessions are resumed by making the market again: a change of it breaks every stored demo session."""
    assert fingerprint(islice(market(1), 50_000)) == "449ef09c09f9c7b5e54bd64dd90b1c538e19dc75526791331f933da5b772ca90"


def test_a_duration_cuts_the_endless_market_and_changes_nothing_before() -> None:
    whole = DemoMarket(5, START)
    cut = DemoMarket(5, START, duration_ns=20 * SECOND)
    events = list(cut.events())
    assert events == list(islice(whole.events(), len(events)))
    assert events[-1].exchange_time_ns < START + 20 * SECOND
    assert next(islice(whole.events(), len(events), None)).exchange_time_ns >= START + 20 * SECOND
    assert cut.span_ns == (START, START + 20 * SECOND)
    assert whole.span_ns is None


def test_it_says_that_it_is_synthetic() -> None:
    market = DemoMarket(0, START)
    assert (market.name, market.source, market.synthetic) == ("demo", QuoteSource.DEMO, True)
    assert market.depth == dict.fromkeys(SYMBOLS, MarketDepth.BOOK)


def test_it_opens_with_whole_books_and_a_print_in_every_pair_within_the_first_second() -> None:
    events = [event for event, _ in played(0, 1) if not isinstance(event, PastCandles)]
    opening = events[:3]
    assert [(event.symbol, event.snapshot, event.depth) for event in opening if isinstance(event, BookUpdate)] == [
        (symbol, True, DEPTH) for symbol in SYMBOLS
    ]
    assert {event.symbol for event in events if isinstance(event, PublicTrade)} == set(SYMBOLS)


@pytest.mark.parametrize("seed", seeds(3, always=1))
def test_the_three_pairs_agree(seed: int) -> None:
    """XRP/BTC against XRP/USDT over BTC/USDT, in millionths: middles close, and no free lunch around the triangle.

    One tick of XRP/BTC is 1e-8 of 1e-5, so 1000 millionths: quotes a tick or two wide keep the middle within a few.
    """
    divergence: list[int] = []
    for event, books in played(seed, 900):
        btc, xrp, cross = (books[symbol] for symbol in SYMBOLS)
        if not (isinstance(event, BookUpdate) and cross.bids):
            continue
        # Ticks of 0.1, 1e-5 and 1e-8: XRP/USDT = btc * cross * 1e-9, so in its ticks btc * cross * 1e-4.
        through_middle = (btc.bid + btc.ask) * (cross.bid + cross.ask)
        divergence.append(abs(through_middle - (xrp.bid + xrp.ask) * 20_000) * 1_000_000 // through_middle)
        # Profit before fees of selling what was just bought; the lowest taker fees of the three legs are 3000.
        assert (btc.bid * cross.bid - xrp.ask * 10_000) * 1_000_000 <= 300 * xrp.ask * 10_000
        assert (xrp.bid * 10_000 - btc.ask * cross.ask) * 1_000_000 <= 300 * xrp.bid * 10_000
    assert percentile(divergence, 50) <= 300
    assert percentile(divergence, 99) <= 1500
    assert max(divergence) <= 6000


@pytest.mark.parametrize("seed", [0, pytest.param(4, marks=pytest.mark.slow)])
def test_spread_depth_and_sizes_are_those_of_a_real_market(seed: int) -> None:
    """Spreads in ticks: BTC/USDT 0.1 to 1.0 USDT as a rule, XRP/USDT 0.5 to 2 bp, XRP/BTC one or two ticks."""
    spreads: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
    top_ten: list[int] = []
    sizes: list[int] = []
    for event, books in played(seed, 900):
        if isinstance(event, BookUpdate) and not event.snapshot:
            book = books[event.symbol]
            spreads[event.symbol].append(book.ask - book.bid)
            if event.symbol == "BTC/USDT":
                top_ten.append(sum(islice(book.asks.values(), 10)))
        elif isinstance(event, PublicTrade) and event.symbol == "BTC/USDT":
            sizes.append(event.quantity)
    btc, xrp, cross = (spreads[symbol] for symbol in SYMBOLS)
    assert 2 <= percentile(btc, 50) <= 7
    assert percentile(btc, 85) <= 10
    assert percentile(btc, 99) <= 60
    assert 3 <= percentile(xrp, 50) <= 12
    assert 1 <= percentile(cross, 50) <= 2
    assert 1.5e8 < percentile(top_ten, 50) < 5e8
    assert 0.001e8 < percentile(sizes, 50) < 0.005e8
    assert 0.1e8 < percentile(sizes, 99) < 1e8


def test_the_pace_is_even_at_rest_with_bursts_and_silences_between() -> None:
    per_second: Counter[int] = Counter()
    heartbeats = 0
    gaps: list[int] = []
    previous = START
    for event in half_hour(0):
        per_second[(event.exchange_time_ns - START) // SECOND] += 1
        heartbeats += isinstance(event, Heartbeat)
        gaps.append(event.exchange_time_ns - previous)
        previous = event.exchange_time_ns
    counts = [per_second[second] for second in range(1800)]
    assert 20 <= percentile(counts, 10) <= percentile(counts, 70) <= 60
    assert max(counts) >= 150
    assert heartbeats >= 10
    assert max(gaps) <= SECOND + SECOND // 2, "silence without a heartbeat"


def test_busy_seconds_are_the_volatile_ones() -> None:
    price: dict[int, int] = {}
    busy: Counter[int] = Counter()
    for event in half_hour(0):
        second = (event.exchange_time_ns - START) // SECOND
        busy[second] += 1
        if isinstance(event, PublicTrade) and event.symbol == "BTC/USDT":
            price[second] = event.price
    moves = [(busy[second], abs(price[second] - price[second - 1])) for second in price if second - 1 in price]
    moves.sort()
    calm, wild = moves[: len(moves) * 9 // 10], moves[len(moves) * 9 // 10 :]
    assert sum(move for _, move in wild) * len(calm) > 1.2 * sum(move for _, move in calm) * len(wild)


@pytest.mark.parametrize("seed", range(10))
def test_a_first_minute_brings_a_buy_and_a_sell_signal(seed: int) -> None:
    """EMA 9/21 on one-second candles: up after the warm-up, down again with time to act on it."""
    directions = [(second, direction) for second, direction in ema_crosses(closes(seed, 60)) if second <= 50]
    rises = [second for second, direction in directions if direction > 0]
    falls = [second for second, direction in directions if direction < 0]
    assert rises and rises[0] <= 40
    assert falls and falls[-1] > rises[0]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 8))])
def test_signals_keep_coming_about_every_half_minute(seed: int) -> None:
    seconds = [second for second, _ in ema_crosses(closes(seed, 1800))]
    assert 45 <= len(seconds) <= 110
    edges = [22, *seconds, 1800]
    assert max(later - earlier for earlier, later in pairwise(edges)) <= 120


@pytest.mark.parametrize("minutes", [30, pytest.param(120, marks=pytest.mark.slow)])
def test_prices_stay_near_where_they_began(minutes: int) -> None:
    """Two hours within two per cent."""
    prices = [event.price for event in DemoMarket(9, START, duration_ns=minutes * 60 * SECOND).events()
              if isinstance(event, PublicTrade) and event.symbol == "BTC/USDT"]  # fmt: skip
    assert 588_000 <= min(prices) <= max(prices) <= 612_000


def test_fewer_pairs_and_other_ticks_can_be_asked_for() -> None:
    fine = replace(KRAKEN_OFFLINE_DEFAULTS[0], tick=Decimal("0.01"))
    events = list(islice(DemoMarket(1, START, instruments=(fine,)).events(), 2000))
    assert {event.symbol for event in events if not isinstance(event, Heartbeat)} == {"BTC/USDT"}
    snapshot = next(event for event in events if isinstance(event, BookUpdate))
    assert snapshot.bids[0][0] // 1_000_000 in (5, 6)


def test_what_it_cannot_play_is_refused_with_a_reason() -> None:
    other = Instrument("ETH/USDT", Decimal("0.01"), Decimal("1e-8"), Decimal("0.001"), Decimal("0.5"))
    with pytest.raises(InvalidValueError, match="ETH/USDT"):
        DemoMarket(1, START, instruments=(other,))
    with pytest.raises(InvalidValueError, match="too coarse"):
        DemoMarket(1, START, instruments=(replace(KRAKEN_OFFLINE_DEFAULTS[1], tick=Decimal("0.01")),))
    with pytest.raises(InvalidValueError, match="at least one"):
        DemoMarket(1, START, instruments=())
    with pytest.raises(InvalidValueError, match="seed"):
        DemoMarket(-1, START)
    with pytest.raises(InvalidValueError, match="longer"):
        DemoMarket(1, START, duration_ns=0)
