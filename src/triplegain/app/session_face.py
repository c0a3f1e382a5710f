"""What is shown of one running session, whoever runs beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from decimal import Decimal

from triplegain.api.control import V
from triplegain.app import session_views
from triplegain.app.opening import OpenedSession
from triplegain.app.operation.metrics import Stats
from triplegain.domain.money import text
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.statement import traded_of
from triplegain.domain.verdict import RiskVerdict
from triplegain.domain.views import Beside, Moment, SessionView, SnapshotText
from triplegain.market.snapshot.compact import compact as compact_form
from triplegain.market.snapshot.snapshot import NoSnapshot
from triplegain.session.trading_session import TradingSession


@dataclass(frozen=True, slots=True)
class RunFigures:
    """How a run is doing: `away` and `waits_for` in words, messages taken, wall time, what models cost today."""

    away: str
    waits_for: str
    events: int
    elapsed_s: float
    warning: str
    stats: Stats
    now_ns: int


class SessionFace(ABC):
    """The views of the API's `SessionControl`."""

    @property
    @abstractmethod
    def opened(self) -> OpenedSession:
        """The session as it is by now. Raises RefusedError while it is not open."""

    @abstractmethod
    def figures(self) -> RunFigures:
        """Of the run that it is part of."""

    @property
    def _session(self) -> TradingSession:
        """As of now."""
        session = self.opened.session
        session.floor.heed(session)
        return session

    def judge(self, asked: TradeProposal, notional: Decimal | None, regime: Regime | None) -> RiskVerdict:
        return session_views.judge(self._session, asked, notional, regime)

    def see(self, kind: type[V]) -> V:
        seen: V = session_views.VIEWS[kind](self._session)
        return seen

    def moment(self) -> Moment:
        opened, session, figures = self.opened, self._session, self.figures()
        feed = opened.feed
        return Moment(
            session_id=opened.record.session_id,
            mode="paper",
            feed=feed.name,
            source=feed.source.value,
            synthetic=feed.synthetic,
            started_at_ns=opened.record.created_at_ns,
            market_time_ns=session.now_ns,
            paused=session.paused,
            halted=session.halted,
            away=figures.away,
            unready=session.conditions.why_unready if session.is_open else "",
            waits_for=figures.waits_for,
        )

    def view(self) -> SessionView:
        opened, session, figures = self.opened, self._session, self.figures()
        span = opened.feed.span_ns
        positions = session.executor.positions.records()
        return SessionView(
            **asdict(self.moment()),
            events=figures.events,
            events_per_s=figures.events / figures.elapsed_s,
            progress=None if not span else min(max((session.now_ns - span[0]) / max(span[1] - span[0], 1), 0.0), 1.0),
            quotes={symbol: session.prices.quote(symbol) for symbol in session.exchange.markets},
            balances=session.portfolio.balances(),
            positions=positions,
            open_orders=tuple(session.executor.orders.open_orders()),
            summary=session.portfolio.pnl_summary(),
            last_decisions=tuple(
                f"{d.symbol} {d.action} {d.outcome}: {'; '.join(d.reasons)}" for d in session.decisions.last
            ),
            alerts=tuple(
                ": ".join(filter(None, (f"{alert.symbol} {alert.position_id}".strip(), alert.message)))
                for alert in session.record.log.last_alerts
            ),
            conditions={symbol: market.condition for symbol, market in session.exchange.markets.items()},
            feed_notes=opened.opened_feed.notes(),
            decisions=(summary := session_views.decision_summary(session, figures.warning)),
            traded=traded_of(opened.record, [summary.trader] if summary.trader else [], summary.voters),
            unrealised={
                p.position_id: session.executor.positions.unrealised(p.position_id, session.prices.mark(p.symbol))
                for p in positions
            },
        )

    def line(self) -> Beside:
        """The same in a line."""
        session = self._session
        equity, opened = session.portfolio.equity_usd(), session.risk.memory.day_equity
        return Beside(
            session_id=self.opened.record.session_id,
            equity=equity,
            today=None if equity is None or opened is None else equity - opened,
            positions=len(session.positions_left()),
            stands=session.why_no_trades,
        )

    def snapshot(self, symbol: str, compact: bool) -> SnapshotText:
        session = self._session
        found = session.snapshot(symbol)
        if isinstance(found, NoSnapshot):
            raise RefusedError(Code.NO_SNAPSHOT, f"no snapshot of {symbol}: {found.reason}")
        shown = compact_form(found, session.settings.snapshot.token_budget) if compact else found.json
        return SnapshotText(shown, found.hash)

    def last_fills(self) -> list[str]:
        """The last fills of this run in words, oldest first."""
        return [
            f"{f.side} {text(f.quantity)} {f.symbol} @ {text(f.price)} "
            f"({'maker' if f.maker else 'taker'}, fee {text(f.fee)} {f.fee_asset}, {f.explanation['model']})"
            for f in self._session.executor.last_fills
        ]
