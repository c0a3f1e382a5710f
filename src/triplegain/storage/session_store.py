"""Paper sessions being written: created, resumed, committed to, ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from triplegain.domain.clock import Clock, to_datetime
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.parts import STANDING, PartChange
from triplegain.domain.records import CommitBatch, OpenRows, SecurityEvent, SessionRecord, SessionStatus
from triplegain.domain.storable import encode
from triplegain.storage import rows
from triplegain.storage.database import AnyConnection, Connection, Database
from triplegain.storage.encoding import batch_row, part_rows, security_row, text_amounts
from triplegain.storage.errors import (
    DRIVER_ERRORS,
    BooksDifferError,
    CommitRefusedError,
    DatabaseAwayError,
    SessionEndedError,
    SessionFormError,
    SessionNotFoundError,
    SessionTakenError,
    StorageError,
    explain,
    explained,
    is_lost,
    outcome_unknown,
)
from triplegain.storage.forms import FORMS
from triplegain.storage.forms.conversion import Forms, Kept
from triplegain.storage.session_lock import SessionWriter, lock_session, take_over, unlock_session
from triplegain.storage.stored_books import at_start

#: A session and where it stands; `standing` says whether it is paused or halted.
SESSION_QUERY = f"""
SELECT s.*, t.recorded_at AS updated_at, t.market_time_ns, t.state, t.feed_position, t.step,
       coalesce(p.state, t.state) AS standing
FROM paper_sessions s JOIN paper_session_state t USING (session_id)
LEFT JOIN paper_session_parts p ON p.session_id = s.session_id AND p.part = '{STANDING}'
"""
_INSERT = """
WITH new AS (
    INSERT INTO paper_sessions VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING session_id)
