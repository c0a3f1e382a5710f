"""What the user is told when the database fails."""

from __future__ import annotations

import asyncpg
import pytest

from triplegain.storage.database import Database
from triplegain.storage.errors import CommitRefusedError, DatabaseAwayError, StorageError, explain


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (asyncpg.DiskFullError("could not extend file"), "disk is full"),
        (asyncpg.AdminShutdownError("terminating connection"), "server is gone"),
        (asyncpg.ConnectionDoesNotExistError("connection was closed"), "server is gone"),
        (ConnectionRefusedError("refused"), "server is gone"),
        (asyncpg.InterfaceError("connection is closed"), "server is gone"),
        (asyncpg.UndefinedTableError("no such table"), "UndefinedTableError"),
    ],
)
def test_each_failure_has_its_words_and_the_exit_code_of_storage(error: Exception, says: str) -> None:
    told = explain(error, "storing a step")
    assert says in str(told)
    assert str(told).startswith("storing a step failed")
    assert (told.exit_code, isinstance(told, CommitRefusedError)) == (5, False)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (asyncpg.DiskFullError("could not extend file"), True),
        (asyncpg.OutOfMemoryError("out of memory"), True),
        (asyncpg.TooManyConnectionsError("sorry, too many clients"), True),
        (asyncpg.CannotConnectNowError("the database system is in recovery mode"), True),
        (asyncpg.DeadlockDetectedError("deadlock"), True),
        (asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT"), True),
        (asyncpg.LockNotAvailableError("lock"), True),
        (asyncpg.PostgresIOError("could not read block"), True),
        (asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"), True),
        (TimeoutError(), True),
        (asyncpg.UndefinedFunctionError("no such function"), False),
        (asyncpg.InsufficientPrivilegeError("permission denied"), False),
        (asyncpg.DataCorruptedError("invalid page"), False),
    ],
)
def test_what_may_pass_may_be_asked_again(error: Exception, passes: bool) -> None:
    told = explain(error, "storing a step")
    assert isinstance(told, DatabaseAwayError) == passes
    assert told.code == ("database_away" if passes else "storage")


@pytest.mark.parametrize(
    "kind", [asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError, asyncpg.CheckViolationError]
)
def test_what_contradicts_the_record_is_refused(kind: type[asyncpg.PostgresError]) -> None:
    told = explain(kind("duplicate key"), "storing a step")
    assert isinstance(told, CommitRefusedError)
    assert str(told) == f"storing a step was refused and nothing of it stored: {kind.__name__}: duplicate key"


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StorageError, match=r"postgresql://user@127\.0\.0\.1:1/db") as failed:
        await Database.connect("postgresql://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(failed.value)
