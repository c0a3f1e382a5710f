"""One base for every error the system raises on purpose; each room derives its own from it."""

from __future__ import annotations


class TripleGainError(Exception):
    """An expected failure. `str(error)` tells a user what happened and what to do; `exit_code` ends a command."""

    exit_code = 1


class InvalidValueError(TripleGainError, ValueError):
    """A number or name that cannot be what it claims to be: not finite, off the tick, negative, unknown."""

    exit_code = 2
