"""Stored prices of the past: complete candles, quiet ones included, and the public tape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from decimal import Decimal
from operator import add
from typing import Any, Self

from triplegain.domain.candle_time import TIMEFRAMES, candle_open_ns
from triplegain.domain.clock import DAY_NS, MINUTE_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.span import Span, merged, whole_candles, within, without
from triplegain.storage.database import Database

#: The `length_ns` under which coverage of the tape stands.
TAPE = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """A span that is whole: every trade (`length_ns` 0) or every candle of the length that had one is stored."""

    venue: str
    symbol: str
    length_ns: int
    span: Span
    source: str


@dataclass(frozen=True, slots=True)
class StoredTape:
    """How many trades of an instrument are stored, and the first and last time among them."""

    venue: str
    symbol: str
    trades: int
    first_time_ns: int
    last_time_ns: int


@dataclass(frozen=True, slots=True)
class StoredPrice:
    """The last price known of a symbol, when it was made, and until when nothing else is known to have happened."""

    price: Decimal
    time_ns: int
    stands_until_ns: int


@dataclass(frozen=True, slots=True)
class CandlesStored:
    """Of the candles handed in: new ones, those that were known, and those known to be something else."""

    stored: int = 0
    known: int = 0
    different: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class TradesStored(CandlesStored):
    """The same of trades; different ones have other figures than those that are there.

    `candles_changed` are minutes that were known from elsewhere and disagreed with their trades, which now hold.
    """

    candles_built: int = 0
    candles_changed: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """Complete candles from `span`, made of stored ones of `base_ns`, which are known back to `known_from_ns`."""

    base_ns: int
    span: Span
    known_from_ns: int


def plan_candles(known: Mapping[int, Sequence[Span]], length_ns: int, limits: Span) -> list[Segment]:
    """The segments of complete candles within the limits, oldest first; what is in none of them is not known.

    `known` are the whole spans by the length of the stored candles. Minutes come first, then candles of the very
    length asked for, then the longest shorter ones that divide it; one candle is never made of two kinds.
    """
    shorter = sorted((base for base in known if base < length_ns and length_ns % base == 0), reverse=True)
    order = dict.fromkeys(base for base in (MINUTE_NS, length_ns, *shorter) if base in known)
    segments: list[Segment] = []
    taken: list[Span] = []
    for base in order:
        for span in merged(known[base]):
            for part in without(within(whole_candles([span], length_ns), limits), taken):
                segments.append(Segment(base, part, span.from_ns))
                taken.append(part)
    return sorted(segments, key=lambda segment: segment.span)


#: Prices as whole ticks, half a tick up: a tick that has become coarser since must not stop a reader.
_CANDLES = """
SELECT open_time_ns, round(open / $7)::bigint AS open, round(high / $7)::bigint AS high, round(low / $7)::bigint AS low,
       round(close / $7)::bigint AS close, round(volume / $8)::bigint AS volume, coalesce(trades, 0) AS trades
FROM candles_between($1, $2, $3, $4, $5, $6) ORDER BY open_time_ns
"""
_CLOSE_BEFORE = """
SELECT round(close / $6)::bigint AS close FROM candles
WHERE venue = $1 AND symbol = $2 AND length_ns = $3 AND open_time_ns >= $4 AND open_time_ns < $5
ORDER BY open_time_ns DESC LIMIT 1
"""
_TRADES = """
SELECT exchange_time_ns, trade_id, trade_number, round(price / $5)::bigint AS price,
       round(quantity / $6)::bigint AS quantity, side
