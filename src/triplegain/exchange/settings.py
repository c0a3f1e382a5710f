"""Parameters of the paper exchange. Durations in nanoseconds, rates in millionths of the notional."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.configured import AtOddsError, Key, key, part
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.measured_delays import MEASURED_DELAYS
from triplegain.domain.written import AMOUNT, BOOLEAN, DELAY_MS, choice, exact, integer
from triplegain.exchange.margin.settings import MarginSettings


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
    """`execution.yaml: paper_trading`. `slippage_ppm` and `partial_fills` only matter to the models without a book.

    `jitter_ns` adds a seeded, uniformly drawn 0..jitter to every delay; `recorded_delays_ns` stand in place of all
    three, drawn from the seed as well. Both at once raise AtOddsError.
    """

    seed: int = 0
    place_delay_ns: int = key("fill_delay_ms", 100, DELAY_MS, "from sending an order to its arrival at the exchange")
    cancel_delay_ns: int = key(
        "cancel_delay_ms", 100, DELAY_MS,
        "from sending a cancel to its arrival; not set: as `fill_delay_ms`", like="fill_delay_ms",
    )  # fmt: skip
    response_delay_ns: int = key(
        "response_delay_ms", 100, DELAY_MS,
        "from an event at the exchange to our knowing of it; not set: as `fill_delay_ms`", like="fill_delay_ms",
    )  # fmt: skip
    jitter_ns: int = key("latency_jitter_ms", 0, DELAY_MS, "up to this much is added to each delay, from the seed")
    recorded_delays_ns: tuple[int, ...] = key(
        "recorded_latency_ms", "", MEASURED_DELAYS,
        "one-way delays that were measured, drawn from the seed in place of those above: a file with one a line (or"
        " a column `delay_ms`), by its whole path, or the list; what it says is kept by the session, of more than 201"
        " every half percent",
    )  # fmt: skip
    queue_model: QueueModel = key(
        "queue_model", "back_of_queue", choice(QueueModel),
        "how a resting order advances when others at its price cancel",
    )  # fmt: skip
    queue_power: int = key(
        "queue_power", 2, integer(ge=1, le=10),
        "of `probabilistic`: cancels come from the front with odds of both parts to this power, 1 to 10",
    )  # fmt: skip
    slippage_ppm: int = key(
        "simulated_slippage_pct", "0.1", exact(ge=0, lt=100).into(lambda percent: int(percent * RATE_UNIT / 100)),
        "price concession of a market order where no book is known, in percent",
    )  # fmt: skip
    partial_fills: bool = key("simulate_partial_fills", False, BOOLEAN, "fill in parts where no book is known")
    account_tier: AccountTier = key(
        "account_tier", "intermediate", choice(AccountTier), "Kraken's account level: it sets the order rate limits"
    )
    fee_volume_30d_usd: Decimal = key(
        "fee_volume_30d_usd", 0, AMOUNT, "30-day volume in USD with which the fee tier starts"
    )
    #: None: nothing is lent.
    margin: MarginSettings | None = part(
        MarginSettings,
        "/execution.margin",
        switch=Key(
            "enabled", False, BOOLEAN, "true: orders may have leverage (positions on margin), and agents go short"
        ),
    )
    #: Share of a candle's volume one order may take, in per cent (fills from candles only).
    candle_volume_pct: int = 10

    def __post_init__(self) -> None:
        if self.jitter_ns and self.recorded_delays_ns:
            raise AtOddsError("measured delays vary by themselves: latency_jitter_ms must be 0", "recorded_latency_ms")
