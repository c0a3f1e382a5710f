"""What the gate may know: immutable pictures of the portfolio and of one market. None means unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from triplegain.domain.instrument import Instrument

#: Why nothing is sold that is not there.
SPOT_ONLY = "no position to sell; spot has no shorts"


@dataclass(frozen=True, slots=True)
class PortfolioView:
    """`equity` and `exposure` in USD; entries on their way count as positions and exposure.

    `open_in_symbol`, `free_quote` (quote currency that may be spent) and `position_quantity` (coins open positions of
    the symbol hold and that are not being sold yet, below zero of a short; for a rebalance the free coins) are about
    the proposal's symbol.
    `exposure_by_symbol` says where the exposure is; what it leaves out counts as moving with every symbol.
    `margin_used` and `margin_available` in USD: with none available nothing is opened on margin.
    `halted` gives the reason, empty while trading.
    """

    equity: Decimal | None
    exposure: Decimal | None
    open_positions: int
    open_in_symbol: int
    free_quote: Decimal
    position_quantity: Decimal
    halted: str = ""
    exposure_by_symbol: Mapping[str, Decimal] = field(default_factory=dict)
    margin_used: Decimal = Decimal(0)
    margin_available: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class MarketFigures:
    """One market now. `stale` gives the reason why its quote may not be used, empty while fresh.

    `quote_usd` is USD per unit of the quote currency, `taker_fee` a fraction of the notional, `leverage_max` what the
    venue lends to purchases on this market: 1 on spot. `short_leverages`, rising, are those it lends to a short at
    `lending_rate`, a fraction of the notional; without any `no_shorts` says why.
    """

    instrument: Instrument
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    quote_usd: Decimal | None
    taker_fee: Decimal
    stale: str = ""
    leverage_max: int = 1
    short_leverages: tuple[int, ...] = ()
    lending_rate: Decimal = Decimal(0)
    no_shorts: str = SPOT_ONLY
