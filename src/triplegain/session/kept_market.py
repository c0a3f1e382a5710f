"""What a live market has told since the last stored step, and how it stood then: nobody tells it a second time."""

from __future__ import annotations

from collections.abc import Sequence

from triplegain.domain.market import Candle, MarketEvent
from triplegain.exchange.public_market import MarketSeen
from triplegain.market.prices.price_source import PricesSeen
from triplegain.session.trading_session import TradingSession

#: Messages after which a step is stored although nothing has happened.
_KEPT_MAX = 50_000

#: A message, and the candles that it closed once it has been taken.
Told = tuple[MarketEvent, Sequence[Candle] | None]


class KeptMarket:
    """Of one run. A step is looked at with `begin_step`, and forgotten here once it is stored: `stored`."""

    def __init__(self) -> None:
        self._told: list[Told] = []
        #: By symbol; None: nothing of this run is stored yet.
        self._stood: dict[str, MarketSeen] | None = None
        self._prices: PricesSeen | None = None
        self._step: tuple[int, dict[str, MarketSeen], PricesSeen] | None = None

    @property
    def is_long(self) -> bool:
        return len(self._told) >= _KEPT_MAX

    def add(self, event: MarketEvent, closed: Sequence[Candle]) -> None:
        self._told.append((event, closed))

    def begin_step(self, session: TradingSession) -> None:
        """Of the markets that have moved since the step before, how they stand now."""
        markets = session.floor.markets
        moved = {event.symbol for event, _ in self._told if event.symbol in markets}
        seen = {symbol: markets[symbol].seen() for symbol in moved}
        self._step = len(self._told), seen, session.prices.chain.seen()

    def stored(self) -> None:
        if self._step is not None:
            count, seen, self._prices = self._step
            self._stood = (self._stood or {}) | seen
            del self._told[:count]

    def take_back(self) -> list[Told]:
        """What must be taken again, in order; it is kept anew as it is taken."""
        told, self._told, self._step = self._told, [], None
        return told

    def stand(self, session: TradingSession, before: TradingSession) -> bool:
        """Put the markets of a session that is built again where they stood at the last stored step.

        False where none was stored in this run. Candles and their indicators stay those of `before`, as they are now.
        """
        if self._stood is None or self._prices is None:
            return False
        for symbol, seen in self._stood.items():
            session.floor.markets[symbol].see(seen)
        session.prices.chain.see(self._prices)
        session.market_view.take_over(before.market_view)
        if before.decision_engine.is_asleep:
            session.decision_engine.sleep()
        return True
