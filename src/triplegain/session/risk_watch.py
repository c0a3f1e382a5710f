"""Risk between two trades: equity looked at as the market moves, breakers carried out with real orders.

It runs on market time alone. No model, no schedule and no person has to be there for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never

from msgspec import Struct

from triplegain.decision.record import RecordLog
from triplegain.domain.agent_records import AlertKind, AlertRecord
from triplegain.domain.candle_time import candle_open_ns
from triplegain.domain.clock import DAY_NS, MINUTE_NS, NEVER, SECOND_NS
from triplegain.domain.market import Candle
from triplegain.domain.parts import Parts
from triplegain.domain.records import CloseReason
from triplegain.execution.order_manager import OrderManager
from triplegain.market.snapshot.market_view import MarketView
from triplegain.risk.engine import RiskEngine
from triplegain.risk.restrictions import BreakerAction, CloseEverything, HalvePositions, TightenStops

#: Equity is looked at no more often than this, in market time.
_INTERVAL_NS = SECOND_NS


class WatchTimes(Struct, frozen=True):
    """When equity is looked at next, and when it was last."""

    due_ns: int
    looked_ns: int


@dataclass(eq=False)
class RiskWatch:
    """Tell it that the market has `moved`, run it at `due_ns`.

    `_primary` is the timeframe, with its length, whose ATR is watched.
    """

    _engine: RiskEngine
    _desk: OrderManager
    _equity: Callable[[], Decimal | None]
    _market: MarketView
    _primary: tuple[str, int]
    _record: RecordLog
    due_ns: int = field(default=NEVER, init=False)
    _looked_ns: int = field(default=0, init=False)

    def moved(self, time_ns: int) -> None:
        """Equity may have changed. All messages of one moment are looked at together, after the last of them."""
        self.due_ns = min(self.due_ns, max(time_ns, self._looked_ns + _INTERVAL_NS))

    def rest(self, time_ns: int) -> None:
        """No price can change equity as things are: only a new day does anything to it."""
        if self.due_ns > time_ns:
            self.due_ns = candle_open_ns(time_ns, DAY_NS) + DAY_NS

    @property
    def has_looked(self) -> bool:
        """What equity was at the beginning is known."""
        return self._looked_ns > 0

    def run(self, now_ns: int) -> None:
        """Measure equity, and do what the breakers order."""
        self.due_ns, self._looked_ns = NEVER, now_ns
        for action in self._engine.on_equity(self._equity(), now_ns):
            self._carry_out(action, now_ns)
        if self._engine.must_be_flat:
            # An entry that fills after the halt is taken off as well.
            self._desk.close_all(CloseReason.BREAKER, now_ns)
        self.put_down()

    def _carry_out(self, action: BreakerAction, now_ns: int) -> None:
        desk = self._desk
        match action:
            case TightenStops(fraction):
                done = desk.tighten_all(fraction, now_ns)
                words = f"daily breaker: stops tightened to {fraction:%} from the bid"
            case HalvePositions(fraction):
                positions = [position.position_id for position in desk.open_positions()]
                done = tuple(each for each in positions if desk.reduce(each, fraction, CloseReason.BREAKER, now_ns))
                words = f"weekly breaker: {fraction:.0%} of each position is being closed"
            case CloseEverything(reason):
                done = desk.close_all(CloseReason.BREAKER, now_ns)
                words = f"drawdown breaker, everything is being closed: {reason}"
            case _:
                assert_never(action)
        self._record.put(AlertRecord(0, now_ns, AlertKind.BREAKER, "", "", f"{words} ({len(done)} positions)"))

    def on_candles(self, closed: Sequence[Candle], now_ns: int) -> None:
        """Candles have closed: minutes tell how far a market moved, the primary ones how much it moves."""
        primary, primary_ns = self._primary
        for candle in closed:
            if candle.length_ns == MINUTE_NS:
                low, high = self._market.price_span(candle)
                self._engine.on_price(candle.symbol, low, high, now_ns)
            if candle.length_ns == primary_ns:
                fraction = self._market.atr_fraction(candle.symbol, primary)
                if fraction is not None:
                    self._engine.on_atr(candle.symbol, fraction * candle.close, now_ns)
                    self._desk.set_atr(candle.symbol, Decimal(repr(fraction)))
        self.put_down()

    def register(self, parts: Parts) -> None:
        parts.single("session.watch", WatchTimes, lambda: WatchTimes(self.due_ns, self._looked_ns), self._restore)

    def _restore(self, times: WatchTimes) -> None:
        self.due_ns, self._looked_ns = times.due_ns, times.looked_ns

    def put_down(self) -> None:
        """Changes of the risk state go into the record of the step."""
        for change in self._engine.drain():
            self._record.put(change)
