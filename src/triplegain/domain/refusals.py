"""No, in one form: a code out of one list, and words for a person. Every door tells the same codes.

A code carries its HTTP status and the exit code of a command. Whatever is refused was surely not done; what may have
been done is `Code.OUTCOME_UNKNOWN`, what is stored and will be done by itself `Code.STANDS`, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from triplegain.domain.errors import TripleGainError


class Code(StrEnum):
    """Every code there is, as it is told. Those with an E at the front are Kraken's own words."""

    status: int
    exit_code: int

    def __new__(cls, word: str, status: int, exit_code: int = 8) -> Code:
        code = str.__new__(cls, word)
        code._value_ = word
        code.status, code.exit_code = status, exit_code
        return code

    @classmethod
    def of(cls, word: str) -> Code | None:
        """The code that is told as `word`; None where it is in no list."""
        return next((code for code in cls if code == word), None)

    # -- of the exchange -----------------------------------------------------------------------------------------
    UNKNOWN_PAIR = "EQuery:Unknown asset pair", 422
    INVALID_ARGUMENTS = "EGeneral:Invalid arguments", 422
    INVALID_VOLUME = "EGeneral:Invalid arguments:volume", 422
    INVALID_PRICE = "EGeneral:Invalid arguments:price", 422
    INVALID_LEVERAGE = "EGeneral:Invalid arguments:leverage", 422
    INVALID_EXPIRY = "EGeneral:Invalid arguments:expiretm", 422
    INVALID_TIME_IN_FORCE = "EGeneral:Invalid arguments:timeinforce", 422
    INVALID_DISPLAY = "EGeneral:Invalid arguments:displayvol", 422
    INVALID_COST = "EGeneral:Invalid arguments:viqc", 422
    INVALID_AMEND = "EGeneral:Invalid arguments:amend", 422
    INVALID_DEADLINE = "EGeneral:Invalid arguments:deadline", 422
    INVALID_START = "EGeneral:Invalid arguments:starttm", 422
    INVALID_CLOSE = "EGeneral:Invalid arguments:close", 422
    INVALID_TIMEOUT = "EGeneral:Invalid arguments:timeout", 422
    INVALID_BATCH = "EGeneral:Invalid arguments:orders", 422
    TICK_SIZE = "EOrder:Tick size check failed", 422
    ORDER_MINIMUM = "EOrder:Order minimum not met", 422
    COST_MINIMUM = "EOrder:Cost minimum not met", 422
    INSUFFICIENT_FUNDS = "EOrder:Insufficient funds", 422
    MARGIN_ALLOWANCE = "EOrder:Margin allowance exceeded", 422
    INSUFFICIENT_MARGIN = "EOrder:Insufficient margin", 422
    MARGIN_LEVEL = "EOrder:Margin level too low", 422
    NOTHING_TO_SETTLE = "EOrder:Unknown position", 422
    POSITION_SIZE = "EOrder:Margin position size exceeded", 422
    POST_ONLY = "EOrder:Post only order", 422
    REDUCE_ONLY = "EOrder:Reduce only:No position exists", 422
    ORDERS_LIMIT = "EOrder:Orders limit exceeded", 422
    SCHEDULED_LIMIT = "EOrder:Scheduled orders limit exceeded", 422
    RATE_LIMIT = "EOrder:Rate limit exceeded", 429
    UNKNOWN_OPEN_ORDER = "EOrder:Unknown order", 404
    UNAVAILABLE = "EService:Unavailable", 503
    CANCEL_ONLY_MODE = "EService:Market in cancel_only mode", 422
    POST_ONLY_MODE = "EService:Market in post_only mode", 422
    LIMIT_ONLY_MODE = "EService:Market in limit_only mode", 422
    REDUCE_ONLY_MODE = "EService:Market in reduce_only mode", 422
    DEADLINE_ELAPSED = "EService:Deadline elapsed", 422

    # -- of the session ------------------------------------------------------------------------------------------
    REFUSED = "refused", 422
    NOT_FOUND = "not_found", 404
    UNKNOWN_SYMBOL = "unknown_symbol", 404
    UNKNOWN_ORDER = "unknown_order", 404
    UNKNOWN_POSITION = "unknown_position", 404
    UNKNOWN_TASK = "unknown_task", 404
    CLIENT_ORDER_ID_IN_USE = "client_order_id_in_use", 409
    ORDER_FINAL = "order_final", 409
    NO_SNAPSHOT = "no_snapshot", 409
    EQUITY_UNKNOWN = "equity_unknown", 409
    NOT_NOW = "not_now", 409
    NOT_READY = "not_ready", 503
    HALTED = "halted", 503
    #: The session takes no more commands, and surely did nothing of this one.
    STOPPED = "stopped", 503
    #: Not sent yet, and stored: it goes out by itself as soon as it can.
    STANDS = "stands", 202, 10
    #: Taken and perhaps done: whoever asked must look.
    OUTCOME_UNKNOWN = "outcome_unknown", 504, 9

    # -- of what is stored ---------------------------------------------------------------------------------------
    STORAGE = "storage", 503
    #: For now: the session waits for it and goes on.
    DATABASE_AWAY = "database_away", 503
    COMMIT_REFUSED = "commit_refused", 422
    SESSION_NOT_FOUND = "session_not_found", 404
    SESSION_ENDED = "session_ended", 409

    # -- of the door ---------------------------------------------------------------------------------------------
    INVALID_REQUEST = "invalid_request", 422, 2
    INVALID_VALUE = "invalid_value", 422, 2
    INCOMPLETE_REQUEST = "incomplete_request", 400
    UNREADABLE = "unreadable", 400
    UNAUTHORIZED = "unauthorized", 401
    FORBIDDEN = "forbidden", 403
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    REQUEST_TIMEOUT = "request_timeout", 408
    BODY_TOO_LARGE = "body_too_large", 413
    #: Sent under a name of this machine that is not ours: a page of somebody else's may have been led here.
    MISDIRECTED = "misdirected", 421
    RATE_LIMITED = "rate_limited", 429
    HEAD_TOO_LARGE = "head_too_large", 431
    TOO_MANY_CONNECTIONS = "too_many_connections", 503
    INTERNAL_ERROR = "internal_error", 500


class Refusal(msgspec.Struct, frozen=True):
    """Not done, and nothing changed. `reason` says why, and what to do about it where that helps."""

    code: Code
    reason: str


class RefusedError(TripleGainError):
    """A refusal on its way to whoever asked. `details` go with it in JSON."""

    code: Code

    def __init__(self, code: Code, reason: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.exit_code = code.exit_code
        self.details = dict(details or {})

    @property
    def refusal(self) -> Refusal:
        return Refusal(self.code, str(self))
