"""A glance that is worked out when somebody asks, however far the market has gone on by then."""

from __future__ import annotations

from collections.abc import Iterable

from triplegain.domain.quote import Quote
from triplegain.market.snapshot.frame import FrameFigures, FrameWriter, alignment
from triplegain.market.snapshot.snapshot import Glance, SnapshotPrice


class Trends:
    """Of all timeframes at one moment. Whoever lets candles be forgotten has `worked_out` called before."""

    __slots__ = ("__weakref__", "_ends", "_known", "_value")

    def __init__(self, writers: Iterable[FrameWriter]) -> None:
        self._ends = [(each, each.series.history.end_ns) for each in writers if len(each.series.history)]
        self._known = False
        self._value: float | None = None

    def worked_out(self) -> float | None:
        """Their mean; see `Glance`."""
        if not self._known:
            self._value, self._known = alignment([writer.trend(end_ns) for writer, end_ns in self._ends]), True
        return self._value


class Sighting:
    """What is seen at one moment at a fresh price; `primary_frame` as in `Glance`."""

    __slots__ = ("_glance", "_primary", "_quote", "_time_ns", "_trends", "primary_frame")

    def __init__(self, time_ns: int, quote: Quote, primary: str, frame: FrameFigures | None, trends: Trends) -> None:
        self.primary_frame = frame
        self._time_ns, self._quote, self._primary, self._trends = time_ns, quote, primary, trends
        self._glance: Glance | None = None

    @property
    def price(self) -> SnapshotPrice:
        quote, mark = self._quote, self._quote.mark
        assert mark is not None
        return SnapshotPrice(mark, quote.bid, quote.ask, quote.last, quote.source, quote.exchange_time_ns)

    def glance(self) -> Glance:
        if self._glance is None:
            aligned = self._trends.worked_out()
            symbol, frame = self._quote.symbol, self.primary_frame
            self._glance = Glance(symbol, self._time_ns, self.price, self._primary, frame, aligned)
        return self._glance
