"""Trades and candles into the stored history: each once, with the spans in which they are all there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from triplegain.domain.candle_time import TIMEFRAMES, candle_open_ns
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.span import Span
from triplegain.storage.database import Database
from triplegain.storage.market_history import CandlesStored, TradesStored, has_aggregates

_INSTRUMENT = """
INSERT INTO market_instruments AS m VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (venue, symbol) DO UPDATE SET
    tick = least(m.tick, excluded.tick), lot = least(m.lot, excluded.lot),
    quantity_min = excluded.quantity_min, cost_min = excluded.cost_min, cost_decimals = excluded.cost_decimals
WHERE (m.quantity_min, m.cost_min, m.cost_decimals) IS DISTINCT FROM
      (excluded.quantity_min, excluded.cost_min, excluded.cost_decimals)
   OR m.tick > excluded.tick OR m.lot > excluded.lot
"""
_TRADES = "SELECT * FROM market_store_trades($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_CANDLES = "SELECT * FROM market_store_candles($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
_REBUILD = "SELECT * FROM market_rebuild($1, $2, $3, $4)"
_LATEST = "SELECT max(open_time_ns) + 60000000000 AS latest FROM candles WHERE length_ns = 60000000000"
#: Minutes are stored, and weeks are made of the aggregated days.
_NOT_AGGREGATED = ("1m", "1w")
#: A batch of an import may meet compressed chunks, which takes a while.
_WRITE_TIMEOUT_S = 600.0


class MarketWriter:
    """Every call is one transaction: rows, minutes built from trades, and coverage. Safe to repeat.

    Several processes may write at once; those of one instrument take turns. Methods raise StorageError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_aggregates: bool | None = None

    async def remember(self, instrument: Instrument) -> None:
        """Its steps and minimums, so that what is stored can be read back without asking the exchange."""
        await self._database.rows(
            "storing an instrument",
            _INSTRUMENT,
            *(instrument.venue, instrument.symbol, instrument.tick, instrument.lot),
            *(instrument.quantity_min, instrument.cost_min, instrument.cost_decimals),
        )

    async def store_trades(
        self, instrument: Instrument, trades: Sequence[PublicTrade], spans: Sequence[Span], source: str
    ) -> TradesStored:
        """Trades of the tape, and the spans in which there are no others; their minutes are built with them.

        A trade is known by the exchange's number. Trades without one must come by whole minutes, all or none of a
        call: minutes that are known already then stay as they are, and are compared.
        """
        numbered = not trades or trades[0].trade_id != ""
        row = await self._row(
            "storing trades",
            _TRADES,
            *(instrument.venue, instrument.symbol, instrument.tick, instrument.lot, source, numbered),
            [trade.trade_id for trade in trades] if numbered else _names(trades),
            *_columns(4, ((each.exchange_time_ns, each.price, each.quantity, each.side.value) for each in trades)),
            *_columns(2, spans),
        )
        await self._refresh([trade.exchange_time_ns for trade in trades], spans)
        return TradesStored(**row)

    async def store_candles(
        self,
        instrument: Instrument,
        length_ns: int,
        candles: Sequence[Candle],
        spans: Sequence[Span],
        source: str,
        weighted_prices: Sequence[str] = (),
    ) -> CandlesStored:
        """Closed candles of one length, and the spans in which there are no others. What is known already stays.

        Flat candles without volume are not stored: inside a span they are what is missing.
        """
        traded = [
            (each.open_time_ns, each.open, each.high, each.low, each.close, each.volume, each.trades or None, price)
            for each, price in zip(candles, weighted_prices or (None,) * len(candles), strict=True)
            if each.volume or each.low != each.high
        ]
        row = await self._row(
            "storing candles",
            _CANDLES,
            *(instrument.venue, instrument.symbol, length_ns, instrument.tick, instrument.lot, source),
            *_columns(8, traded),
            *_columns(2, spans),
        )
        await self._refresh([opened_ns for opened_ns, *_ in traded], spans)
        return CandlesStored(**row)

    async def rebuild(self, venue: str, symbol: str, span: Span) -> TradesStored:
        """The minutes of a span anew from its stored trades."""
        row = await self._row("building minutes from trades", _REBUILD, venue, symbol, span.from_ns, span.to_ns)
        await self._refresh([], [span])
        return TradesStored(candles_built=row["built"], candles_changed=row["changed"])

    async def prune(self, venue: str, symbol: str, before_ns: int) -> int:
        """Remove trades older than a time whose minutes stay known without them. Returns how many."""
        row = await self._row("removing old trades", "SELECT * FROM market_prune($1, $2, $3)", venue, symbol, before_ns)
        return int(row["trades_deleted"])

    async def refresh(self, span: Span) -> None:
        """Bring the continuous aggregates over a span up to date, where there are any."""
        if self._has_aggregates is None:
            self._has_aggregates = await has_aggregates(self._database)
        if not self._has_aggregates:
            return
        row = await self._database.row("looking for the last candle", _LATEST)
        latest_ns = row["latest"] if row is not None and row["latest"] is not None else 0
        for name, length in TIMEFRAMES.items():
            start = candle_open_ns(span.from_ns, length)
            # A candle that is not over stays out, so that it is read from its minutes until it is.
            end = candle_open_ns(min(span.to_ns + length - 1, latest_ns), length)
            if name not in _NOT_AGGREGATED and start < end:
                await self._database.rows(
                    "refreshing candles",
                    f"CALL refresh_continuous_aggregate('candles_{name}_growing', {start}::bigint, {end}::bigint)",
                )

    async def _refresh(self, times: Sequence[int], spans: Sequence[Span]) -> None:
        starts = [*times, *(span.from_ns for span in spans)]
        ends = [*(time + 1 for time in times), *(span.to_ns for span in spans)]
        if starts:
            await self.refresh(Span(min(starts), max(ends)))

    async def _row(self, doing: str, query: str, *values: object) -> dict[str, int]:
        async with self._database.transaction(doing) as connection:
            return dict(await connection.fetchrow(query, *values, timeout=_WRITE_TIMEOUT_S))


def _columns(width: int, rows: Iterable[Sequence[object]]) -> list[Sequence[object]]:
    """The rows' columns; empty ones where there is no row."""
    return list(zip(*rows, strict=True)) or [()] * width


def _names(trades: Sequence[PublicTrade]) -> list[str]:
    """Names for trades without one: their time, and their place among those of that time."""
    names: list[str] = []
    before, place = -1, 0
    for trade in trades:
        place = place + 1 if trade.exchange_time_ns == before else 0
        before = trade.exchange_time_ns
        names.append(f"{before}-{place:06}")
    return names
