"""What orders hold of an account's money, and what is free: each holds its worst case from its acceptance on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import Side
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.charges import worst, worst_by_cost
from triplegain.exchange.engine import Engine
from triplegain.exchange.margin.account import MarginAccount
from triplegain.exchange.margin.admission import MarginAdmission
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.reduce_only import check_reduce_only
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.volume_tier import VolumeTier
from triplegain.exchange.working_orders import WorkingOrders
from triplegain.ledger.wallet import Wallet


class Funds:
    """Whoever keeps positions says in `owned` how many atoms of an asset are theirs: they are there for their own
    exits, and for no other order at any price it may slip to."""

    def __init__(
        self,
        engine: Engine,
        orders: WorkingOrders,
        wallet: Wallet,
        volume: VolumeTier,
        margin: MarginAccount,
        lending: MarginAdmission,
    ) -> None:
        self._engine = engine
        self._orders = orders
        self._wallet = wallet
        self._volume = volume
        self._margin = margin
        self._lending = lending
        self.owned: Callable[[str], int] = lambda asset: 0
        #: By asset what fills that nobody has drained have changed in positions.
        self.untold: Counter[str] = Counter()

    def lacks(self, order: WorkingOrder, market: VenueMarket, instead_of: WorkingOrder | None = None) -> Refusal | None:
        """Why an order cannot be paid; nothing is held. What `instead_of`, of its pair and side, holds is its."""
        freed = 0
        if instead_of is not None and _frees(instead_of, order):
            freed = self._wallet.reserved(instead_of.number)
            # What becomes free pays what is owed before anything else.
            there = max(self._margin.spendable(order.funds_asset) + freed, 0)
            freed -= min(self._wallet.owed(order.funds_asset), there)
        most = self._payable(order, market, freed)
        return most if isinstance(most, Refusal) else None

    def reserve(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        """Move the worst case from available to held. What only reduces a position is cut to it, or refused
        where others have closed it meanwhile."""
        if not order.is_plain and (refusal := check_reduce_only(order, self._margin.position(order.request.symbol))):
            return refusal
        most = self._payable(order, market)
        if isinstance(most, Refusal):
            return most
        if not order.is_plain and order.request.only_reduces:
            order.left = order.lots = min(order.left, self._margin.closing_lots(order))
        self._wallet.reserve(order.number, order.funds_asset, most, order.account)
        return None

    def _payable(self, order: WorkingOrder, market: VenueMarket, freed: int = 0) -> int | Refusal:
        """Atoms that an order may cost at the most, where they are there, with those that become free for it."""
        instrument, asset = order.instrument, order.funds_asset
        if order.side == 1 and order.account is LedgerAccount.HODL:
            return Refusal(Code.INVALID_ARGUMENTS, "the hodl bag is never sold")
        # The fee ceiling is the taker rate of the tier at acceptance.
        order.fee_ceiling_ppm = self._volume.tier(instrument.fees, self._engine.now_ns).taker_ppm
        if order.request.leverage > 1:
            return self._lending.payable(order, order.left, order.worst_price, freed)
        amount = worst(order, order.left, order.price) if order.side == 1 else self._worst_purchase(order, market)
        if amount is None:
            return Refusal(Code.UNAVAILABLE, f"no price of {instrument.symbol} yet")
        there = self.free(order, freed)
        if amount <= there:
            return amount
        needed, shown = text(from_atoms(amount)), text(from_atoms(max(there, 0)))
        return Refusal(Code.INSUFFICIENT_FUNDS, f"needs {needed} {asset} with fees, {shown} is available")

    def free(self, order: WorkingOrder, freed: int = 0) -> int:
        """What an order may spend beside what is held, with what becomes free for it: a purchase spends nothing that
        stands for positions."""
        asset = order.funds_asset
        there = self.spendable(order, asset) + freed
        # Money that was set aside stands for nothing.
        is_tied = order.side == 0 and order.account is LedgerAccount.WALLET
        untied = self._lending.untied(asset, freed) if is_tied else None
        return there if untied is None else min(there, untied)

    def spendable(self, order: WorkingOrder, asset: str) -> int:
        """What is available of `asset` to an order: coins of positions, less what their exits hold, are not."""
        available = self._wallet.available(asset, order.account)
        is_exit = asset == order.instrument.base and order.request.position_id is not None
        return available if is_exit or order.account is LedgerAccount.HODL else available - self.kept(asset)

    def kept(self, asset: str) -> int:
        """Coins of positions that no exit of theirs holds."""
        owned = self.owned(asset) + self.untold.get(asset, 0)
        if owned <= 0:
            return 0
        exits = (each for each in self._orders.exits.values() if each.instrument.base == asset)
        held = sum(self._wallet.reserved(each.number) for each in exits)
        return max(owned - held, 0)

    def _worst_purchase(self, order: WorkingOrder, market: VenueMarket) -> int | None:
        """Atoms of quote currency a buy may cost: what it names, else at its price, else by walking the book, else at
        the slipped price."""
        if order.cost:
            return worst_by_cost(order)
        if order.price:
            return worst(order, order.left, order.worst_price)
        if market.public.book.is_known:
            left, cost = order.left, 0
            for price, size in market.book.walk(1, None):
                cost += worst(order, min(size, left), price)
                left -= min(size, left)
                if not left:
                    break
            return cost
        if market.last is None:
            return None
        return worst(order, order.left, market.simple.slipped(0, market.last))

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        """Lots of a purchase that what is reserved and may be spent can pay, fee included.

        One that names its cost spends no more than that.
        """
        if order.request.leverage > 1:
            return lots
        if order.cost:
            lots = min(lots, order.budget // (price * order.instrument.atoms_per_tick_lot))
        more = max(self.free(order), min(self.spendable(order, order.funds_asset), 0))
        funds = self._wallet.reserved(order.number) + more
        if order.tier is None:
            now = self._volume.tier(order.instrument.fees, self._engine.now_ns)
            order.fee_ceiling_ppm = max(order.fee_ceiling_ppm, now.taker_ppm)
        if worst(order, lots, price) <= funds:
            return lots
        fewest, most = 0, min(lots, funds // (price * order.instrument.atoms_per_tick_lot))
        while fewest < most:
            middle = (fewest + most + 1) // 2
            if worst(order, middle, price) <= funds:
                fewest = middle
            else:
                most = middle - 1
        return fewest


def _frees(replaced: WorkingOrder, order: WorkingOrder) -> bool:
    """Whether what an order holds is there for the one in its place: not where that pays from another account or with
    another asset, nor what an exit holds for an order that is none."""
    was, wanted = replaced.request, order.request
    is_for_exits = was.side is Side.SELL and was.position_id is not None and wanted.position_id is None
    is_same = replaced.account is order.account and replaced.funds_asset == order.funds_asset
    return is_same and not is_for_exits
