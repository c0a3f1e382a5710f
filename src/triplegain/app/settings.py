"""From the configuration's names and units to the rooms' own settings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from triplegain.agents.decision import DECISION
from triplegain.app.hodl_settings import hodl_settings
from triplegain.app.mind_settings import mind_settings
from triplegain.app.orchestration_settings import rebalance_settings
from triplegain.app.risk_settings import risk_limits
from triplegain.app.snapshot_settings import indicator_settings, snapshot_settings
from triplegain.app.trader_settings import baseline_choice
from triplegain.config import Config
from triplegain.config.execution import PriceSourceName
from triplegain.decision.settings import Cast
from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.quote import QuoteSource
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.order_desk import DeskSettings
from triplegain.execution.protection.trailing import BreakEven, ProtectionSettings, TrailingStop
from triplegain.market.candles.candle_length import auto_candle_length, parse_candle_length
from triplegain.market.feed import MarketSource
from triplegain.session.settings import SessionSettings

_HOUR_NS = 3600 * SECOND_NS
_HUNDRED = Decimal(100)
_UNFILLABLE = "no fresh price: the price source is mock, and mock prices never fill an order"


def exchange_settings(config: Config, seed: int) -> ExchangeSettings:
    paper = config.execution.paper_trading
    return ExchangeSettings(
        seed=seed,
        place_delay_ns=paper.fill_delay_ms * MILLISECOND_NS,
        cancel_delay_ns=paper.cancel_delay_ms * MILLISECOND_NS,
        response_delay_ns=paper.response_delay_ms * MILLISECOND_NS,
        jitter_ns=paper.latency_jitter_ms * MILLISECOND_NS,
        queue_model=paper.queue_model,
        slippage_ppm=int(paper.simulated_slippage_pct * RATE_UNIT / _HUNDRED),
        partial_fills=paper.simulate_partial_fills,
        account_tier=paper.account_tier,
        fee_volume_30d_usd=paper.fee_volume_30d_usd,
    )


def desk_settings(config: Config) -> DeskSettings:
    positions = config.execution.positions
    trailing, break_even = positions.trailing_stop, positions.break_even
    follow = TrailingStop(
        activate=trailing.activate_pct / _HUNDRED,
        mode=trailing.mode,
        trail=trailing.trail_pct / _HUNDRED,
        trail_atr=trailing.trail_atr,
        step=trailing.step_pct / _HUNDRED,
    )
    even = BreakEven(at=break_even.at_pct / _HUNDRED, buffer=break_even.buffer_pct / _HUNDRED)
    return DeskSettings(
        entry_expiry_ns=config.execution.orders.limit_expiry_hours * _HOUR_NS,
        protection=ProtectionSettings(
            max_holding_ns=int(positions.max_holding_hours * _HOUR_NS),
            trailing=follow if trailing.enabled else None,
            break_even=even if break_even.enabled else None,
        ),
    )


def candle_length_ns(config: Config, feed: MarketSource, chosen: str | None) -> int:
    """`chosen` on the command line, else the configuration's for this kind of feed; auto looks at the feed's span."""
    lengths = config.agents.baseline_ema.candle_length
    recorded = max(feed.candle_length_ns.values(), default=0)
    by_source = {QuoteSource.LIVE: lengths.live, QuoteSource.DEMO: lengths.demo}
    word = chosen or by_source.get(feed.source, lengths.replay)
    if word != "auto":
        return max(parse_candle_length(word), recorded)
    span = feed.span_ns
    return auto_candle_length(span[1] - span[0] if span else 0, recorded)


def session_settings(
    config: Config,
    feed: MarketSource,
    session_id: str,
    created_at_ns: int,
    seed: int,
    candle_ns: int,
    cast: Cast | None = None,
) -> SessionSettings:
    """`cast`: the models that take part. There is one trader: either some of them vote, or one that goes by rules."""
    execution, cast = config.execution, cast or Cast()
    baseline = baseline_choice(config, bool(cast.voters))
    if baseline is not None:
        cast = replace(cast, models={**cast.models, DECISION.name: ()})
    return SessionSettings(
        session_id=session_id,
        created_at_ns=created_at_ns,
        instruments={instrument: feed.depth[instrument.symbol] for instrument in feed.instruments},
        source=feed.source,
        initial_balances=dict(execution.paper_trading.initial_balance),
        exchange=exchange_settings(config, seed),
        desk=desk_settings(config),
        limits=risk_limits(config),
        baseline=baseline,
        mind=mind_settings(config, cast, max(feed.candle_length_ns.values(), default=0)),
        hodl=hodl_settings(config),
        rebalance=rebalance_settings(config),
        candle_ns=candle_ns,
        snapshot_interval_ns=execution.positions.snapshot_interval_s * SECOND_NS,
        quote_stale_ns=config.orchestration.quote_stale_s * SECOND_NS,
        snapshot=snapshot_settings(config),
        indicators=indicator_settings(config),
        max_trade_history=execution.paper_trading.max_trade_history,
        unfillable=_UNFILLABLE if execution.paper_trading.price_source is PriceSourceName.MOCK else "",
    )
