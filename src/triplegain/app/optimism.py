"""A stored session beside other paper modes: its orders from the record, its market from where it was."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from triplegain.app.feeds import open_feed
from triplegain.app.off_loop import off_the_loop
from triplegain.app.opened_feed import HISTORY, LIVE
from triplegain.app.session_recording import recordings_dir
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.records import OrderRecord, SessionRecord
from triplegain.exchange.public_market import public_markets
from triplegain.feeds.recording.folder import is_recording
from triplegain.market.feed import Feed, FeedError
from triplegain.optimism.flattery import RuleFigures, figures
from triplegain.optimism.recorded import LeftOut, Recorded, Repricing, recorded
from triplegain.optimism.walk import Elsewhere, Quotes, Walk
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader

_PAGE = 1000


class MarketGoneError(FeedError):
    """The market of a session cannot be had again."""

    code = "market_gone"


class Optimism(Struct, frozen=True):
    """`begins_ns` and `until_ns` are of the market as it could be seen again, None and 0 where nothing was. `orders`
    are all there are, `other_quotes` those that met another best bid or ask in it than at their decision; `left_out`
    says why so many are compared with nobody's."""

    session: SessionRecord
    synthetic: bool
    begins_ns: int | None
    until_ns: int
    orders: int
    other_quotes: int
    left_out: Mapping[LeftOut, int]
    rules: tuple[RuleFigures, ...]


async def read_optimism(home: Path, database: Database, session_id: str, feed_spec: str | None = None) -> Optimism:
    """`feed_spec`: where its market is, where that is not as the session says.

    Raises SessionNotFoundError, MarketGoneError, and FeedError where the market is there and cannot be read.
    """
    reader = SessionReader(database)
    session = await reader.session(session_id)
    feed = await _market_again(home, database, session, feed_spec or session.feed)
    orders = await _orders(reader, session_id)
    events = await reader.repricings(session_id)
    met = await _met(reader, session_id)
    return await off_the_loop(lambda: _compared(session, feed, orders, events, met))


async def _market_again(home: Path, database: Database, session: SessionRecord, spec: str) -> Feed:
    if spec.startswith(HISTORY):
        from triplegain.app.history_feed import load_history_feed

        return await load_history_feed(spec, database)
    if spec == LIVE:
        folder = recordings_dir(home) / session.session_id
        if not is_recording(folder):
            raise MarketGoneError(
                f"there is no recording of the live market under the name {session.session_id}, so its orders cannot "
                "be filled again: `tg paper --record` keeps what a session sees (several at once under the name of the "
                "first); --feed replay:PATH names one that lies elsewhere"
            )
        spec = f"replay:{folder}"
    return await off_the_loop(lambda: open_feed(spec, session.seed))


async def _orders(reader: SessionReader, session_id: str) -> list[OrderRecord]:
    found: list[OrderRecord] = []
    while page := await reader.orders(session_id, after=found[-1].order_number if found else None, limit=_PAGE):
        found += page
    return found


async def _met(reader: SessionReader, session_id: str) -> dict[int, list[str | None]]:
    """By the number of the order: best bid and ask at its decision, as its first fill tells them."""
    found: dict[int, list[str | None]] = {}
    last = None
    while page := await reader.fills(session_id, after=last, limit=_PAGE):
        last = page[-1].fill_number
        for fill in page:
            if quotes := fill.explanation.get("quote_at_decision"):
                found.setdefault(fill.order_number, quotes)
    return found


def _compared(
    session: SessionRecord,
    feed: Feed,
    orders: Iterable[OrderRecord],
    events: Iterable[Repricing],
    met: Mapping[int, list[str | None]],
) -> Optimism:
    instruments = {each.symbol: each for each in feed.instruments}
    asked, left_out = _asked(orders, events, instruments)
    decided = {
        each.number: quotes for each in asked if (quotes := _ticks(met.get(each.number), instruments[each.symbol]))
    }
    markets = public_markets({each: feed.depth[each.symbol] for each in feed.instruments})
    walk = Walk(markets, asked, decided=decided)
    begins_ns = _walked(walk, feed, session.market_time_ns)
    found, unseen = walk.end(walk.now_ns)
    left_out[LeftOut.NO_MARKET] += len(unseen)
    others = _others(found, met, instruments)
    if 2 * others > sum(each.order.number in met for each in found):
        raise MarketGoneError(
            f"{feed.name} is not the market that {session.session_id} was on: {others} of its orders met other quotes "
            "there. Put the original recording back, or name it with --feed replay:PATH"
        )
    return Optimism(
        session,
        feed.synthetic,
        begins_ns,
        walk.now_ns,
        len(asked) + left_out.total() - len(unseen),
        others,
        {reason: left_out[reason] for reason in LeftOut if left_out[reason]},
        tuple(figures(found, instruments, session.seed)),
    )


def _ticks(told: list[str | None] | None, instrument: Instrument) -> Quotes | None:
    """None where there are none, or not those of this market."""
    try:
        bid, ask = (None if each is None else instrument.ticks(Decimal(each)) for each in told or ())
    except (InvalidValueError, ValueError):
        return None
    return None if bid is None and ask is None else (bid, ask)


def _others(
    found: Iterable[Elsewhere], met: Mapping[int, list[str | None]], instruments: Mapping[str, Instrument]
) -> int:
    """How many met other quotes than the record tells. Without a book there are none to compare."""

    def told(quotes: Quotes, instrument: Instrument) -> list[str | None]:
        return [None if each is None else text(instrument.price(each)) for each in quotes]

    return sum(
        each.order.number in met
        and met[each.order.number] != [None, None]
        and met[each.order.number] != told(each.quotes, instruments[each.order.symbol])
        for each in found
    )


def _asked(
    orders: Iterable[OrderRecord],
    events: Iterable[Repricing],
    instruments: Mapping[str, Instrument],
) -> tuple[list[Recorded], Counter[LeftOut]]:
    by_order: defaultdict[int, list[Repricing]] = defaultdict(list)
    for event in events:
        by_order[event.order_number].append(event)
    asked: list[Recorded] = []
    left_out: Counter[LeftOut] = Counter()
    for order in orders:
        instrument = instruments.get(order.request.symbol)
        if instrument is None:
            left_out[LeftOut.NO_MARKET] += 1
            continue
        found = recorded(order, by_order[order.order_number], instrument)
        if isinstance(found, LeftOut):
            left_out[found] += 1
        else:
            asked.append(found)
    return asked, left_out


def _walked(walk: Walk, feed: Feed, until_ns: int) -> int | None:
    """To where the session has come, or to the end of the feed; when it begins."""
    begins_ns = None
    for event in feed.events():
        if event.exchange_time_ns > until_ns:
            break
        walk.take(event)
        begins_ns = event.exchange_time_ns if begins_ns is None else begins_ns
    return begins_ns
