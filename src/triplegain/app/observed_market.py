"""A recorded or demo market looked at without trading: what the agents would see of it at some moment."""

from __future__ import annotations

from triplegain.config import Config
from triplegain.decision.situation import SessionPrices
from triplegain.domain.clock import UNITS_NS, iso
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Heartbeat, MarketDepth
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.ledger.wallet import Wallet
from triplegain.market.feed import Feed, FeedError
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot
from triplegain.market.timestamps import csv_time_ns
from triplegain.session.market_floor import MarketFloor


class NoSnapshotError(FeedError):
    """There is nothing to show; the message says why."""

    code = "no_snapshot"


def snapshot_of_feed(config: Config, feed: Feed, symbol: str, at: str | None) -> Snapshot:
    """The snapshot of one instrument at a time, see `moment_ns`. Raises InvalidValueError and NoSnapshotError."""
    instruments = {each.symbol: each for each in feed.instruments}
    instrument = instruments.get(symbol.strip().upper())
    if instrument is None:
        raise InvalidValueError(f"{feed.name} has {', '.join(instruments)}, not {symbol}")
    found = _observed(config, feed, instrument, moment_ns(at, feed))
    if isinstance(found, NoSnapshot):
        raise NoSnapshotError(f"no snapshot of {symbol} at {iso(found.time_ns)}: {found.reason}")
    return found


def moment_ns(at: str | None, feed: Feed) -> int | None:
    """`2021-05-19 13:00` (UTC), Unix seconds, or `15m` after the beginning; None is the end of the recording."""
    span = feed.span_ns
    if at is None:
        if span is None:
            raise InvalidValueError(f"{feed.name} has no end: say when, like --at 15m")
        return None
    text = at.strip()
    number, unit = text[:-1], text[-1:]
    if unit in UNITS_NS and number.isascii() and number.isdecimal():
        start = span[0] if span is not None else None
        if start is None:
            start = next(iter(feed.events())).exchange_time_ns
        return start + int(number) * UNITS_NS[unit]
    return csv_time_ns(text)


def _observed(config: Config, feed: Feed, instrument: Instrument, until_ns: int | None) -> Snapshot | NoSnapshot:
    """The market as a session would see it that trades nothing on it, after the feed's events up to that time, it
    included; all of them if None."""
    floor = MarketFloor({one: feed.depth[one.symbol] for one in feed.instruments}, feed.source)
    view, chain = floor.view(config.snapshot, config.indicators), floor.prices(config.paper.quote_stale_ns)
    exchange = PaperExchange("observed", floor.markets, Wallet(), config.exchange)
    prices = SessionPrices(exchange, feed.source, feed.depth, chain)
    for event in feed.events():
        if until_ns is not None and event.exchange_time_ns > until_ns:
            # The recording goes on, so nothing more happened until then.
            view.on_event(Heartbeat(until_ns, until_ns))
            break
        floor.observe(event)
    exchange.now_ns = max(floor.now_ns, until_ns or 0)
    market = floor.markets[instrument.symbol]
    levels = market.book.best_first() if market.depth is MarketDepth.BOOK else None
    return view.snapshot(instrument.symbol, exchange.now_ns, prices.quote(instrument.symbol), levels)
