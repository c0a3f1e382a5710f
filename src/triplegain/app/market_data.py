"""The stored history as a whole: what there is, whether it holds together, what can be mended, and what may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triplegain.app.history_import import HistoryDownload
from triplegain.domain.clock import DAY_NS, MINUTE_NS, Clock
from triplegain.domain.instrument import Instrument
from triplegain.domain.span import Span, merged, within, without
from triplegain.storage.database import Database
from triplegain.storage.market_history import (
    LONGER_TIMEFRAMES,
    TAPE,
    Coverage,
    MarketAudit,
    MarketHistory,
    NumberHole,
    has_aggregates,
)
from triplegain.storage.market_writer import MarketWriter


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """The tape (`length_ns` 0) or the candles of one length of one instrument.

    `trades` is their number, for candles None. `span` runs from the first to the last moment known, `gaps` are the
    stretches inside it that are not.
    """

    venue: str
    symbol: str
    length_ns: int
    sources: tuple[str, ...]
    trades: int | None
    span: Span
    gaps: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class MarketCheck:
    """What is wrong with one instrument. Times are those at which candles open, in nanoseconds.

    `holes` are trades missing by their number; those the exchange does not have either are no fault.
    """

    venue: str
    symbol: str
    tape_gaps: tuple[Span, ...]
    candle_gaps: tuple[Span, ...]
    holes: tuple[NumberHole, ...]
    minutes_unlike_trades: tuple[int, ...]
    candles_unlike_minutes: dict[int, tuple[int, ...]]
    aggregates_unlike_minutes: dict[str, tuple[int, ...]]

    @property
    def contradictions(self) -> int:
        longer = [*self.candles_unlike_minutes.values(), *self.aggregates_unlike_minutes.values()]
        return len(self.minutes_unlike_trades) + sum(map(len, longer))

    @property
    def gaps(self) -> int:
        return len(self.tape_gaps) + len(self.candle_gaps)


class MarketData:
    """Methods raise StorageError, those that load FeedError, too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._history = MarketHistory(database)
        self._writer = MarketWriter(database)
        self._audit = MarketAudit(database)

    async def series(self) -> list[StoredSeries]:
        """Everything stored that is known to be whole, by instrument."""
        tapes = {(tape.venue, tape.symbol): tape.trades for tape in await self._history.tapes()}
        lanes: dict[tuple[str, str, int], list[Coverage]] = {}
        for each in await self._history.coverage():
            lanes.setdefault((each.venue, each.symbol, each.length_ns), []).append(each)
        return [
            StoredSeries(
                venue,
                symbol,
                length,
                tuple(dict.fromkeys(each.source for each in spans)),
                tapes.get((venue, symbol), 0) if length == TAPE else None,
                Span(spans[0].span.from_ns, spans[-1].span.to_ns),
                tuple(_gaps([each.span for each in spans])),
            )
            for (venue, symbol, length), spans in lanes.items()
        ]

    async def verify(self, symbols: Sequence[str] = (), keep_trades_from_ns: int = 0) -> list[MarketCheck]:
        """Compare everything with everything, for all instruments or these. Older trades may be missing."""
        return [
            await self._check(instrument, keep_trades_from_ns)
            for instrument in await self._history.instruments()
            if not symbols or instrument.symbol in symbols
        ]

    async def mend(self, check: MarketCheck, download: HistoryDownload | None) -> int:
        """Build again what disagrees with its trades, and load what is missing where Kraken can be asked.

        Returns how many trades were new. What an instrument's candles of a file say against its minutes stays.
        """
        for minute in check.minutes_unlike_trades:
            await self._writer.rebuild(check.venue, check.symbol, Span(minute, minute + MINUTE_NS))
        whole = merged(await self._history.known(check.venue, check.symbol, MINUTE_NS))
        if check.aggregates_unlike_minutes and whole:
            await self._writer.refresh(Span(whole[0].from_ns, whole[-1].to_ns))
        wanted = merged([*check.tape_gaps, *check.candle_gaps])
        if download is None or check.venue != "kraken" or not wanted:
            return 0
        instrument = (await download.instruments([check.symbol]))[check.symbol]
        present = Span(0, await download.now_ns())
        stored = 0
        for gap in within(wanted, present):
            stored += (await download.trades(instrument, gap)).trades.stored
        return stored

    async def prune(self, keep_days: int, clock: Clock) -> dict[str, int]:
        """Remove trades older than so many days whose minutes stay known; how many of each instrument. 0 days: none."""
        if not keep_days:
            return {}
        before_ns = oldest_trade_ns(keep_days, clock)
        removed: dict[str, int] = {}
        for tape in await self._history.tapes():
            count = 0
            # A day at a time, so that no transaction grows with the history.
            day = tape.first_time_ns - tape.first_time_ns % DAY_NS
            while day < min(before_ns, tape.last_time_ns + 1):
                day = min(day + DAY_NS, before_ns)
                count += await self._writer.prune(tape.venue, tape.symbol, day)
            removed[f"{tape.venue} {tape.symbol}"] = count
        return removed

    async def _check(self, instrument: Instrument, keep_trades_from_ns: int) -> MarketCheck:
        venue, symbol = instrument.venue, instrument.symbol
        lanes = await self._history.whole(venue, symbol)
        tape, minutes = merged(lanes.pop(TAPE, [])), merged(lanes.pop(MINUTE_NS, []))
        audit, longer, aggregates = self._audit, {}, {}
        unlike_trades: list[int] = []
        for span in tape:
            unlike_trades += await audit.minutes_unlike_trades(venue, symbol, span)
        for length, spans in lanes.items():
            whole = Span(spans[0].from_ns, spans[-1].to_ns)
            if times := await audit.candles_unlike_minutes(venue, symbol, length, whole):
                longer[length] = tuple(times)
        if minutes and await has_aggregates(self._database):
            whole = Span(minutes[0].from_ns, minutes[-1].to_ns)
            for name, length in LONGER_TIMEFRAMES.items():
                if times := await audit.aggregates_unlike_minutes(venue, symbol, length, whole):
                    aggregates[name] = tuple(times)
        kept = [Span(keep_trades_from_ns, tape[-1].to_ns)] if tape else []
        return MarketCheck(
            venue,
            symbol,
            tuple(gap for limits in kept for gap in within(_gaps(tape), limits)),
            tuple(_gaps(minutes)),
            tuple(await audit.number_holes(venue, symbol)),
            tuple(sorted(set(unlike_trades))),
            longer,
            aggregates,
        )


def oldest_trade_ns(keep_days: int, clock: Clock) -> int:
    """The day from which on trades are kept; 0 days: all are."""
    now = clock.now_ns()
    return now - now % DAY_NS - keep_days * DAY_NS if keep_days else 0


def _gaps(spans: Sequence[Span]) -> list[Span]:
    """What is not known between the first and the last moment that is."""
    known = merged(spans)
    return without([Span(known[0].from_ns, known[-1].to_ns)], known) if known else []
