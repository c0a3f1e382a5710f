"""The tape of a stretch of time, page by page from Kraken's REST interface, without a trade lost between two pages.

`since` of a request is a time in nanoseconds, and whether the trades of that very moment are told depends on the
exchange's mood. So a page is asked for from a nanosecond before the end of the one before it, and trades are told apart
by the exchange's own numbers, which follow each other: a number that is missing is asked for again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import msgspec

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import PublicTrade
from triplegain.domain.span import Span
from triplegain.market.feed import FeedError
from triplegain.market.scaling import Scale, with_fitting_tick
from triplegain.venues.kraken.rest import TRADES_PER_PAGE
from triplegain.venues.kraken.wire.rest import TAKERS, TradeRow, Trades, read_reply, read_trade_page

#: A time that has been through a binary float of seconds is off by less than this.
_TIME_DUST_NS = 1_000


class TradeSource(Protocol):
    """What answers, as `KrakenRest` does."""

    async def trades_page(self, symbol: str, since_ns: int, count: int = TRADES_PER_PAGE) -> bytes: ...


@dataclass(frozen=True, slots=True)
class TradePage:
    """New trades, oldest first, in ticks and lots of `instrument`, and the span that is whole with them.

    `holes` are numbers that the exchange does not tell, first and last of each.
    """

    instrument: Instrument
    trades: tuple[PublicTrade, ...]
    span: Span
    holes: tuple[tuple[int, int], ...] = ()


async def trade_pages(
    source: TradeSource, instrument: Instrument, span: Span, last_number: int = 0
) -> AsyncIterator[TradePage]:
    """Every trade of the span. `last_number` is that of the trade just before it, where that is known.

    The spans of the pages follow each other from `span.from_ns` to `span.to_ns`, so a caller that stores each page goes
    on after the last one stored. Raises FeedError where the exchange does not answer or its answer makes no sense.
    """
    reader = _Reader(source, instrument, span, last_number)
    while not reader.done:
        yield await reader.next_page()


class _Reader:
    def __init__(self, source: TradeSource, instrument: Instrument, span: Span, last_number: int) -> None:
        self._source = source
        self._instrument = instrument
        self._span = span
        self._last = last_number
        self._cursor = span.from_ns
        self.done = span.from_ns >= span.to_ns

    async def next_page(self) -> TradePage:
        page = await self._ask(self._cursor - 1)
        rows = self._fresh(page)
        if not rows:
            # Nothing new is the end only if it is so twice. A page may be full of one moment: what follows it is only
            # told when asked for from there.
            page = await self._ask(self._cursor)
            rows = self._fresh(page)
        if not rows:
            if len(page.rows) >= TRADES_PER_PAGE or int(page.last) > self._cursor + _TIME_DUST_NS:
                raise FeedError(
                    f"Kraken does not go on after its trades of {self._instrument.symbol} at {self._cursor} ns though "
                    "it has more; what came before is stored, the same command goes on from there"
                )
            return self._page(self._instrument, (), self._span.to_ns)
        rows, holes = await self._completed(rows)
        self._last = rows[-1].trade_id
        inside = [row for row in rows if _time_ns(row) < self._span.to_ns]
        instrument, trades = _scaled(self._instrument, inside)
        end, said = _time_ns(rows[-1]), int(page.last)
        # The last row's moment may have more trades, so it is not whole yet. `last` says that moment exactly, unless
        # the page stops before it.
        reached = said if abs(said - end) <= _TIME_DUST_NS else min(said, end)
        return self._page(instrument, trades, self._span.to_ns if len(inside) < len(rows) else reached, holes)

    def _page(
        self,
        instrument: Instrument,
        trades: tuple[PublicTrade, ...],
        to_ns: int,
        holes: tuple[tuple[int, int], ...] = (),
    ) -> TradePage:
        """The page, and what is asked for next."""
        before, self._cursor = self._cursor, min(max(self._cursor, to_ns), self._span.to_ns)
        self.done = self._cursor >= self._span.to_ns
        return TradePage(instrument, trades, Span(before, self._cursor), holes)

    def _fresh(self, page: Trades) -> list[TradeRow]:
        rows = {row.trade_id: row for row in page.rows if row.trade_id > self._last}
        return [rows[number] for number in sorted(rows)]

    async def _completed(self, rows: list[TradeRow]) -> tuple[list[TradeRow], tuple[tuple[int, int], ...]]:
        """The rows with what was missing among them, and what the exchange does not tell when asked again either."""
        for _ in range(2):
            holes = self._holes(rows)
            if not holes:
                return rows, ()
            before = next((row for row in reversed(rows) if row.trade_id < holes[0][0]), None)
            since = _time_ns(before) - _TIME_DUST_NS if before else self._cursor - SECOND_NS
            again = self._fresh(await self._ask(since))
            rows = [row for _, row in sorted({row.trade_id: row for row in [*rows, *again]}.items())]
        return rows, self._holes(rows)

    def _holes(self, rows: list[TradeRow]) -> tuple[tuple[int, int], ...]:
        numbers = [row.trade_id for row in rows]
        before = [self._last or numbers[0] - 1, *numbers]
        return tuple((low + 1, high - 1) for low, high in zip(before, numbers, strict=False) if high != low + 1)

    async def _ask(self, since_ns: int) -> Trades:
        reply = await self._source.trades_page(self._instrument.symbol, max(since_ns, 0))
        try:
            page = read_trade_page(read_reply(reply).result)
            int(page.last)
        except (msgspec.DecodeError, ValueError) as error:
            raise FeedError(f"Kraken's trades of {self._instrument.symbol} cannot be read: {error}") from error
        if any(row.trade_id <= 0 or row.side not in TAKERS for row in page.rows):
            raise FeedError(f"Kraken's trades of {self._instrument.symbol} lack their numbers or sides")
        return page


def _time_ns(row: TradeRow) -> int:
    return int(row.time * SECOND_NS)


def _scaled(instrument: Instrument, rows: list[TradeRow]) -> tuple[Instrument, tuple[PublicTrade, ...]]:
    """The rows in ticks and lots; in finer ticks where old prices are finer than what is traded today."""
    symbol = instrument.symbol
    try:
        instrument = with_fitting_tick(instrument, [row.price for row in rows])
        price, quantity = Scale(instrument.tick).exact, Scale(instrument.lot).exact
        figures = [(_time_ns(row), price(row.price), quantity(row.volume), row) for row in rows]
    except InvalidValueError as error:
        raise FeedError(f"Kraken's trades of {symbol} cannot be used: {error}") from error
    return instrument, tuple(
        PublicTrade(symbol, time_ns, time_ns, ticks, lots, TAKERS[row.side], str(row.trade_id))
        for time_ns, ticks, lots, row in figures
    )
