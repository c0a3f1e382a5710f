"""What stands between a session and its exchange: clocks that differ, markets that are closed, a limit of commands."""

from __future__ import annotations

from dataclasses import dataclass, field

from triplegain.domain.clock import MINUTE_NS, SECOND_NS
from triplegain.domain.market import FeedState, FeedStatus, Heartbeat, MarketEvent, TimePassed
from triplegain.domain.parts import Parts, Touch, nobody
from triplegain.exchange.paper_exchange import PaperExchange

#: A feed may be this far behind; a session that goes on within a second of its last step is.
BEHIND_MAX_NS = 5 * SECOND_NS


def says_now(event: MarketEvent) -> bool:
    """Whether it is told of the feed's own now. Books and trades may speak of what was long ago."""
    return isinstance(event, Heartbeat | TimePassed) or (
        isinstance(event, FeedStatus) and event.state not in (FeedState.CATCH_UP, FeedState.MISSED)
    )


@dataclass(eq=False)
class FeedClock:
    """How far the feed's own time is behind the session's, which never runs backwards.

    Until the feed has caught up market time stands: what is sent would arrive nowhere, and no price is of now.
    """

    behind_ns: int = field(default=0, init=False)

    @property
    def words(self) -> str:
        """The condition; empty while there is none."""
        return (
            f"the exchange's clock is {-(-self.behind_ns // SECOND_NS)} s behind this session" if self.behind_ns else ""
        )

    def judge(self, event: MarketEvent, now_ns: int) -> bool:
        """Whether the words have changed with `event`. Only what the feed tells of its own now can say that it is
        behind, and anything that it is no more."""
        before, lag_ns = self.words, now_ns - event.exchange_time_ns
        if lag_ns > 0 and not says_now(event):
            return False
        self.behind_ns = lag_ns if lag_ns > (0 if self.behind_ns else BEHIND_MAX_NS) else 0
        return self.words != before


class Doubts:
    """Trades that cannot have been, told of once a minute and market. `told_ns`: when that was last."""

    def __init__(self) -> None:
        self.told_ns: dict[str, int] = {}
        self.touch: Touch = nobody

    def tell(self, symbol: str, now_ns: int) -> str:
        """What there is to say; empty where it has been said just now."""
        if now_ns < self.told_ns.get(symbol, -MINUTE_NS) + MINUTE_NS:
            return ""
        self.told_ns[symbol] = now_ns
        self.touch(symbol)
        return f"a trade of {symbol} cannot have been, far from every price or larger than any: it is left out"

    def register(self, parts: Parts) -> None:
        self.touch = parts.table("session.doubts", int, self.told_ns)


@dataclass(eq=False)
class VenueConditions:
    """A `VenueRoom` over the paper exchange. `shut` are the markets of which it is known that they are, with why."""

    _exchange: PaperExchange
    clock: FeedClock = field(default_factory=FeedClock)
    doubts: Doubts = field(default_factory=Doubts)
    _shut: dict[str, str] = field(default_factory=dict, init=False)

    def why_shut(self, symbol: str) -> str:
        market = self._exchange.markets.get(symbol)
        if market is None:
            return ""
        return self.clock.words or (f"{symbol} is closed: {market.condition}" if market.is_closed else "")

    @property
    def why_unready(self) -> str:
        """Why nothing can be traded at all, in words; empty while one market is in order."""
        conditions = {symbol: market.condition for symbol, market in self._exchange.markets.items()}
        if not all(conditions.values()):
            return ""
        if self.clock.words:
            return self.clock.words
        return "; ".join(f"{symbol}: {words}" for symbol, words in conditions.items())

    def look(self) -> tuple[list[tuple[str, str]], list[str]]:
        """Markets that have been shut since the last look, with why, and those that have been opened."""
        shut, opened = [], []
        for symbol in self._exchange.markets:
            words, before = self.why_shut(symbol), self._shut.get(symbol, "")
            if words and not before:
                shut.append((symbol, words))
            elif before and not words:
                opened.append(symbol)
            self._shut[symbol] = words
        return shut, opened

    def may_place(self, symbol: str, positions: int) -> bool:
        return self._exchange.budget.may_place(symbol, positions, self._exchange.now_ns)

    def may_guard(self, symbol: str, position_id: str) -> bool:
        return self._exchange.bought_in_candle(symbol, position_id)

    def done_by_ns(self, symbol: str) -> int:
        return self._exchange.done_by_ns(symbol)

    def replaceable_at_ns(self, client_order_id: str) -> int:
        return self._exchange.budget.replaceable_at_ns(client_order_id, self._exchange.now_ns)
