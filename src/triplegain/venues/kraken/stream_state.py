"""A live stream as it stands, in the words of its feed: for whoever begins to listen in the middle."""

from __future__ import annotations

from collections.abc import Iterable

from triplegain.domain.clock import iso
from triplegain.domain.market import FeedState
from triplegain.domain.money import text
from triplegain.venues.kraken.feed_line import FeedLine, FrameLine
from triplegain.venues.kraken.market import KrakenMarket
from triplegain.venues.kraken.wire.writer import PairRules, PairWriter, acknowledgement, instruments, status

#: Words of the exchange for states that are not its usual one.
_WORDS = {
    FeedState.MAINTENANCE: "maintenance",
    FeedState.CANCEL_ONLY: "cancel_only",
    FeedState.POST_ONLY: "post_only",
}


def state_lines(markets: Iterable[KrakenMarket], received_at_ns: int) -> list[FeedLine]:
    """Frames after which a new stream has these books: what the exchange allows, then every book that is in sync.

    The newest book comes first, for it says what time it is.
    """
    known = [market for market in markets if market.connection is not None]
    told = [(market.connection or 0, frame) for market in known for frame in _conditions(market)]
    for market in sorted(known, key=lambda one: -one.book_time_ns):
        if market.is_synced:
            told += [(market.connection or 0, frame) for frame in _book(market, received_at_ns)]
    return [FrameLine(received_at_ns, connection, frame) for connection, frame in told]


def _conditions(market: KrakenMarket) -> Iterable[bytes]:
    system, pair = market.condition.system[0], market.condition.pair[0]
    if system in _WORDS:
        yield status(_WORDS[system])
    if pair in _WORDS:
        one = market.instrument
        places = (market.book.price.places, market.book.quantity.places)
        steps = map(text, (one.tick, one.lot, one.quantity_min, one.cost_min))
        yield instruments("update", [PairRules(one.symbol, one.base, one.quote, _WORDS[pair], *places, 0, *steps)])


def _book(market: KrakenMarket, received_at_ns: int) -> Iterable[bytes]:
    book = market.book
    time = iso(received_at_ns)
    result = {"channel": "book", "depth": market.depth, "snapshot": True, "symbol": market.symbol}
    yield acknowledgement("subscribe", result, None, time, time)
    bids, asks = book.levels()
    writer = PairWriter(market.symbol, book.price.places, book.quantity.places)
    yield writer.book("snapshot", bids, asks, book.checksum(), market.book_time_ns)
