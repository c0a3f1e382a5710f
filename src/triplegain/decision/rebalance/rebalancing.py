"""The rebalance of a session, from the check to the orders: what the book claims is judged as a whole and then sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from triplegain.agents.rebalance import PlannedTrade, RebalanceMode
from triplegain.decision.rebalance.book import RebalanceBook
from triplegain.decision.rebalance.plan import Leg, NoRebalance, RebalancePlan, RebalanceSettings, plan, prices_of
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import divide, text
from triplegain.domain.orders import OrderRequest
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.quote import Quote
from triplegain.domain.verdict import RiskApproved, RiskRefused, RiskVerdict

_HUNDRED = Decimal(100)


class RebalanceHost(Protocol):
    """The session around it."""

    @property
    def blocked(self) -> Callable[[], str]:
        """Why nothing may be traded now (paused, halted, emergency); empty while trading."""
        ...

    def free(self) -> Mapping[str, Decimal]:
        """Free amounts by asset: no coins of positions, of open orders or of the hodl bag."""
        ...

    def quotes(self) -> Mapping[str, Quote | None]:
        """Fresh quotes by symbol; None where there is none."""
        ...

    def judge(self, proposal: TradeProposal, now_ns: int) -> RiskVerdict:
        """What risk says of a proposal now."""
        ...

    def send(self, request: OrderRequest) -> str:
        """Send an order; why the desk did not, empty if it did."""
        ...

    def filled(self, client_order_id: str) -> Decimal | None:
        """Base quantity filled of an order that is over; None while it is open. 0 for one nobody knows of."""
        ...


@dataclass(frozen=True, slots=True)
class RebalanceStep:
    """What one step did: orders sent, and in words what was not sent and why; the last of them where risk `refused`.

    `batch_over`: with these orders everything of the batch is out, and the cool-down for the next rebalance begins.
    It must not begin earlier: it would refuse the purchases that follow their sales.
    """

    sent: tuple[OrderRequest, ...] = ()
    words: tuple[str, ...] = ()
    refused: tuple[RiskRefused, ...] = ()
    batch_over: bool = False


class Rebalancing:
    """`check` once per run of the task and `begin` with a mode; `step` at `due_ns` and after every final order."""

    def __init__(self, instruments: Iterable[Instrument], settings: RebalanceSettings, host: RebalanceHost) -> None:
        self._instruments = tuple(instruments)
        self._settings = settings
        self._host = host
        self.book = RebalanceBook(self._instruments, settings)

    @property
    def due_ns(self) -> int:
        return self.book.next_due_ns

    def check(self, now_ns: int) -> RebalancePlan | NoRebalance:
        """What there is to trade, or why nothing is."""
        objection = self._host.blocked() or self.book.objection(now_ns)
        if objection:
            return NoRebalance(objection)
        return plan(self._host.free(), self._host.quotes(), self._instruments, self._settings, now_ns)

    def begin(self, planned: RebalancePlan, mode: RebalanceMode | None, now_ns: int) -> RebalanceStep:
        """Take it on in the mode a model chose (None: in the usual one) and send what is due of it at once.

        While a model was asked the world went on: what stands in the way by now is the step's words.
        """
        objection = self._host.blocked() or self.book.objection(now_ns)
        if objection:
            return RebalanceStep(words=(objection,))
        self.book.begin(planned, self._settings.mode if mode is None else mode, now_ns)
        return self.step(now_ns)

    def step(self, now_ns: int) -> RebalanceStep:
        """Take in the orders that are over and send what is due. Calling it too often does nothing."""
        for order in self.book.open_orders:
            filled = self._host.filled(order.client_order_id)
            if filled is not None:
                self.book.finished(order.client_order_id, filled)
        claim = self.book.claim(now_ns, self._host.free(), self._host.quotes(), blocked=self._host.blocked())
        verdicts = [self._host.judge(order.proposal, now_ns) for order in claim.orders]
        refused = tuple(verdict for verdict in verdicts if isinstance(verdict, RiskRefused))
        if refused:
            reasons = [reason for verdict in refused for reason in verdict.reasons]
            return RebalanceStep((), (*claim.dropped, self.book.refuse_all(claim.orders, reasons)), refused)
        sent, words = [], list(claim.dropped)
        for order, verdict in zip(claim.orders, verdicts, strict=True):
            assert isinstance(verdict, RiskApproved)
            request = order.request(verdict)
            reason = self._host.send(request)
            if reason:
                words.append(f"{request.client_order_id} is not sent: {reason}")
                self.book.finished(order.client_order_id, Decimal(0))
            else:
                sent.append(request)
        return RebalanceStep(tuple(sent), tuple(words), batch_over=bool(sent) and not self.book.purchases_follow)

    def trades(self, planned: RebalancePlan, regimes: Mapping[str, Regime]) -> tuple[PlannedTrade, ...]:
        """The plan as a model is shown it; `regimes` by symbol."""
        quotes = self._host.quotes()
        return tuple(self._trade(leg, planned, quotes.get(leg.symbol), regimes) for leg in _legs(planned))

    def _trade(
        self, leg: Leg, planned: RebalancePlan, quote: Quote | None, regimes: Mapping[str, Regime]
    ) -> PlannedTrade:
        asset = leg.symbol.partition("/")[0]
        target = self._settings.target(asset)
        prices = prices_of(quote)
        spread = None if prices is None else divide((prices.ask - prices.bid) * _HUNDRED * _HUNDRED, prices.ask)
        return PlannedTrade(
            symbol=leg.symbol,
            side=leg.side,
            usd=leg.notional,
            share_pct=planned.shares[asset] * _HUNDRED,
            target_pct=divide(Decimal(target.numerator), Decimal(target.denominator)) * _HUNDRED,
            regime=regimes.get(leg.symbol, Regime.UNKNOWN),
            spread_bps=spread,
        )


def plan_to_json(planned: RebalancePlan) -> dict[str, Any]:
    """A plan for the record."""
    return {
        "total_usd": text(planned.total_usd),
        "moved_usd": text(planned.moved_usd),
        "shares": {asset: text(share) for asset, share in planned.shares.items()},
        "trades": [msgspec.to_builtins(leg) for leg in _legs(planned)],
        "left_out": list(planned.left_out),
    }


def _legs(planned: RebalancePlan) -> tuple[Leg, ...]:
    return (*planned.sells, *planned.buys)