FROM market_trades WHERE venue = $1 AND symbol = $2 AND exchange_time_ns >= $3 AND exchange_time_ns < $4
ORDER BY exchange_time_ns, trade_number, trade_id
"""
_LATEST = """
SELECT price, time_ns, greatest(time_ns, least(stands, $3)) AS stands_until_ns FROM (
    (SELECT t.price, t.exchange_time_ns AS time_ns, 0 AS rank, k.to_ns AS stands FROM market_trades t
     LEFT JOIN market_spans k ON k.venue = t.venue AND k.symbol = t.symbol AND k.length_ns = 0
         AND k.from_ns <= t.exchange_time_ns AND k.to_ns > t.exchange_time_ns
     WHERE t.venue = $1 AND t.symbol = $2 AND t.exchange_time_ns <= $3
     ORDER BY t.exchange_time_ns DESC, t.trade_number DESC, t.trade_id DESC LIMIT 1)
    UNION ALL
    (SELECT c.close, c.open_time_ns + c.length_ns, 1, k.to_ns
     FROM (SELECT DISTINCT length_ns FROM market_coverage WHERE venue = $1 AND symbol = $2 AND length_ns > 0) l
     CROSS JOIN LATERAL (
         SELECT * FROM candles WHERE venue = $1 AND symbol = $2 AND length_ns = l.length_ns
             AND open_time_ns <= $3 - l.length_ns ORDER BY open_time_ns DESC LIMIT 1) c
     JOIN market_spans k ON k.venue = $1 AND k.symbol = $2 AND k.length_ns = c.length_ns
         AND k.from_ns <= c.open_time_ns AND k.to_ns >= c.open_time_ns + c.length_ns)
) AS known ORDER BY stands_until_ns DESC, time_ns DESC, rank LIMIT 1
"""
_COVERAGE = """
SELECT * FROM market_coverage WHERE ($1::text IS NULL OR venue = $1) AND ($2::text IS NULL OR symbol = $2)
ORDER BY venue, symbol, length_ns, from_ns
"""
_TAPES = """
SELECT venue, symbol, count(*) AS trades, min(exchange_time_ns) AS first_time_ns, max(exchange_time_ns) AS last_time_ns
FROM market_trades GROUP BY venue, symbol ORDER BY venue, symbol
"""
_END_OF_TIME_NS = 2**62


class MarketHistory:
    """Reads what MarketWriter stored. Methods raise StorageError when the database fails.

    A candle is told when all of its time is known; one in which nobody traded is flat at the close before it. What has
    not been loaded is left out, and so are flat candles before the first price known.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def instruments(self) -> list[Instrument]:
        """Every instrument that was ever written, with the finest steps it was written with."""
        found = await self._database.rows(
            "reading instruments", "SELECT * FROM market_instruments ORDER BY venue, symbol"
        )
        return [Instrument(**row) for row in found]

    async def coverage(self, venue: str | None = None, symbol: str | None = None) -> list[Coverage]:
        """The spans that are whole, of everything or of one venue or instrument."""
        found = await self._database.rows("reading what is known", _COVERAGE, venue, symbol)
        return [
            Coverage(row["venue"], row["symbol"], row["length_ns"], Span(row["from_ns"], row["to_ns"]), row["source"])
            for row in found
        ]

    async def known(self, venue: str, symbol: str, length_ns: int = TAPE) -> list[Span]:
        """The whole spans of the tape, or of candles of one length, whatever their source."""
        return merged((await self.whole(venue, symbol)).get(length_ns, []))

    async def whole(self, venue: str, symbol: str) -> dict[int, list[Span]]:
        """The whole spans by the length of what is stored."""
        spans: dict[int, list[Span]] = {}
        for each in await self.coverage(venue, symbol):
            spans.setdefault(each.length_ns, []).append(each.span)
        return spans

    async def tapes(self) -> list[StoredTape]:
        return [StoredTape(**row) for row in await self._database.rows("counting trades", _TAPES)]

    async def candles(self, instrument: Instrument, length_ns: int, span: Span) -> list[Candle]:
        """All complete candles that lie in the span, oldest first; where something is not known there is a hole."""
        known = await self.whole(instrument.venue, instrument.symbol)
        known.pop(TAPE, None)
        return await self._read(instrument, length_ns, plan_candles(known, length_ns, span))

    async def trades(self, instrument: Instrument, span: Span) -> list[PublicTrade]:
        """The stored trades of a span, oldest first. `received_at_ns` is the exchange's time."""
        found = await self._database.rows(
            "reading trades", _TRADES, instrument.venue, instrument.symbol, *span, instrument.tick, instrument.lot
        )
        return [_trade(instrument.symbol, row) for row in found]

    async def last_trade_number(self, venue: str, symbol: str, before_ns: int) -> int:
        """The exchange's number of the last stored trade before a time; 0 where there is none."""
        row = await self._database.row(
            "reading the last trade",
            "SELECT trade_number FROM market_trades WHERE venue = $1 AND symbol = $2 AND exchange_time_ns < $3 "
            "ORDER BY exchange_time_ns DESC, trade_number DESC LIMIT 1",
            venue,
            symbol,
            before_ns,
        )
        return 0 if row is None else row["trade_number"] or 0

    async def latest_price(self, symbol: str, *, venue: str = "kraken", at_ns: int | None = None) -> StoredPrice | None:
        """The last trade or candle close known (up to `at_ns`); None if nothing is stored."""
        before = _END_OF_TIME_NS if at_ns is None else at_ns
        row = await self._database.row("reading the last price", _LATEST, venue, symbol, before)
        return None if row is None else StoredPrice(row["price"], row["time_ns"], row["stands_until_ns"])

    async def _read(self, instrument: Instrument, length_ns: int, segments: Sequence[Segment]) -> list[Candle]:
        candles: list[Candle] = []
        end, close = -1, None
        for segment in segments:
            if segment.span.from_ns != end:
                close = None
            end = segment.span.to_ns
            if close is None:
                close = await self._close_before(instrument, segment)
            found = await self._database.rows(
                "reading candles",
                _CANDLES,
                *(instrument.venue, instrument.symbol, length_ns, segment.base_ns),
                *(*segment.span, instrument.tick, instrument.lot),
            )
            close = _fill(candles, instrument.symbol, length_ns, segment.span, close, found)
        return candles

    async def _close_before(self, instrument: Instrument, segment: Segment) -> int | None:
        row = await self._database.row(
            "reading candles",
            _CLOSE_BEFORE,
            *(instrument.venue, instrument.symbol, segment.base_ns),
            *(segment.known_from_ns, segment.span.from_ns, instrument.tick),
        )
        return None if row is None else int(row["close"])


