"""One writer for a session: an advisory lock on the very connection the commits go through.

Lock and commits share their fate: when the connection dies the lock is gone, and so is the ability to commit.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from triplegain.storage.database import AnyConnection, Connection
from triplegain.storage.errors import DatabaseAwayError, SessionLockedError

_KEY = "hashtextextended('triplegain session ' || $1, 0)"
_PIDS = f"""
SELECT l.pid FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = {_KEY}
"""
_HOLDER = f"SELECT string_agg(application_name, ', ') FROM pg_stat_activity WHERE pid IN ({_PIDS})"


@dataclass(slots=True)
class SessionWriter:
    """The connection that holds a session's lock. `turn` keeps concurrent commits apart; `step` is the last stored."""

    connection: Connection
    step: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    pid: int = field(init=False)
    has_failed: bool = field(default=False, init=False)
    #: Whoever writes has been told that no other connection can be had.
    is_away: bool = field(default=False, init=False)
    #: When the step was recorded that was sent and not answered, wall time: it is stored, or it is not.
    in_doubt_ns: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.pid = self.connection.get_server_pid()

    @property
    def is_lost(self) -> bool:
        """The connection is of no more use, and a new one must take the lock."""
        return self.has_failed or self.connection.is_closed()

    def goes_on_with(self, connection: Connection, stored: int) -> None:
        """The lock is held again, and `stored` is the last step there."""
        self.connection.terminate()
        self.connection, self.step = connection, stored
        self.has_failed, self.is_away, self.in_doubt_ns = False, False, None
        self.pid = connection.get_server_pid()


async def lock_session(connection: AnyConnection, session_id: str, *, for_transaction: bool = False) -> None:
    """Take the lock or raise SessionLockedError. It lasts as long as the connection, or the transaction."""
    function = "pg_try_advisory_xact_lock" if for_transaction else "pg_try_advisory_lock"
    if not await connection.fetchval(f"SELECT {function}({_KEY})", session_id):
        holder = await session_holder(connection, session_id) or "another process"
        raise SessionLockedError(
            f"the session {session_id} is in use by {holder}: stop that one first (Ctrl-C), "
            "or run beside it with another --session name"
        )


async def unlock_session(connection: AnyConnection, session_id: str) -> None:
    """Give up the lock of one session, on a connection that goes on with another."""
    await connection.execute(f"SELECT pg_advisory_unlock({_KEY})", session_id)


async def take_over(connection: AnyConnection, session_id: str, lost_pid: int) -> None:
    """The lock of a connection of ours that was lost: its server process may not have noticed, and is ended first.

    Raises SessionLockedError if another process has taken the session meanwhile, DatabaseAwayError while the old server
    process holds it still.
    """
    # Not the process that has the number now, only the one that holds this very lock.
    await connection.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM ({_PIDS}) h WHERE pid = $2", session_id, lost_pid
    )
    if lost_pid in [row["pid"] for row in await connection.fetch(_PIDS, session_id)]:
        raise DatabaseAwayError(
            f"the session {session_id} is held by server process {lost_pid}, which served us and does not end",
            f"server process {lost_pid} does not end",
        )
    await lock_session(connection, session_id)


async def session_holder(connection: AnyConnection, session_id: str) -> str | None:
    """The process that writes the session now; None if nobody does."""
    holder: str | None = await connection.fetchval(_HOLDER, session_id)
    return holder
