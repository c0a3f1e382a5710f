"""What of the realised profit is kept: a share of what lies above the highest profit the session ever had."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.money import EXACT, floor_to, text
from triplegain.execution.hodl_bag.settings import HodlSettings

DAY_NS = 86_400 * SECOND_NS

#: Amounts set aside are whole multiples of this.
STEP = Decimal("1e-8")

_ZERO = Decimal(0)


class ProfitMark:
    """The sum of all closed positions in USD, its high-water mark, and what was kept today (UTC, market time).

    A loss has to be earned back before anything is kept again, so an account that loses keeps nothing. The mark only
    rises when something is above it by the least profit: smaller gains add up. What a limit cut off is not kept later.
    """

    def __init__(self, settings: HodlSettings) -> None:
        self._settings = settings
        self.realised = _ZERO
        self.high_water = _ZERO
        self.kept_today = _ZERO
        self._day = 0

    def take(self, profit: Decimal, now_ns: int) -> Decimal:
        """Count one closed position, net of fees; the USD to keep of it, 0 where nothing is."""
        settings, day = self._settings, now_ns // DAY_NS
        if day > self._day:
            self._day, self.kept_today = day, _ZERO
        self.realised = EXACT.add(self.realised, profit)
        above = EXACT.subtract(self.realised, self.high_water)
        if above < settings.profit_min:
            return _ZERO
        self.high_water = self.realised
        left_today = EXACT.subtract(settings.day_max, self.kept_today)
        wanted = EXACT.multiply(above, settings.share)
        kept = floor_to(min(wanted, settings.allocation_max, left_today), STEP)
        self.kept_today = EXACT.add(self.kept_today, kept)
        return kept

    def state(self) -> dict[str, Any]:
        return {
            "realised": text(self.realised),
            "high_water": text(self.high_water),
            "kept_today": text(self.kept_today),
            "day": self._day,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.realised = Decimal(state["realised"])
        self.high_water = Decimal(state["high_water"])
        self.kept_today = Decimal(state["kept_today"])
        self._day = state["day"]


def split_up(amount: Decimal, settings: HodlSettings) -> dict[str, Decimal]:
    """`amount` by asset, rounded down; the currency takes the rest, so that nothing is lost."""
    shares = {
        asset: floor_to(EXACT.multiply(amount, share), STEP)
        for asset, share in settings.split.items()
        if asset != settings.currency
    }
    rest = EXACT.subtract(amount, sum(shares.values(), _ZERO))
    return {settings.currency: rest, **shares}
