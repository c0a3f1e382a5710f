"""What the API asks of the running session."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol, TypeVar

from triplegain.domain.commands import Door
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.verdict import RiskVerdict
from triplegain.domain.views import Moment, SessionView, SnapshotText

V = TypeVar("V")


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

    def metrics(self) -> bytes:
        """Figures in Prometheus' text format, as of now."""
        ...

    def see(self, kind: type[V]) -> V:
        """A view of `domain/views.py`, as of now, by its type."""
        ...
