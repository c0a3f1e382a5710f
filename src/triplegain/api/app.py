"""The HTTP application over the sessions that run here, behind its two doors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from triplegain import __version__
from triplegain.api.access import RequestLimits
from triplegain.api.addressee import PREFIX
from triplegain.api.allowed_hosts import AllowedHosts
from triplegain.api.control import SessionDirectory
from triplegain.api.description import describe, responses_of, security_of
from triplegain.api.doorkeeper import NetworkDoorkeeper, OwnerDoorkeeper
from triplegain.api.errors import add_error_handlers
from triplegain.api.gate import Gate
from triplegain.api.known_keys import KnownKeys
from triplegain.api.routes import OPENAPI, ROUTES
from triplegain.api.strangers import Strangers
from triplegain.api.visit import Reception
from triplegain.domain.clock import Clock
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader

_COMMAND_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class Guard:
    """What the doors know of callers. `limits` are requests a minute; `clock` is wall time, for budgets and audit."""

    security: SecurityLog
    keys: KnownKeys
    strangers: Strangers
    hosts: AllowedHosts
    limits: RequestLimits
    clock: Clock


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """The same for every application. Their validators are built once: that is most of what an application costs."""
    router = APIRouter(redirect_slashes=False)
    for route in ROUTES:
        if route.endpoint is not None:
            router.add_api_route(
                route.path,
                route.endpoint,
                methods=[route.method],
                status_code=route.status,
                include_in_schema=route.path.startswith(PREFIX),
                responses=responses_of(route),
                openapi_extra=security_of(route),
            )
    return tuple(router.routes)


def create_app(
    directory: SessionDirectory,
    reader: SessionReader,
    guard: Guard,
    *,
    mode: str = "paper",
    command_timeout_s: float = _COMMAND_TIMEOUT_S,
) -> FastAPI:
    """The same routes for whoever comes over the network with a key, and for the owner at his socket."""
    app = FastAPI(
        title="TripleGain",
        version=__version__,
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    security, limits, clock = guard.security, guard.limits, guard.clock
    app.state.reception = Reception(directory, reader, clock, command_timeout_s)
    app.router.routes.extend(_routes())
    add_error_handlers(app)
    describe(app)
    network = NetworkDoorkeeper(security, limits, clock, directory, guard.keys, guard.strangers, guard.hosts)
    app.add_middleware(Gate, network=network, owner=OwnerDoorkeeper(security, limits, clock, directory), mode=mode)
    return app
