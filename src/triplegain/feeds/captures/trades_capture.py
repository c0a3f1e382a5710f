"""Recorded public trades: feather or freqtrade JSON with time, id, side, price and amount of every trade, and Kraken's
archive of times, prices and amounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from itertools import islice
from pathlib import Path

import msgspec

from triplegain.domain.clock import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.values import NAME, usable_time
from triplegain.feeds.captures.capture import Capture, FileCapture, VerifyReport
from triplegain.feeds.captures.instruments import symbol_in_name
from triplegain.feeds.captures.rows import MAGIC, JsonRows, column_names, csv_rows, read_columns
from triplegain.market.candles.holes import longest_quiet
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import FeedMarks, unmarked
from triplegain.market.scaling import Scale

FEATHER_FORMAT = "trades-feather"
JSON_FORMAT = "trades-json"
KRAKEN_FORMAT = "trades-kraken-csv"

_NAME = re.compile(NAME)
_COLUMNS = ("timestamp", "id", "side", "price", "amount")

#: freqtrade's row: time (ms), id or null, market or limit, side, price, amount, cost.
_JsonRow = tuple[int, str | int | None, str | None, str, msgspec.Raw, msgspec.Raw, msgspec.Raw]
_json_rows = JsonRows[_JsonRow](_JsonRow)

#: Kraken's own archive has no header: time (s), price, amount.
_KRAKEN_CSV = re.compile(rb"\d{9,10}(\.\d+)?,[\d.]+,[\d.]+\r?\n")

#: (time in ns, venue's id or empty, side, price, amount)
_Row = tuple[int, str, str, str, str]


class _TradePlace(msgspec.Struct, frozen=True):
    """After so many rows, with the time and the number of the last one. Rows that were told are read over: to know what
    a file holds they are all read anyway."""

    rows: int
    last_ns: int
    last_id: str


class TradesCapture(FileCapture):
    """The tape of one instrument."""

    depth = MarketDepth.TAPE
    candle_length_ns = None

    @cached_property
    def instrument(self) -> Instrument:
        return self._instrument(row[3] for row in self._rows())

    @property
    def rows(self) -> int:
        return self._extent[0]

    @property
    def span_ns(self) -> tuple[int, int]:
        return self._extent[1:3]

    @cached_property
    def longest_quiet(self) -> int:
        """The most minutes without a trade in a row that are no hole."""
        _, first, last, minutes = self._extent
        return longest_quiet(minutes, last // MINUTE_NS - first // MINUTE_NS + 1)

    @cached_property
    def _extent(self) -> tuple[int, int, int, int]:
        """Number of trades, time of the first and of the last, number of minutes in which there are any."""
        count, first, last, minutes = 0, 0, 0, set[int]()
        for row in self._rows():
            count += 1
            first = first or row[0]
            last = max(last, row[0])
            minutes.add(row[0] // MINUTE_NS)
        if not count:
            raise CaptureError(self.paths[0], "holds no trades")
        return count, first, last, len(minutes)

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        marks = marks or unmarked()
        return self._told(marks.place(_TradePlace) or _TradePlace(0, 0, ""), marks)

    def _told(self, begun: _TradePlace, marks: FeedMarks) -> Iterator[MarketEvent]:
        symbol, path = self._symbol, self.paths[0]
        price, quantity = Scale(self.instrument.tick, least=1).nearest, Scale(self.instrument.lot).floor
        last_ns, last_id, position = begun.last_ns, begun.last_id, marks.position
        rows = enumerate(islice(self._rows(), begun.rows, None), begun.rows + 1)
        for number, (time_ns, trade_id, side, price_text, quantity_text) in rows:
            if last_ns >= marks.due_ns:
                marks.put(position, _TradePlace(number - 1, last_ns, last_id), last_ns)
            if trade_id and trade_id == last_id:
                continue
            last_id = trade_id
            try:
                last_ns = max(last_ns, usable_time(time_ns))
                ticks, lots, taker = price(price_text), quantity(quantity_text), Side.parse(side)
                if trade_id and not _NAME.fullmatch(trade_id):
                    raise InvalidValueError(f"{trade_id[:80]!r} cannot name a trade: up to 64 letters, digits and ._:-")
            except ValueError as error:
                raise CaptureError(path, str(error), number) from error
            position += 1
            yield PublicTrade(symbol, last_ns, last_ns, ticks, lots, taker, trade_id)

    def verify(self) -> VerifyReport:
        """Updates are trades; a gap is a hole in the numbers the exchange gave them, or, where it gave none, one that
        the market's own quiet does not explain."""
        count, gaps, last, minute = 0, 0, 0, 0
        for event in self.events():
            count += 1
            assert isinstance(event, PublicTrade)
            before, minute = minute, event.exchange_time_ns // MINUTE_NS
            if event.trade_id.isdecimal():
                number = int(event.trade_id)
                gaps += bool(last) and number != last + 1
                last = number
            else:
                gaps += bool(before) and minute - before - 1 > self.longest_quiet
        return VerifyReport(count, 0, gaps)

    def _rows(self) -> Iterator[_Row]:
        if self.format == FEATHER_FORMAT:
            return self._feather_rows()
        return _kraken_rows(self.paths[0]) if self.format == KRAKEN_FORMAT else self._json_rows()

    def _feather_rows(self) -> Iterator[_Row]:
        for times, ids, sides, prices, amounts in read_columns(self.paths[0], _COLUMNS):
            for time_ms, name, side, price, amount in zip(times, ids, sides, prices, amounts, strict=True):
                yield time_ms * MILLISECOND_NS, name or "", side, repr(price), repr(amount)

    def _json_rows(self) -> Iterator[_Row]:
        for time_ms, name, _, side, price, amount, _ in _json_rows.read(self.paths[0]):
            yield (
                time_ms * MILLISECOND_NS,
                "" if name is None else str(name),
                side,
                bytes(price).decode(),
                bytes(amount).decode(),
            )


def _kraken_rows(path: Path) -> Iterator[_Row]:
    """Kraken's archive tells neither number nor side. A trade above the one before it is taken for a buy, one below
    for a sell, one at the same price for the same again."""
    side, before = "buy", Decimal(0)

    def row(line: list[str]) -> _Row:
        nonlocal side, before
        time, price, amount = line
        value = Decimal(price)
        if value != before:
            side = "buy" if value > before else "sell"
        before = value
        return int(Decimal(time) * SECOND_NS), "", side, price, amount

    return csv_rows(path, row)


def recognise_trades(path: Path, head: bytes) -> Capture | None:
    """A capture if the file begins like a list of trades; its symbol is in the file's name."""
    if head.startswith(MAGIC):
        if not {"timestamp", "side", "price", "amount"} <= set(column_names(path)):
            return None
        return TradesCapture(path, FEATHER_FORMAT, symbol_in_name(path))
    if _KRAKEN_CSV.match(head):
        return TradesCapture(path, KRAKEN_FORMAT, symbol_in_name(path))
    start = b"".join(head[:200].split())
    if start.startswith(b"[[") and (b'"buy"' in start or b'"sell"' in start):
        return TradesCapture(path, JSON_FORMAT, symbol_in_name(path))
    return None
