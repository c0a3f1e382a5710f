"""What the providers' clients raise, as one of our kinds of failure with a sentence for the user."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    UserError,
)

from triplegain.llm.reply import FailureKind
from triplegain.llm.response_cap import OversizedResponseError
from triplegain.llm.spec import Provider
from triplegain.llm.wire import WireError

_MESSAGE_LENGTH_MAX = 300
_RESPONSE_LENGTH_MAX = 4000
#: In these phases of a connection the question had not been sent.
_UNSENT = ("pool", "connect")


def wire_error(error: Exception, provider: Provider) -> WireError:
    """`error` in our terms. Whatever is not known to be free counts as charged."""
    if isinstance(error, WireError):
        return error
    found = _classified(error, provider.value)
    if isinstance(error, ModelAPIError):
        found.retry_after_s = error.retry_after
        found.response = "" if error.body is None else str(error.body)[:_RESPONSE_LENGTH_MAX]
    return found


def _classified(error: Exception, name: str) -> WireError:
    said = _said(error)
    for cause in _causes(error):
        if isinstance(cause, OversizedResponseError):
            return WireError(FailureKind.OVERSIZED, f"{name} sent no end: {cause}", charged=True)
    match error:
        case ModelRateLimitError():
            return WireError(FailureKind.RATE_LIMITED, f"{name} says too many requests{said}")
        case ModelQuotaExceededError():
            return WireError(FailureKind.REJECTED, f"the account at {name} is used up{said}")
        case ModelAuthenticationError():
            return WireError(FailureKind.REJECTED, f"{name} does not accept the key{said}")
        case ModelContextWindowExceededError():
            return WireError(FailureKind.REJECTED, f"the prompt is too long for the model at {name}{said}")
        case ModelRequestRejectedError():
            return WireError(FailureKind.REJECTED, f"{name} rejected the request{said}")
        case ModelUnavailableError() | ModelServerError():
            return WireError(FailureKind.SERVER_ERROR, f"{name} has a failure of its own{said}")
        case ModelTimeoutError():
            return WireError(FailureKind.TIMEOUT, f"{name} did not answer in time", charged=error.phase not in _UNSENT)
        case ModelRequestTimeout():
            return WireError(FailureKind.TIMEOUT, f"{name} did not answer in time", charged=True)
        case ModelConnectionError():
            phase = f" ({error.phase})" if error.phase else ""
            unsent = error.phase in _UNSENT
            return WireError(FailureKind.CONNECTION, f"the connection to {name} failed{phase}", charged=not unsent)
        case ModelHTTPError():
            return _by_status(error.status_code, name, said)
        case ContentFilterError():
            return WireError(FailureKind.REFUSAL, f"{name} filtered the answer", charged=True)
        case UserError():
            return WireError(FailureKind.UNAVAILABLE, f"this model cannot be asked like this: {error}")
        case _:
            reason = f"{name} sent something that is no response ({type(error).__name__})"
            return WireError(FailureKind.SERVER_ERROR, reason, charged=True)


def _by_status(status: int, name: str, said: str) -> WireError:
    if status == 429:
        return WireError(FailureKind.RATE_LIMITED, f"{name} says too many requests{said}")
    if status >= 500 or status in (408, 409):
        return WireError(FailureKind.SERVER_ERROR, f"{name} has a failure of its own{said}")
    return WireError(FailureKind.REJECTED, f"{name} rejected the request{said}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _said(error: Exception) -> str:
    """`: 429 slow down`, from the response; empty where there is none."""
    status = str(error.status_code) if isinstance(error, ModelHTTPError) else ""
    body = error.body if isinstance(error, ModelAPIError) else None
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message", "") if isinstance(inner, dict) else ""
    words = " ".join(f"{status} {message}".split())[:_MESSAGE_LENGTH_MAX]
    return f": {words}" if words else ""
