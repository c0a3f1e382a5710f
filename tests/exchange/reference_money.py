"""Money of the reference exchange, as fractions: what is there, what is held for whom, and what a fill costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from triplegain.domain.fees import RATE_UNIT, FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import FeePreference, OrderRequest

#: Quotes whose trades count to the 30-day volume as they are.
_COUNTED = ("USD", "USDT")


def rounded_up(amount: Fraction, step: Fraction) -> Fraction:
    return ceil(amount / step) * step


def rounded_down(amount: Fraction, step: Fraction) -> Fraction:
    return floor(amount / step) * step


@dataclass(slots=True)
class Bill:
    """The rates of one order: of the tier before its first fill, once it has one; it holds the fee at `ceiling_ppm`."""

    ceiling_ppm: int
    in_base: bool = False
    tier: FeeTier | None = None


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
        self.cost_step = Fraction(Decimal(1).scaleb(-self.instrument.cost_decimals))
        self.balance_step = Fraction(self.instrument.balance_unit_atoms, 10**18)

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

    def _tier(self) -> FeeTier:
        return self.instrument.fees.tier(Decimal(self.volume_usd.numerator) / Decimal(self.volume_usd.denominator))

    def new_bill(self, request: OrderRequest) -> Bill:
        """What is in force now for a taker is the most that an order ever pays."""
        return Bill(self._tier().taker_ppm, request.options.fee_preference is FeePreference.BASE)

    def coins_with_fee(self, bill: Bill, lots: int) -> Fraction:
        """What a sale holds for so many lots: a fee in base goes on top, in whole lots."""
        return (lots + (ceil(Fraction(lots * bill.ceiling_ppm, RATE_UNIT)) if bill.in_base else 0)) * self.lot

    def cost(self, price: int | Fraction, lots: int) -> Fraction:
        """Before it is rounded."""
        return price * lots * self.lot_price

    def paid(self, price: int, lots: int) -> Fraction:
        """What a purchase pays, its fee not counted."""
        return rounded_up(rounded_up(self.cost(price, lots), self.cost_step), self.balance_step)

    def budget(self, amount: Fraction, spent: Fraction) -> Fraction:
        """What is left of an amount, in whole steps: what is bought for it is rounded up to these."""
        return rounded_down(max(amount - spent, Fraction(0)), max(self.cost_step, self.balance_step))

    def with_fee(self, bill: Bill, worth: Fraction) -> Fraction:
        """What a purchase holds for so much of it: its cost and the fee of a taker, as one fill would be charged."""
        cost = rounded_up(worth, self.cost_step)
        fee = min(rounded_up(worth * bill.ceiling_ppm / RATE_UNIT, self.cost_step), cost)
        if bill.in_base:
            fee = Fraction(0)
        return rounded_up(cost, self.balance_step) + rounded_up(fee, self.balance_step)

    def affordable(self, bill: Bill, price: int, lots: int, funds: Fraction) -> int:
        """How many of `lots` the funds pay at `price` for a taker, fee included."""
        low, high = 0, lots
        while low < high:
            middle = (low + high + 1) // 2
            if self.with_fee(bill, self.cost(price, middle)) <= funds:
                low = middle
            else:
                high = middle - 1
        return low

    def fee(self, bill: Bill, side: int, price: int, lots: int, maker: bool) -> tuple[Fraction, Fraction]:
        """Of one fill, in the quote currency: as it is told, and as a balance pays it. It counts to the volume."""
        worth = self.cost(price, lots)
        bill.tier = bill.tier or self._tier()
        rate = min(bill.tier.maker_ppm if maker else bill.tier.taker_ppm, bill.ceiling_ppm)
        if self.instrument.quote in _COUNTED:
            self.volume_usd += worth
        cost = rounded_up(worth, self.cost_step) if side == 0 else rounded_down(worth, self.cost_step)
        told = min(rounded_up(worth * rate / RATE_UNIT, self.cost_step), cost)
        return told, rounded_up(told, self.balance_step)

    def settle(self, bill: Bill, side: int, price: int, lots: int, maker: bool, funds: Fraction) -> Fraction:
        """Books one fill, of which a purchase can pay `funds`; returns its fee."""
        worth = self.cost(price, lots)
        bill.tier = bill.tier or self._tier()
        rate = bill.tier.maker_ppm if maker else bill.tier.taker_ppm
        if self.instrument.quote in _COUNTED:
            self.volume_usd += worth
        if bill.in_base:
            return self._settle_in_base(rate, side, worth, lots, funds)
        cost = rounded_up(worth, self.cost_step) if side == 0 else rounded_down(worth, self.cost_step)
        fee = min(rounded_up(worth * rate / RATE_UNIT, self.cost_step), cost)
        fee_paid = rounded_up(fee, self.balance_step)
        if side == 0:
            paid = rounded_up(cost, self.balance_step)
            # Rounding that nobody can pay is left out, of the fee first.
            spared = min(max(paid + fee_paid - funds, Fraction(0)), fee_paid)
            fee_paid -= spared
            self.total[self.instrument.quote] -= min(paid, funds) + fee_paid
        else:
            received = rounded_down(cost, self.balance_step)
            fee_paid = min(fee_paid, received)
            self.total[self.instrument.quote] += received - fee_paid
        self.total[self.instrument.base] += (1 - 2 * side) * lots * self.lot
        return min(fee, fee_paid) if side == 0 else fee

    def _settle_in_base(self, rate: int, side: int, worth: Fraction, lots: int, funds: Fraction) -> Fraction:
        """Whole lots, rounded up: off what is bought, of which a lot is left, or on top of what is sold."""
        base, quote = self.instrument.base, self.instrument.quote
        fee = ceil(Fraction(lots * rate, RATE_UNIT))
        if side == 0:
            fee = min(fee, lots - 1)
            paid = rounded_up(rounded_up(worth, self.cost_step), self.balance_step)
            self.total[quote] -= min(paid, funds)
            self.total[base] += (lots - fee) * self.lot
        else:
            fee = max(min(fee, lots, floor(funds / self.lot) - lots), 0)
            self.total[quote] += rounded_down(rounded_down(worth, self.cost_step), self.balance_step)
            self.total[base] -= (lots + fee) * self.lot
        return fee * self.lot
