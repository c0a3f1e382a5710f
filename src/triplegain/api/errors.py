"""Refusals in one shape: `{"error_code", "error_message", "details"}`."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from triplegain.api.control import (
    EQUITY_UNKNOWN,
    HALTED,
    NO_SNAPSHOT,
    NOT_NOW,
    UNKNOWN_ORDER,
    UNKNOWN_POSITION,
    UNKNOWN_TASK,
    CommandError,
)
from triplegain.domain.errors import InvalidValueError, TripleGainError
from triplegain.storage.errors import SessionNotFoundError, StorageError

_LOG = logging.getLogger(__name__)

#: Everything a command can be refused with that is not 422: the order itself was wrong.
_STATUS = {
    UNKNOWN_ORDER: 404,
    UNKNOWN_POSITION: 404,
    UNKNOWN_TASK: 404,
    "EOrder:Unknown order": 404,
    "not_found": 404,
    HALTED: 409,
    NO_SNAPSHOT: 409,
    EQUITY_UNKNOWN: 409,
    NOT_NOW: 409,
    "not_ready": 503,
    "EOrder:Rate limit exceeded": 429,
    "EService:Unavailable": 503,
}


class ApiError(TripleGainError):
    """A request that is answered with `status` and this message, and with nothing done."""

    exit_code = 8

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        body = {"error_code": self.code, "error_message": str(self), "details": self.details}
        return JSONResponse(body, self.status, self.headers)


def refusal_status(code: str) -> int:
    """The HTTP status for a refusal of the exchange or of the session."""
    return _STATUS.get(code, 422)


def error_code(error: BaseException) -> str:
    """`SessionNotFoundError` -> `session_not_found`; an error that carries a code keeps it."""
    code = getattr(error, "code", None)
    if isinstance(error, TripleGainError) and isinstance(code, str):
        return code
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()


def api_error(error: TripleGainError) -> ApiError:
    """Any expected failure as an answer."""
    match error:
        case ApiError():
            return error
        case CommandError():
            return ApiError(refusal_status(error.code), error.code, str(error))
        case SessionNotFoundError():
            status = 404
        case StorageError():
            status = 503
        case InvalidValueError():
            status = 422
        case _:
            status = 500
    return ApiError(status, error_code(error), str(error))


def unexpected(error: Exception, request_id: str) -> ApiError:
    """A bug: logged with its trace; the caller learns only where to look."""
    _LOG.error("request %s failed", request_id, exc_info=error)
    return ApiError(500, "internal_error", f"this should not have happened; the log has request {request_id}")


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(TripleGainError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _expected(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TripleGainError)
    return api_error(error).response()


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Every field that was wrong, with what it should be. What was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"field": ".".join(str(part) for part in each["loc"][1:]), "message": each["msg"].removeprefix("Value error, ")}
        for each in error.errors()
    ]
    words = "; ".join(f"{each['field']}: {each['message']}".removeprefix(": ") for each in wrong)
    return ApiError(422, "invalid_request", words, {"errors": wrong}).response()


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return ApiError(error.status_code, "invalid_request", str(error.detail)).response()
