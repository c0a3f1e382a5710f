"""A plan cut into batches, each of which pays for itself.

Sales lie in the first batches and purchases in the last: after any batch the share of sales that were made is at
least the share of purchases, so that no purchase waits for a sale of a later batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from triplegain.agents.rebalance import RebalanceMode
from triplegain.decision.rebalance.plan import Leg, RebalancePlan, RebalanceSettings
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT

#: A part of a leg is worth at least twice the exchange's minimum: prices move before its time has come.
_MINIMUMS = 2


@dataclass(frozen=True, slots=True)
class RebalanceBatch:
    """What is sent together, sales before purchases. It may begin from `due_ns` on, and must be over by `until_ns`."""

    number: int
    due_ns: int
    until_ns: int
    sells: tuple[Leg, ...]
    buys: tuple[Leg, ...]


def batches_of(
    plan: RebalancePlan,
    mode: RebalanceMode,
    instruments: Iterable[Instrument],
    settings: RebalanceSettings,
    now_ns: int,
) -> tuple[RebalanceBatch, ...]:
    """The batches of a plan in order, none for DEFER. A leg too small for all of them is spread over fewer."""
    if mode is RebalanceMode.DEFER:
        return ()
    split = mode is RebalanceMode.DCA_24H or plan.moved_usd >= settings.split_from_usd
    count = settings.batches if split else 1
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    rows: list[tuple[list[Leg], list[Leg]]] = [([], []) for _ in range(count)]
    for leg in plan.sells:
        for row, part in zip(rows, _parts(leg, by_symbol[leg.symbol], count, settings), strict=False):
            row[0].append(part)
    for leg in plan.buys:
        for row, part in zip(reversed(rows), _parts(leg, by_symbol[leg.symbol], count, settings), strict=False):
            row[1].append(part)
    batches = []
    for number, (sells, buys) in enumerate(rows):
        due_ns = now_ns + number * settings.batch_interval_ns
        if sells or buys:
            until_ns = due_ns + settings.batch_interval_ns
            batches.append(RebalanceBatch(number, due_ns, until_ns, tuple(sells), tuple(buys)))
    return tuple(batches)


def _parts(leg: Leg, instrument: Instrument, count: int, settings: RebalanceSettings) -> list[Leg]:
    """Equal parts in whole lots, the odd lots in the first one; as many as `count` if none gets too small."""
    lots = instrument.lots(leg.quantity)
    least_notional = max(settings.trade_min_usd, _MINIMUMS * instrument.cost_min)
    by_notional = int(EXACT.divide_int(leg.notional, least_notional)) if least_notional else count
    by_quantity = lots // (_MINIMUMS * instrument.lots_min) if instrument.lots_min else count
    pieces = max(1, min(count, by_notional, by_quantity, lots))
    each, odd = divmod(lots, pieces)
    rest = Leg(leg.symbol, leg.side, instrument.quantity(each), _share(leg.notional, each, lots))
    taken = EXACT.multiply(rest.notional, pieces - 1)
    first = Leg(leg.symbol, leg.side, instrument.quantity(each + odd), EXACT.subtract(leg.notional, taken))
    return [first, *[rest] * (pieces - 1)]


def _share(notional: Decimal, part: int, whole: int) -> Decimal:
    """`notional` x part / whole, rounded down to ten decimals."""
    return EXACT.scaleb(Decimal(int(Fraction(notional) * part / whole * 10**10)), -10)
