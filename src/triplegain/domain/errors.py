"""One base for every error the system raises on purpose; each room derives its own from it."""

from __future__ import annotations

import re


class TripleGainError(Exception):
    """An expected failure. `str(error)` tells a user what happened and what to do; `exit_code` ends a command.

    `code` is what a program can compare: a `SessionNotFoundError` is `session_not_found`.
    """

    exit_code = 1
    code: str = "triple_gain"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()


class StepRefusedError(TripleGainError):
    """What happened cannot be stored, and nothing of it is. `order_number`: of the order whose row is at fault."""

    code = "commit_refused"
    order_number: int | None = None


class InvalidValueError(TripleGainError, ValueError):
    """A number or name that cannot be what it claims to be: not finite, off the tick, negative, unknown."""

    exit_code = 2
