"""Which session a request names: in its path, or in the header of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from triplegain.api.address import SESSION_HEADER
from triplegain.domain.refusals import Code, RefusedError

PREFIX = "/api/v1"
SESSIONS = f"{PREFIX}/sessions"
#: Before every resource of a session; without it the main session is meant.
ONE_SESSION = f"{SESSIONS}/{{session}}"
_ONE = re.compile(rf"{SESSIONS}/(?P<session>[^/]+)(?P<rest>/.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Addressee:
    """`names` are the sessions a request names: none, one, or several that contradict each other. `base` stands between
    the API's prefix and a resource, as it was asked for. `path` is where that resource of the main session is."""

    names: frozenset[str]
    base: str
    path: str

    @property
    def session(self) -> str | None:
        """None where none is named. Raises RefusedError for several."""
        if len(self.names) > 1:
            raise RefusedError(
                Code.INVALID_REQUEST,
                f"the path and every {SESSION_HEADER} must name the same session: send one of them",
            )
        return next(iter(self.names), None)


def addressee(scope: Scope) -> Addressee:
    """Of a request over HTTP. A path that names no session is left as it is."""
    names = frozenset(Headers(scope=scope).getlist(SESSION_HEADER))
    found = _ONE.fullmatch(scope["path"])
    if found is None:
        return Addressee(names, "", scope["path"])
    return Addressee(names | {found["session"]}, f"/sessions/{found['session']}", PREFIX + found["rest"])
