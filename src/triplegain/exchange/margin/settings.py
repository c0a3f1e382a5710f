"""What the exchange lends on, to whom and at what price, where its feed does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Side
from triplegain.domain.written import AMOUNT, ASSET, AT_LEAST_ONE, HOURS, PERCENT, SYMBOL, exact, table, text

_SMALLEST = 2


@dataclass(frozen=True, slots=True)
class MarginSettings:
    """`execution.yaml: margin`. Shares and rates as fractions. What a table does not name is not lent on (leverage), no
    collateral, or of the other rate.

    Kraken's rates change with its markets, and a recorded market has none of its own: `dated` says of when these are.
    """

    dated: str = key(
        "dated", "2026-02-10", text(), "of when the rates, shares and limits below are; told with the account's figures"
    )
    leverage_buy: Mapping[str, int] = key(
        "max_leverage_buy", {"BTC/USDT": 10, "XRP/USDT": 10, "XRP/BTC": 3}, table(SYMBOL, AT_LEAST_ONE),
        "largest leverage of purchases by pair, where the feed names none; every whole number from 2 on is offered",
    )  # fmt: skip
    leverage_sell: Mapping[str, int] = key(
        "max_leverage_sell", {"BTC/USDT": 10, "XRP/USDT": 10, "XRP/BTC": 3}, table(SYMBOL, AT_LEAST_ONE),
        "the same of sales",
    )  # fmt: skip
    position_max: Mapping[str, Decimal] = key(
        "max_position", {"BTC": 80}, table(ASSET, AMOUNT),
        "largest position by coin (base), where the feed names none; not named: any size",
    )  # fmt: skip
    rates: Mapping[str, Decimal] = key(
        "rate_pct", {"BTC": "0.01", "USD": "0.025", "USDT": "0.025"}, table(ASSET, PERCENT),
        "what lending costs by the asset that is lent (the quote to buy, the base to sell): at the opening and at each"
        " rollover, in percent",
    )  # fmt: skip
    other_rate: Decimal = key("other_rate_pct", "0.02", PERCENT, "the same of every other asset")
    rollover_ns: int = key("rollover_hours", 4, HOURS, "a position is lent for so long, in market time")
    collateral: Mapping[str, Decimal] = key(
        "collateral_pct", {"USD": 100, "USDT": 100, "USDC": 100, "EUR": 100, "GBP": 100, "BTC": 90, "ETH": 90},
        table(ASSET, PERCENT), "share of a balance's worth that is collateral; not named: none of it",
    )  # fmt: skip
    call: Decimal = key("call_pct", 80, exact(ge=1).into(lambda value: value / 100), "margin level that is told")
    liquidation: Decimal = key(
        "liquidation_pct", 40, exact(ge=1).into(lambda value: value / 100),
        "below this margin level positions are sold, oldest first",
    )  # fmt: skip
    restored: Decimal = key(
        "restored_pct", 80, exact(ge=1).into(lambda value: value / 100), "until the margin level is here again"
    )

    def __post_init__(self) -> None:
        if not self.liquidation <= min(self.call, self.restored):
            raise AtOddsError("liquidation_pct cannot be above call_pct or restored_pct")

    def leverages(self, instrument: Instrument, side: Side) -> tuple[int, ...]:
        """What is offered to an order of this side; empty where the pair is not lent on."""
        if instrument.leverages is not None:
            return instrument.leverages[side.index]
        most = (self.leverage_buy, self.leverage_sell)[side.index].get(instrument.symbol, 1)
        return tuple(range(_SMALLEST, most + 1))

    def limit(self, instrument: Instrument, side: Side) -> Decimal | None:
        """The largest position in base; None: any size."""
        if instrument.position_limits is not None:
            return instrument.position_limits[side.index] or None
        return self.position_max.get(instrument.base)

    def rate(self, instrument: Instrument, side: Side) -> Decimal:
        """Of what is lent, for one period: the quote currency to buy, the coins to sell."""
        return self.rates.get(instrument.quote if side is Side.BUY else instrument.base, self.other_rate)
