"""What a fill costs. Every rounding goes against the trader: a purchase's cost and each fee up, a sale's proceeds down.

Cost and fee are told in the steps of the pair and move balances in the steps of the asset, both fill by fill, as the
exchange writes a row for each. Amounts are atoms.
"""

from __future__ import annotations

import msgspec

from triplegain.domain.fees import RATE_UNIT
from triplegain.exchange.order import WorkingOrder


class Charge(msgspec.Struct, frozen=True, gc=False):
    """Of one fill. `cost` is in the quote currency, the fee in the one in which the order pays it.

    `paid`, `received` and `fee_paid` are what of it moves balances; `spent` is all that it takes of the asset in which
    the order holds its funds.
    """

    cost: int
    fee: int
    paid: int
    received: int
    fee_paid: int
    spent: int

    def within(self, funds: int) -> Charge:
        """The same where no more than `funds` can be spent: what is lacking is rounding that the hold of an order
        cannot know beforehand. It is not charged, of the fee first and then of the cost."""
        if (lacking := self.spent - funds) <= 0:
            return self
        spared = min(lacking, self.spent - self.paid)
        cut, fee_paid = lacking - spared, self.fee_paid - spared
        cost = min(self.cost, self.paid - cut) if cut else self.cost
        return Charge(cost, min(self.fee, fee_paid), self.paid - cut, self.received, fee_paid, funds)


def charge_of(order: WorkingOrder, price: int, lots: int, rate_ppm: int) -> Charge:
    """Of `lots` at `price`. A fee is never more than what is traded; one in coins leaves a purchase a lot."""
    instrument = order.instrument
    worth, coins = price * lots * instrument.atoms_per_tick_lot, lots * instrument.atoms_per_lot
    cost_unit, balance_unit = instrument.cost_unit_atoms, instrument.balance_unit_atoms
    buys = order.side == 0
    # `-amount % unit` is what an amount lacks of the next whole unit.
    if buys:
        cost = worth + -worth % cost_unit
        moved = cost + -cost % balance_unit
        paid, received = moved, coins
    else:
        cost = worth - worth % cost_unit
        moved = cost - cost % balance_unit
        paid, received = coins, moved
    if order.pays_fee_in_base:
        # In whole lots: less than a lot could never be sold.
        most = max(coins - instrument.atoms_per_lot, 0) if buys else coins
        fee = fee_paid = min(_share(coins, rate_ppm, instrument.atoms_per_lot), most)
        return Charge(cost, fee, paid, received, fee_paid, paid if buys else paid + fee_paid)
    fee = min(_share(worth, rate_ppm, cost_unit), cost)
    fee_paid = min(fee + -fee % balance_unit, moved)
    return Charge(cost, fee, paid, received, fee_paid, paid + fee_paid if buys else paid)


def paid_for(order: WorkingOrder, price: int, lots: int) -> int:
    """What a purchase pays for them, its fee not counted."""
    return charge_of(order, price, lots, 0).paid


def worst(order: WorkingOrder, lots: int, price: int) -> int:
    """What `lots` more at up to `price` may cost of the asset in which the order holds its funds, fee included."""
    if order.side == 1 and not order.pays_fee_in_base:
        return lots * order.instrument.atoms_per_lot
    return charge_of(order, price, lots, order.fee_ceiling_ppm).spent


def worst_by_cost(order: WorkingOrder) -> int:
    """The same of all that an order buys that names its cost."""
    instrument = order.instrument
    paid = _up(_up(order.cost, instrument.cost_unit_atoms), instrument.balance_unit_atoms)
    if order.pays_fee_in_base:
        return paid
    fee = _share(order.cost, order.fee_ceiling_ppm, instrument.cost_unit_atoms)
    return paid + _up(fee, instrument.balance_unit_atoms)


def _up(amount: int, step: int) -> int:
    return -(-amount // step) * step


def _share(amount: int, rate_ppm: int, step: int) -> int:
    """The share of an amount, up to the step."""
    return -(-amount * rate_ppm // (step * RATE_UNIT)) * step
