"""Three sessions in one process, and one that is stored and has ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tests.api.conftest import Bench
from tests.api.guarded_app import guard_of
from tests.api.stored_control import StoredControl
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.api.access import RequestLimits
from triplegain.api.app import create_app
from triplegain.api.control import SessionControl, does_not_run
from triplegain.api.keys import key_hash
from triplegain.domain.records import SessionStatus
from triplegain.storage.session_store import SessionStore

MAIN, SECOND, THIRD, ENDED = "paper_20231114_221320", "B.second-1_x", "c" * 64, "over"


@dataclass
class Directory:
    """`main` may be one that does not run any more."""

    controls: dict[str, StoredControl]
    main: str = MAIN
    ended: dict[str, str] = field(default_factory=dict)

    def control(self, session_id: str | None) -> SessionControl:
        found = self.controls.get(self.main if session_id is None else session_id)
        if found is None:
            raise does_not_run(session_id or self.main)
        return found

    def running(self) -> tuple[str, ...]:
        return tuple(self.controls)

    def failed(self) -> Mapping[str, str]:
        return self.ended

    def metrics(self, sessions: Collection[str], failed: Collection[str]) -> bytes:
        return "".join(f'triplegain_halted{{session="{each}"}} 0.0\n' for each in (*sessions, *failed)).encode()


async def several(bench: Bench, store: SessionStore, limits: RequestLimits | None = None) -> Directory:
    """The application of `bench` has three sessions from now on, and each of the other two a key of each role."""
    directory = Directory({MAIN: bench.control})
    for name in (SECOND, THIRD):
        script = ScriptedSession((await store.create(session_record(name))).session_id)
        await store.commit(name, script.opening())
        directory.controls[name] = StoredControl(store, script)
        for role in ("viewer", "trader", "admin"):
            await bench.security.add_api_key(key_hash(f"key-of-{role} {name}"), role, role, name)
    await store.create(session_record(ENDED))
    await store.set_status(ENDED, SessionStatus.ENDED)
    bench.guard = guard_of(bench.security, limits or RequestLimits(), bench.clock)
    await bench.guard.keys.refresh()
    bench.app = create_app(directory, bench.reader, bench.guard, command_timeout_s=5)
    return directory
