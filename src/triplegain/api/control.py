"""What the API asks of the sessions that run here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Protocol, TypeVar

from triplegain.domain.commands import Door
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.verdict import RiskVerdict
from triplegain.domain.views import Moment, SessionView, SnapshotText

V = TypeVar("V")
#: What a session may be called is not longer; what a client calls one may be.
_NAME_CHARS = 64


class SessionControl(Door, Protocol):
    """The views of a running session, and the one door for commands to it."""

    def moment(self) -> Moment: ...

    def view(self) -> SessionView:
        """Everything, valued at the prices of now."""
        ...

    def snapshot(self, symbol: str, compact: bool) -> SnapshotText:
        """Of a market as it stands now. Raises RefusedError, NO_SNAPSHOT with the reason where nothing can be shown."""
        ...

    def judge(self, asked: TradeProposal, notional: Decimal | None, regime: Regime | None) -> RiskVerdict:
        """Risk's verdict on a trade nobody sends; nothing changes. Raises RefusedError for an unknown symbol.

        `notional`, in the quote currency, stands for the quantity; without a `regime` it is the current one.
        """
        ...

    def see(self, kind: type[V]) -> V:
        """A view of `domain/views.py`, as of now, by its type."""
        ...


class SessionDirectory(Protocol):
    """The sessions that run in this process, by id. They come and go while it runs."""

    def control(self, session_id: str | None) -> SessionControl:
        """Of the session with this id; None: of the main one. Raises RefusedError, SESSION_NOT_FOUND with 404, for one
        that does not run here (`does_not_run` has the words), and where there is no main one any more."""
        ...

    def running(self) -> tuple[str, ...]:
        """The ids of all that run here, the main one first."""
        ...

    def failed(self) -> Mapping[str, str]:
        """Those that ran here and can go on no more, by id, with why."""
        ...

    def metrics(self, sessions: Collection[str], failed: Collection[str]) -> bytes:
        """Figures of these that run here, of these that failed, and of the process, in Prometheus' text format."""
        ...


def does_not_run(session_id: str) -> RefusedError:
    """The refusal of a session that does not run here, whatever is stored of it. It names no other: a key of one
    session tells of no other."""
    return RefusedError(
        Code.SESSION_NOT_FOUND,
        f"session {session_id[:_NAME_CHARS]} does not run here: `GET /sessions?running=true` tells which do, "
        "`paper --session NAME` runs one",
    )
