"""Recorded trades and candles in batches for the stored history, each with the spans that it makes whole.

A file says what it holds, not what it lacks. Numbered trades are whole between two numbers that follow each other;
candles and trades without numbers, unless more is missing at once than the quiet of their market explains. What stands
at the edge of a file may be the half of something, so it is not called whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from triplegain.domain.clock import MILLISECOND_NS, MINUTE_NS
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.span import Span, merged
from triplegain.feeds.captures.candles_capture import CandlesCapture
from triplegain.feeds.captures.trades_capture import TradesCapture

BATCH_ROWS = 20_000
Row = TypeVar("Row", Candle, PublicTrade)

#: Trades of files carry milliseconds: others of the same one may be missing.
_FILE_TIME_NS = MILLISECOND_NS


@dataclass(frozen=True, slots=True)
class Batch(Generic[Row]):
    """Candles of one length, or trades all with the exchange's number or none, oldest first, and the spans in which
    there are no others."""

    rows: tuple[Row, ...]
    spans: tuple[Span, ...]


def candle_batches(
    capture: CandlesCapture, *, first_is_whole: bool = False, last_is_whole: bool = False
) -> Iterator[Batch[Candle]]:
    """The candles of a file, its first and its last one only if they are known not to be cut."""
    length = capture.candle_length_ns
    longest_quiet = capture.longest_quiet * length
    batch: list[Candle] = []
    spans: list[Span] = []
    end = -1
    first_ns, last_ns = capture.span_ns
    for candle in capture.recorded():
        if candle.close_time_ns == (0 if first_is_whole else first_ns):
            continue
        if candle.close_time_ns == (0 if last_is_whole else last_ns):
            break
        start = end if 0 <= candle.open_time_ns - end <= longest_quiet else candle.open_time_ns
        spans.append(Span(start, candle.close_time_ns))
        end = candle.close_time_ns
        batch.append(candle)
        if len(batch) >= BATCH_ROWS:
            yield Batch(tuple(batch), tuple(merged(spans)))
            batch, spans = [], []
    if batch:
        yield Batch(tuple(batch), tuple(merged(spans)))


def trade_batches(capture: TradesCapture) -> Iterator[Batch[PublicTrade]]:
    """The trades of a file; those smaller than a lot are left out."""
    run: _Numbered | _Unnumbered | None = None
    for event in capture.events():
        assert isinstance(event, PublicTrade)
        is_numbered = event.trade_id.isdecimal()
        if not isinstance(run, _Numbered if is_numbered else _Unnumbered):
            if run is not None:
                yield from run.rest()
            run = _Numbered() if is_numbered else _Unnumbered(capture.longest_quiet)
        if (batch := run.take(event)) is not None:
            yield batch
    if run is not None:
        yield from run.rest()


class _Numbered:
    """Whole from one trade to the next as long as their numbers follow each other."""

    def __init__(self) -> None:
        self._trades: list[PublicTrade] = []
        self._spans: list[Span] = []
        self._number = 0
        self._time_ns = 0
        #: From here on everything is known; the moment of the first trade itself may have had others.
        self._known_from_ns = 0

    def take(self, trade: PublicTrade) -> Batch[PublicTrade] | None:
        number = int(trade.trade_id)
        if number == self._number + 1:
            self._spans.append(Span(self._known_from_ns, trade.exchange_time_ns))
            self._known_from_ns = max(self._known_from_ns, trade.exchange_time_ns)
        else:
            self._known_from_ns = trade.exchange_time_ns + _FILE_TIME_NS
        self._number = number
        if trade.quantity:
            self._trades.append(trade)
        return self._batch() if len(self._trades) >= BATCH_ROWS else None

    def rest(self) -> Iterator[Batch[PublicTrade]]:
        if self._trades or self._spans:
            yield self._batch()

    def _batch(self) -> Batch[PublicTrade]:
        batch = Batch(tuple(self._trades), tuple(merged(self._spans)))
        self._trades, self._spans = [], []
        return batch


class _Unnumbered:
    """Whole minutes only: the first and the last of a run may be cut, and are left out. A run ends with a hole of more
    than `longest_quiet` minutes."""

    def __init__(self, longest_quiet: int) -> None:
        self._longest_quiet = longest_quiet
        self._minute: list[PublicTrade] = []
        self._minute_ns = -1
        self._trades: list[PublicTrade] = []
        self._spans: list[Span] = []
        self._known_from_ns = -1

    def take(self, trade: PublicTrade) -> Batch[PublicTrade] | None:
        minute = trade.exchange_time_ns - trade.exchange_time_ns % MINUTE_NS
        batch = None
        if minute != self._minute_ns:
            batch = self._next_minute(minute)
        if trade.quantity:
            self._minute.append(trade)
        return batch

    def rest(self) -> Iterator[Batch[PublicTrade]]:
        if self._trades:
            yield self._batch()

    def _next_minute(self, minute_ns: int) -> Batch[PublicTrade] | None:
        if self._minute_ns < 0 or minute_ns - self._minute_ns - MINUTE_NS > self._longest_quiet * MINUTE_NS:
            # A new run: what was begun is the cut end of the one before.
            self._known_from_ns = minute_ns + MINUTE_NS
        else:
            if self._known_from_ns <= self._minute_ns:
                self._trades += self._minute
            self._spans.append(Span(self._known_from_ns, minute_ns))
        self._minute, self._minute_ns = [], minute_ns
        return self._batch() if len(self._trades) >= BATCH_ROWS else None

    def _batch(self) -> Batch[PublicTrade]:
        batch = Batch(tuple(self._trades), tuple(merged(self._spans)))
        self._known_from_ns = max(self._known_from_ns, self._minute_ns)
        self._trades, self._spans = [], []
        return batch