def _fill(
    candles: list[Candle], symbol: str, length_ns: int, span: Span, close: int | None, rows: Sequence[Any]
) -> int | None:
    """Append the rows with flat candles between them; the last close."""
    time = span.from_ns
    for row in [*rows, None]:
        until = span.to_ns if row is None else row["open_time_ns"]
        if close is not None:
            candles.extend(
                Candle(symbol, quiet, length_ns, close, close, close, close, 0)
                for quiet in range(time, until, length_ns)
            )
        if row is not None:
            opened, first, high, low, close, volume, trades = row
            candles.append(Candle(symbol, opened, length_ns, first, high, low, close, volume, trades))
            time = opened + length_ns
    return close


def _trade(symbol: str, row: Any) -> PublicTrade:
    time = row["exchange_time_ns"]
    number = "" if row["trade_number"] is None and row["trade_id"].startswith(f"{time}-") else row["trade_id"]
    return PublicTrade(symbol, time, time, row["price"], row["quantity"], Side.parse(row["side"]), number)


#: So much of the history is compared at once.
_STEP_NS = 30 * DAY_NS

_HOLES = """
SELECT before + 1 AS first, trade_number - 1 AS last, before_ns AS from_ns, exchange_time_ns AS to_ns,
       market_known($1, $2, 0) @> int8range(before_ns, exchange_time_ns, '[]') AS told FROM (
    SELECT trade_number, exchange_time_ns, lag(trade_number) OVER w AS before, lag(exchange_time_ns) OVER w AS before_ns
    FROM market_trades WHERE venue = $1 AND symbol = $2 AND trade_number IS NOT NULL
    WINDOW w AS (ORDER BY trade_number)) numbers
WHERE trade_number > before + 1 ORDER BY trade_number
"""
_MINUTES = """
WITH made AS (SELECT * FROM minutes_of_trades($1, $2, $3, $4)),
     kept AS (SELECT * FROM candles WHERE venue = $1 AND symbol = $2 AND length_ns = 60000000000
              AND open_time_ns >= $3 AND open_time_ns < $4)
SELECT coalesce(made.open_time_ns, kept.open_time_ns) AS time_ns
FROM made FULL JOIN kept USING (open_time_ns)
WHERE market_known($1, $2, 0) @> int8range(open_time_ns, open_time_ns + 60000000000)
    AND CASE WHEN kept.symbol IS NULL THEN true
             WHEN made.open IS NULL THEN kept.volume > 0
             ELSE kept.trades IS DISTINCT FROM made.trades
                 OR candles_differ(kept.open, kept.high, kept.low, kept.close, kept.volume,
                                   made.open, made.high, made.low, made.close, made.volume) END
ORDER BY time_ns
"""
_LONGER = """
WITH made AS (SELECT * FROM candles_from_base($1, $2, $5, 60000000000, $3, $4)),
     kept AS (SELECT * FROM candles WHERE venue = $1 AND symbol = $2 AND length_ns = $5
              AND open_time_ns >= $3 AND open_time_ns < $4)
SELECT coalesce(made.open_time_ns, kept.open_time_ns) AS time_ns
FROM made FULL JOIN kept USING (open_time_ns)
WHERE market_known($1, $2, 60000000000) @> int8range(open_time_ns, open_time_ns + $5)
    AND market_known($1, $2, $5) @> int8range(open_time_ns, open_time_ns + $5)
    AND CASE WHEN kept.symbol IS NULL THEN made.volume > 0
             WHEN made.open IS NULL THEN kept.volume > 0
             ELSE candles_differ(kept.open, kept.high, kept.low, kept.close, kept.volume,
                                 made.open, made.high, made.low, made.close, made.volume) END
ORDER BY time_ns
"""
_VIEWS = """
SELECT coalesce(a.open_time_ns, b.open_time_ns) AS time_ns
FROM candles_between($1, $2, $5, 60000000000, $3, $4) a
FULL JOIN candles_from_base($1, $2, $5, 60000000000, $3, $4) b USING (open_time_ns)
WHERE (a.open, a.high, a.low, a.close, a.volume, a.trades, a.minutes, round(a.vwap, 12)) IS DISTINCT FROM
      (b.open, b.high, b.low, b.close, b.volume, b.trades, b.minutes, round(b.vwap, 12))
ORDER BY time_ns
"""


