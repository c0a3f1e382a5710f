"""One base for every error the system raises on purpose; each room derives its own from it."""

from __future__ import annotations

import re

from triplegain.domain.outside import tame_lines

#: Of a sentence that quotes what somebody sent; the faults of a whole configuration are fewer.
_CHARACTERS_MAX = 20_000


class TripleGainError(Exception):
    """An expected failure. `str(error)` tells a user what happened and what to do; `exit_code` ends a command.

    `code` is what a program can compare: a `SessionNotFoundError` is `session_not_found`. Whatever the words quote
    (a file's name, an answer, an argument) is tame.
    """

    exit_code = 1
    code: str = "triple_gain"

    def __init__(self, message: object = "") -> None:
        super().__init__(tame_lines(str(message), _CHARACTERS_MAX))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()


class StepRefusedError(TripleGainError):
    """What happened cannot be stored, and nothing of it is. `order_number`: of the order whose row is at fault."""

    code = "commit_refused"
    order_number: int | None = None


class StoreAwayError(TripleGainError):
    """The store cannot be reached for now, or has no room: the same may be asked of it again. `why` is the short of it.

    What was asked is surely not stored, unless its code is `outcome_unknown`.
    """

    exit_code = 5
    code = "database_away"

    def __init__(self, words: str, why: str = "") -> None:
        super().__init__(words)
        self.why = why or words


class StoreSilentError(StoreAwayError):
    """The store was given up while it had not answered: it may have stored what was asked, or may not."""

    code = "outcome_unknown"


class InvalidValueError(TripleGainError, ValueError):
    """A number or name that cannot be what it claims to be: not finite, off the tick, negative, unknown."""

    exit_code = 2
