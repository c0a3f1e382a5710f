"""`session`: keys for the HTTP API that reach one session and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from triplegain.api.keys import make_session_key
from triplegain.cli.client import JsonOption, tell
from triplegain.cli.database import with_database
from triplegain.cli.tables import WHOLE, moment, table_of
from triplegain.domain.clock import SystemClock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.json_form import plain_json
from triplegain.domain.outside import tame_lines
from triplegain.domain.records import SessionStatus
from triplegain.domain.storable import storable
from triplegain.storage.database import Database
from triplegain.storage.errors import SessionEndedError
from triplegain.storage.security_log import SecurityLog, SessionKey
from triplegain.storage.session_reader import SessionReader

_KeyRole = Literal["viewer", "trader", "admin"]
_Id = Annotated[str, typer.Argument(help="The session's id, as `session list` shows it.")]


def key(
    session: _Id,
    role: Annotated[
        _KeyRole, typer.Option(help="What it may do: look, trade, or also pause, resume and reset.")
    ] = "trader",
    name: Annotated[str, typer.Option(help="Whose it is, for you.")] = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="Make none: shut out all keys of this session.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A key for the HTTP API that reaches this session and no other, shown once."""

    async def change(database: Database) -> dict[str, Any]:
        if (await SessionReader(database).session(session)).status is SessionStatus.ENDED and not revoke:
            raise SessionEndedError(
                f"the session {session} has ended: it does not run again, and a key is no use to it"
            )
        security = SecurityLog(database, SystemClock())
        if revoke:
            return {"session": session, "revoked": await security.revoke_session_keys(session)}
        return {
            "session": session,
            "role": role,
            "key": await make_session_key(security, session, role, storable(name)),
        }

    tell(as_json, with_database(change), _key_view)


def _key_view(found: Mapping[str, Any]) -> str:
    if "key" in found:
        return f"{found['key']}\nThis key ({found['role']}) reaches {found['session']} alone. It is not shown again."
    return f"Keys of {found['session']} that are shut out now: {found['revoked']}."


def keys(
    session: Annotated[str | None, typer.Argument(help="Its id; without one the keys of all sessions.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The keys of sessions, the latest first, each by the beginning of its hash."""

    async def read(database: Database) -> list[SessionKey]:
        if session is not None:
            await SessionReader(database).session(session)
        return await SecurityLog(database, SystemClock()).session_keys(session)

    tell(as_json, with_database(read), _keys_view, lambda found: [plain_json(each._asdict()) for each in found])


def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The beginning of its hash, as `session keys` shows it.")],
    as_json: JsonOption = False,
) -> None:
    """Shut out one key of a session, within a second."""

    async def change(database: Database) -> dict[str, str]:
        session = await SecurityLog(database, SystemClock()).revoke_session_key(key)
        if session is None:
            raise InvalidValueError(
                f"no key of a session that is let in begins with {key!r}: `session keys` shows them"
            )
        return {"session": session, "key": key}

    tell(as_json, with_database(change), lambda found: f"The key {found['key']} of {found['session']} is shut out now.")


def _keys_view(found: Sequence[SessionKey]) -> RenderableType:
    if not found:
        return "There is no key of a session: `tg session key ID` makes one."
    return table_of(
        found,
        ("Key", "key", WHOLE),
        ("Session", "session", WHOLE),
        ("Role", "role"),
        ("Name", lambda each: tame_lines(each.name)),
        ("Made (UTC)", lambda each: moment(each.created_at_ns), WHOLE),
        ("Stands", lambda each: "let in" if each.revoked_at_ns is None else f"out {moment(each.revoked_at_ns)}"),
    )
