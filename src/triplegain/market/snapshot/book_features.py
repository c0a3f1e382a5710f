"""Figures of an order book: how wide, how deep, and which side is heavier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Level

#: Distances are counted in millionths of the middle price.
_MILLION = 1_000_000
_PCT = 10_000

#: Bids and asks, each best first.
BookLevels = tuple[Sequence[Level], Sequence[Level]]


@dataclass(frozen=True, slots=True)
class Depth:
    """Base currency within `pct` percent of the middle. Beyond `reach_pct` of a book nothing is counted."""

    pct: Decimal
    bid_quantity: Decimal
    ask_quantity: Decimal


@dataclass(frozen=True, slots=True)
class BookFeatures:
    """Prices in the quote currency. `mid` is exact; `weighted_mid` leans to the side with less at its best price.

    `imbalance` is (bids - asks) / (bids + asks) within the smallest distance both sides are seen for: -1 only asks,
    1 only bids. The reach of a side is how far from the middle its last level is; what lies behind it is not known,
    so a depth beyond the reach is the least there is.
    """

    bid: Decimal
    ask: Decimal
    mid: Decimal
    weighted_mid: float
    spread_bps: float
    imbalance: float
    imbalance_pct: float
    depths: tuple[Depth, ...]
    bids_reach_pct: float
    asks_reach_pct: float


def book_features(instrument: Instrument, levels: BookLevels, depth_pcts: Sequence[Decimal]) -> BookFeatures | None:
    """Of a book's levels, best first; None if a side is empty or the sides overlap.

    Raises InvalidValueError for levels that are not sorted.
    """
    bids, asks = levels
    if not bids or not asks or bids[0][0] >= asks[0][0]:
        return None
    if bids[0][0] < bids[-1][0] or asks[0][0] > asks[-1][0]:
        raise InvalidValueError(f"{instrument.symbol}: the levels of a book come best first")
    (bid, bid_lots), (ask, ask_lots) = bids[0], asks[0]
    twice_mid = bid + ask
    limits = [int(pct * _PCT) for pct in depth_pcts]
    reach_bids = (twice_mid - 2 * bids[-1][0]) * _MILLION // twice_mid
    reach_asks = (2 * asks[-1][0] - twice_mid) * _MILLION // twice_mid
    touch = -((ask - bid) * -_MILLION // twice_mid)
    near = max(min(limits[0], reach_bids, reach_asks), touch)
    bid_near, *bid_sums = _sums(bids, twice_mid, -1, (near, *limits))
    ask_near, *ask_sums = _sums(asks, twice_mid, 1, (near, *limits))
    quantity = instrument.quantity
    return BookFeatures(
        bid=instrument.price(bid),
        ask=instrument.price(ask),
        mid=instrument.price(twice_mid) / 2,
        weighted_mid=(bid * ask_lots + ask * bid_lots) / (bid_lots + ask_lots) * float(instrument.tick),
        spread_bps=2 * (ask - bid) * 10_000 / twice_mid,
        imbalance=(bid_near - ask_near) / (bid_near + ask_near),
        imbalance_pct=near / _PCT,
        depths=tuple(
            Depth(pct, quantity(bid_sum), quantity(ask_sum))
            for pct, bid_sum, ask_sum in zip(depth_pcts, bid_sums, ask_sums, strict=True)
        ),
        bids_reach_pct=reach_bids / _PCT,
        asks_reach_pct=reach_asks / _PCT,
    )


def _sums(levels: Sequence[Level], twice_mid: int, direction: int, limits: Sequence[int]) -> list[int]:
    """Lots within each of the limits (millionths from the middle)."""
    sums = [0] * len(limits)
    waiting = sorted((limit, index) for index, limit in enumerate(limits))
    bounds = [(direction * twice_mid * (_MILLION + direction * limit), index) for limit, index in waiting]
    sign, total, done = direction * 2 * _MILLION, 0, 0
    for price, lots in levels:
        at = sign * price
        while at > bounds[done][0]:
            sums[bounds[done][1]] = total
            done += 1
            if done == len(bounds):
                return sums
        total += lots
    for _, index in bounds[done:]:
        sums[index] = total
    return sums
