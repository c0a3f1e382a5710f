"""What of a market may be told without concerning anybody."""

from __future__ import annotations

from collections.abc import Set

import msgspec


class Quiet(msgspec.Struct, frozen=True, gc=False):
    """Prices are in ticks.

    `watched` are levels by side. A bid below `bids_below`, an ask above `asks_above` reach nothing, nor does a trade
    between `sold` and `bought`, both ends included, by the side of the taker. Nothing from `until_ns` on is quiet, no
    trade from `trades_until_ns` on.
    """

    watched: tuple[Set[int], Set[int]]
    bids_below: int
    asks_above: int
    sold: tuple[int, int]
    bought: tuple[int, int]
    until_ns: int
    trades_until_ns: int
