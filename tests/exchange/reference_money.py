"""Money of the reference exchange, as fractions: what is there, what is held for whom, and what a fill costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import ceil

from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument

#: Quotes whose trades count to the 30-day volume as they are.
_COUNTED = ("USD", "USDT")


def rounded_up(amount: Fraction, step: Fraction) -> Fraction:
    return ceil(amount / step) * step


@dataclass(slots=True)
class Bill:
    """The fee of one order over all its fills; `maker_ppm` and `taker_ppm` are never exceeded."""

    maker_ppm: int
    taker_ppm: int
    due: Fraction = Fraction(0)
    paid: Fraction = Fraction(0)


@dataclass
class Purse:
    """Base and quote of one instrument; holds by order number."""

    instrument: Instrument
    total: dict[str, Fraction]
    volume_usd: Fraction = Fraction(0)
    holds: dict[int, tuple[str, Fraction]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lot = Fraction(self.instrument.lot)
        self.lot_price = Fraction(self.instrument.tick) * self.lot
        self.fee_step = Fraction(Decimal(1).scaleb(-self.instrument.fee_decimals))

    def held(self, asset: str) -> Fraction:
        return sum((amount for held, amount in self.holds.values() if held == asset), Fraction(0))

    def free(self, asset: str) -> Fraction:
        return self.total[asset] - self.held(asset)

    def hold_of(self, number: int) -> Fraction:
        return self.holds[number][1] if number in self.holds else Fraction(0)

    def hold(self, number: int, asset: str, amount: Fraction) -> None:
        self.holds[number] = (asset, amount)

    def release(self, number: int) -> None:
        self.holds.pop(number, None)

    # -- prices --------------------------------------------------------------------------------------------------

    def new_bill(self) -> Bill:
        """At the rates in force now."""
        tier = self.instrument.fees.tier(Decimal(self.volume_usd.numerator) / Decimal(self.volume_usd.denominator))
        return Bill(tier.maker_ppm, tier.taker_ppm)

    def cost(self, price: int, lots: int) -> Fraction:
        return price * lots * self.lot_price

    def with_fee(self, bill: Bill, cost: Fraction) -> Fraction:
        """What a purchase holds for what is left of it: its cost, and what the fee over all fills comes to at most."""
        return cost + rounded_up(bill.due + cost * bill.taker_ppm / RATE_UNIT, self.fee_step) - bill.paid

    def fee(self, bill: Bill, cost: Fraction, maker: bool) -> tuple[Fraction, Fraction]:
        """What one fill pays, and what is due over all fills then."""
        now = self.new_bill()
        rate = min(bill.maker_ppm, now.maker_ppm) if maker else min(bill.taker_ppm, now.taker_ppm)
        due = bill.due + cost * rate / RATE_UNIT
        return min(rounded_up(due, self.fee_step) - bill.paid, cost), due

    def affordable(self, bill: Bill, price: int, lots: int, funds: Fraction) -> int:
        """How many of `lots` the funds pay at `price` for a taker, fee included."""
        low, high = 0, lots
        while low < high:
            middle = (low + high + 1) // 2
            cost = self.cost(price, middle)
            if cost + self.fee(bill, cost, maker=False)[0] <= funds:
                low = middle
            else:
                high = middle - 1
        return low

    def settle(self, bill: Bill, side: int, price: int, lots: int, maker: bool) -> Fraction:
        """Books one fill; returns its fee."""
        cost = self.cost(price, lots)
        fee, bill.due = self.fee(bill, cost, maker)
        bill.paid += fee
        sign = 1 if side == 0 else -1
        self.total[self.instrument.base] += sign * lots * self.lot
        self.total[self.instrument.quote] -= sign * cost + fee
        if self.instrument.quote in _COUNTED:
            self.volume_usd += cost
        return fee
