"""Faults on demand: what can go wrong, for whom, how often and for how long."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import Flag, StrEnum, auto

from triplegain.domain.errors import InvalidValueError


class Trait(Flag):
    """What is so of a kind of fault."""

    NONE = 0
    #: It happens to data frames.
    FRAME = auto()
    #: It is over as soon as it is ordered.
    AT_ONCE = auto()
    #: It is a state of the whole exchange.
    SYSTEM = auto()
    #: It begins and ends: nothing about it is counted.
    STATE = auto()
    #: It lasts unless it is given times or a duration.
    STAYS = auto()
    NEEDS_DELAY = auto()
    #: Drawn by chance it is about one instrument half of the time.
    OF_ONE = auto()


_FRAME, _STAYS, _NEEDS_DELAY = Trait.FRAME, Trait.STAYS, Trait.NEEDS_DELAY
_STATE = Trait.STATE | Trait.STAYS
_SYSTEM = Trait.SYSTEM | _STATE
_ONE = Trait.OF_ONE | Trait.FRAME


class FaultKind(StrEnum):
    """What goes wrong. Which `symbol`, `channel`, `times`, `duration_s` and `delay_ms` count for it, says its line.

    Drawn by chance it lasts for `drawn_s` (seconds, from and up to); the others happen a few times.
    """

    traits: Trait
    drawn_s: tuple[float, float]

    def __new__(cls, word: str, traits: Trait = Trait.NONE, drawn_s: tuple[float, float] = (0.0, 0.0)) -> FaultKind:
        kind = str.__new__(cls, word)
        kind._value_, kind.traits, kind.drawn_s = word, traits, drawn_s
        return kind

    #: Connections are reset (TCP abort), or closed with the closing handshake (1001 going away).
    DISCONNECT = "disconnect", Trait.AT_ONCE
    CLOSE = "close", Trait.AT_ONCE
    #: Connections open now send nothing any more and answer nothing; TCP stays. For a duration, or for good.
    HALF_OPEN = "half_open", _STATE
    #: Data frames are late by `delay_ms`; in order.
    DELAY = "delay", _FRAME | _STAYS | _NEEDS_DELAY, (0.5, 3.0)
    DUPLICATE = "duplicate", _ONE
    #: A data frame changes places with the next one of the same kind.
    REORDER = "reorder", _ONE
    #: The checksum of a book frame is wrong.
    BAD_CHECKSUM = "bad_checksum", _ONE
    #: A data frame is not sent.
    GAP = "gap", _ONE
    #: The exchange says so, and again `online` after the duration. Under maintenance its market stands still.
    MAINTENANCE = "maintenance", _SYSTEM, (1.0, 5.0)
    CANCEL_ONLY = "cancel_only", _SYSTEM, (1.0, 5.0)
    POST_ONLY = "post_only", _SYSTEM, (1.0, 5.0)
    #: One instrument gets the status `status` on the instrument channel and in AssetPairs.
    INSTRUMENT_STATUS = "instrument_status", _STATE, (1.0, 5.0)
    #: REST replies `EAPI:Rate limit exceeded`.
    RATE_LIMIT = "rate_limit", Trait.NONE, (0.5, 3.0)
    #: REST answers with HTTP 429.
    TOO_MANY_REQUESTS = "too_many_requests", Trait.NONE, (0.5, 3.0)
    #: New WebSocket connections are refused with HTTP 429.
    REFUSE_CONNECTS = "refuse_connects", _STAYS, (0.5, 3.0)
    #: A text frame that is no JSON, before the next data frame.
    GARBAGE = "garbage", _FRAME
    #: Requests on connections are read `delay_ms` late.
    SLOW_READER = "slow_reader", _STAYS | _NEEDS_DELAY, (0.5, 3.0)
    #: Connections send one frame every `delay_ms`.
    SLOW_WRITER = "slow_writer", _FRAME | _STAYS | _NEEDS_DELAY, (0.2, 1.0)
    #: No data and no heartbeats; requests are answered. What would have been sent is lost.
    SILENCE = "silence", _ONE | _STAYS, (0.5, 8.0)


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
        if _NEEDS_DELAY in self.kind.traits and not self.delay_ms:
            raise InvalidValueError(f"the fault {self.kind} needs delay_ms")
        if Trait.STATE in self.kind.traits and self.times:
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
        times = fault.times or (None if fault.duration_s or _STAYS in fault.kind.traits else 1)
        until = asyncio.get_running_loop().time() + fault.duration_s if fault.duration_s else None
        armed = ArmedFault(fault, self._ordered, times, until)
        if Trait.AT_ONCE in fault.kind.traits:
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
        self.frames_concerned = any(_FRAME in one.fault.kind.traits for one in self._armed)


def with_bad_checksum(frame: bytes) -> bytes:
    """The frame with a checksum that cannot be right."""
    return _CHECKSUM.sub(lambda found: b'"checksum":%d' % (int(found[1]) ^ 1), frame)
