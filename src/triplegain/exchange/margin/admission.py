"""Whether an order with leverage is taken: what is offered, how large a position may be, whether margin is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.ledger_entry import LedgerAccount, account_of
from triplegain.domain.money import EXACT, divide, from_atoms, text, whole_atoms
from triplegain.domain.orders import FeePreference, OrderStatus
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.margin.account import MarginAccount
from triplegain.exchange.margin.position import lending_fee
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.working_orders import WorkingOrders
from triplegain.ledger.realised import add_known, in_usd
from triplegain.ledger.wallet import Wallet

_OPEN = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


def check_leverage(order: WorkingOrder, closes: int, margin: MarginAccount) -> Refusal | None:
    """Whether this pair lends so much to this side. What only closes needs nothing to be offered any more: `closes` are
    the lots that the order would close."""
    request, offered, symbol = order.request, margin.offered(order), order.instrument.symbol
    if request.leverage < 1:
        return Refusal(Code.INVALID_LEVERAGE, f"leverage must be 1, it is {request.leverage}")
    if request.leverage == 1:
        return None
    if request.leverage not in offered and not request.terms.settles and not 0 < order.left <= closes:
        if not offered:
            return Refusal(Code.MARGIN_ALLOWANCE, f"no margin is offered on {symbol}: leverage must be 1")
        most = f"{offered[0]} to {offered[-1]}"
        return Refusal(Code.MARGIN_ALLOWANCE, f"{symbol} lends {most} times to this side, not {request.leverage} times")
    if order.cost:
        return Refusal(Code.INVALID_COST, "a purchase with leverage names its quantity, not its cost")
    if request.options.fee_preference is not FeePreference.QUOTE:
        return Refusal(Code.INVALID_ARGUMENTS, "the fees of an order with leverage are taken in the quote currency")
    if account_of(request.origin) is LedgerAccount.HODL:
        return Refusal(Code.INVALID_ARGUMENTS, "the hodl bag borrows nothing")
    return None


class MarginAdmission:
    """What an order with leverage needs beside what is there: margin for what it opens, and funds for the fees."""

    def __init__(
        self,
        margin: MarginAccount,
        markets: Mapping[str, VenueMarket],
        orders: WorkingOrders,
        wallet: Wallet,
    ) -> None:
        self._margin = margin
        self._markets = markets
        self._orders = orders
        self._wallet = wallet

    def payable(self, order: WorkingOrder, left: int, price: int, freed: int = 0) -> int | Refusal:
        """Atoms of the quote currency to be held for the fees of what `left` lots at `price` (0: at market) open.

        `freed`: what becomes free for it. An order that only closes holds nothing and needs nothing: it is never in the
        way of getting out.
        """
        if not (opens := self._opens(order, left)):
            return 0
        market = self._markets[order.request.symbol]
        most = self._most(order, market, price)
        if most is None:
            return Refusal(Code.UNAVAILABLE, f"no price of {market.instrument.symbol} yet")
        worth, lost = order.instrument.atoms_per_tick_lot * most * opens, 0
        if order.role is Role.MARKET and market.public.book.is_known:
            worth, lost = _walked(order, market, left, opens) or (worth, lost)
        return self._objection(order, opens, worth, lost) or self._fees(order, worth, freed)

    def hold(self, order: WorkingOrder, price: int, filled: int) -> int:
        """What the rest of an open order keeps held, after a fill at `price` that positions have not followed yet."""
        opens = self._opens(order, order.left, filled)
        worth = max(price, order.worst_price) * opens * order.instrument.atoms_per_tick_lot
        return min(self._fee(order, worth), self._wallet.reserved(order.number))

    def opening(self, filling: WorkingOrder) -> dict[str, int]:
        """By client order id, how much the other open orders of the pair and side of `filling` would open."""
        lent = (each for each in self._orders.on_margin.values() if each is not filling and each.status in _OPEN)
        asked = (filling.request.symbol, filling.request.side)
        of_side = [each for each in lent if (each.request.symbol, each.request.side) == asked]
        return {each.client_order_id: self._opens(each, each.left) for each in of_side}

    def opens_too_much(self, order: WorkingOrder, before: int) -> tuple[int, Refusal] | None:
        """An open order closes less than it did, others have: what it opens now needs margin as on arrival. None where
        that is there, and its fees are held; else how much of it still closes something, and why no more is opened."""
        opens, held = self._opens(order, order.left), self._wallet.reserved(order.number)
        if opens <= before:
            return None
        most = self.payable(order, order.left, order.worst_price, held)
        if isinstance(most, Refusal):
            return order.left - opens, most
        self._wallet.resize(order.number, most)
        return None

    def untied(self, asset: str, freed: int = 0) -> int | None:
        """Atoms of an asset that purchases of coins may spend: what positions use and open orders with leverage may
        need is tied to them, and so is what others hold, but for `freed` of it. Below zero where that is more than
        there is. None where nothing is on margin, or where it is no collateral."""
        margin = self._margin
        if not (margin.positions or self._orders.on_margin):
            return None
        share = margin.terms.collateral.get(asset)
        lent = [each for each in self._orders.on_margin.values() if each.status in _OPEN]
        if not share or not (margin.positions or lent):
            return None
        figures, price, pending = margin.figures(), margin.usd(asset), self._pending(lent)
        if figures is None or not price or pending is None:
            return 0
        free = divide(figures.free - pending, EXACT.multiply(share, price))
        # What these hold is for fees, which are counted among what they need.
        fees = sum(self._wallet.reserved(each.number) for each in lent if each.funds_asset == asset)
        return whole_atoms(free) - self._wallet.held(asset) + fees + freed

    @property
    def pending(self) -> Decimal | None:
        """What all open orders with leverage may come to need together, in USD; None where a price is not known."""
        return self._pending(self._orders.on_margin.values())

    def check(self, order: WorkingOrder) -> Refusal | None:
        """Whether it is lent what it asks for."""
        if order.request.only_reduces:
            return check_leverage(order, self._margin.closing_lots(order), self._margin)
        return check_leverage(order, self._closes(order), self._margin)

    def _closes(self, order: WorkingOrder, filled: int = 0) -> int:
        """What is open on the other side after a fill of so much, less what orders before it may close."""
        there = max(self._margin.closing_lots(order) - filled, 0)
        return max(there - sum(each.left for each in self._before(order)), 0) if there else 0

    def _opens(self, order: WorkingOrder, left: int, filled: int = 0) -> int:
        """How much of `left` lots opens something."""
        return 0 if self._margin.only_reduces(order) else max(left - self._closes(order, filled), 0)

    def _others(self, order: WorkingOrder, orders: Mapping[str, WorkingOrder]) -> Iterator[WorkingOrder]:
        """All of `orders` but the one in whose place it comes."""
        replaced = order.request.options.replaces
        return (each for each in orders.values() if each is not order and each.client_order_id != replaced)

    def _before(self, order: WorkingOrder) -> Iterator[WorkingOrder]:
        """Open orders of its pair and side that came first. One on the market is not behind those that only reduce: it
        meets the book at once, and they are cut to what it leaves."""
        meets_at_once = order.role is Role.MARKET and self._markets[order.request.symbol].public.book.is_known
        for each in self._others(order, self._orders.on_margin):
            request = each.request
            if each.status not in _OPEN:
                continue
            if (request.symbol, request.side) != (order.request.symbol, order.request.side):
                continue
            is_before = order.status not in _OPEN or (each.opened_ns, each.number) < (order.opened_ns, order.number)
            if is_before and not (meets_at_once and self._margin.only_reduces(each)):
                yield each

    def _most(self, order: WorkingOrder, market: VenueMarket, price: int) -> int | None:
        """The highest price at which it may come to be filled, as far as can be said."""
        near = market.quotes()[1 - order.side]
        if near is not None and not market.public.book.is_known:
            near = market.simple.slipped(order.side, near)
        named = [each for each in (price or None, near if not price or order.side == 1 else None) if each is not None]
        return max(named, default=None)

    def _objection(self, order: WorkingOrder, opens: int, worth: int, lost: int) -> Refusal | None:
        margin, instrument, side = self._margin, order.instrument, order.request.side
        held = margin.position(instrument.symbol)
        lots = opens + (held.lots if held is not None and held.side is side else 0)
        limit = margin.terms.limit(instrument, side)
        if limit is not None and instrument.quantity(lots) > limit:
            words = (
                f"a position of {text(instrument.quantity(lots))} {instrument.base} is above the limit {text(limit)}"
            )
            return Refusal(Code.POSITION_SIZE, words)
        figures, needed = margin.figures(), self._needed(order, worth, lost)
        lent, all_others = self._others(order, self._orders.on_margin), self._others(order, self._orders.by_name)
        pending = add_known(self._pending(lent), self._spent(all_others))
        if figures is None or needed is None or pending is None:
            return Refusal(Code.INSUFFICIENT_MARGIN, "what stands for it is not known: a price in USD is lacking")
        if figures.is_below(margin.terms.call):
            level = divide(figures.level or Decimal(0), Decimal("0.01"))
            return Refusal(Code.MARGIN_LEVEL, f"the margin level is {level:.2f} %: positions come off first")
        free = figures.free - pending
        if needed <= free:
            return None
        return Refusal(Code.INSUFFICIENT_MARGIN, f"it needs {needed:.4f} USD of margin with fees, {free:.4f} are free")

    def _needed(self, order: WorkingOrder, worth: int, lost: int = 0) -> Decimal | None:
        """Margin for what is worth so many atoms of the quote currency, fees, and what is `lost` at once; in USD."""
        quote_usd = self._margin.usd(order.instrument.quote)
        if quote_usd is None:
            return None
        beside = from_atoms(self._fee(order, worth) + lost)
        return (divide(from_atoms(worth), Decimal(order.request.leverage)) + beside) * quote_usd

    def _spent(self, orders: Iterable[WorkingOrder]) -> Decimal | None:
        """Collateral that open purchases of coins may come to spend, in USD."""
        total: Decimal | None = Decimal(0)
        for each in orders:
            request = each.request
            share = self._margin.terms.collateral.get(each.funds_asset)
            if not share or request.leverage > 1 or each.side == 1 or account_of(request.origin) is LedgerAccount.HODL:
                continue
            held = from_atoms(self._wallet.reserved(each.number))
            total = add_known(total, in_usd(EXACT.multiply(held, share), self._margin.usd(each.funds_asset)))
        return total

    def _pending(self, orders: Iterable[WorkingOrder]) -> Decimal | None:
        """What open orders may come to need together."""
        total: Decimal | None = Decimal(0)
        for each in orders:
            total = add_known(total, self._pending_of(each))
        return total

    def _pending_of(self, order: WorkingOrder) -> Decimal | None:
        if order.status not in _OPEN:
            return Decimal(0)
        opens = self._opens(order, order.left)
        price = self._most(order, self._markets[order.request.symbol], order.worst_price)
        if not opens:
            return Decimal(0)
        return None if price is None else self._needed(order, price * opens * order.instrument.atoms_per_tick_lot)

    def _fees(self, order: WorkingOrder, worth: int, freed: int) -> int | Refusal:
        fee, quote = self._fee(order, worth), order.instrument.quote
        available = self._margin.spendable(quote) + freed
        if fee <= available:
            return fee
        needed, shown = text(from_atoms(fee)), text(from_atoms(max(available, 0)))
        return Refusal(Code.INSUFFICIENT_FUNDS, f"needs {needed} {quote} for its fees, {shown} is available")

    def _fee(self, order: WorkingOrder, worth: int) -> int:
        """The trading fee as a taker and the fee for lending, rounded up."""
        instrument = order.instrument
        step = max(instrument.balance_unit_atoms, instrument.cost_unit_atoms)
        trading = -(-worth * order.fee_ceiling_ppm // (step * RATE_UNIT)) * step
        rate = self._margin.terms.rate(instrument, order.request.side)
        return trading + lending_fee(worth, rate, instrument)


def _walked(order: WorkingOrder, market: VenueMarket, left: int, opens: int) -> tuple[int, int] | None:
    """What the last `opens` of `left` lots are worth that meet the book now, and what is lost for lying behind the best
    price, both in atoms of the quote currency; what it does not show counts as the rest. None where it shows none.

    A sale uses margin by the price of now, and not by what it brings.
    """
    closes, worth, shown, best = left - opens, 0, 0, 0
    for price, size in market.book.walk(1 - order.side, None):
        best, here = best or price, min(size, left)
        opened = max(here - closes, 0)
        closes, left = max(closes - here, 0), left - here
        worth, shown = worth + opened * price, shown + opened
        if not left:
            break
    if not shown:
        return None
    unit, near = order.instrument.atoms_per_tick_lot, best * opens
    whole = -(-worth * opens // shown)
    return max(whole, near) * unit, abs(whole - near) * unit
