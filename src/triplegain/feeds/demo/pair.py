"""How each pair of the demo market is quoted, in its own money; ticks and lots come from the instrument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument

#: Opening value of an asset in USDT; every pair is quoted around the quotient of two of them.
OPENING_VALUES: Mapping[str, Decimal] = {"BTC": Decimal(60_000), "XRP": Decimal("0.6"), "USDT": Decimal(1)}

#: A price of fewer ticks leaves no room for the levels of a book.
_FEWEST_TICKS = 500


@dataclass(frozen=True, slots=True)
class DemoPair:
    """Character of one pair.

    `half_spread` and `level_gap` (mean distance between levels) in the quote currency, `level_size` and `trade_size`
    (medians) in base; `share` of the market's activity in 64ths; a burst takes `deepest_sweep` levels at most.
    `minute_trades` and `minute_volume` (in base) are what this makes of an ordinary minute, for the past.
    """

    half_spread: Decimal
    level_gap: Decimal
    level_size: Decimal
    trade_size: Decimal
    share: int
    deepest_sweep: int
    minute_trades: int
    minute_volume: Decimal


PAIRS: Mapping[str, DemoPair] = {
    "BTC/USDT": DemoPair(
        Decimal("0.12"), Decimal("0.2"), Decimal("0.13"), Decimal("0.0020"), 36, 12, 260, Decimal("5.3")
    ),
    "XRP/USDT": DemoPair(
        Decimal("0.00003"), Decimal("0.00004"), Decimal(1500), Decimal(120), 18, 8, 200, Decimal(120_000)
    ),
    "XRP/BTC": DemoPair(
        Decimal("0.000000003"), Decimal("0.00000001"), Decimal(2500), Decimal(90), 10, 2, 100, Decimal(49_000)
    ),
}


def pair_of(instrument: Instrument) -> DemoPair:
    """The character of this instrument. Raises InvalidValueError for a pair or a tick it cannot be quoted in."""
    pair = PAIRS.get(instrument.symbol)
    if pair is None:
        raise InvalidValueError(f"the demo market has {', '.join(PAIRS)}, not {instrument.symbol}")
    if OPENING_VALUES[instrument.base] < _FEWEST_TICKS * instrument.tick * OPENING_VALUES[instrument.quote]:
        raise InvalidValueError(f"{instrument.symbol}: a tick of {instrument.tick} is too coarse for the demo market")
    return pair
