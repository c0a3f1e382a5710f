"""Figures of a running system in Prometheus' text format. Names and meaning stand in docs/operating.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triplegain import __version__
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.views import SessionView

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


@dataclass(slots=True)
class Stats:
    """What is counted while a system runs. `lag_s` is how late the event loop was at worst since it was last read."""

    notices: Counter[tuple[str, str]] = field(default_factory=Counter)
    commits: int = 0
    commit_s: float = 0.0
    lag_s: float = 0.0


def exposition(views: Sequence[SessionView], failed: Collection[str], stats: Stats, now_ns: int) -> bytes:
    """All metrics of these sessions at `now_ns`, wall time. `failed` run no more though they should.

    Loading what writes them waits for the first who asks.
    """
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    class Sessions:
        """The collector of one look."""

        def collect(self) -> Iterable[Metric]:
            yield from _of_sessions(views, failed, now_ns)
            yield from _of_process(views, stats)

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Sessions())
    return generate_latest(registry)


def _of_process(views: Sequence[SessionView], stats: Stats) -> Iterator[Metric]:
    """What all sessions of a process have in common."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

    lag = "Worst delay of the event loop since the last scrape."
    yield GaugeMetricFamily("triplegain_loop_lag_seconds", lag, value=stats.lag_s)
    stats.lag_s = 0.0
    yield SummaryMetricFamily("triplegain_commit_seconds", "Steps stored.", stats.commits, stats.commit_s)
    notices = CounterMetricFamily("triplegain_notices", "Lines of the log about the session.", labels=["kind", "level"])
    for (kind, level), count in sorted(stats.notices.items()):
        notices.add_metric([kind, level], count)
    yield notices
    for view in views[:1]:
        away = "1: the database does not answer, and the sessions wait."
        yield GaugeMetricFamily("triplegain_database_away", away, value=bool(view.away))
        yield CounterMetricFamily("triplegain_events", "Messages of the feed in this run.", value=view.events)


def _of_sessions(views: Sequence[SessionView], failed: Collection[str], now_ns: int) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    def gauge(name: str, says: str, value: Callable[[SessionView], float | None]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"triplegain_{name}", says, labels=["session"])
        for view in views:
            if (found := value(view)) is not None:
                family.add_metric([view.session_id], found)
        return family

    info = InfoMetricFamily("triplegain", "What runs.", labels=["session"])
    for view in views:
        info.add_metric([view.session_id], {"version": __version__, "feed": view.feed, "mode": view.mode})
    yield info
    yield gauge("market_time_seconds", "Market time of the session.", lambda view: view.market_time_ns / SECOND_NS)
    halted = gauge("halted", "1: the session takes no more steps.", lambda view: bool(view.halted))
    for name in failed:
        halted.add_metric([name], 1.0)
    yield halted
    yield gauge("paused", "1: nothing new is opened.", lambda view: view.paused)
    yield gauge("risk_halted", "1: a breaker stands against new trades.", _is_risk_halted)
    equity = "Equity; absent while something held has no price."
    yield gauge("equity_usd", equity, lambda view: _number(view.summary.equity))
    yield gauge("profit_usd", "Equity above that of the opening.", lambda view: _number(view.summary.profit))
    yield gauge("open_positions", "Open positions.", lambda view: len(view.positions))
    yield gauge("open_orders", "Open orders.", lambda view: len(view.open_orders))
    fills = CounterMetricFamily("triplegain_fills", "Fills of the session.", labels=["session"])
    decisions = CounterMetricFamily("triplegain_decisions", "Decisions of it.", labels=["session", "outcome"])
    of_market = ["session", "symbol"]
    markets = GaugeMetricFamily("triplegain_market_trades", "1: the market is in order.", labels=of_market)
    ages = GaugeMetricFamily("triplegain_price_age_seconds", "Age of the last price, wall time.", labels=of_market)
    for view in views:
        fills.add_metric([view.session_id], view.summary.trade_count)
        if view.decisions is not None:
            for outcome, count in view.decisions.decisions.items():
                decisions.add_metric([view.session_id, outcome], count)
        for symbol, words in view.conditions.items():
            markets.add_metric([view.session_id, symbol], float(not words))
        for symbol, quote in view.quotes.items():
            if quote is not None and not view.synthetic:
                ages.add_metric([view.session_id, symbol], (now_ns - quote.received_at_ns) / SECOND_NS)
    yield from (fills, decisions, markets, ages)


def _is_risk_halted(view: SessionView) -> bool:
    return view.decisions is not None and bool(view.decisions.halted)


def _number(amount: object) -> float | None:
    return None if amount is None else float(str(amount))