@dataclass(frozen=True, slots=True)
class NumberHole:
    """Numbers that no stored trade has, between two that have one. `told`: the exchange does not have them either."""

    first: int
    last: int
    span: Span
    told: bool


async def has_aggregates(database: Database) -> bool:
    """Whether TimescaleDB makes longer candles of the minutes."""
    query = "SELECT to_regclass('timescaledb_information.continuous_aggregates') IS NOT NULL AS there"
    row = await database.row("looking for TimescaleDB", query)
    return row is not None and bool(row["there"])


class MarketAudit:
    """Reads everything and changes nothing. Methods raise StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def number_holes(self, venue: str, symbol: str) -> list[NumberHole]:
        found = await self._database.rows("looking for missing trades", _HOLES, venue, symbol)
        return [NumberHole(row["first"], row["last"], Span(row["from_ns"], row["to_ns"]), row["told"]) for row in found]

    async def minutes_unlike_trades(self, venue: str, symbol: str, span: Span) -> list[int]:
        """Opening times of minutes, known whole by their trades, that say something else or are missing."""
        return await self._compared(_MINUTES, venue, symbol, span, MINUTE_NS)

    async def candles_unlike_minutes(self, venue: str, symbol: str, length_ns: int, span: Span) -> list[int]:
        """Opening times of stored candles of a longer length whose minutes, known whole, make something else."""
        return await self._compared(_LONGER, venue, symbol, span, length_ns, length_ns)

    async def aggregates_unlike_minutes(self, venue: str, symbol: str, length_ns: int, span: Span) -> list[int]:
        """Opening times of candles that a continuous aggregate tells otherwise than the minutes it is made of."""
        return await self._compared(_VIEWS, venue, symbol, span, length_ns, length_ns)

    async def _compared(
        self, query: str, venue: str, symbol: str, span: Span, length_ns: int, *more: object
    ) -> list[int]:
        found: list[int] = []
        for part in _steps(span, length_ns):
            rows = await self._database.rows("comparing the history", query, venue, symbol, *part, *more)
            found += [row["time_ns"] for row in rows]
        return found


def _steps(span: Span, length_ns: int) -> Iterator[Span]:
    """The span in pieces of whole candles."""
    step = max(_STEP_NS, length_ns)
    start = candle_open_ns(span.from_ns, length_ns)
    while start < span.to_ns:
        end = candle_open_ns(start + step, length_ns)
        yield Span(start, end)
        start = end


#: The lengths that views make of minutes.
LONGER_TIMEFRAMES = {name: length for name, length in TIMEFRAMES.items() if length > MINUTE_NS}
