"""Parameters of the paper exchange. Durations in nanoseconds, rates in millionths of the notional."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.clock import MILLISECOND_NS


class QueueModel(StrEnum):
    """Who is assumed to leave when a level shrinks without a trade."""

    BACK_OF_QUEUE = "back_of_queue"
    PROPORTIONAL = "proportional"
    PROBABILISTIC = "probabilistic"


class AccountTier(StrEnum):
    """Kraken's verification tiers, which set the order rate limits. UNLIMITED switches them off."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"
    UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """`slippage_ppm` and `partial_fills` only matter to the models without a book.

    `jitter_ns` adds a seeded, uniformly drawn 0..jitter to every delay.
    """

    seed: int = 0
    place_delay_ns: int = 100 * MILLISECOND_NS
    cancel_delay_ns: int = 100 * MILLISECOND_NS
    response_delay_ns: int = 100 * MILLISECOND_NS
    jitter_ns: int = 0
    queue_model: QueueModel = QueueModel.BACK_OF_QUEUE
    slippage_ppm: int = 1000
    partial_fills: bool = False
    account_tier: AccountTier = AccountTier.INTERMEDIATE
    fee_volume_30d_usd: Decimal = Decimal(0)
    #: Share of a candle's volume one order may take, in per cent (fills from candles only).
    candle_volume_pct: int = 10
