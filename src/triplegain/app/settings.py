"""What a trading session is opened with: the configuration, a feed, and the models that take part."""

from __future__ import annotations

from dataclasses import replace

from triplegain.agents.decision import DECISION
from triplegain.config import Config
from triplegain.config.infrastructure import PriceSourceName
from triplegain.decision.settings import ModelAssignment
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.quote import QuoteSource
from triplegain.market.candles.timeframe import auto_candle_length, parse_candle_length, timeframe
from triplegain.market.feed import MarketSource
from triplegain.session.settings import SessionSettings

_UNFILLABLE = "no fresh price: the price source is mock, and mock prices never fill an order"

#: Minutes of the candles that are asked for: 15 minutes are made of 5, weeks of days.
_ASKED_MINUTES = (1, 5, 60, 240, 1440)


def candle_length_ns(config: Config, feed: MarketSource, chosen: str | None) -> int:
    """`chosen` on the command line, else the configuration's for this kind of feed; auto looks at the feed's span."""
    traders = config.traders
    recorded = max(feed.candle_length_ns.values(), default=0)
    by_source = {QuoteSource.LIVE: traders.candle_live, QuoteSource.DEMO: traders.candle_demo}
    word = chosen or by_source.get(feed.source, traders.candle_replay)
    if word != "auto":
        return max(parse_candle_length(word), recorded)
    span = feed.span_ns
    return auto_candle_length(span[1] - span[0] if span else 0, recorded)


def warm_up_lengths_ns(config: Config) -> tuple[int, ...]:
    """The candles of before that the agents' view is warm with at once; longer frames are made of shorter ones."""
    frames = {timeframe(name).length_ns for name in config.snapshot.look_back}
    return tuple(sorted(frames & {minutes * 60 * SECOND_NS for minutes in _ASKED_MINUTES}))


def session_settings(
    config: Config,
    feed: MarketSource,
    session_id: str,
    created_at_ns: int,
    seed: int,
    candle_ns: int,
    assigned: ModelAssignment | None = None,
) -> SessionSettings:
    """`assigned`: who takes part. There is one trader: either some of them vote, or one that goes by rules."""
    paper, assigned = config.paper, assigned or ModelAssignment()
    baseline = config.traders.chosen(bool(assigned.voters))
    if baseline is not None:
        assigned = replace(assigned, models={**assigned.models, DECISION.name: ()})
    recorded = max(feed.candle_length_ns.values(), default=0)
    return SessionSettings(
        session_id=session_id,
        created_at_ns=created_at_ns,
        instruments={instrument: feed.depth[instrument.symbol] for instrument in feed.instruments},
        source=feed.source,
        initial_balances=dict(paper.initial_balance),
        exchange=replace(config.exchange, seed=seed),
        desk=config.desk,
        limits=config.risk,
        baseline=baseline,
        decision=config.decision.of_session(assigned, config.rebalance is not None, recorded),
        hodl=config.hodl,
        rebalance=config.rebalance,
        candle_ns=candle_ns,
        snapshot_interval_ns=paper.snapshot_interval_ns,
        quote_stale_ns=paper.quote_stale_ns,
        snapshot=config.snapshot,
        indicators=config.indicators,
        max_trade_history=paper.max_trade_history,
        unfillable=_UNFILLABLE if paper.price_source is PriceSourceName.MOCK else "",
    )
