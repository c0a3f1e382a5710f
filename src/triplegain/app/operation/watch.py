"""What no stored step says: a market without its feed, a halt, a budget near its end, a day that is over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from triplegain.app.operation.notices import Notice
from triplegain.config.operation import Subject
from triplegain.domain.clock import DAY_NS, SECOND_NS, iso
from triplegain.domain.views import SessionView

_INFO, _WARNING, _ERROR = logging.INFO, logging.WARNING, logging.ERROR


@dataclass(slots=True)
class _Trouble:
    """Of one market. `since_ns` is wall time."""

    words: str
    since_ns: int
    is_told: bool = False


@dataclass(slots=True)
class SessionWatch:
    """Looks at a session again and again, and says what has changed."""

    feed_lost_after_ns: int
    _troubles: dict[str, _Trouble] = field(default_factory=dict)
    _away: str = ""
    _halted: str = ""
    _risk_halted: str = ""
    _warning: str = ""
    _is_paused: bool = False
    _day: tuple[int, Decimal | None, int] | None = None

    def look(self, view: SessionView, now_ns: int, market: SessionView | None = None) -> Iterator[Notice]:
        """`now_ns` is wall time. `market`: of the session that sees the market, where this one does no more."""
        yield from self._markets(market or view, now_ns)
        if bool(view.away) != bool(self._away):
            words = f"the database is away: {view.away}" if view.away else "the database is back"
            yield Notice(_ERROR if view.away else _INFO, "database", words, Subject.DATABASE)
        self._away = view.away
        yield from self.look_beside(view)

    def look_beside(self, view: SessionView) -> Iterator[Notice]:
        """At one that shares market and database with another, of which these are told."""
        yield from self._standing(view)
        yield from self._ended_day(view)

    def _markets(self, view: SessionView, now_ns: int) -> Iterator[Notice]:
        for symbol, words in view.conditions.items():
            trouble = self._troubles.get(symbol)
            if not words:
                if trouble is not None:
                    del self._troubles[symbol]
                    lasted = (now_ns - trouble.since_ns) // SECOND_NS
                    about = Subject.FEED if trouble.is_told else None
                    yield Notice(_INFO, "feed", f"{symbol} trades again after {lasted} s", about, symbol=symbol)
                continue
            if trouble is None:
                trouble = self._troubles[symbol] = _Trouble("", now_ns)
            if trouble.words != words:
                trouble.words = words
                yield Notice(_WARNING, "feed", f"{symbol}: {words}", symbol=symbol)
            lasted_ns = now_ns - trouble.since_ns
            if lasted_ns >= self.feed_lost_after_ns and not trouble.is_told:
                trouble.is_told = True
                told = f"{symbol} has not traded for {lasted_ns // SECOND_NS} s: {words}"
                yield Notice(_ERROR, "feed", told, Subject.FEED, symbol=symbol)

    def _standing(self, view: SessionView) -> Iterator[Notice]:
        decisions = view.decisions
        risk_halted, warning = (decisions.halted, decisions.warning) if decisions else ("", "")
        if view.halted != self._halted:
            words = f"the session has halted: {view.halted}" if view.halted else "the session goes on"
            yield Notice(_ERROR if view.halted else _INFO, "session", words, Subject.SESSION)
        if view.paused != self._is_paused:
            words = "paused: nothing new is opened" if view.paused else "resumed"
            yield Notice(_INFO, "session", words, Subject.SESSION)
        if risk_halted != self._risk_halted:
            # That it began is an alert of the session; that it is over nobody says.
            words = f"risk opens nothing new: {risk_halted}" if risk_halted else "risk lets trades open again"
            yield Notice(_INFO, "risk", words, None if risk_halted else Subject.BREAKERS)
        if warning != self._warning and warning:
            yield Notice(_WARNING, "budget", warning, Subject.BUDGET)
        self._halted, self._is_paused = view.halted, view.paused
        self._risk_halted, self._warning = risk_halted, warning

    def _ended_day(self, view: SessionView) -> Iterator[Notice]:
        """A day of the market in UTC. Nothing is said of the one in which the session was first looked at."""
        if not view.market_time_ns:
            return
        day, equity, fills = view.market_time_ns // DAY_NS, view.summary.equity, view.summary.trade_count
        if self._day is None:
            self._day = day, equity, fills
        before, opened, filled = self._day
        if day == before:
            return
        self._day = day, equity, fills
        result = "its result is not known"
        if equity is not None and opened is not None:
            result = f"equity {equity:.2f} USD, {equity - opened:+.2f} since it began"
        words = f"{iso(before * DAY_NS)[:10]}: {result}; {fills - filled} fills, {len(view.positions)} open positions"
        yield Notice(_INFO, "day", words, Subject.DAILY)
