"""A whole live session for tests and measurements: Kraken's feed, a trading session, its runner, a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, cast

from tests.app.live_audit import Books, CommandJournal, LagTable, TapeAudit
from tests.session.sessions import WITHOUT_COOLDOWNS

from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS, SteadyClock
from triplegain.domain.market import Candle, FeedState, FeedStatus, MarketEvent, PublicTrade
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.execution.settings import DeskSettings
from triplegain.session.by_hand import ByHand
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import Ending, SessionRunner
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession
from triplegain.venues.kraken.feed import KrakenFeed, open_kraken_feed
from triplegain.venues.kraken.feed_line import FeedLine
from triplegain.venues.kraken.settings import FeedSettings

SYMBOLS = ("BTC/USDT", "XRP/USDT", "XRP/BTC")

#: A trader that changes its mind often: a few seconds of market make it trade.
_EAGER = BaselineSettings(fast=2, slow=4, atr_period=3)


def feed_settings(rest_url: str, websocket_url: str, **changes: object) -> FeedSettings:
    """The connection as it is configured, with shorter waits where a test asks for them."""
    usual: dict[str, object] = {
        "symbols": SYMBOLS,
        "book_depth": 100,
        "symbols_per_connection": 100,
        "answer_within_s": 5.0,
        "stale_after_s": 3.0,
        "reconnect_after_s": 5.0,
        "queue_lines_max": 20_000,
        "cache_dir": None,
    }
    return FeedSettings(rest_url=rest_url, websocket_url=websocket_url, **(usual | changes))  # type: ignore[arg-type]


def session_settings(feed: KrakenFeed, *, trading: bool = True) -> SessionSettings:
    """Plenty of money, no limit of commands, short ways, and the eager trader if somebody is to trade."""
    short = 20 * MILLISECOND_NS
    return SessionSettings(
        session_id="live",
        created_at_ns=0,
        instruments={instrument: feed.depth[instrument.symbol] for instrument in feed.instruments},
        source=feed.source,
        initial_balances={"USDT": Decimal(1_000_000), "BTC": Decimal(10), "XRP": Decimal(1_000_000)},
        exchange=ExchangeSettings(
            place_delay_ns=short,
            cancel_delay_ns=short,
            response_delay_ns=short,
            jitter_ns=10 * MILLISECOND_NS,
            account_tier=AccountTier.UNLIMITED,
        ),
        desk=DeskSettings(),
        limits=WITHOUT_COOLDOWNS,
        baseline=_EAGER if trading else None,
        candle_ns=SECOND_NS,
    )


class NotedByHand:
    """What a person does, noted before it is done."""

    def __init__(self, by_hand: ByHand, journal: CommandJournal) -> None:
        self._by_hand = by_hand
        self._journal = journal

    def __getattr__(self, command: str) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            self._journal.note(command, *arguments)
            return getattr(self._by_hand, command)(*arguments)

        return noted


class WatchedSession(TradingSession):
    """Notes when commands came, how late each message was done with, and how late a fill came."""

    def __init__(self, settings: SessionSettings, clock: SteadyClock) -> None:
        super().__init__(settings)
        self.journal = CommandJournal()
        self.by_hand = cast("ByHand", NotedByHand(self.by_hand, self.journal))
        #: Nanoseconds from the receipt of a message until the session was through with it, or had filled an order.
        self.lags = LagTable()
        self.fill_lags = LagTable()
        self._clock = clock
        self._last_fill = 0

    def on_event(self, event: MarketEvent, told: Sequence[Candle] | None = None) -> Sequence[Candle]:
        closed = super().on_event(event, told)
        self.journal.events += 1
        late_ns = self._clock.now_ns() - event.received_at_ns
        self.lags.add(late_ns)
        fills = self.executor.last_fills
        if fills and fills[-1].fill_number != self._last_fill:
            self._last_fill = fills[-1].fill_number
            self.fill_lags.add(late_ns)
        return closed

    def alert(self, kind: AlertKind, told: str, symbol: str = "", position_id: str = "") -> None:
        if kind is AlertKind.DATABASE_AWAY:
            self.journal.note("alert", kind, told)
        super().alert(kind, told, symbol, position_id)


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of one market's condition, at a time of the event loop; empty words: open."""

    at_s: float
    symbol: str
    words: str


