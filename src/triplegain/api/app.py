"""The HTTP application over one running session."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from triplegain import __version__
from triplegain.api.access import RequestLimits
from triplegain.api.control import SessionControl
from triplegain.api.doorkeeper import Doorkeeper
from triplegain.api.errors import add_error_handlers
from triplegain.api.gate import Gate
from triplegain.api.routes import OPENAPI, PREFIX, ROUTES
from triplegain.api.visit import Visit
from triplegain.domain.clock import Clock
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader

_COMMAND_TIMEOUT_S = 40.0


def create_app(
    control: SessionControl,
    reader: SessionReader,
    security: SecurityLog,
    limits: RequestLimits,
    clock: Clock,
    *,
    mode: str = "paper",
    command_timeout_s: float = _COMMAND_TIMEOUT_S,
) -> FastAPI:
    """`limits` are requests a minute of one key; `clock` is wall time, for budgets and the audit."""
    app = FastAPI(
        title="TripleGain",
        version=__version__,
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.visit = partial(Visit, control, reader, clock, command_timeout_s)
    for route in ROUTES:
        if route.endpoint is not None:
            app.add_api_route(
                route.path,
                route.endpoint,
                methods=[route.method],
                status_code=route.status,
                include_in_schema=route.path.startswith(PREFIX),
            )
    add_error_handlers(app)
    app.add_middleware(Gate, doorkeeper=Doorkeeper(security, limits, clock), mode=mode)
    return app
