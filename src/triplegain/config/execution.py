"""`execution.yaml`: the mode, the paper exchange, orders and positions."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.config.values import AtLeastOne, Balances, Count, Exact, Milliseconds, Positive, Section, Word
from triplegain.exchange.settings import AccountTier, QueueModel
from triplegain.execution.protection.trailing import TrailMode
from triplegain.execution.trading_mode import PAPER_TABLE_PREFIX, TradingMode

#: A percentage of a price that leaves something of it.
SharePct = Annotated[Exact, Field(gt=0, lt=100)]


class PriceSourceName(StrEnum):
    LIVE_FEED = "live_feed"
    HISTORICAL = "historical"
    MOCK = "mock"


def _as_placing(values: dict[str, Any]) -> int:
    return int(values["fill_delay_ms"])


class PaperTrading(Section):
    """The paper exchange and its account."""

    enabled: bool = Field(True, description="false: `paper` refuses to start")
    initial_balance: Balances = Field(
        FrozenMapping({"USDT": Decimal(10000), "BTC": Decimal(0), "XRP": Decimal(0)}),
        description="what a new session opens with, by asset",
    )
    fill_delay_ms: Milliseconds = Field(100, description="from sending an order to its arrival at the exchange")
    cancel_delay_ms: Milliseconds = Field(
        default_factory=_as_placing,
        description="from sending a cancel or amend to its arrival; not set: as `fill_delay_ms`",
    )
    response_delay_ms: Milliseconds = Field(
        default_factory=_as_placing,
        description="from an event at the exchange to our knowing of it; not set: as `fill_delay_ms`",
    )
    latency_jitter_ms: Milliseconds = Field(0, description="up to this much is added to each delay, from the seed")
    simulated_slippage_pct: Annotated[Exact, Field(ge=0, lt=100)] = Field(
        Decimal("0.1"), description="price concession of a market order where no book is known, in percent"
    )
    simulate_partial_fills: bool = Field(False, description="fill in parts where no book is known")
    queue_model: Annotated[QueueModel, Word] = Field(
        QueueModel.BACK_OF_QUEUE, description="how a resting order advances when others at its price cancel"
    )
    account_tier: Annotated[AccountTier, Word] = Field(
        AccountTier.INTERMEDIATE, description="Kraken's account level: it sets the order rate limits"
    )
    price_source: Annotated[PriceSourceName, Word] = Field(
        PriceSourceName.LIVE_FEED, description="where prices come from; mock prices never fill an order"
    )
    db_table_prefix: str = Field(PAPER_TABLE_PREFIX, description="fixed by the database: any other value is refused")
    max_trade_history: AtLeastOne = Field(1000, description="trades kept in memory; all are in the database")
    persist_state: bool = Field(
        True, description="false: the next start opens a new session (everything is stored all the same)"
    )
    fee_volume_30d_usd: Annotated[Exact, Field(ge=0)] = Field(
        Decimal(0), description="30-day volume in USD with which the fee tier starts"
    )

    @field_validator("db_table_prefix")
    @classmethod
    def _only_the_paper_tables(cls, prefix: str) -> str:
        if prefix != PAPER_TABLE_PREFIX:
            raise ValueError(f'the tables of paper trading are named "{PAPER_TABLE_PREFIX}…"; remove this key')
        return prefix


class Orders(Section):
    """What an order gets when it does not say."""

    limit_expiry_hours: Count = Field(24, description="a resting limit order ends after this; 0: never")


class TrailingStopKeys(Section):
    """A stop that follows the price up."""

    enabled: bool = Field(False, description="whether stops follow the price")
    activate_pct: SharePct = Field(
        Decimal(1), description="a stop starts to follow once the bid is this far above the entry, in percent"
    )
    mode: Annotated[TrailMode, Word] = Field(
        TrailMode.PERCENT, description="what the distance is measured in: `percent` (trail_pct) or `atr` (trail_atr)"
    )
    trail_pct: SharePct = Field(Decimal("1.5"), description="distance from the bid in percent of it")
    trail_atr: Positive = Field(Decimal("1.5"), description="distance from the bid in average true ranges")
    step_pct: SharePct = Field(
        Decimal("0.1"), description="a stop moves only if that takes it up by at least this percentage of itself"
    )


class BreakEvenKeys(Section):
    """A stop that is moved once to where the position costs nothing."""

    enabled: bool = Field(False, description="whether stops are moved to break-even")
    at_pct: SharePct = Field(Decimal(1), description="moved once the bid is this far above the entry, in percent")
    buffer_pct: Annotated[Exact, Field(ge=0, lt=100)] = Field(
        Decimal("0.1"), description="above the entry with the fees of buying and selling, in percent"
    )


class Positions(Section):
    """How many, how long, how often looked at."""

    max_per_symbol: AtLeastOne = Field(2, description="open positions of one pair")
    max_open: AtLeastOne = Field(5, description="open positions in all")
    max_holding_hours: Positive = Field(Decimal(48), description="a position older than this is closed (time_exit)")
    trailing_stop: TrailingStopKeys = TrailingStopKeys()
    break_even: BreakEvenKeys = BreakEvenKeys()
    snapshot_interval_s: AtLeastOne = Field(60, description="seconds of market time between snapshots of equity")


class Execution(Section):
    """Trading mode and everything that becomes an order."""

    trading_mode: Annotated[TradingMode, Word] = Field(
        TradingMode.PAPER, description="`live` is one of several locks and not enough alone; see trading mode"
    )
    paper_trading: PaperTrading = PaperTrading()
    orders: Orders = Orders()
    positions: Positions = Positions()

    @model_validator(mode="after")
    def _counts_agree(self) -> Execution:
        if self.positions.max_per_symbol > self.positions.max_open:
            raise ValueError("positions.max_per_symbol cannot be above positions.max_open")
        return self
