"""What can go wrong with what is stored, in words a user can act on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from triplegain.domain.errors import StepRefusedError, StoreAwayError, TripleGainError


class StorageError(TripleGainError):
    """The database is away, full, damaged, or refused. Nothing of the step at hand is half-stored."""

    exit_code = 5


class CommitRefusedError(StorageError, StepRefusedError):
    """What cannot be stored: replayed, skipped, out of balance, out of range, too long. Always a bug."""


class DatabaseAwayError(StoreAwayError, StorageError):
    """Not there, not in the mood, or its disk is full: the same may be asked again. Nothing of it is stored."""


class OutcomeUnknownError(DatabaseAwayError):
    """The connection died in a commit and the database cannot be asked: the step is stored, or it is not."""


class MigrationError(StorageError):
    """The schema on disk and the migration files do not belong together."""


class SessionNotFoundError(StorageError):
    """No session of this name."""

    exit_code = 2

    @classmethod
    def of(cls, session_id: str) -> SessionNotFoundError:
        return cls(f"there is no session {session_id}: `session list` shows those there are")


class SessionEndedError(StorageError):
    """An ended session can be read, never continued."""

    exit_code = 2


class SessionFormError(StorageError):
    """A session that this version of the program cannot go on with. Nothing of it is changed."""

    exit_code = 2


class BooksDifferError(StorageError):
    """What is stored of a session does not add up, or is not what its steps left. Nothing of it is changed."""

    @classmethod
    def of(cls, session_id: str, differences: str) -> BooksDifferError:
        return cls(
            f"the session {session_id} is damaged and does not start: {differences}. Somebody has changed what is "
            "stored, or a disk has: put it right, or restore a backup into a new TRIPLEGAIN_HOME (`tg db restore`); "
            "`tg db verify` tells more, and --reset begins anew and keeps the record"
        )


class SessionLockedError(StorageError):
    """Another process is writing this session."""

    exit_code = 7


class SessionTakenError(StorageError):
    """What is stored of a session of ours was written by somebody else."""

    exit_code = 7


#: What the driver raises, besides errors of its own, when the server is not there.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    asyncio.TimeoutError,
)

#: Among them, those after which the connection is of no more use.
_CONNECTION_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)

_NO_SPACE = "53100"
#: Conflicts with others, resources that are short, locks held by others, a server that goes or only reads, its disk.
_PASSING = ("08", "40", "53", "55", "57", "58", "25006")
_OURS = "TG"
#: A key that is there already, a row that is not, a value that no column takes or that is too long for any.
_NOT_STORABLE = ("22", "23", "54")
_WHAT_NOW = "What was acknowledged before is safe, and it goes on from there once the database is back."


def is_lost(error: BaseException) -> bool:
    """The connection is of no more use, and what it was asked to do may have been done or not."""
    state = getattr(error, "sqlstate", None) or ""
    return state[:2] in ("08", "57") or isinstance(error, _CONNECTION_LOST)


def explain(error: BaseException, doing: str) -> StorageError:
    """The error to raise for a failure of the driver or the server while `doing` something."""
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith(_NOT_STORABLE):
        return CommitRefusedError(f"{doing} was refused and nothing of it stored: {type(error).__name__}: {error}")
    if state.startswith(_OURS):
        return CommitRefusedError(f"{doing} was refused and nothing of it stored: {error}")
    if state == _NO_SPACE:
        said = error.args[0] if error.args else error
        return away(doing, f"the database's disk is full: {said}. Free some space")
    if is_lost(error):
        return away(doing, f"the database server is gone: {str(error) or type(error).__name__}")
    if state.startswith(_PASSING):
        return away(doing, f"the database cannot do it now: {type(error).__name__}: {error}")
    return StorageError(f"{doing} failed in the database: {type(error).__name__}: {error}. {_WHAT_NOW}")


def away(doing: str, why: str) -> DatabaseAwayError:
    """The error to raise where `doing` something has to wait for the database."""
    return DatabaseAwayError(f"{doing} failed, {why}. {_WHAT_NOW}", why)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """What fails of the driver or the server meanwhile is raised as the error for it."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise explain(error, doing) from error


def outcome_unknown(error: BaseException, doing: str) -> OutcomeUnknownError:
    """The error to raise where `doing` something lost its connection, and `error` kept us from asking how it ended."""
    why = error if isinstance(error, StorageError) else explain(error, "asking the database")
    words = f"{doing} lost its connection, and whether it is stored is not known: {why}"
    return OutcomeUnknownError(words, why.why if isinstance(why, DatabaseAwayError) else "")
