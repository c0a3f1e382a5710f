"""The rebalance in a session: its task, its orders through the desk, its place in the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from triplegain.agents.answer import Abstain
from triplegain.agents.rebalance import (
    REBALANCE,
    PlannedTrade,
    RebalanceAnswer,
    RebalanceMode,
    chosen_mode,
    rebalance_prompt,
)
from triplegain.decision.cycle import DecisionExecutor, refused_details
from triplegain.decision.rebalance.book import RebalanceBook
from triplegain.decision.rebalance.plan import (
    NoRebalance,
    PlanLeg,
    RebalancePlan,
    RebalanceSettings,
    plan,
    prices_of,
)
from triplegain.decision.record import RecordLog, analysis_record, answered
from triplegain.decision.rounds import FinishedRound, Round
from triplegain.decision.signals import LatestSignals
from triplegain.decision.situation import ContextBuilder, SessionPrices
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import divide, text
from triplegain.domain.orders import OrderRequest
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.quote import Quote
from triplegain.domain.records import DecisionRecord, Outcome
from triplegain.domain.refusals import Refusal
from triplegain.domain.verdict import RiskApproved, RiskRefused, RiskVerdict
from triplegain.execution.order_manager import OrderManager
from triplegain.risk.engine import RiskEngine

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
        self, leg: PlanLeg, planned: RebalancePlan, quote: Quote | None, regimes: Mapping[str, Regime]
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


def _legs(planned: RebalancePlan) -> tuple[PlanLeg, ...]:
    return (*planned.sells, *planned.buys)


AGENT = REBALANCE.name
_PPM_PER_BPS = 100


class RebalanceRun:
    """`start` once per run of the task, `step` at every thought. `blocked` says why nothing may be traded now."""

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        settings: RebalanceSettings,
        desk: OrderManager,
        prices: SessionPrices,
        situation: ContextBuilder,
        risk: RiskEngine,
        decisions: DecisionExecutor,
        record: RecordLog,
        blocked: Callable[[], str],
    ) -> None:
        self.blocked = blocked
        self._assets = tuple(dict.fromkeys(asset for each in instruments for asset in (each.base, each.quote)))
        self._instruments = instruments
        self._desk = desk
        self._prices = prices
        self._situation = situation
        self._risk = risk
        self._decisions = decisions
        self._record = record
        self._rebalancing = Rebalancing(instruments, settings, self)
        self._usual = settings.mode
        self._planned: RebalancePlan | None = None

    @property
    def due_ns(self) -> int:
        return self._rebalancing.due_ns

    # -- the task ------------------------------------------------------------------------------------------------

    def start(
        self, round_id: str | None, model: str | None, signals: LatestSignals, now_ns: int, timeout_ns: int
    ) -> Round | None:
        """Check, and begin; with `round_id` and `model` the question how comes first, and is returned."""
        planned = self._rebalancing.check(now_ns)
        if isinstance(planned, NoRebalance):
            self._put_down(None, Abstain(planned.reason), "", now_ns)
            return None
        self._planned = planned
        if round_id is None or model is None:
            self._begin(None, now_ns)
            return None
        regimes = {each.symbol: signals.regime(each.symbol) for each in self._instruments}
        tier = self._instruments[0].fees.tiers[0]
        fees = (tier.taker_ppm // _PPM_PER_BPS, tier.maker_ppm // _PPM_PER_BPS)
        prompt = rebalance_prompt(self._rebalancing.trades(planned, regimes), planned.moved_usd, *fees)
        return Round(round_id, AGENT, "", {model: prompt}, now_ns, now_ns + timeout_ns)

    def chosen(self, finished: FinishedRound, now_ns: int) -> None:
        """A model has said how, or has not: then it goes the usual way. The plan is made anew, as things are now."""
        ((model, reply),) = finished.replies.items()
        answer = answered(RebalanceAnswer, reply)
        self._put_down(model, answer, finished.round.request_id(model), now_ns)
        planned = self._rebalancing.check(now_ns)
        self._planned = planned if isinstance(planned, RebalancePlan) else None
        self._begin(chosen_mode(answer, self._usual), now_ns)

    def _begin(self, mode: RebalanceMode | None, now_ns: int) -> None:
        if self._planned is not None:
            self._note(self._rebalancing.begin(self._planned, mode, now_ns), plan_to_json(self._planned), now_ns)
            self._planned = None

    def step(self, now_ns: int) -> None:
        """Take in what is over, send what is due."""
        if self._rebalancing.book.is_active:
            self._note(self._rebalancing.step(now_ns), {}, now_ns)

    def give_up(self, reason: str, now_ns: int) -> None:
        """Nothing more of it is sent, and what rests at the venue is taken back. Ask again until nothing rests."""
        book, orders = self._rebalancing.book, self._desk.orders
        for words in book.cancel(reason):
            self._decisions.note(self._decision("", Outcome.REFUSED, words, None, now_ns), {})
        for name in [order.client_order_id for order in book.open_orders]:
            record = orders.by_client_id(name)
            if record is not None and not record.status.is_final:
                self._desk.cancel(name)

    def _note(self, step: RebalanceStep, details: Mapping[str, Any], now_ns: int) -> None:
        for request in step.sent:
            self._decisions.note(
                self._decision(request.symbol, Outcome.SENT, "rebalance", request.client_order_id, now_ns), details
            )
        for words in step.words:
            by_risk = refused_details(*step.refused) if step.refused and words is step.words[-1] else {}
            self._decisions.note(self._decision("", Outcome.REFUSED, words, None, now_ns), {**details, **by_risk})
        if step.batch_over:
            self._risk.on_rebalanced(now_ns)

    def _decision(
        self, symbol: str, outcome: Outcome, reason: str, client_order_id: str | None, now_ns: int
    ) -> DecisionRecord:
        number = self._decisions.next_number
        return DecisionRecord(
            number, now_ns, symbol, AGENT, "rebalance", Decimal(1), outcome, (reason,), client_order_id
        )

    def _put_down(self, model: str | None, answer: RebalanceAnswer | Abstain, request_id: str, now_ns: int) -> None:
        self._record.put(analysis_record(AGENT, "", answer, now_ns, model, request_id=request_id))

    # -- RebalanceHost -------------------------------------------------------------------------------------------

    def free(self) -> Mapping[str, Decimal]:
        return {asset: self._desk.free(asset) for asset in self._assets}

    def quotes(self) -> Mapping[str, Quote | None]:
        return {each.symbol: self._prices.quote(each.symbol) for each in self._instruments}

    def judge(self, proposal: TradeProposal, now_ns: int) -> RiskVerdict:
        symbol = proposal.symbol
        seen = self._situation.look(self._decisions.next_number, now_ns, symbol, AGENT, False, "")
        free = self._desk.free(symbol.partition("/")[0])
        return self._risk.assess(proposal, replace(seen.portfolio, position_quantity=free), seen.market, now_ns)

    def send(self, request: OrderRequest) -> str:
        sent = self._desk.allocate(request)
        return sent.reason if isinstance(sent, Refusal) else ""

    def filled(self, client_order_id: str) -> Decimal | None:
        return self._desk.allocated(client_order_id)

    def register(self, parts: Parts) -> None:
        self._rebalancing.book.register(parts)
