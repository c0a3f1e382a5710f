"""Faults on demand: what can go wrong, for whom, how often and for how long."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import StrEnum

from triplegain.domain.errors import InvalidValueError


class FaultKind(StrEnum):
    """What goes wrong. Which `symbol`, `channel`, `times`, `duration_s` and `delay_ms` count for it, says its line."""

    #: Connections are reset (TCP abort), or closed with the closing handshake (1001 going away).
    DISCONNECT = "disconnect"
    CLOSE = "close"
    #: Connections open now send nothing any more and answer nothing; TCP stays. For a duration, or for good.
    HALF_OPEN = "half_open"
    #: Data frames are late by `delay_ms`; in order.
    DELAY = "delay"
    DUPLICATE = "duplicate"
    #: A data frame changes places with the next one of the same kind.
    REORDER = "reorder"
    #: The checksum of a book frame is wrong.
    BAD_CHECKSUM = "bad_checksum"
    #: A data frame is not sent.
    GAP = "gap"
    #: The exchange says so, and again `online` after the duration. Under maintenance its market stands still.
    MAINTENANCE = "maintenance"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    #: One instrument gets the status `status` on the instrument channel and in AssetPairs.
    INSTRUMENT_STATUS = "instrument_status"
    #: REST replies `EAPI:Rate limit exceeded`.
    RATE_LIMIT = "rate_limit"
    #: REST answers with HTTP 429.
    TOO_MANY_REQUESTS = "too_many_requests"
    #: New WebSocket connections are refused with HTTP 429.
    REFUSE_CONNECTS = "refuse_connects"
    #: A text frame that is no JSON, before the next data frame.
    GARBAGE = "garbage"
    #: Requests on connections are read `delay_ms` late.
    SLOW_READER = "slow_reader"
    #: Connections send one frame every `delay_ms`.
    SLOW_WRITER = "slow_writer"
    #: No data and no heartbeats; requests are answered. What would have been sent is lost.
    SILENCE = "silence"


#: Kinds that happen to data frames.
FRAME_FAULTS = frozenset(
    {
        FaultKind.DELAY,
        FaultKind.DUPLICATE,
        FaultKind.REORDER,
        FaultKind.BAD_CHECKSUM,
        FaultKind.GAP,
        FaultKind.GARBAGE,
        FaultKind.SILENCE,
        FaultKind.SLOW_WRITER,
    }
)

#: Kinds that are a state of the whole exchange.
SYSTEM_STATES = frozenset({FaultKind.MAINTENANCE, FaultKind.CANCEL_ONLY, FaultKind.POST_ONLY})

#: Kinds that begin and end: nothing about them is counted.
_LASTING = SYSTEM_STATES | {FaultKind.HALF_OPEN, FaultKind.INSTRUMENT_STATUS}

#: Kinds that last unless they are given times or a duration.
_STAYING = _LASTING | {
    FaultKind.SILENCE,
    FaultKind.SLOW_READER,
    FaultKind.SLOW_WRITER,
    FaultKind.REFUSE_CONNECTS,
    FaultKind.DELAY,
}

_AT_ONCE = frozenset({FaultKind.DISCONNECT, FaultKind.CLOSE})
_NEEDS_DELAY = frozenset({FaultKind.DELAY, FaultKind.SLOW_READER, FaultKind.SLOW_WRITER})

#: Sent as it is: cut off in the middle, so that no reader can take it for a frame.
GARBAGE = b'{"channel":"book","type":"upd\x7f'

_CHECKSUM = re.compile(rb'"checksum":(\d+)')


@dataclass(frozen=True, slots=True)
class WireFault:
    """One order. `symbol` and `channel` narrow it down (empty: all).

    It happens `times` times, counted over all connections, and ends after `duration_s` of wall time; with neither, a
    fault of frames or replies happens once and a state stays until it is cleared.
    """

    kind: FaultKind
    symbol: str = ""
    channel: str = ""
    times: int = 0
    duration_s: float = 0.0
    delay_ms: int = 0
    status: str = ""

    def __post_init__(self) -> None:
        if self.times < 0 or self.duration_s < 0 or self.delay_ms < 0:
            raise InvalidValueError("times, duration_s and delay_ms of a fault are not below zero")
        if self.kind in _NEEDS_DELAY and not self.delay_ms:
            raise InvalidValueError(f"the fault {self.kind} needs delay_ms")
        if self.kind in _LASTING and self.times:
            raise InvalidValueError(f"the fault {self.kind} lasts for duration_s or until it is cleared, not times")
        if self.kind is FaultKind.INSTRUMENT_STATUS and not (self.symbol and self.status):
            raise InvalidValueError("the fault instrument_status needs symbol and status")


@dataclass(slots=True)
class ArmedFault:
    """An order that is in force; `hits` is how often it has happened."""

    fault: WireFault
    number: int
    times_left: int | None
    until: float | None
    hits: int = 0

    def concerns(self, channel: str, symbol: str) -> bool:
        fault = self.fault
        return (not fault.symbol or fault.symbol == symbol) and (not fault.channel or fault.channel == channel)


class ArmedFaults:
    """The faults in force, and how often each kind has happened. Times are those of the event loop."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []
        self._ordered = 0
        self.hits: dict[str, int] = {}
        #: Whether any fault of frames is in force: the usual frame asks nothing else.
        self.frames_concerned = False

    def arm(self, fault: WireFault) -> ArmedFault:
        """Puts an order in force; those that happen at once are only counted."""
        self._ordered += 1
        times = fault.times or (None if fault.duration_s or fault.kind in _STAYING else 1)
        until = asyncio.get_running_loop().time() + fault.duration_s if fault.duration_s else None
        armed = ArmedFault(fault, self._ordered, times, until)
        if fault.kind in _AT_ONCE:
            self.hit(armed)
        else:
            self._armed.append(armed)
            self._look()
        return armed

    def clear(self, armed: ArmedFault | None = None) -> None:
        """Takes one order back, or all."""
        self._armed = [one for one in self._armed if armed is not None and one is not armed]
        self._look()

    def expired(self) -> list[ArmedFault]:
        """Takes out and returns what has come to its end."""
        now = asyncio.get_running_loop().time()
        over = [one for one in self._armed if one.times_left == 0 or (one.until is not None and now >= one.until)]
        if over:
            self._armed = [one for one in self._armed if one not in over]
            self._look()
        return over

    def of(self, kind: FaultKind, channel: str = "", symbol: str = "") -> ArmedFault | None:
        """The first order of this kind in force that concerns the channel and symbol."""
        now = asyncio.get_running_loop().time()
        for one in self._armed:
            if (
                one.fault.kind is kind
                and one.times_left != 0
                and (one.until is None or now < one.until)
                and one.concerns(channel, symbol)
            ):
                return one
        return None

    def happens(self, kind: FaultKind, channel: str = "", symbol: str = "") -> ArmedFault | None:
        """As `of`, and counts it as having happened."""
        armed = self.of(kind, channel, symbol)
        if armed is not None:
            self.hit(armed)
        return armed

    def hit(self, armed: ArmedFault) -> None:
        armed.hits += 1
        self.hits[armed.fault.kind] = self.hits.get(armed.fault.kind, 0) + 1
        if armed.times_left is not None:
            armed.times_left -= 1

    @property
    def in_force(self) -> list[ArmedFault]:
        return [one for one in self._armed if one.times_left != 0]

    def _look(self) -> None:
        self.frames_concerned = any(one.fault.kind in FRAME_FAULTS for one in self._armed)


def with_bad_checksum(frame: bytes) -> bytes:
    """The frame with a checksum that cannot be right."""
    return _CHECKSUM.sub(lambda found: b'"checksum":%d' % (int(found[1]) ^ 1), frame)
