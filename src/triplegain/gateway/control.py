"""The local Kraken's control endpoint: faults, state, and the market's clock."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import msgspec
from aiohttp import web

from triplegain.domain.clock import iso
from triplegain.domain.errors import InvalidValueError
from triplegain.gateway.connection import Audience
from triplegain.gateway.fault_desk import FaultDesk
from triplegain.gateway.faults import ArmedFault, Fault
from triplegain.gateway.pacing import Player
from triplegain.gateway.venue import Venue

_HOSTS = ("127.0.0.1", "localhost")


class ControlDesk:
    """`GET /control/state`; `POST /control/faults`, `DELETE /control/faults`; `POST /control/start|pause|resume|skip`.

    Only JSON under this machine's own name is taken: a web page cannot send it.
    """

    def __init__(self, venue: Venue, audience: Audience, player: Player, faults: FaultDesk) -> None:
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
            unknown = sorted(set(order) - {field.name for field in fields(Fault)})
            if unknown:
                raise InvalidValueError(f"a fault has no {', '.join(unknown)}")
            armed = self._faults.order(msgspec.convert(order, Fault))
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
