"""The trader without a model: candles from the feed, a baseline's answer to each, one cycle per answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from triplegain.agents.answer import Answer
from triplegain.agents.baselines.baseline import Baseline
from triplegain.domain.clock import NEVER
from triplegain.domain.market import Candle, CandleClosed, MarketEvent, PastCandles, PublicTrade
from triplegain.domain.parts import Parts
from triplegain.market.candles.candles import CandleBuilder, CandleProgress
from triplegain.market.candles.trade_run import TradeRun

#: What it remembers: the candles of each symbol, and when it looks again.
TRADER_PARTS = ("session.trader", "session.trader_due")


class TraderState(Struct, frozen=True):
    """Of one symbol; trades up to `told_ns` are in the candles it was told."""

    told_ns: int
    candles: CandleProgress
    agent: dict[str, Any]


class BaselineTrader:
    """One candle builder and one baseline per symbol. `decide(symbol, candle, answer)` is called for each candle.

    Whoever decides calls `carried_out(symbol)` when something came of the answer.
    """

    def __init__(
        self,
        agents: Iterable[Baseline],
        length_ns: int,
        decide: Callable[[str, Candle, Answer], None],
    ) -> None:
        self._length_ns = length_ns
        self._agents = {agent.symbol: agent for agent in agents}
        self._builders = {symbol: CandleBuilder(symbol, length_ns) for symbol in self._agents}
        self._decide = decide
        #: Trades up to these times are in the candles we were told.
        self._told_ns: dict[str, int] = {}
        #: When the next candle from trades is over: before that, time passing closes nothing.
        self.due_ns = NEVER
        self._changed: Callable[[str], None] = lambda symbol: None

    @property
    def name(self) -> str:
        """Under which its decisions are stored; the same for every symbol."""
        return next(iter(self._agents.values())).name

    def carried_out(self, symbol: str) -> None:
        """The last answer of this symbol's baseline was acted upon."""
        self._agents[symbol].carried_out()
        self._changed(symbol)

    def on_event(self, event: MarketEvent) -> None:
        """A trade or a finer candle; everything else only lets time pass."""
        builder = self._builders.get(event.symbol)
        if builder is None:
            return
        self._changed(event.symbol)
        if isinstance(event, PublicTrade):
            if self._is_told(event):
                return
            self._closed(event.symbol, builder.on_trade(event))
            self._wait(event.exchange_time_ns)
        elif isinstance(event, CandleClosed):
            # Recorded candles close ours. Time alone must not: another symbol's candle of the same time may come first.
            self._closed(event.symbol, builder.on_candle(event.candle))
        elif isinstance(event, PastCandles):
            self._warm_up(event, builder)

    def on_trades(self, run: TradeRun) -> None:
        """Trades that close no candle."""
        builder = self._builders.get(run.symbol)
        if builder is None:
            return
        if run.earliest_ns < builder.takes_from_ns or run.earliest_ns <= self._told_ns.get(run.symbol, 0):
            for trade in run.trades():
                self.on_event(trade)
            return
        self._changed(run.symbol)
        builder.add(run.newest_ns, run.prices, run.volume, run.count)
        self._wait(run.newest_ns)

    def decides_by(self, trade: PublicTrade) -> bool:
        """Whether it closes a candle: one of the trade's own symbol may be over before the others'."""
        builder = self._builders.get(trade.symbol)
        return builder is not None and builder.closes_ns <= trade.exchange_time_ns and not self._is_told(trade)

    def decides_from_ns(self, symbol: str) -> int:
        """No earlier trade of a symbol closes a candle. 0 before its first one: from when on is not known."""
        builder = self._builders.get(symbol)
        if builder is None:
            return NEVER
        return 0 if builder.closes_ns == NEVER else builder.closes_ns

    def _is_told(self, trade: PublicTrade) -> bool:
        return trade.exchange_time_ns <= self._told_ns.get(trade.symbol, 0)

    def _warm_up(self, past: PastCandles, builder: CandleBuilder) -> None:
        """Candles of before the feed began, or of the time away: averages move, nothing is decided on them."""
        agent = self._agents[past.symbol]
        fitting = [candle for candle in past.candles if candle.length_ns == self._length_ns]
        for candle in fitting:
            if candle.close_time_ns > agent.last_close_ns:
                agent.on_candle(candle)
        if fitting:
            builder.begin_after(fitting[-1], past.unfinished)
            self._told_ns[past.symbol] = past.exchange_time_ns
            self._wait(past.exchange_time_ns)

    def advance_to(self, time_ns: int) -> None:
        """Candles that are over by now are answered, symbol by symbol."""
        for symbol, builder in self._builders.items():
            self._closed(symbol, builder.advance_to(time_ns))
            self._changed(symbol)
        self._wait(time_ns)

    def _wait(self, time_ns: int) -> None:
        if self.due_ns <= time_ns or self.due_ns == NEVER:
            self.due_ns = time_ns - time_ns % self._length_ns + self._length_ns

    def _closed(self, symbol: str, candles: list[Candle]) -> None:
        for candle in candles:
            self._decide(symbol, candle, self._agents[symbol].on_candle(candle))

    def register(self, parts: Parts) -> None:
        self._changed = parts.keyed(TRADER_PARTS[0], TraderState, self._state, self._restore, self._agents.keys)
        for symbol in self._agents:
            self._changed(symbol)
        parts.held(TRADER_PARTS[1], int, self, "due_ns")

    def _state(self, symbol: str) -> TraderState:
        return TraderState(
            self._told_ns.get(symbol, 0), self._builders[symbol].state(), dict(self._agents[symbol].state())
        )

    def _restore(self, states: dict[str, TraderState]) -> None:
        for symbol, state in states.items():
            self._told_ns[symbol] = state.told_ns
            self._builders[symbol].restore(state.candles)
            self._agents[symbol].restore(state.agent)
