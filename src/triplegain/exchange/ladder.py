"""The book as an account saw it just before an order met it: what stood there, and what of it could still be had."""

from __future__ import annotations

from typing import Any

from triplegain.domain.instrument import Instrument
from triplegain.domain.money import steps_text

#: So many levels a side are kept.
LADDER_LEVELS = 10

#: Price in ticks, lots displayed, lots that could still be taken; the best first.
LadderLevel = tuple[int, int, int]


class Ladder:
    """Shared by the fills of one order in one step; its words are made when they are first read."""

    __slots__ = ("_told", "asks", "bids")

    def __init__(self, bids: list[LadderLevel], asks: list[LadderLevel]) -> None:
        self.bids = bids
        self.asks = asks
        self._told: dict[str, Any] | None = None

    def told(self, instrument: Instrument) -> dict[str, Any]:
        """Both sides as lists of `[price, displayed]`, with a third number where less could be had than is displayed:
        what the tape or the account itself has taken, and the feed still shows."""
        if self._told is None:
            price, quantity = steps_text(instrument.tick), steps_text(instrument.lot)
            self._told = {
                name: [
                    [price(ticks), quantity(shown)] + ([] if left == shown else [quantity(left)])
                    for ticks, shown, left in levels
                ]
                for name, levels in (("bids", self.bids), ("asks", self.asks))
            }
        return self._told
