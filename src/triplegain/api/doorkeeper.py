"""Who is let in, as whom, and out of which budget: by a key, or by the kernel's word at the owner's socket."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from triplegain.api.access import RequestLimits, Role, is_loopback, sender
from triplegain.api.addressee import Addressee
from triplegain.api.allowed_hosts import AllowedHosts
from triplegain.api.control import SessionDirectory
from triplegain.api.known_keys import KnownKeys
from triplegain.api.rate_limit import RateLimit, too_many
from triplegain.api.routes import find_route
from triplegain.api.strangers import Strangers
from triplegain.api.visit import Caller
from triplegain.domain.clock import Clock
from triplegain.domain.errors import TripleGainError
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code, RefusedError
from triplegain.storage.security_log import SecurityLog

_LOG = logging.getLogger(__name__)
_SEEN_MAX = 1024
#: In the state of a scope: the user at the owner's socket, the connection of the network that can be held, and the
#: session the request names.
PEER_UID, CONNECTION, ADDRESSEE = "peer_uid", "connection", "addressee"
#: A budget for each kind of request of each key in each session.
_BUDGETS_MAX = 16_384


class Doorkeeper(ABC):
    """`admit` raises RefusedError 401, 403, 404, 405, 421, 422 or 429."""

    def __init__(self, security: SecurityLog, limits: RequestLimits, clock: Clock, directory: SessionDirectory) -> None:
        self._security = security
        self._limits = limits
        self._clock = clock
        self._directory = directory
        self._requests = RateLimit(clock, _BUDGETS_MAX)
        self._told = RateLimit(clock, _BUDGETS_MAX)
        self._seen: OrderedDict[str, None] = OrderedDict()

    @abstractmethod
    async def admit(self, scope: Scope, request_id: str) -> Caller: ...

    async def _allowed(self, scope: Scope, caller: Caller) -> Caller:
        """One that we know, whose session so far is the only one he reaches, None for all: his budget, his role, and
        whether he reaches the session he names."""
        await self._greet(caller)
        asked: Addressee = scope["state"][ADDRESSEE]
        route = find_route(scope["method"], asked)
        named = asked.session
        per_minute: int = getattr(self._limits, route.budget)
        budget = (caller.actor, self._room(named), route.budget)
        if wait_ns := self._requests.take(budget, per_minute):
            # Once a minute: who floods us must not flood the record.
            if not self._told.take(budget, 1):
                await self._record("rate_limited", caller, {"per_minute": per_minute, "budget": route.budget.value})
            raise too_many("such requests", caller.actor, route.budget.value, per_minute, wait_ns)
        needed = route.role_for(asked)
        # The route as the table has it, never what the client wrote.
        told = {"method": route.method, "path": route.path}
        if caller.role < needed:
            await self._record("authorization_denied", caller, {**told, "needs": needed.label})
            raise RefusedError(Code.FORBIDDEN, f"this needs role {needed.label}, your key is {caller.role.label}")
        if named is not None and caller.session not in (None, named):
            await self._record("authorization_denied", caller, {**told, "needs": "a key of another session"})
            raise RefusedError(Code.FORBIDDEN, f"your key is for session {caller.session} and no other")
        return replace(caller, session=named or caller.session, base=asked.base)

    def _room(self, named: str | None) -> str:
        """Whose budget of a key a request counts against: no session takes from another's, and the main one is the same
        with its name and without. Names under which nothing runs share one, so that they are no way to more."""
        running = self._directory.running()
        return named if named is not None and named in running[1:] else ""

    async def _greet(self, caller: Caller) -> None:
        if caller.actor in self._seen:
            return
        self._seen[caller.actor] = None
        if len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)
        await self._record("auth_success", caller, {})

    async def _record(self, kind: str, caller: Caller, details: Mapping[str, Any]) -> None:
        """Write it down; if that fails the answer stays what it was."""
        now_ns = self._clock.now_ns()
        of_session = {} if caller.session is None else {"session": caller.session}
        event = SecurityEvent(kind, caller.actor, caller.address, caller.request_id, now_ns, {**details, **of_session})
        try:
            await self._security.record_security_events([event])
        except TripleGainError as error:
            _LOG.warning("could not record the security event %s: %s", kind, error)


class OwnerDoorkeeper(Doorkeeper):
    """Whoever is connected to the owner's socket is the user this process runs as, or root: an administrator."""

    async def admit(self, scope: Scope, request_id: str) -> Caller:
        uid = scope["state"][PEER_UID]
        return await self._allowed(scope, Caller(Role.ADMIN, f"admin:uid {uid}", "local", request_id))


class NetworkDoorkeeper(Doorkeeper):
    """A key that is known is looked at first: what strangers do takes nothing away from it."""

    def __init__(
        self,
        security: SecurityLog,
        limits: RequestLimits,
        clock: Clock,
        directory: SessionDirectory,
        keys: KnownKeys,
        strangers: Strangers,
        hosts: AllowedHosts,
    ) -> None:
        super().__init__(security, limits, clock, directory)
        self._keys = keys
        self._strangers = strangers
        self._hosts = hosts

    async def admit(self, scope: Scope, request_id: str) -> Caller:
        address = scope["client"][0] if scope.get("client") else "unknown"
        headers = Headers(scope=scope)
        connection = scope["state"].get(CONNECTION)
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key_hash = hashlib.sha256(key.strip().encode()).hexdigest()
        known = self._keys.known(key_hash) if scheme.lower() == "bearer" else None
        if known is not None:
            if connection is not None:
                connection.recognise()
            self._hosts.check(headers)
            actor = f"{known.role.label}:{key_hash[:12]}"
            return await self._allowed(scope, Caller(known.role, actor, address, request_id, known.session))
        try:
            return self._stranger(scope, headers, Caller(Role.PUBLIC, "nobody", address, request_id))
        except RefusedError as refused:
            self._strangers.refused(sender(address), refused.code)
            if refused.code is Code.RATE_LIMITED and connection is not None:
                connection.hold()
            raise

    def _stranger(self, scope: Scope, headers: Headers, nobody: Caller) -> Caller:
        """Raises RefusedError for all but public routes on this machine."""
        address = sender(nobody.address)
        self._strangers.admit(address)
        self._hosts.check(headers)
        if is_loopback(nobody.address) and _is_public(scope):
            return nobody
        self._strangers.guess(address)
        raise RefusedError(
            Code.UNAUTHORIZED,
            "send `Authorization: Bearer KEY`; the admin key is in the file admin.key of TRIPLEGAIN_HOME",
        )


def _is_public(scope: Scope) -> bool:
    asked: Addressee = scope["state"][ADDRESSEE]
    try:
        return find_route(scope["method"], asked).role_for(asked) is Role.PUBLIC
    except RefusedError:
        return False
