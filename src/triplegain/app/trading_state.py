"""Whether a session trades: running, paused or halted, and why."""

from __future__ import annotations

from triplegain.session.trading_session import TradingSession


def trading_state(session: TradingSession) -> tuple[str, str]:
    """The state in one word, and the reason in words, empty while running. What halts weighs more than a pause."""
    why = session.halted or session.risk.halted(session.now_ns)
    if why:
        return "halted", why
    return ("paused", "paused by hand: nothing new is opened") if session.paused else ("running", "")
