"""The rebalance in a session: its task, its orders through the desk, its place in the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

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
from triplegain.decision.rebalance.plan import NoRebalance, PlanLeg, RebalancePlan, RebalanceSettings, plan, prices_of
from triplegain.decision.record import RecordLog, analysis_record, answered
from triplegain.decision.rounds import FinishedRound, Round
from triplegain.decision.signals import LatestSignals
from triplegain.decision.situation import ContextBuilder, SessionPrices
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import divide, text
from triplegain.domain.orders import OrderRequest
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.quote import Quote
from triplegain.domain.records import DecisionRecord, Outcome
from triplegain.domain.refusals import Refusal
from triplegain.domain.verdict import RiskApproved, RiskRefused, RiskVerdict
from triplegain.execution.order_manager import OrderManager
from triplegain.risk.engine import RiskEngine

AGENT = REBALANCE.name
_HUNDRED = Decimal(100)
_PPM_PER_BPS = 100


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


def plan_to_json(planned: RebalancePlan) -> dict[str, Any]:
    """A plan for the record."""
    return {
        "total_usd": text(planned.total_usd),
        "moved_usd": text(planned.moved_usd),
        "shares": {asset: text(share) for asset, share in planned.shares.items()},
        "trades": [msgspec.to_builtins(leg) for leg in planned.legs],
        "left_out": list(planned.left_out),
    }


@dataclass(eq=False)
class RebalanceRun:
    """`start` once per run of the task, `step` at every thought. `_blocked` says why nothing may be traded now."""

    _instruments: tuple[Instrument, ...]
    _settings: RebalanceSettings
    _desk: OrderManager
    _prices: SessionPrices
    _situation: ContextBuilder
    _risk: RiskEngine
    _decisions: DecisionExecutor
    _record: RecordLog
    _blocked: Callable[[], str]

    def __post_init__(self) -> None:
        self.book = RebalanceBook(self._instruments, self._settings)
        self._assets = tuple(dict.fromkeys(asset for each in self._instruments for asset in (each.base, each.quote)))

    # -- the task ------------------------------------------------------------------------------------------------

    def start(
        self, round_id: str | None, model: str | None, signals: LatestSignals, now_ns: int, timeout_ns: int
    ) -> Round | None:
        """Check, and begin; with `round_id` and `model` the question how comes first, and is returned."""
        planned = self.check(now_ns)
        if isinstance(planned, NoRebalance):
            self._put_down(None, Abstain(planned.reason), "", now_ns)
            return None
        if round_id is None or model is None:
            self.begin(planned, self._settings.mode, now_ns)
            return None
        regimes = {each.symbol: signals.regime(each.symbol) for each in self._instruments}
        tier = self._instruments[0].fees.tiers[0]
        fees = (tier.taker_ppm // _PPM_PER_BPS, tier.maker_ppm // _PPM_PER_BPS)
        prompt = rebalance_prompt(self.trades(planned, regimes), planned.moved_usd, *fees)
        return Round(round_id, AGENT, "", {model: prompt}, now_ns, now_ns + timeout_ns)

    def chosen(self, finished: FinishedRound, now_ns: int) -> None:
        """A model has said how, or has not: then it goes the usual way. The plan is made anew, as things are now."""
        ((model, reply),) = finished.replies.items()
        answer = answered(RebalanceAnswer, reply)
        self._put_down(model, answer, finished.round.request_id(model), now_ns)
        planned = self.check(now_ns)
        if isinstance(planned, RebalancePlan):
            self.begin(planned, chosen_mode(answer, self._settings.mode), now_ns)

    def check(self, now_ns: int) -> RebalancePlan | NoRebalance:
        """What there is to trade, or why nothing is."""
        objection = self._blocked() or self.book.objection(now_ns)
        if objection:
            return NoRebalance(objection)
        return plan(self._free(), self._quotes(), self._instruments, self._settings, now_ns)

    def begin(self, planned: RebalancePlan, mode: RebalanceMode, now_ns: int) -> RebalanceStep:
        """Take it on and send what is due of it at once.

        While a model was asked the world went on: what stands in the way by now is the step's words.
        """
        objection = self._blocked() or self.book.objection(now_ns)
        if objection:
            return self._note(RebalanceStep(words=(objection,)), plan_to_json(planned), now_ns)
        self.book.begin(planned, mode, now_ns)
        return self._note(self._send(now_ns), plan_to_json(planned), now_ns)

    def step(self, now_ns: int) -> RebalanceStep:
        """Take in the orders that are over and send what is due. Calling it too often does nothing."""
        return self._note(self._send(now_ns), {}, now_ns) if self.book.is_active else RebalanceStep()

    def give_up(self, reason: str, now_ns: int) -> None:
        """Nothing more of it is sent, and what rests at the venue is taken back. Ask again until nothing rests."""
        for words in self.book.cancel(reason):
            self._decisions.note(self._decision("", Outcome.REFUSED, words, None, now_ns), {})
        for name in [order.client_order_id for order in self.book.open_orders]:
            record = self._desk.orders.by_client_id(name)
            if record is not None and not record.status.is_final:
                self._desk.cancel(name)

    def trades(self, planned: RebalancePlan, regimes: Mapping[str, Regime]) -> tuple[PlannedTrade, ...]:
        """The plan as a model is shown it; `regimes` by symbol."""
        quotes = self._quotes()
        return tuple(self._trade(leg, planned, quotes.get(leg.symbol), regimes) for leg in planned.legs)

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

    # -- what is sent --------------------------------------------------------------------------------------------

    def _send(self, now_ns: int) -> RebalanceStep:
        for order in self.book.open_orders:
            filled = self._desk.allocated(order.client_order_id)
            if filled is not None:
                self.book.finished(order.client_order_id, filled)
        claim = self.book.claim(now_ns, self._free(), self._quotes(), blocked=self._blocked())
        verdicts = [self._judge(order.proposal, now_ns) for order in claim.orders]
        refused = tuple(verdict for verdict in verdicts if isinstance(verdict, RiskRefused))
        if refused:
            reasons = [reason for verdict in refused for reason in verdict.reasons]
            return RebalanceStep((), (*claim.dropped, self.book.refuse_all(claim.orders, reasons)), refused)
        sent, words = [], list(claim.dropped)
        for order, verdict in zip(claim.orders, verdicts, strict=True):
            assert isinstance(verdict, RiskApproved)
            request = order.request(verdict)
            if isinstance(answer := self._desk.allocate(request), Refusal):
                words.append(f"{request.client_order_id} is not sent: {answer.reason}")
                self.book.finished(order.client_order_id, Decimal(0))
            else:
                sent.append(request)
        return RebalanceStep(tuple(sent), tuple(words), batch_over=bool(sent) and not self.book.purchases_follow)

    def _judge(self, proposal: TradeProposal, now_ns: int) -> RiskVerdict:
        symbol = proposal.symbol
        seen = self._situation.look(self._decisions.next_number, now_ns, symbol, AGENT, False, "")
        free = self._desk.free(symbol.partition("/")[0])
        return self._risk.assess(proposal, replace(seen.portfolio, position_quantity=free), seen.market, now_ns)

    def _free(self) -> Mapping[str, Decimal]:
        """Free amounts by asset: no coins of positions, of open orders or of the hodl bag."""
        return {asset: self._desk.free(asset) for asset in self._assets}

    def _quotes(self) -> Mapping[str, Quote | None]:
        """Fresh quotes by symbol; None where there is none."""
        return {each.symbol: self._prices.quote(each.symbol) for each in self._instruments}

    # -- what is put down ----------------------------------------------------------------------------------------

    def _note(self, step: RebalanceStep, details: Mapping[str, Any], now_ns: int) -> RebalanceStep:
        for request in step.sent:
            self._decisions.note(
                self._decision(request.symbol, Outcome.SENT, "rebalance", request.client_order_id, now_ns), details
            )
        for words in step.words:
            by_risk = refused_details(*step.refused) if step.refused and words is step.words[-1] else {}
            self._decisions.note(self._decision("", Outcome.REFUSED, words, None, now_ns), {**details, **by_risk})
        if step.batch_over:
            self._risk.on_rebalanced(now_ns)
        return step

    def _decision(
        self, symbol: str, outcome: Outcome, reason: str, client_order_id: str | None, now_ns: int
    ) -> DecisionRecord:
        number = self._decisions.next_number
        return DecisionRecord(
            number, now_ns, symbol, AGENT, "rebalance", Decimal(1), outcome, (reason,), client_order_id
        )

    def _put_down(self, model: str | None, answer: RebalanceAnswer | Abstain, request_id: str, now_ns: int) -> None:
        self._record.put(analysis_record(AGENT, "", answer, now_ns, model, request_id=request_id))
