"""Everything a trading session is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from triplegain.agents.baselines.choice import BaselineChoice
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.decision.settings import DecisionSettings
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth
from triplegain.domain.quote import QuoteSource
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.settings import DeskSettings
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.risk.limits import RiskLimits


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`baseline` None: nobody trades by itself; `candle_ns` is the length of its candles.

    `created_at_ns` is wall time; everything else is market time.
    """

    session_id: str
    created_at_ns: int
    instruments: Mapping[Instrument, MarketDepth]
    source: QuoteSource
    initial_balances: Mapping[str, Decimal]
    exchange: ExchangeSettings
    desk: DeskSettings
    limits: RiskLimits
    baseline: BaselineChoice | None
    candle_ns: int
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    #: None: the portfolio is left as it is.
    rebalance: RebalanceSettings | None = None
    #: None: nothing of a profit is set aside.
    hodl: HodlSettings | None = None
    snapshot_interval_ns: int = 60 * 10**9
    quote_stale_ns: int = 60 * 10**9
    max_trade_history: int = 1000
    snapshot: SnapshotSettings = field(default_factory=SnapshotSettings)
    indicators: IndicatorSettings = field(default_factory=IndicatorSettings)
    #: Why no order may fill in this session; empty where they may.
    unfillable: str = ""

    @property
    def depth(self) -> dict[str, MarketDepth]:
        return {instrument.symbol: depth for instrument, depth in self.instruments.items()}
