"""The dead man's switch: unless it is set again in time, everything is cancelled, once.

Kraken (WebSocket v2, cancel_all_orders_after): "If the timer expires, all orders in the account are cancelled and the
feature is disabled until the next cancel_all_orders_after request"; in a downtime "when the trading engine comes back".
"""

from __future__ import annotations

import msgspec

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.parts import Parts
from triplegain.domain.refusals import Code, Refusal

#: Shorter than a day.
TIMEOUT_MAX_S = 86_400
REASON = "cancel all orders after: the time was over"


class SwitchState(msgspec.Struct, frozen=True):
    """`trigger_ns`: when everything is cancelled. `closed` are the markets that took no cancels when the time was over:
    theirs are cancelled when they open."""

    trigger_ns: int | None = None
    closed: tuple[str, ...] = ()


_OFF = SwitchState()


class CancelAllAfter:
    """Where the switch of an account stands."""

    def __init__(self) -> None:
        self._state = _OFF

    def set(self, timeout_s: int, now_ns: int) -> int | None:
        """Begin anew; 0 switches off. When it will go off."""
        goes_off_ns = trigger_ns(timeout_s, now_ns)
        self._state = SwitchState(goes_off_ns, self._state.closed)
        return goes_off_ns

    def goes_off(self, now_ns: int) -> bool:
        """Whether the time is over now, and not that of an earlier setting. From here on it is off."""
        goes_off_ns = self._state.trigger_ns
        if goes_off_ns is None or now_ns < goes_off_ns:
            return False
        self._state = SwitchState(None, self._state.closed)
        return True

    def wait_for(self, symbol: str) -> None:
        """This market takes no cancels now."""
        self._state = SwitchState(self._state.trigger_ns, tuple(dict.fromkeys((*self._state.closed, symbol))))

    def opened(self, symbol: str) -> bool:
        """A market opens; whether its orders are to be cancelled."""
        if symbol not in self._state.closed:
            return False
        left = tuple(each for each in self._state.closed if each != symbol)
        self._state = SwitchState(self._state.trigger_ns, left)
        return True

    # -- what a session keeps ------------------------------------------------------------------------------------

    def register(self, parts: Parts) -> None:
        """No row while there is nothing to keep."""
        parts.single("exchange.cancel_after", SwitchState, self._stored, self._restore)

    def _stored(self) -> SwitchState | None:
        return None if self._state == _OFF else self._state

    def _restore(self, stored: SwitchState | None) -> None:
        self._state = stored or _OFF


def trigger_ns(timeout_s: int, now_ns: int) -> int | None:
    """When a switch that is set now goes off; None for one that is switched off."""
    return now_ns + timeout_s * SECOND_NS if timeout_s else None


def check_timeout(timeout_s: int) -> Refusal | None:
    if 0 <= timeout_s < TIMEOUT_MAX_S:
        return None
    return Refusal(Code.INVALID_TIMEOUT, f"the time is 0 to {TIMEOUT_MAX_S - 1} s, not {timeout_s}")
