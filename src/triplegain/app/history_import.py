"""Files of trades and candles into the stored history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from triplegain.app.history_download import Progress
from triplegain.domain.candle_time import MINUTE_NS, candle_open_ns
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.span import Span
from triplegain.feeds.captures.candles_capture import CandlesCapture
from triplegain.feeds.captures.history_batches import CandleBatch, candle_batches, trade_batches
from triplegain.feeds.captures.replay import recognise
from triplegain.feeds.captures.trades_capture import TradesCapture
from triplegain.market.candles.timeframe import candle_length_text
from triplegain.market.feed import CaptureError
from triplegain.storage.database import Database
from triplegain.storage.market_audit import MarketAudit
from triplegain.storage.market_history import CandlesStored, TradesStored
from triplegain.storage.market_writer import MarketWriter

#: The candles of a week in which a trade lies before this begin before time does.
_FIRST_NS = 31 * 86_400 * SECOND_NS

_SHARED = (
    "trades (feather, freqtrade JSON, Kraken's CSV) or candles (feather, freqtrade JSON, CSV, Kraken's OHLCVT CSV)"
)

#: Kraken cuts its archive at the end of a quarter; other files begin and end wherever somebody began and stopped.
_WHOLE_FORMATS = frozenset({"candles-kraken-csv"})


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file. `unlike_minutes` are its candles that contradict stored minutes, which go before."""

    path: Path
    venue: str
    symbol: str
    kind: str
    span: Span
    rows: int
    trades: TradesStored = field(default_factory=TradesStored)
    candles: CandlesStored = field(default_factory=CandlesStored)
    unlike_minutes: int = 0

    @property
    def different(self) -> int:
        """Places at which the file contradicts what was stored."""
        return self.trades.different + self.trades.candles_changed + self.candles.different + self.unlike_minutes


def find_history_files(paths: Sequence[Path]) -> list[CandlesCapture | TradesCapture]:
    """The files named, and those below the folders named, that hold trades or candles; oldest first.

    Raises CaptureError for a file that was named and holds neither, and where there is none at all.
    """
    found: list[CandlesCapture | TradesCapture] = []
    for path in paths:
        if not path.exists():
            raise CaptureError(path, "does not exist")
        before = len(found)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            capture = recognise(file) if file.is_file() else None
            if isinstance(capture, CandlesCapture | TradesCapture):
                found.append(capture)
        if len(found) == before:
            raise CaptureError(path, f"holds no history; looked for {_SHARED}")
    return sorted(found, key=lambda each: (each.instrument.symbol, isinstance(each, TradesCapture), each.span_ns))


async def import_files(paths: Sequence[Path], database: Database, progress: Progress) -> list[Imported]:
    """Store what the files hold, each in turn. A file that is damaged has then been stored up to the damage.

    Raises CaptureError and StorageError.
    """
    captures = find_history_files(paths)
    begins = {(*_lane(each), _span(each).from_ns) for each in captures}
    ends = {(*_lane(each), _span(each).to_ns) for each in captures}
    writer, audit = MarketWriter(database), MarketAudit(database)
    done = []
    for capture in captures:
        if _span(capture).from_ns < _FIRST_NS:
            raise CaptureError(capture.paths[0], "begins in January 1970, before there were markets to trade on", 1)
        await writer.remember(capture.instrument)
        progress.begin(capture.paths[0].name, _span(capture))
        if isinstance(capture, TradesCapture):
            done.append(await _import_trades(capture, writer, progress))
        else:
            whole, span = capture.format in _WHOLE_FORMATS, _span(capture)
            batches = candle_batches(
                capture,
                first_is_whole=whole or (*_lane(capture), span.from_ns) in ends,
                last_is_whole=whole or (*_lane(capture), span.to_ns) in begins,
            )
            done.append(await _import_candles(capture, batches, writer, audit, progress))
    return done


async def _import_trades(capture: TradesCapture, writer: MarketWriter, progress: Progress) -> Imported:
    path, instrument = capture.paths[0], capture.instrument
    stored, rows = TradesStored(), 0
    for batch in trade_batches(capture):
        source = capture.format if not batch.trades or batch.trades[0].trade_id else f"{capture.format}, no numbers"
        stored += await writer.store_trades(instrument, batch.trades, batch.spans, source)
        rows += len(batch.trades)
        if batch.trades:
            progress.reached(path.name, batch.trades[-1].exchange_time_ns, len(batch.trades))
    return Imported(path, instrument.venue, instrument.symbol, "trades", _span(capture), rows, trades=stored)


async def _import_candles(
    capture: CandlesCapture,
    batches: Iterator[CandleBatch],
    writer: MarketWriter,
    audit: MarketAudit,
    progress: Progress,
) -> Imported:
    path, instrument, length = capture.paths[0], capture.instrument, capture.candle_length_ns
    if length < MINUTE_NS:
        raise CaptureError(
            path, "holds candles shorter than a minute; the history begins at a minute: import the trades"
        )
    opened = _span(capture).from_ns
    if candle_open_ns(opened, length) != opened:
        raise CaptureError(path, f"its candles of {candle_length_text(length)} do not begin where ours do")
    stored, rows = CandlesStored(), 0
    for batch in batches:
        stored += await writer.store_candles(instrument, length, batch.candles, batch.spans, capture.format)
        rows += len(batch.candles)
        progress.reached(path.name, batch.candles[-1].close_time_ns, len(batch.candles))
    unlike: list[int] = []
    if length > MINUTE_NS:
        unlike = await audit.candles_unlike_minutes(instrument.venue, instrument.symbol, length, _span(capture))
    return Imported(
        path,
        instrument.venue,
        instrument.symbol,
        f"candles {candle_length_text(length)}",
        _span(capture),
        rows,
        candles=stored,
        unlike_minutes=len(unlike),
    )


def _lane(capture: CandlesCapture | TradesCapture) -> tuple[str, str, int]:
    return capture.instrument.venue, capture.instrument.symbol, capture.candle_length_ns or 0


def _span(capture: CandlesCapture | TradesCapture) -> Span:
    """From its first trade, or the opening of its first candle."""
    start, end = capture.span_ns
    return Span(start - (capture.candle_length_ns or 0), end)