@dataclass(slots=True)
class LiveSession:
    """Runs while the context is open.

    async with LiveSession(feed_settings(rest_url, websocket_url)) as live:
        live.session, live.commands, live.tapes, live.turns
    """

    settings: FeedSettings
    keep_lines: bool = True
    trading: bool = True
    feed: KrakenFeed = field(init=False)
    session: WatchedSession = field(init=False)
    runner: SessionRunner = field(init=False)
    commands: SessionCommands = field(init=False)
    lines: list[FeedLine] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    #: The same as the feed told it, where several may come at once.
    told: list[Turn] = field(default_factory=list)
    tapes: dict[str, TapeAudit] = field(default_factory=dict)
    books: Books = field(default_factory=Books)
    clock: SteadyClock = field(default_factory=SteadyClock)
    events: int = 0
    #: Tasks that must not fail while the session runs.
    companions: list[asyncio.Task[None]] = field(default_factory=list)
    #: Set at every change of a condition; whoever waits for one clears it.
    turned: dict[str, asyncio.Event] = field(default_factory=dict)
    _words: dict[str, str] = field(default_factory=dict)
    _task: asyncio.Task[Ending] = field(init=False)

    async def __aenter__(self) -> LiveSession:
        self.feed = await open_kraken_feed(self.settings, self.clock, self._on_line)
        settings = session_settings(self.feed, trading=self.trading)
        self.session = WatchedSession(settings, self.clock)
        self.tapes = {symbol: TapeAudit() for symbol in self.settings.symbols}
        self.turned = {symbol: asyncio.Event() for symbol in self.settings.symbols}
        self._words = {symbol: market.condition for symbol, market in self.session.exchange.markets.items()}
        self.runner = SessionRunner(self.session, self._watched(settings.candle_ns), self.books, self.clock)
        self.commands = SessionCommands(self.runner)
        self._task = asyncio.get_running_loop().create_task(self.runner.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Ends the run as a user would; what went wrong in it is raised here."""
        self.runner.stop()
        try:
            await self._task
            for one in self.companions:
                if one.done():
                    one.result()
        finally:
            await self.feed.aclose()

    @property
    def failed(self) -> bool:
        return self._task.done() or any(one.done() and one.exception() for one in self.companions)

    def condition(self, symbol: str) -> str:
        """Why the market takes no orders, in words; empty while it is open."""
        return self._words[symbol]

    def _on_line(self, line: FeedLine) -> None:
        if self.keep_lines:
            self.lines.append(line)

    async def _watched(self, candle_ns: int) -> AsyncIterator[Sequence[MarketEvent]]:
        """The feed's messages; what they say of trades and conditions is kept on the way."""
        markets, loop = self.session.exchange.markets, asyncio.get_running_loop()
        async for batch in self.feed.batches(candle_lengths_ns=[candle_ns]):
            for event in batch:
                if isinstance(event, PublicTrade):
                    self.tapes[event.symbol].told(int(event.trade_id))
                elif isinstance(event, FeedStatus):
                    self.told.append(Turn(loop.time(), event.symbol, _words(event)))
                    self.tapes[event.symbol].status(event.state)
            yield batch
            self.events += len(batch)
            for symbol, market in markets.items():
                if (words := market.condition) != self._words[symbol]:
                    self._words[symbol] = words
                    self.turns.append(Turn(loop.time(), symbol, words))
                    self.turned[symbol].set()


def _words(status: FeedStatus) -> str:
    return "" if status.state is FeedState.SYNCED else status.reason or status.state.value
