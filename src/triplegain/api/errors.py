"""Refusals in one shape: `{"error_code", "error_message", "details"}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from triplegain.domain.errors import TripleGainError
from triplegain.domain.refusals import Code, RefusedError

_LOG = logging.getLogger(__name__)


def response(error: TripleGainError) -> JSONResponse:
    """Any expected failure as an answer. One whose code is in no list is a fault of ours."""
    known = Code.of(error.code)
    status = 500 if known is None else known.status
    return _response(status, error.code, str(error), error.details if isinstance(error, RefusedError) else {})


def told(code: str, message: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """The one shape of a refusal."""
    return {"error_code": code, "error_message": message, "details": dict(details)}


def unexpected(error: Exception, request_id: str) -> RefusedError:
    """A bug: logged with its trace; the caller learns only where to look."""
    _LOG.error("request %s failed", request_id, exc_info=error)
    return RefusedError(Code.INTERNAL_ERROR, f"this should not have happened; the log has request {request_id}")


def _response(status: int, code: str, message: str, details: Mapping[str, Any]) -> JSONResponse:
    headers: dict[str, str] = {}
    match code:
        case Code.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        case Code.METHOD_NOT_ALLOWED if "allowed" in details:
            headers["Allow"] = ", ".join(details["allowed"])
        case Code.RATE_LIMITED:
            headers["Retry-After"] = str(details["retry_after_s"])
        case Code.UNREADABLE | Code.INCOMPLETE_REQUEST | Code.BODY_TOO_LARGE:
            # Where the next request would begin is not certain.
            headers["Connection"] = "close"
    return JSONResponse(told(code, message, details), status, headers)


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(TripleGainError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _expected(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TripleGainError)
    return response(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Every field that was wrong, with what it should be. What was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"field": ".".join(str(part) for part in each["loc"][1:]), "message": each["msg"].removeprefix("Value error, ")}
        for each in error.errors()
    ]
    words = "; ".join(f"{each['field']}: {each['message']}".removeprefix(": ") for each in wrong)
    return response(RefusedError(Code.INVALID_REQUEST, words, {"errors": wrong}))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _response(error.status_code, Code.INVALID_REQUEST, str(error.detail), {})
