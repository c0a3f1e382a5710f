"""The condition of one live instrument: its book, its connection, its pair and the exchange, as one state."""

from __future__ import annotations

from triplegain.domain.market import FeedState

WAITING = "waiting for the order book"

#: Words of the status and instrument channels.
SYSTEM_STATES = {
    "online": FeedState.SYNCED,
    "cancel_only": FeedState.CANCEL_ONLY,
    "post_only": FeedState.POST_ONLY,
    # Takers are not taken; that some limit orders would be is more than we can promise.
    "limit_only": FeedState.POST_ONLY,
    "reduce_only": FeedState.CANCEL_ONLY,
    "maintenance": FeedState.MAINTENANCE,
}

_UNWATCHED = (FeedState.CATCH_UP, FeedState.MISSED)
_ONLINE = (FeedState.SYNCED, "")


def exchange_state(word: str, of: str) -> tuple[FeedState, str]:
    """State and reason of a status word; one we do not know closes the market."""
    state = SYSTEM_STATES.get(word, FeedState.MAINTENANCE)
    return _ONLINE if state is FeedState.SYNCED else (state, f"{of} is in {word.replace('_', ' ')} mode")


class Condition:
    """`now` is what counts of: the tape of an unwatched time, maintenance, the book, silence, the exchange's modes."""

    __slots__ = ("_symbol", "_told", "book", "is_told", "pair", "reason", "silent", "system")

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self.book = FeedState.GAP
        self.reason = WAITING
        #: Why the connection counts as silent; empty while it does not.
        self.silent = ""
        self.system = _ONLINE
        self.pair = _ONLINE
        self._told = _ONLINE
        #: Whether anything was ever told.
        self.is_told = False

    def set_book(self, state: FeedState, reason: str) -> None:
        self.book, self.reason = state, reason

    @property
    def now(self) -> tuple[FeedState, str]:
        if self.book in _UNWATCHED:
            return self.book, self.reason
        modes = [mode for mode in (self.system, self.pair) if mode is not _ONLINE]
        for mode in modes:
            if mode[0] is FeedState.MAINTENANCE:
                return mode
        if self.book is not FeedState.SYNCED:
            return self.book, self.reason
        if self.silent:
            return FeedState.STALE, self.silent
        return min(modes, key=lambda mode: mode[0] is not FeedState.CANCEL_ONLY, default=(self.book, self.reason))

    def take_change(self) -> bool:
        """Whether what counts is not what was told last; from now on it is."""
        state, reason = self.now
        if state is self._told[0] and (state is FeedState.SYNCED or reason == self._told[1]):
            return False
        self._told = (state, reason)
        self.is_told = True
        return True
