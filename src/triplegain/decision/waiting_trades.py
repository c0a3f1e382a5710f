"""Trades a conflict told to wait: tried again with every technical analysis, dropped when their time is up.

They are answers, not orders: each try goes through the whole cycle again, with the market, the portfolio and the
limits of that moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.parts import Parts


@dataclass(frozen=True, slots=True)
class WaitingTrade:
    """`decision_number` is the decision it came from, `reason` what it waits for."""

    symbol: str
    decision_number: int
    answer: AgentAnswer
    reason: str
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class DroppedTrade:
    """It was not made; `reason` says why, for the record."""

    trade: WaitingTrade
    reason: str


class WaitingTrades:
    """At most one for each symbol: a later decision speaks for the earlier one too."""

    def __init__(self, wait_max_ns: int = 3600 * SECOND_NS) -> None:
        self._wait_max_ns = wait_max_ns
        self._trades: dict[str, WaitingTrade] = {}

    def wait(
        self, symbol: str, decision_number: int, answer: AgentAnswer, reason: str, now_ns: int
    ) -> DroppedTrade | None:
        """Keep it for another try. The same decision may be told to wait again; its time does not begin anew.

        Returns an earlier decision's trade that it takes the place of. Raises InvalidValueError for what is no buy:
        nothing else opens a position, and exits never wait.
        """
        if answer.action is not Action.BUY:
            raise InvalidValueError(f"only a buy can wait, this is {answer.action}")
        known = self._trades.get(symbol)
        if known is not None and known.decision_number == decision_number:
            return None
        dropped = self.drop(symbol, "a later decision has taken its place")
        until_ns = now_ns + self._wait_max_ns
        self._trades[symbol] = WaitingTrade(symbol, decision_number, answer, reason, now_ns, until_ns)
        return dropped

    def expire(self, now_ns: int) -> tuple[DroppedTrade, ...]:
        """Take out those whose time is up, in the order they came."""
        over = [trade for trade in self._trades.values() if trade.until_ns <= now_ns]
        for trade in over:
            del self._trades[trade.symbol]
        return tuple(DroppedTrade(trade, f"waited in vain: {trade.reason}") for trade in over)

    def to_try(self, symbol: str) -> WaitingTrade | None:
        """What waits for this symbol. It stays until `drop`: sent, aborted, or spoken for by a later decision."""
        return self._trades.get(symbol)

    def drop(self, symbol: str, reason: str) -> DroppedTrade | None:
        """It waits no longer."""
        trade = self._trades.pop(symbol, None)
        return None if trade is None else DroppedTrade(trade, reason)

    def drop_all(self, reason: str) -> tuple[DroppedTrade, ...]:
        """None waits any longer: a halt, an emergency."""
        over, self._trades = tuple(self._trades.values()), {}
        return tuple(DroppedTrade(trade, reason) for trade in over)

    def __len__(self) -> int:
        return len(self._trades)

    def register(self, parts: Parts) -> None:
        parts.single("decision.waiting_trades", tuple[WaitingTrade, ...], self._state, self._restore)

    def _state(self) -> tuple[WaitingTrade, ...]:
        return tuple(self._trades.values())

    def _restore(self, stored: tuple[WaitingTrade, ...]) -> None:
        self._trades = {trade.symbol: trade for trade in stored}
