"""Who is let in: the key, its role, its budget of requests, and what is written down about those who are not."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from triplegain.api.access import Budget, RequestLimits, Role, is_loopback
from triplegain.api.routes import find_route
from triplegain.api.visit import Caller
from triplegain.domain.clock import SECOND_NS, Clock
from triplegain.domain.errors import TripleGainError
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code, RefusedError
from triplegain.storage.security_log import SecurityLog

_MINUTE_NS = 60 * SECOND_NS


class RateLimit:
    """A bucket for each key that holds one minute's worth and fills evenly (GCRA: one integer a key).

    At most `keys_max` keys are remembered; the one longest unseen is forgotten first.
    """

    def __init__(self, clock: Clock, keys_max: int = 1024) -> None:
        self._clock = clock
        self._keys_max = keys_max
        #: When the bucket of a key will be full again.
        self._full_at_ns: OrderedDict[Hashable, int] = OrderedDict()

    def take(self, key: Hashable, per_minute: int) -> int:
        """Take one request out of the bucket. 0, or the nanoseconds to wait when there was none and none was taken."""
        step_ns = _MINUTE_NS // per_minute
        now_ns = self._clock.now_ns()
        # A wall clock that was set back must not lock anybody out for longer than an empty bucket would.
        full_at_ns = min(max(self._full_at_ns.get(key, now_ns), now_ns), now_ns + step_ns * per_minute)
        wait_ns = full_at_ns + step_ns - (now_ns + step_ns * per_minute)
        self._remember(key, full_at_ns if wait_ns > 0 else full_at_ns + step_ns)
        return max(wait_ns, 0)

    def give_back(self, key: Hashable, per_minute: int) -> None:
        """Undo one `take`."""
        if key in self._full_at_ns:
            self._full_at_ns[key] -= _MINUTE_NS // per_minute

    def __len__(self) -> int:
        return len(self._full_at_ns)

    def _remember(self, key: Hashable, full_at_ns: int) -> None:
        self._full_at_ns[key] = full_at_ns
        self._full_at_ns.move_to_end(key)
        if len(self._full_at_ns) > self._keys_max:
            self._full_at_ns.popitem(last=False)


_LOG = logging.getLogger(__name__)

#: Keys that were wrong, a minute, of one address.
FAILURES_PER_ADDRESS = 20
_KNOWN_MAX = 64


class Doorkeeper:
    """Refusals are RefusedErrors. A key that was right before is not locked out by others guessing from its address."""

    def __init__(self, security: SecurityLog, limits: RequestLimits, clock: Clock) -> None:
        self._security = security
        self._limits = limits
        self._clock = clock
        self._addresses = RateLimit(clock)
        self._failures = RateLimit(clock)
        self._requests = RateLimit(clock)
        self._told = RateLimit(clock)
        self._known: OrderedDict[str, None] = OrderedDict()

    async def admit(self, scope: Scope, request_id: str) -> Caller:
        """Address, key, budget, role, in this order. Raises RefusedError 401, 403, 404, 405 or 429."""
        address = scope["client"][0] if scope.get("client") else "unknown"
        nobody = Caller(Role.PUBLIC, "nobody", address, request_id)
        await self._within(self._addresses, address, self._limits.address, nobody)
        if is_loopback(address) and _is_public(scope):
            return nobody
        caller, key_hash = await self._authenticated(scope, nobody)
        route = find_route(scope["method"], scope["path"])
        await self._within(self._requests, (key_hash, route.budget), getattr(self._limits, route.budget), caller)
        if caller.role < route.role:
            # The route as the table has it, never what the client wrote.
            told = {"method": route.method, "path": route.path, "needs": route.role.label}
            await self._record("authorization_denied", caller, told)
            raise RefusedError(Code.FORBIDDEN, f"this needs role {route.role.label}, your key is {caller.role.label}")
        return caller

    async def _authenticated(self, scope: Scope, nobody: Caller) -> tuple[Caller, str]:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        key_hash = hashlib.sha256(key.strip().encode()).hexdigest()
        known = key_hash in self._known
        if not known:
            await self._within(self._failures, nobody.address, FAILURES_PER_ADDRESS, nobody)
        role = await self._security.api_key_role(key_hash) if scheme.lower() == "bearer" and key else None
        if role is None:
            self._known.pop(key_hash, None)
            await self._record("auth_failure", nobody, {"reason": "wrong key" if key else "no key"})
            raise RefusedError(
                Code.UNAUTHORIZED,
                "send `Authorization: Bearer KEY`; the admin key is in the file admin.key of TRIPLEGAIN_HOME",
            )
        caller = Caller(Role.parse(role), f"{role}:{key_hash[:12]}", nobody.address, nobody.request_id)
        if not known:
            self._failures.give_back(nobody.address, FAILURES_PER_ADDRESS)
            self._known[key_hash] = None
            if len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
            await self._record("auth_success", caller, {})
        return caller, key_hash

    async def _within(self, budget: RateLimit, key: str | tuple[str, Budget], per_minute: int, caller: Caller) -> None:
        wait_ns = budget.take(key, per_minute)
        if wait_ns:
            # Once a minute: who floods us must not flood the record.
            if not self._told.take((id(budget), key), 1):
                await self._record("rate_limited", caller, {"per_minute": per_minute})
            wait_s = -(-wait_ns // SECOND_NS)
            raise RefusedError(
                Code.RATE_LIMITED,
                f"more than {per_minute} requests a minute: try again in {wait_s} s",
                {"retry_after_s": wait_s},
            )

    async def _record(self, kind: str, caller: Caller, details: Mapping[str, Any]) -> None:
        """Write it down; if that fails the answer stays what it was."""
        now_ns = self._clock.now_ns()
        event = SecurityEvent(kind, caller.actor, caller.address, caller.request_id, now_ns, details)
        try:
            await self._security.record_security_event(event)
        except TripleGainError as error:
            _LOG.warning("could not record the security event %s: %s", kind, error)


def _is_public(scope: Scope) -> bool:
    try:
        return find_route(scope["method"], scope["path"]).role is Role.PUBLIC
    except RefusedError:
        return False