INSERT INTO paper_session_state (session_id, market_time_ns, recorded_at)
SELECT session_id, $9, $10 FROM new RETURNING true
"""
#: A session by the name that was wanted, with a suffix or without, and its time; but for the one before it.
_CREATED = rf"""{SESSION_QUERY}
WHERE s.session_id <> $3 AND s.created_at = $2 AND s.session_id ~ ('^' || $1 || '(_\d+)?$')
ORDER BY length(s.session_id) DESC, s.session_id DESC LIMIT 1
"""
_COMMIT = "SELECT paper_commit($1, $2, $3)"
#: One statement: both are stored or neither.
_COMMIT_MARKED = f"{_COMMIT}, paper_keep_mark($1, $4, $5, $6, $7)"
_LATEST = f"""{SESSION_QUERY}
WHERE s.status <> 'ended' AND s.feed = $1 ORDER BY t.recorded_at DESC, s.created_at DESC LIMIT 1
"""
#: Orders, positions, balances and ledger, as `OpenRows` has them.
_OPEN = (
    """SELECT order_number, filled_quantity, coalesce((SELECT sum(quantity) FROM paper_trades f
    WHERE f.session_id = $1 AND f.order_number = o.order_number), 0)
    FROM paper_orders o WHERE session_id = $1 AND status IN ('pending', 'open', 'partially_filled')""",
    "SELECT position_id, quantity FROM paper_positions WHERE session_id = $1 AND closed_at_ns IS NULL",
    "SELECT asset, total, held FROM paper_balances WHERE session_id = $1",
    "SELECT account, asset, sum(amount) FROM paper_ledger_entries WHERE session_id = $1 GROUP BY account, asset",
)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """All of one moment: the last commit. A session without a commit has no `parts`, form 0 and position 0.

    `parts` are the JSON of each part and key, `rows` what must agree with them, `mark` how the market stood at that
    step or an earlier one (empty: nobody knows).
    """

    session: SessionRecord
    form: int
    parts: Mapping[tuple[str, str], bytes]
    feed_position: int
    market_time_ns: int
    rows: OpenRows
    mark: Mapping[str, bytes]


class SessionStore:
    """Writes sessions. One process writes a session at a time; reading is for `SessionReader`.

    Every method raises StorageError when the database fails, SessionLockedError when another process writes the
    session, SessionNotFoundError and SessionEndedError where they say so.
    """

    def __init__(self, database: Database, clock: Clock, forms: Forms = FORMS) -> None:
        self._database = database
        self._forms = forms
        self._clock = clock
        self._writers: dict[str, SessionWriter] = {}

    @property
    def held(self) -> tuple[str, ...]:
        """The sessions this store writes: nobody else does."""
        return tuple(self._writers)

    async def create(self, session: SessionRecord) -> SessionRecord:
        """Open a new session and hold its lock. An id that exists gets the suffix _2, _3, ..."""
        async with self._writing("creating the session") as connection, connection.transaction():
            created = await _create(connection, session)
        self._writers[created.session_id] = SessionWriter(connection)
        return created

    async def latest(self, feed: str) -> SessionRecord | None:
        """The session of a feed that was stored last and has not ended."""
        row = await self._database.row("looking for a session to go on with", _LATEST, feed)
        return None if row is None else rows.read(SessionRecord, row)

    async def resume(self, session_id: str, *, to_end: bool = False) -> StoredSession:
        """Take up a session where its last commit left it, active again, and hold its lock.

        One of an earlier form is converted; one that there is no way from, or whose books do not agree, is refused,
        unless it is taken up `to_end` it.
        """
        if session_id in self._writers:
            raise StorageError(f"the session {session_id} is already open in this process")
        async with self._writing(f"resuming the session {session_id}") as connection:
            async with connection.transaction():
                await lock_session(connection, session_id)
                row = await session_row(connection, session_id)
                if row["status"] == SessionStatus.ENDED:
                    raise SessionEndedError(
                        f"the session {session_id} has ended: its report can be read, but it cannot go on. "
                        "Start a new one with another --session name"
                    )
                if not to_end:
                    await self._bring_up(connection, row)
                await _set_status(connection, session_id, SessionStatus.ACTIVE, self._clock.now_ns())
                row = await session_row(connection, session_id)
            stored = await _stored(connection, row)
        self._writers[session_id] = SessionWriter(connection, row["step"])
        return stored

    @asynccontextmanager
    async def _writing(self, doing: str) -> AsyncIterator[Connection]:
        """A connection to write a session with; one that does not come to it leaves no lock behind."""
        connection = await self._database.dedicated()
        try:
            yield connection
        except DRIVER_ERRORS as error:
            await connection.close(timeout=1)
            raise explain(error, doing) from error
        except StorageError:
            # Waits until the server has let the lock go: whoever asked for a name may create it next.
            await connection.close()
            raise
        except BaseException:
            connection.terminate()
            raise

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        """Store one step: one round trip, one transaction. When it returns the step is on disk.

        Raises CommitRefusedError for a batch that does not continue what is stored or does not add up, and
        DatabaseAwayError where the database cannot be reached: the same batch may be given again, and is stored once.
        It is an OutcomeUnknownError where the batch was sent and nobody can be asked whether it is stored.
        """
        writer = self._writers.get(session_id)
        if writer is None:
            raise StorageError(f"the session {session_id} is not open for writing in this process")
        doing = f"storing a step of the session {session_id}"
        async with writer.turn:
            step = writer.step + 1
            arguments: tuple[Any, ...] = (session_id, batch_row(batch, step), part_rows(batch.parts))
            commit, mark = _COMMIT, batch.mark
            if mark is not None:
                commit = _COMMIT_MARKED
                arguments = (*arguments, list(mark.put), list(mark.put.values()), mark.gone, mark.is_first)
            # A connection may have died long ago without anybody having noticed: one more is tried.
            for is_last in (False, True):
                try:
                    if writer.is_lost:
                        await self._take_up_again(session_id, writer)
                    if writer.step < step:
                        writer.in_doubt_ns = batch.recorded_at_ns
                        await writer.connection.fetchval(commit, *arguments)
                    break
                except DRIVER_ERRORS as error:
                    writer.has_failed = is_lost(error)
                    if not writer.has_failed:
                        writer.in_doubt_ns = None
                        raise _refused(error, doing, batch) from error
                    if is_last:
                        raise outcome_unknown(error, doing) from error
                except DatabaseAwayError as away:
                    if writer.in_doubt_ns is None:
                        raise
                    raise outcome_unknown(away, doing) from away
                except asyncio.CancelledError:
                    writer.has_failed = True
                    raise
            writer.step, writer.in_doubt_ns = step, None

    def is_lost(self, session_id: str) -> bool:
        """The connection of a session of ours is broken, which the next step mends."""
        return session_id in self._writers and self._writers[session_id].is_lost

    @asynccontextmanager
    async def _turn(self, session_id: str, doing: str) -> AsyncIterator[SessionWriter]:
        """A session of ours, while nobody else writes it."""
        writer = self._writers[session_id]
        async with writer.turn:
            with explained(doing):
                if writer.is_lost:
                    await self._take_up_again(session_id, writer)
                try:
                    yield writer
                except DRIVER_ERRORS as error:
                    writer.has_failed = is_lost(error)
                    if not writer.has_failed:
                        writer.in_doubt_ns = None
                    raise
                writer.in_doubt_ns = None

    async def stored(self, session_id: str) -> StoredSession:
        """A session that is open for writing here, as its last commit left it."""
        async with self._turn(session_id, f"reading the session {session_id} again") as writer:
            return await _stored(writer.connection, await session_row(writer.connection, session_id))

    async def _bring_up(self, connection: AnyConnection, row: Any) -> None:
        """Compare the books, and convert a session of an earlier form, as a step in which nothing but its form changes.

        Raises SessionFormError for one of a newer form, or of one that there is no way from, and BooksDifferError.
        """
        session_id, form = row["session_id"], _form(row)
        if why := self._forms.refusal(form):
            start = "start a new one with --reset, or with another --session"
            raise SessionFormError(f"the session {session_id} {why}; {start}")
        if differences := await at_start(connection, session_id):
            raise BooksDifferError.of(session_id, "; ".join(differences))
        if form in (0, self._forms.current):
            return
        query = "SELECT * FROM {} WHERE session_id = $1"
        rows = {table: await connection.fetch(query.format(table), session_id) for table in self._forms.tables(form)}
        parts = {name: msgspec.json.decode(state) for name, state in (await _parts(connection, session_id)).items()}
        kept = self._forms.convert(Kept(row, row["state"], parts, rows), form)
        changes = [PartChange(*name, encode(state)) for name, state in kept.parts.items()]
        changes += [PartChange(*name, None) for name in parts.keys() - kept.parts.keys()]
        left = {"state": {"form": self._forms.current}, **({"alerts": kept.alerts} if kept.alerts else {})}
        await self._step_apart(connection, row, changes, **left)

    async def _step_apart(
        self, connection: AnyConnection, row: Any, changes: Iterable[PartChange] = (), **what: Any
    ) -> None:
        """A step after the one that `row` tells of in which the market stands still, with `what` of a batch."""
        step = {
            "step": row["step"] + 1,
            "state": row["state"],
            "feed_position": row["feed_position"],
            "market_time_ns": row["market_time_ns"],
            "recorded_at_ns": self._clock.now_ns(),
            **what,
        }
        await connection.fetchval(_COMMIT, row["session_id"], step, part_rows(changes))

    async def _take_up_again(self, session_id: str, writer: SessionWriter) -> None:
        """The lock on a new connection, and where the session stands there: what the old one was doing is over then.

        Raises DatabaseAwayError, SessionLockedError, and SessionTakenError where somebody else has written it.
        """
        connection = await self._connected_again(writer)
        try:
            with explained(f"taking up the session {session_id} again"):
                await take_over(connection, session_id, writer.pid)
                row = await session_row(connection, session_id)
            stored, sent_ns = row["step"], writer.in_doubt_ns
            is_ours = sent_ns is not None and row["updated_at"] == to_datetime(sent_ns)
            if stored != writer.step and not (stored == writer.step + 1 and is_ours):
                raise SessionTakenError(
                    f"the session {session_id} stands at step {stored} in the database and at {writer.step} here: "
                    "another process has written it; start it again to go on from what is stored"
                )
        except BaseException:
            connection.terminate()
            raise
        writer.goes_on_with(connection, stored)

    async def _connected_again(self, writer: SessionWriter) -> Connection:
        """A server that lets nobody in is brought back once we are asked again: whoever writes knows of it first."""
        try:
            return await self._database.dedicated()
        except DatabaseAwayError:
            if not writer.is_away:
                writer.is_away = True
                raise
        await self._database.revive()
        return await self._database.dedicated()

    async def set_status(self, session_id: str, status: SessionStatus) -> SessionRecord:
        """Pause, activate or end a session, ours or one that nobody writes. An ended one keeps all its rows and is
        final."""
        doing = f"setting the session {session_id} to {status}"
        if session_id not in self._writers:
            async with self._database.transaction(doing) as connection:
                await lock_session(connection, session_id, for_transaction=True)
                return await _change_status(connection, session_id, status, self._clock.now_ns())
        async with self._turn(session_id, doing) as writer, writer.connection.transaction():
            return await _change_status(writer.connection, session_id, status, self._clock.now_ns())

    async def reconfigure(
        self, session_id: str, settings: Mapping[str, Any], without: tuple[str, ...] = ()
    ) -> SessionRecord:
        """Store other settings of a session of ours, which the parts named by `without` do not fit: they go with it, in
        a step of its own."""
        async with self._turn(session_id, f"storing the settings of the session {session_id}") as writer:
            async with writer.connection.transaction():
                row = await session_row(writer.connection, session_id)
                parts = await _parts(writer.connection, session_id)
                gone = [PartChange(*name, None) for name in parts if name[0] in without]
                await self._step_apart(writer.connection, row, gone, settings=settings)
            row = await session_row(writer.connection, session_id)
            writer.step = row["step"]
            return rows.read(SessionRecord, row)

    async def reset(
        self, session_id: str, successor: SessionRecord, *, audit: SecurityEvent | None = None
    ) -> SessionRecord:
        """End a session of ours, which keeps every row it has, and open `successor` in its place: both or none.

        May be asked again where the database was lost on the way.
        """
        now_ns = self._clock.now_ns()
        async with self._turn(session_id, f"opening a session after {session_id}") as writer:
            writer.in_doubt_ns = now_ns
            async with writer.connection.transaction():
                before = await session_row(writer.connection, session_id)
                if before["status"] == SessionStatus.ENDED:
                    # It was done over a connection that was lost then, and nobody heard of it.
                    created = await _successor_of(writer.connection, session_id, successor)
                else:
                    if audit is not None:
                        # Who acted is a step of its own.
                        acted = [security_row(audit)]
                        await self._step_apart(writer.connection, before, security_events=acted, recorded_at_ns=now_ns)
                    await _change_status(writer.connection, session_id, SessionStatus.ENDED, now_ns)
                    created = await _create(writer.connection, successor)
            await unlock_session(writer.connection, session_id)
        del self._writers[session_id]
        self._writers[created.session_id] = SessionWriter(writer.connection)
        return created

    async def release(self, session_id: str) -> None:
        """Give up the lock; the session stays as it is."""
        writer = self._writers.pop(session_id, None)
        if writer is not None:
            async with writer.turn:
                if writer.is_lost:
                    writer.connection.terminate()
                    return
                try:
                    await writer.connection.close(timeout=2)
                except DRIVER_ERRORS:
                    # The server is gone or going: the lock went with the connection.
                    writer.connection.terminate()

    async def close(self) -> None:
        for session_id in list(self._writers):
            await self.release(session_id)


async def _change_status(
    connection: AnyConnection, session_id: str, status: SessionStatus, now_ns: int
) -> SessionRecord:
    """Raises SessionEndedError for one that is over, unless that is wanted."""
    row = await session_row(connection, session_id)
    if row["status"] == SessionStatus.ENDED and status is not SessionStatus.ENDED:
        raise SessionEndedError(f"the session {session_id} has ended and stays so: start a new one")
    if row["status"] != status:
        await _set_status(connection, session_id, status, now_ns)
    return rows.read(SessionRecord, await session_row(connection, session_id))


async def _create(connection: AnyConnection, session: SessionRecord) -> SessionRecord:
    """With its lock; an id that exists gets a suffix."""
    record, suffix = session, 1
    while not await _insert(connection, record):
        suffix += 1
        record = replace(session, session_id=f"{session.session_id}_{suffix}")
    await lock_session(connection, record.session_id)
    await connection.execute("SELECT paper_seal($1)", record.session_id)
    return rows.read(SessionRecord, await session_row(connection, record.session_id))


async def _successor_of(connection: AnyConnection, session_id: str, wanted: SessionRecord) -> SessionRecord:
    """The session that was created in the place of another, with its lock. Raises SessionEndedError without any."""
    found = await connection.fetchrow(_CREATED, wanted.session_id, to_datetime(wanted.created_at_ns), session_id)
    if found is None:
        raise SessionEndedError(f"the session {session_id} has ended already")
    await lock_session(connection, found["session_id"])
    return rows.read(SessionRecord, found)


async def _insert(connection: AnyConnection, session: SessionRecord) -> bool:
    """False if a session of this id exists."""
    inserted = await connection.fetchval(
        _INSERT,
        session.session_id,
        session.status,
        session.feed,
        session.seed,
        text_amounts(session.initial_balances),
        session.settings,
        to_datetime(session.created_at_ns),
        None if session.ended_at_ns is None else to_datetime(session.ended_at_ns),
        session.market_time_ns,
        to_datetime(session.updated_at_ns),
    )
    return bool(inserted)


async def session_row(connection: AnyConnection, session_id: str) -> Any:
    """Raises SessionNotFoundError."""
    row = await connection.fetchrow(SESSION_QUERY + "WHERE s.session_id = $1", session_id)
    if row is None:
        raise SessionNotFoundError.of(session_id)
    return row


async def _set_status(connection: AnyConnection, session_id: str, status: SessionStatus, now_ns: int) -> None:
    now = to_datetime(now_ns)
    await connection.execute(
        "WITH changed AS (UPDATE paper_sessions SET status = $2, ended_at = $3 WHERE session_id = $1), "
        "unmarked AS (DELETE FROM paper_feed_marks WHERE session_id = $1 AND $2 = 'ended') "
        "UPDATE paper_session_state SET recorded_at = $4 WHERE session_id = $1",
        session_id,
        status,
        now if status is SessionStatus.ENDED else None,
        now,
    )


def _refused(error: BaseException, doing: str, batch: CommitBatch) -> StorageError:
    """Why a step is not stored, with the order at fault: the one that the refused row names, or the only one."""
    told = explain(error, doing)
    if isinstance(told, CommitRefusedError):
        row = getattr(error, "detail", None) or ""
        named = [order for order in batch.orders if f", {order.request.client_order_id}, " in row]
        at_fault = {order.order_number for order in named or batch.orders}
        told.order_number = at_fault.pop() if len(at_fault) == 1 else None
    return told


def _form(row: Any) -> int:
    """0: nothing was ever stored of it. The first form did not say so; what is damaged is as good as that."""
    state = row["state"]
    return int(state.get("form", 1 if state else 0)) if isinstance(state, dict) else 1


async def _parts(connection: AnyConnection, session_id: str) -> dict[tuple[str, str], bytes]:
    query = "SELECT part, key, state::text FROM paper_session_parts WHERE session_id = $1"
    return {(each["part"], each["key"]): each["state"].encode() for each in await connection.fetch(query, session_id)}


async def _stored(connection: AnyConnection, row: Any) -> StoredSession:
    return StoredSession(
        session=rows.read(SessionRecord, row),
        form=_form(row),
        parts=await _parts(connection, row["session_id"]),
        feed_position=row["feed_position"],
        market_time_ns=row["market_time_ns"],
        rows=await _open_rows(connection, row["session_id"]),
        mark=dict(
            await connection.fetch("SELECT key, state FROM paper_feed_marks WHERE session_id = $1", row["session_id"])
        ),
    )


async def _open_rows(connection: AnyConnection, session_id: str) -> OpenRows:
    orders, positions, balances, entries = [await connection.fetch(q, session_id) for q in _OPEN]
    return OpenRows(
        {number: (filled, fills) for number, filled, fills in orders},
        dict(positions),
        {asset: (total, held) for asset, total, held in balances},
        {(LedgerAccount(account), asset): amount for account, asset, amount in entries},
    )
