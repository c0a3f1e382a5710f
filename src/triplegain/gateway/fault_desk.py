"""Faults of the local Kraken: carried out, drawn from a seed, ordered over its control endpoint, and ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import msgspec
from aiohttp import web

from triplegain.domain.clock import iso
from triplegain.domain.errors import InvalidValueError
from triplegain.gateway.connection import Audience, Connection
from triplegain.gateway.faults import ArmedFault, ArmedFaults, FaultKind, Trait, WireFault
from triplegain.gateway.pacing import PacedPlayer
from triplegain.gateway.requests import INSTRUMENTS
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.wire.writer import instruments, status


class FaultDesk:
    """`order` puts a fault in force, `clear` takes one or all back; those with a duration end by themselves."""

    def __init__(self, venue: Venue, audience: Audience, player: PacedPlayer) -> None:
        self.armed = ArmedFaults()
        self._venue = venue
        self._audience = audience
        self._player = player
        self._half_open: dict[int, list[Connection]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def order(self, fault: WireFault) -> ArmedFault:
        """Raises InvalidValueError for a symbol that is not served."""
        if fault.symbol and fault.symbol not in self._venue.markets:
            raise InvalidValueError(f"{fault.symbol} is not served here; served are {', '.join(self._venue.markets)}")
        armed = self.armed.arm(fault)
        match fault.kind:
            case FaultKind.DISCONNECT:
                for connection in self._audience.of(fault.symbol):
                    connection.abort()
            case FaultKind.CLOSE:
                for connection in self._audience.of(fault.symbol):
                    self.end(connection, "going away")
            case FaultKind.HALF_OPEN:
                self._half_open[armed.number] = self._audience.of(fault.symbol)
                for connection in self._half_open[armed.number]:
                    connection.half_open = True
                self.armed.hit(armed)
            case FaultKind.INSTRUMENT_STATUS:
                self._set_status(fault.symbol, fault.status)
                self.armed.hit(armed)
            case kind if Trait.SYSTEM in kind.traits:
                self._set_system(kind)
                self.armed.hit(armed)
            case _:
                pass
        return armed

    def clear(self, armed: ArmedFault | None = None) -> None:
        """Takes one fault back, or all."""
        for one in [armed] if armed is not None else self.armed.in_force:
            self.armed.clear(one)
            self._end(one)

    def end_what_is_over(self) -> None:
        """Faults whose time has come, and half-open connections that nobody holds open any more."""
        for armed in self.armed.expired():
            self._end(armed)
        for armed in self.armed.in_force:
            connections = self._half_open.get(armed.number)
            if connections is not None and not any(one.is_open for one in connections):
                self.clear(armed)

    def end(self, connection: Connection, reason: str) -> None:
        """Closes a connection with the handshake, without waiting for it."""
        if connection.is_ending:
            return
        connection.is_ending = True
        task = asyncio.get_running_loop().create_task(connection.close(reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def close(self) -> None:
        for task in self._closing:
            task.cancel()

    def _end(self, armed: ArmedFault) -> None:
        kind = armed.fault.kind
        if kind is FaultKind.HALF_OPEN:
            over = self._half_open.pop(armed.number, [])
            for connection in over:
                connection.half_open = any(connection in others for others in self._half_open.values())
        elif kind is FaultKind.INSTRUMENT_STATUS:
            symbol = armed.fault.symbol
            still = [one.fault for one in self.armed.in_force if one.fault.kind is kind and one.fault.symbol == symbol]
            self._set_status(symbol, still[-1].status if still else "online")
        elif Trait.SYSTEM in kind.traits:
            states = [one.fault.kind for one in self.armed.in_force if Trait.SYSTEM in one.fault.kind.traits]
            self._set_system(states[-1] if states else "online")

    def _set_system(self, system: str) -> None:
        self._venue.system = str(system)
        if system == FaultKind.MAINTENANCE:
            self._player.pause("maintenance")
        else:
            self._player.resume("maintenance")
        for connection in self._audience:
            connection.answer(status(self._venue.system))

    def _set_status(self, symbol: str, said: str) -> None:
        market = self._venue.markets[symbol]
        market.status = said
        self._audience.deliver([(INSTRUMENTS, instruments("update", [(market.instrument, said)]))])


#: What does not last happens up to so many times in a row.
_TIMES_MAX = 3

_STATUSES = ("cancel_only", "post_only", "maintenance", "limit_only", "reduce_only", "delisted")

#: From here on everything is as good as never.
_LONGEST_WAIT_IN_MEANS = 5.0


class FaultSchedule:
    """An endless list of (seconds to wait, fault). `kinds` are all by default."""

    def __init__(
        self, seed: int, symbols: Sequence[str], every_s: float = 5.0, kinds: Sequence[FaultKind] = tuple(FaultKind)
    ) -> None:
        self._seed = seed
        self._symbols = tuple(symbols)
        self._every_s = every_s
        self._kinds = tuple(kinds)
        self._draws = 0

    def __iter__(self) -> Iterator[tuple[float, WireFault]]:
        while True:
            wait = min(-math.log1p(-self._share()), _LONGEST_WAIT_IN_MEANS) * self._every_s
            yield wait, self._fault()

    async def run(self, desk: FaultDesk) -> None:
        """Orders one fault after the other, until cancelled."""
        for wait, fault in self:
            await asyncio.sleep(wait)
            desk.order(fault)

    def _share(self) -> float:
        """The next draw, from 0 up to but not including 1."""
        self._draws += 1
        digest = hashlib.blake2b(b"%d:%d" % (self._seed, self._draws), digest_size=6).digest()
        return int.from_bytes(digest) / (1 << 48)

    def _one_of(self, count: int) -> int:
        return int(self._share() * count)

    def _fault(self) -> WireFault:
        kind = self._kinds[self._one_of(len(self._kinds))]
        symbol = self._symbols[self._one_of(len(self._symbols))]
        if kind is not FaultKind.INSTRUMENT_STATUS and (Trait.OF_ONE not in kind.traits or self._share() < 0.5):
            symbol = ""
        shortest, longest = kind.drawn_s
        duration = round(shortest + self._share() * (longest - shortest), 3)
        return WireFault(
            kind,
            symbol,
            times=0 if duration or kind is FaultKind.HALF_OPEN else 1 + self._one_of(_TIMES_MAX),
            duration_s=duration,
            delay_ms=(1 if kind is FaultKind.SLOW_WRITER else 1 + self._one_of(400)),
            status=_STATUSES[self._one_of(len(_STATUSES))] if kind is FaultKind.INSTRUMENT_STATUS else "",
        )


_HOSTS = ("127.0.0.1", "localhost")


class ControlDesk:
    """`GET /control/state`; `POST /control/faults`, `DELETE /control/faults`; `POST /control/start|pause|resume|skip`.

    Only JSON under this machine's own name is taken: a web page cannot send it.
    """

    def __init__(self, venue: Venue, audience: Audience, player: PacedPlayer, faults: FaultDesk) -> None:
        self._venue = venue
        self._audience = audience
        self._player = player
        self._faults = faults

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/control/state", self._state)
        router.add_post("/control/faults", self._order)
        router.add_delete("/control/faults", self._clear)
        router.add_post("/control/{command:start|pause|resume|skip}", self._steer)

    def state(self) -> dict[str, Any]:
        """Market time, connections, faults in force and how often each has happened."""
        venue, player = self._venue, self._player
        return {
            "source": venue.name,
            "symbols": list(venue.markets),
            "derived": list(venue.derived),
            "market_time": iso(venue.now_ns),
            "market_time_ns": venue.now_ns,
            "system": venue.system,
            "laps": venue.laps,
            "events": venue.events,
            "started": player.is_started,
            "paused": player.is_paused,
            "finished": player.finished.is_set(),
            "lag_s": round(player.lag_s, 6),
            "connections": [
                {
                    "number": one.number,
                    "subscriptions": [list(topic) for topic in one.topics],
                    "sent_frames": one.sent_frames,
                    "sent_bytes": one.sent_bytes,
                    "unsent_bytes": one.unsent_bytes,
                    "half_open": one.half_open,
                }
                for one in self._audience
            ],
            "faults": [_shown(one) for one in self._faults.armed.in_force],
            "happened": dict(self._faults.armed.hits),
        }

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self.state()) if _is_local(request) else _refused("not under this name", 403)

    async def _order(self, request: web.Request) -> web.Response:
        try:
            order = await _body(request)
            unknown = sorted(set(order) - {field.name for field in fields(WireFault)})
            if unknown:
                raise InvalidValueError(f"a fault has no {', '.join(unknown)}")
            armed = self._faults.order(msgspec.convert(order, WireFault))
        except (InvalidValueError, msgspec.ValidationError) as error:
            return _refused(str(error))
        return web.json_response(_shown(armed))

    async def _clear(self, request: web.Request) -> web.Response:
        if not _is_local(request):
            return _refused("not under this name", 403)
        self._faults.clear()
        return web.json_response({"faults": []})

    async def _steer(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            match request.match_info["command"]:
                case "start":
                    self._player.start()
                case "pause":
                    self._player.pause()
                case "resume":
                    self._player.resume()
                case _:
                    self._player.skip(msgspec.convert(body.get("market_s"), float))
        except (InvalidValueError, msgspec.ValidationError) as error:
            return _refused(str(error))
        return web.json_response(self.state())


def _is_local(request: web.Request) -> bool:
    return request.host.partition(":")[0] in _HOSTS


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request. Raises InvalidValueError for anything else."""
    if not _is_local(request) or request.content_type != "application/json":
        raise InvalidValueError("send application/json to 127.0.0.1")
    try:
        body = await request.json()
    except json.JSONDecodeError as error:
        raise InvalidValueError(f"this is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidValueError("a JSON object is expected")
    return body


def _refused(error: str, code: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=code)


def _shown(armed: ArmedFault) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(armed.fault),
        "number": armed.number,
        "times_left": armed.times_left,
        "hits": armed.hits,
    }
