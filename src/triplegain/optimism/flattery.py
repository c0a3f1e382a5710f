"""By how much other rules flatter: a session's orders here beside the same orders there, with the range of chance.

Of an order that bought, what is filled is worth `quantity x mark`, cost its price and paid its fee; of one that sold
the other way round. What the other rule makes of it less what it made here is the flattery, the sum of three parts:

- price: of the quantity that is filled both here and there, the difference of what was paid;
- fills: of what is filled only there, its worth at the mark less its price, and the same of what is filled only here,
  subtracted;
- fee: what was paid here less what would be paid there.

The mark is the middle when the order was over here. Basis points are of the notional that was traded here or there,
whichever is more, order by order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import from_atoms
from triplegain.optimism.rules import RULES, Filled, Rule
from triplegain.optimism.walk import Elsewhere

#: With fewer orders that were traded there is no interval: it would say less than it seems to.
ORDERS_MIN = 10
_RESAMPLES = 2_000
_CONFIDENCE = 0.95
_BPS = 10_000
_MASK = (1 << 64) - 1
#: Of the orders that are drawn again.
_BLOCKS_MIN = 10
#: Draws at a time.
_DRAWS = 250_000

_Interval = tuple[float | None, float | None]


class Flattered(Struct, frozen=True):
    """Of one order by one rule, in atoms of the quote currency."""

    price: int
    fills: int
    fee: int
    notional: int

    @property
    def total(self) -> int:
        return self.price + self.fills + self.fee


class RuleFigures(Struct, frozen=True):
    """One rule beside our exchange, over the orders in one quote currency that it has. Amounts in that currency, rates
    in basis points of `notional`: None where nothing was traded here or there. `low` and `high`: 95 % of chance over
    `block` orders in a row at a time; None where fewer than `ORDERS_MIN` were traded.

    `orders` were compared; `filled_here` and `filled_there` of them to some part; `only_there` those of which here not
    a lot was filled.
    """

    rule: str
    version: str
    source: str
    asset: str
    orders: int
    filled_here: int
    filled_there: int
    only_there: int
    notional: Decimal
    flattered: Decimal
    basis_points: float | None
    block: int
    low: float | None
    high: float | None
    price: float | None
    fills: float | None
    fee: float | None


def flattered(each: Elsewhere, filled: Filled, rule: Rule, instrument: Instrument) -> Flattered | None:
    """What a rule would have told better than our exchange; None where it cannot be valued."""
    order, unit = each.order, instrument.atoms_per_tick_lot
    lots, cost = filled.lots, filled.cost * unit
    # As here, a fee is rounded up.
    fee = -(-cost * rule.fee_ppm(filled.is_maker, instrument.fees.tiers[0]) // RATE_UNIT)
    sign = 1 if order.asked.side == 0 else -1
    both = min(lots, order.lots)
    price = sign * (order.cost * both // order.lots - cost * both // lots) if both else 0
    if lots == order.lots:
        worth = 0
    elif each.mark_doubled is None:
        return None
    else:
        worth = each.mark_doubled * unit * (lots - order.lots) // 2
    paid = order.fee - fee
    total = sign * (worth - cost + order.cost) + paid
    return Flattered(price, total - price - paid, paid, max(order.cost, cost))


def figures(
    found: Sequence[Elsewhere], instruments: Mapping[str, Instrument], seed: int, rules: Sequence[Rule] = RULES
) -> list[RuleFigures]:
    """Of each rule in each quote currency; the rules of one currency are drawn alike, so that they can be compared."""
    told = []
    for asset in sorted({instruments[each.order.symbol].quote for each in found}):
        mine = [each for each in found if instruments[each.order.symbol].quote == asset]
        compared = [_compared(mine, place, rule, instruments) for place, rule in enumerate(rules)]
        block = block_of([each.order.sent_ns for each in mine])
        intervals = _intervals(compared, block, seed)
        for place, (rule, rows, interval) in enumerate(zip(rules, compared, intervals, strict=True)):
            told.append(_figures(mine, place, rule, asset, rows, block, interval))
    return told


def block_of(sent_ns: Sequence[int]) -> int:
    """How many orders in a row are drawn together: as many as an hour has, for those share their market, and at most a
    tenth of all, for with fewer blocks there is nothing to draw from."""
    hours = max(1, -(-(max(sent_ns) - min(sent_ns)) // HOUR_NS))
    return max(1, min(-(-len(sent_ns) // hours), len(sent_ns) // _BLOCKS_MIN))


def _compared(
    found: Sequence[Elsewhere], place: int, rule: Rule, instruments: Mapping[str, Instrument]
) -> list[Flattered | None]:
    """Order by order; None where nobody knows what comes of it there, or what that is worth."""
    return [
        None if filled is None else flattered(each, filled, rule, instruments[each.order.symbol])
        for each, filled in ((each, each.filled[place]) for each in found)
    ]


def _figures(
    found: Sequence[Elsewhere],
    place: int,
    rule: Rule,
    asset: str,
    rows: Sequence[Flattered | None],
    block: int,
    interval: _Interval,
) -> RuleFigures:
    pairs = [(each, row) for each, row in zip(found, rows, strict=True) if row is not None]
    notional = sum(row.notional for _, row in pairs)

    def rate(amounts: Iterable[int]) -> float | None:
        return sum(amounts) / notional * _BPS if notional else None

    return RuleFigures(
        rule=rule.name,
        version=rule.version,
        source=rule.source,
        asset=asset,
        orders=len(pairs),
        filled_here=sum(each.order.lots > 0 for each, _ in pairs),
        filled_there=sum(_fills(each, place) for each, _ in pairs),
        only_there=sum(_fills(each, place) and not each.order.lots for each, _ in pairs),
        notional=from_atoms(notional),
        flattered=from_atoms(sum(row.total for _, row in pairs)),
        basis_points=rate(row.total for _, row in pairs),
        block=block,
        low=interval[0],
        high=interval[1],
        price=rate(row.price for _, row in pairs),
        fills=rate(row.fills for _, row in pairs),
        fee=rate(row.fee for _, row in pairs),
    )


def _fills(each: Elsewhere, place: int) -> bool:
    filled = each.filled[place]
    return filled is not None and filled.lots > 0


def _intervals(compared: Sequence[Sequence[Flattered | None]], block: int, seed: int) -> list[_Interval]:
    """Of each rule the middle 95 % of what other draws of the same orders give (moving blocks, percentiles)."""
    totals = np.array([[row.total if row else 0 for row in rows] for rows in compared], dtype=np.float64)
    weights = np.array([[row.notional if row else 0 for row in rows] for rows in compared], dtype=np.float64)
    orders = totals.shape[1]
    drawn = np.concatenate(
        [
            np.stack((totals[:, picks].sum(axis=2), weights[:, picks].sum(axis=2)))
            for picks in _picks(seed, orders, block)
        ],
        axis=2,
    )
    found: list[_Interval] = []
    for place, rows in enumerate(weights):
        total, weight = drawn[0, place], drawn[1, place]
        if np.count_nonzero(rows) < ORDERS_MIN:
            found.append((None, None))
            continue
        traded = weight > 0
        rates = np.sort(total[traded] / weight[traded]) * _BPS
        cut = int(len(rates) * (1 - _CONFIDENCE) / 2)
        found.append((float(rates[cut]), float(rates[-1 - cut])))
    return found


def _picks(seed: int, orders: int, block: int) -> Iterator[npt.NDArray[np.int64]]:
    """Which orders each resample holds, some resamples at a time: blocks of orders in a row, the first one after the
    last, each from a place that is drawn as `exchange.seeded` draws."""
    blocks = -(-orders // block)
    step = max(1, _DRAWS // orders)
    behind = np.arange(orders, dtype=np.uint64) % np.uint64(block)
    for first in range(0, _RESAMPLES, step):
        rows = min(step, _RESAMPLES - first)
        numbers = np.arange(first * blocks, (first + rows) * blocks, dtype=np.uint64) + np.uint64(1)
        z = numbers * np.uint64(0xD1342543DE82EF95) + np.uint64(seed * 0x9E3779B97F4A7C15 & _MASK)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        starts = ((z ^ (z >> np.uint64(31))) % np.uint64(orders)).reshape(rows, blocks)
        picks = np.repeat(starts, block, axis=1)[:, :orders] + behind
        yield (picks % np.uint64(orders)).astype(np.int64)
