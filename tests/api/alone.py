"""The directory of a process that runs one session."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from triplegain.api.control import SessionControl, does_not_run


@dataclass(frozen=True, slots=True)
class Alone:
    """The directory of a process that runs one session, whichever that is by now."""

    _control: SessionControl

    def control(self, session_id: str | None) -> SessionControl:
        if session_id is not None and session_id not in self.running():
            raise does_not_run(session_id)
        return self._control

    def running(self) -> tuple[str, ...]:
        return (self._control.moment().session_id,)

    def failed(self) -> Mapping[str, str]:
        return {}

    def metrics(self, sessions: Collection[str], failed: Collection[str]) -> bytes:
        return b"triplegain_halted 0.0\n"
