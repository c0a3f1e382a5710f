"""Figures of a running system in Prometheus' text format. Names and meaning stand in docs/operating.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
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


def exposition(view: SessionView, stats: Stats, now_ns: int) -> bytes:
    """All metrics at `now_ns`, wall time. Loading what writes them waits for the first who asks."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    class Session:
        """The collector of one look."""

        def collect(self) -> Iterable[Metric]:
            return _families(view, stats, now_ns)

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Session())
    return generate_latest(registry)


def _families(view: SessionView, stats: Stats, now_ns: int) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, SummaryMetricFamily

    def gauge(name: str, says: str, value: float | None) -> Iterator[Metric]:
        if value is not None:
            yield GaugeMetricFamily(f"triplegain_{name}", says, value=value)

    yield InfoMetricFamily(
        "triplegain",
        "What runs.",
        {"version": __version__, "session": view.session_id, "feed": view.feed, "mode": view.mode},
    )
    summary = view.summary
    yield from gauge("market_time_seconds", "Market time of the session.", view.market_time_ns / SECOND_NS)
    yield from gauge("halted", "1: the session takes no more steps.", bool(view.halted))
    yield from gauge("paused", "1: nothing new is opened.", view.paused)
    risk_halted = view.decisions is not None and bool(view.decisions.halted)
    yield from gauge("risk_halted", "1: a breaker stands against new trades.", risk_halted)
    yield from gauge("database_away", "1: the database does not answer, and the session waits.", bool(view.away))
    yield from gauge("equity_usd", "Equity; absent while something held has no price.", _number(summary.equity))
    yield from gauge("profit_usd", "Equity above that of the opening.", _number(summary.profit))
    yield from gauge("open_positions", "Open positions.", len(view.positions))
    yield from gauge("open_orders", "Open orders.", len(view.open_orders))
    yield from gauge("loop_lag_seconds", "Worst delay of the event loop since the last scrape.", stats.lag_s)
    stats.lag_s = 0.0
    yield CounterMetricFamily("triplegain_fills", "Fills of the session.", value=summary.trade_count)
    yield CounterMetricFamily("triplegain_events", "Messages of the feed in this run.", value=view.events)
    yield SummaryMetricFamily("triplegain_commit_seconds", "Steps stored.", stats.commits, stats.commit_s)
    markets = GaugeMetricFamily("triplegain_market_trades", "1: the market is in order.", labels=["symbol"])
    ages = GaugeMetricFamily("triplegain_price_age_seconds", "Age of the last price, wall time.", labels=["symbol"])
    for symbol, words in view.conditions.items():
        markets.add_metric([symbol], float(not words))
    for symbol, quote in view.quotes.items():
        if quote is not None and not view.synthetic:
            ages.add_metric([symbol], (now_ns - quote.received_at_ns) / SECOND_NS)
    notices = CounterMetricFamily("triplegain_notices", "Lines of the log about the session.", labels=["kind", "level"])
    for (kind, level), count in sorted(stats.notices.items()):
        notices.add_metric([kind, level], count)
    yield from (markets, ages, notices)
    if view.decisions is not None:
        decisions = CounterMetricFamily("triplegain_decisions", "Decisions of the session.", labels=["outcome"])
        for outcome, count in view.decisions.decisions.items():
            decisions.add_metric([outcome], count)
        yield decisions


def _number(amount: object) -> float | None:
    return None if amount is None else float(str(amount))
