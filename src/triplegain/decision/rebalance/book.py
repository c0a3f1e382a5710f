"""A rebalance under way: which batch is next, what was sent for it, and what is still to be sent.

`claim` names the orders to send now and remembers them, under ids that are the same after a restart: claimed, sent
and stored in one step, they are sent once. In each batch sales go first; purchases follow when all sales are over,
and only as far as they are paid for: by cash the plan meant to spend, and by sales that really were filled.
A batch that cannot be sent as a whole, or whose time has passed, is dropped with its reason; it is never caught up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import msgspec
from msgspec import structs

from triplegain.agents.rebalance import RebalanceMode
from triplegain.decision.rebalance.plan import (
    PlanLeg,
    Prices,
    RebalanceBatch,
    RebalancePlan,
    RebalanceSettings,
    batches_of,
    make_leg,
    notional,
    prices_of,
    too_small,
)
from triplegain.domain.clock import NEVER
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.ids import Family, Origin, own_id
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Limit, Market, OrderRequest, OrderTerms, Side, TimeInForce
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.quote import Quote
from triplegain.domain.verdict import RiskApproved

#: What the record says such an order was for.
REBALANCE_PURPOSE = "rebalance"


@dataclass(frozen=True, slots=True)
class RebalanceOrder:
    """`leg.quantity` at `terms`; a limit order ends at `expires_at_ns`. The id is the same whenever it is asked for."""

    client_order_id: str
    batch: int
    leg: PlanLeg
    terms: OrderTerms
    expires_at_ns: int

    @property
    def proposal(self) -> TradeProposal:
        """For the risk gate."""
        leg = self.leg
        return TradeProposal(leg.symbol, leg.side, Intent.REBALANCE, self.terms, quantity=leg.quantity)

    def request(self, approved: RiskApproved) -> OrderRequest:
        """What is sent once risk has approved the proposal, perhaps smaller."""
        resting = self.terms.rests
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=self.leg.symbol,
            side=self.leg.side,
            quantity=approved.quantity,
            terms=self.terms,
            time_in_force=TimeInForce.GTD if resting else TimeInForce.GTC,
            expires_at_ns=self.expires_at_ns if resting else None,
            purpose=REBALANCE_PURPOSE,
            origin=Origin.REBALANCE,
        )


@dataclass(frozen=True, slots=True)
class RebalanceClaim:
    """Orders to send now, and what will not be sent and why."""

    orders: tuple[RebalanceOrder, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class _Money:
    """What the plan may spend: `cash` of its own, and `per_sale` of each unit that sales bring in; and what it did."""

    cash: Fraction = Fraction(0)
    per_sale: Fraction = Fraction(0)
    sold: Fraction = Fraction(0)
    spent: Fraction = Fraction(0)

    @property
    def left(self) -> Fraction:
        return max(Fraction(0), self.cash + self.per_sale * self.sold - self.spent)


class BookState(msgspec.Struct):
    """`batches` are to come; `next_buys` are the purchases of the batch whose sales are out, `until_ns` is its end.

    `money` are the fractions of the plan's money as text; they are exact, and no decimal is.
    """

    plans: int = 0
    begun_ns: int | None = None
    mode: RebalanceMode = RebalanceMode.DEFER
    money: tuple[str, str, str, str] = ("0", "0", "0", "0")
    batches: list[RebalanceBatch] = []
    next_buys: tuple[PlanLeg, ...] = ()
    until_ns: int = 0
    batch: int = 0
    open: list[RebalanceOrder] = []


class RebalanceBook:
    """At most one plan at a time. Begin one when `objection` has nothing against it; then `claim` at `next_due_ns`."""

    def __init__(self, instruments: Iterable[Instrument], settings: RebalanceSettings) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._settings = settings
        self._state = BookState()
        self._money = _Money()

    def objection(self, now_ns: int) -> str:
        """Why no new plan may begin now, in words; empty if one may."""
        if self.is_active:
            return "a rebalance is under way"
        if self._state.begun_ns is not None and now_ns - self._state.begun_ns < self._settings.interval_min_ns:
            hours = self._settings.interval_min_ns / 3.6e12
            return f"the last rebalance began less than {hours:g} hours ago"
        return ""

    @property
    def is_active(self) -> bool:
        return bool(self._state.batches or self._state.next_buys or self._state.open)

    @property
    def purchases_follow(self) -> bool:
        """The sales of a batch are out, and its purchases come after them."""
        return bool(self._state.next_buys)

    @property
    def next_due_ns(self) -> int:
        """When `claim` has something to say; far in the future while it waits for open orders or has no plan."""
        if self._state.open:
            return NEVER
        if self._state.next_buys:
            return 0
        return self._state.batches[0].due_ns if self._state.batches else NEVER

    @property
    def open_orders(self) -> tuple[RebalanceOrder, ...]:
        """Claimed and not finished, for whoever goes on after a restart."""
        return tuple(self._state.open)

    def begin(self, plan: RebalancePlan, mode: RebalanceMode, now_ns: int) -> tuple[RebalanceBatch, ...]:
        """Take on a plan; its batches. DEFER takes nothing on, and the next check may ask again.

        Raises InvalidValueError while `objection` has something against it.
        """
        objection = self.objection(now_ns)
        if objection:
            raise InvalidValueError(objection)
        batches = batches_of(plan, mode, self._instruments.values(), self._settings, now_ns)
        if batches:
            self._state.plans += 1
            self._state.begun_ns, self._state.mode = now_ns, mode
            self._state.batches = list(batches)
            sales, purchases = notional(plan.sells), notional(plan.buys)
            per_sale = min(sales, purchases) / sales if sales else Fraction(0)
            self._money = _Money(cash=max(Fraction(0), purchases - sales), per_sale=per_sale)
        return batches

    def claim(
        self, now_ns: int, holdings: Mapping[str, Decimal], quotes: Mapping[str, Quote | None], *, blocked: str
    ) -> RebalanceClaim:
        """The orders to send now. `holdings` are the free amounts by asset; `quotes` fresh quotes by symbol.

        `blocked` says why nothing may be traded (paused, halted, emergency), empty while trading: then nothing is
        claimed, and a batch whose time passes meanwhile is dropped.
        """
        dropped, orders, state = self._drop_late(now_ns), list[RebalanceOrder](), self._state
        if blocked or state.open:
            return RebalanceClaim((), tuple(dropped))
        if state.next_buys:
            buys, state.next_buys = state.next_buys, ()
            orders = self._purchases(buys, holdings, quotes, dropped)
        elif state.batches and state.batches[0].due_ns <= now_ns:
            batch = state.batches.pop(0)
            state.batch, state.until_ns = batch.number, batch.until_ns
            orders = self._start(batch, holdings, quotes, dropped)
        self._remember(orders)
        return RebalanceClaim(tuple(orders), tuple(dropped))

    def finished(self, client_order_id: str, filled: Decimal) -> None:
        """A claimed order is over with `filled` of its base quantity, 0 if it was refused. Others are ignored."""
        order = next((each for each in self._state.open if each.client_order_id == client_order_id), None)
        if order is None:
            return
        self._state.open.remove(order)
        share = min(Fraction(1), Fraction(filled) / Fraction(order.leg.quantity))
        if order.leg.side is Side.SELL:
            self._money.sold += Fraction(order.leg.notional) * share
        else:
            self._money.spent -= Fraction(order.leg.notional) * (1 - share)

    def refuse_all(self, orders: Iterable[RebalanceOrder], reasons: Iterable[str]) -> str:
        """Risk has refused one of the orders just claimed, so none of them is sent, nor what was to follow."""
        for order in orders:
            self.finished(order.client_order_id, Decimal(0))
        self._state.next_buys = ()
        return f"batch {self._state.batch + 1} is not sent: {'; '.join(reasons)}"

    def cancel(self, reason: str) -> tuple[str, ...]:
        """Give up what has not been claimed. Open orders are the caller's to cancel; `finished` still takes them."""
        left = len(self._state.batches) + bool(self._state.next_buys)
        self._state.batches.clear()
        self._state.next_buys = ()
        return (f"{left} batches are given up: {reason}",) if left else ()

    def _drop_late(self, now_ns: int) -> list[str]:
        words = []
        if self._state.next_buys and not self._state.open and self._state.until_ns <= now_ns:
            self._state.next_buys = ()
            words.append(f"the purchases of batch {self._state.batch + 1} could not be sent in time")
        while self._state.batches and self._state.batches[0].until_ns <= now_ns:
            words.append(f"batch {self._state.batches.pop(0).number + 1} could not be sent in time")
        return words

    def _start(
        self,
        batch: RebalanceBatch,
        holdings: Mapping[str, Decimal],
        quotes: Mapping[str, Quote | None],
        dropped: list[str],
    ) -> list[RebalanceOrder]:
        """Sales of a batch, or its purchases where it has none; nothing at all if a part of it could not follow."""
        prices = self._prices((*batch.sells, *batch.buys), quotes)
        if isinstance(prices, str):
            dropped.append(f"batch {batch.number + 1} is not sent: {prices}")
            return []
        sells = []
        for leg in batch.sells:
            instrument = self._instruments[leg.symbol]
            lots = min(instrument.lots(leg.quantity), instrument.whole_lots(holdings.get(instrument.base, Decimal(0))))
            sells.append(make_leg(Side.SELL, instrument, lots, prices[leg.symbol]))
        budget = self._money.left + self._money.per_sale * notional(sells)
        cash = Fraction(holdings.get(self._settings.cash, Decimal(0))) + notional(sells)
        buys = self._paid_for(batch.buys, min(budget, cash), prices)
        for leg in (*sells, *buys):
            words = too_small(leg, self._instruments[leg.symbol], prices[leg.symbol])
            if words:
                dropped.append(f"batch {batch.number + 1} is not sent: {words}")
                return []
        if sells:
            self._state.next_buys = batch.buys
        return self._orders(sells or buys, prices)

    def _purchases(
        self,
        legs: tuple[PlanLeg, ...],
        holdings: Mapping[str, Decimal],
        quotes: Mapping[str, Quote | None],
        dropped: list[str],
    ) -> list[RebalanceOrder]:
        """Purchases after their sales: each as far as it is paid for, the ones that get too small left out."""
        prices = self._prices(legs, quotes)
        if isinstance(prices, str):
            dropped.append(f"the purchases of batch {self._state.batch + 1} are not sent: {prices}")
            return []
        cash = Fraction(holdings.get(self._settings.cash, Decimal(0)))
        fitting = []
        for leg in self._paid_for(legs, min(self._money.left, cash), prices):
            reason = too_small(leg, self._instruments[leg.symbol], prices[leg.symbol])
            if reason:
                dropped.append(f"a purchase of batch {self._state.batch + 1} is left out: {reason}")
            else:
                fitting.append(leg)
        return self._orders(fitting, prices)

    def _paid_for(self, legs: tuple[PlanLeg, ...], money: Fraction, prices: Mapping[str, Prices]) -> list[PlanLeg]:
        """As much of each as its own notional buys at today's ask with the fee, all less by the same share if short."""
        wanted = notional(legs)
        share = min(Fraction(1), money / wanted) if wanted else Fraction(0)
        paid = []
        for leg in legs:
            instrument, price = self._instruments[leg.symbol], prices[leg.symbol]
            unit = make_leg(Side.BUY, instrument, 1, price)
            lots = int(Fraction(leg.notional) * share / Fraction(unit.notional))
            paid.append(make_leg(Side.BUY, instrument, min(lots, instrument.lots(leg.quantity)), price))
        return paid

    def _prices(self, legs: Iterable[PlanLeg], quotes: Mapping[str, Quote | None]) -> dict[str, Prices] | str:
        """Prices of all of them, or which one has none."""
        known = {}
        for leg in legs:
            found = prices_of(quotes.get(leg.symbol))
            if found is None:
                return f"no fresh price of {leg.symbol}"
            known[leg.symbol] = found
        return known

    def _orders(self, legs: Iterable[PlanLeg], prices: Mapping[str, Prices]) -> list[RebalanceOrder]:
        coins = list(self._instruments)
        return [
            RebalanceOrder(
                client_order_id=own_id(Family.REBALANCE, self._state.plans, self._state.batch, coins.index(leg.symbol)),
                batch=self._state.batch,
                leg=leg,
                terms=self._terms(leg, prices[leg.symbol]),
                expires_at_ns=self._state.until_ns if leg.side is Side.BUY else self._halfway_ns,
            )
            for leg in legs
        ]

    @property
    def _halfway_ns(self) -> int:
        """Sales rest for the first half of a batch's time, so that purchases have the other half."""
        return self._state.until_ns - self._settings.batch_interval_ns // 2

    def _terms(self, leg: PlanLeg, prices: Prices) -> OrderTerms:
        if self._state.mode is not RebalanceMode.LIMIT_ORDERS:
            return Market()
        return Limit(prices.bid if leg.side is Side.BUY else prices.ask)

    def _remember(self, orders: Iterable[RebalanceOrder]) -> None:
        for order in orders:
            self._state.open.append(order)
            if order.leg.side is Side.BUY:
                self._money.spent += Fraction(order.leg.notional)

    def register(self, parts: Parts) -> None:
        parts.single("decision.rebalance", BookState, self._stored, self._restore)

    def _stored(self) -> BookState:
        money = self._money
        amounts = str(money.cash), str(money.per_sale), str(money.sold), str(money.spent)
        return structs.replace(self._state, money=amounts)

    def _restore(self, stored: BookState) -> None:
        self._state, self._money = stored, _Money(*map(Fraction, stored.money))
