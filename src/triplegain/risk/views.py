"""What the gate may know: immutable pictures of the portfolio and of one market. None means unknown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.instrument import Instrument


@dataclass(frozen=True, slots=True)
class PortfolioView:
    """`equity` and `exposure` in USD; entries on their way count as positions and exposure.

    `open_in_symbol`, `free_quote` (quote currency that may be spent) and `position_quantity` (coins open positions of
    the symbol hold and that are not being sold yet; for a rebalance the free coins) are about the proposal's symbol.
    `halted` gives the reason, empty while trading.
    """

    equity: Decimal | None
    exposure: Decimal | None
    open_positions: int
    open_in_symbol: int
    free_quote: Decimal
    position_quantity: Decimal
    halted: str = ""


@dataclass(frozen=True, slots=True)
class MarketView:
    """One market now. `stale` gives the reason why its quote may not be used, empty while fresh.

    `quote_usd` is USD per unit of the quote currency, `taker_fee` a fraction of the notional.
    """

    instrument: Instrument
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    quote_usd: Decimal | None
    taker_fee: Decimal
    stale: str = ""
