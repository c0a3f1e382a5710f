"""Stored sessions that are taken up with a main one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from triplegain.session.market_floor import MarketFloor
from triplegain.session.trading_session import TradingSession
from triplegain.storage.session_store import StoredSession


@dataclass(eq=False)
class Together:
    """Built with the main one, so that they see the market as it is played up to where all of them stood, and put back
    then."""

    stored: Sequence[StoredSession] = ()
    _build: Callable[[StoredSession, MarketFloor], TradingSession] | None = None
    sessions: list[TradingSession] = field(default_factory=list)

    def built(self, main: TradingSession) -> TradingSession:
        """The main session, built anew with the others beside it."""
        self.sessions = [] if self._build is None else [self._build(each, main.floor) for each in self.stored]
        return main

    def restore(self) -> None:
        for session, each in zip(self.sessions, self.stored, strict=True):
            if each.parts:
                session.restore(each.parts, each.rows)
