"""A rebalance in a session that is played by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from tests.session.stored_parts import kept, taken_up

from triplegain.agents.rebalance import RebalanceMode
from triplegain.decision.rebalance.plan import NoRebalance, RebalancePlan, RebalanceSettings
from triplegain.decision.rebalance.run import RebalanceRun, RebalanceStep, plan_to_json
from triplegain.decision.record import RecordLog
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.domain.refusals import Code, Refusal
from triplegain.domain.verdict import Reason, RiskApproved, RiskRefused, RiskVerdict, Rule
from triplegain.risk.views import PortfolioView

NOW_NS = 1_700_000_000 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
PRICES = {"BTC/USDT": Decimal(50_000), "XRP/USDT": Decimal("0.5")}
FEE = Decimal("0.004")
USUAL = RebalanceSettings().mode
NOTHING = PortfolioView(None, None, 0, 0, Decimal(0), Decimal(0))


class Session:
    """An account whose orders fill when told to, at PRICES, with the taker fee."""

    def __init__(self, btc: str, xrp: str, usdt: str) -> None:
        self.amounts = {"BTC": Decimal(btc), "XRP": Decimal(xrp), "USDT": Decimal(usdt)}
        self.why_blocked = ""
        self.refuses: set[str] = set()
        self.desk_refuses = ""
        self.orders: dict[str, OrderRequest] = {}
        self.over: dict[str, Decimal] = {}

    def free(self, asset: str) -> Decimal:
        return self.amounts[asset]

    def quote(self, symbol: str) -> Quote | None:
        if (price := PRICES.get(symbol)) is None:
            return None
        return Quote(symbol, price, price, price, None, None, NOW_NS, NOW_NS, QuoteSource.REPLAY)

    def look(self, number: int, now_ns: int, symbol: str, *_: Any) -> Any:
        return SimpleNamespace(portfolio=NOTHING, market=None)

    def assess(self, proposal: TradeProposal, *_: Any) -> RiskVerdict:
        assert proposal.intent is Intent.REBALANCE
        if proposal.symbol in self.refuses:
            return RiskRefused(proposal, (Reason(Rule.HALTED, "trading is halted"),))
        return RiskApproved(proposal)

    def allocate(self, request: OrderRequest) -> Refusal | None:
        if self.desk_refuses:
            return Refusal(Code.UNKNOWN_PAIR, self.desk_refuses)
        assert request.client_order_id not in self.orders, "sent twice"
        self.orders[request.client_order_id] = request
        return None

    def allocated(self, client_order_id: str) -> Decimal | None:
        return self.over.get(client_order_id)

    def note(self, *_: Any) -> None:
        """Decisions and cool-downs are for others to look at."""

    on_rebalanced = note
    next_number = 1

    def fill_all(self) -> None:
        for name, request in self.orders.items():
            if name not in self.over:
                self.over[name] = request.quantity
                sign = 1 if request.side is Side.BUY else -1
                notional = request.quantity * PRICES[request.symbol]
                self.amounts[request.symbol.partition("/")[0]] += sign * request.quantity
                self.amounts["USDT"] -= sign * notional + notional * FEE
                assert min(self.amounts.values()) >= 0


def rebalancing(session: Any) -> RebalanceRun:
    log, blocked = RecordLog(), lambda: session.why_blocked
    return RebalanceRun(
        KRAKEN_OFFLINE_DEFAULTS, RebalanceSettings(), session, session, session, session, session, log, blocked
    )


def planned(of: RebalanceRun, now_ns: int = NOW_NS) -> RebalancePlan:
    found = of.check(now_ns)
    assert isinstance(found, RebalancePlan), found
    return found


def test_over_a_day_the_account_comes_to_its_targets_with_a_restart_between_any_two_steps() -> None:
    session = Session("0.2", "0", "1000")
    rebalance = rebalancing(session)
    rebalance.begin(planned(rebalance), USUAL, NOW_NS)
    over = 0
    for minute in range(24 * 60):
        now_ns = NOW_NS + minute * 60 * SECOND_NS
        session.fill_all()
        over += rebalance.step(now_ns).batch_over
        before, rebalance = kept(rebalance.book), rebalancing(session)
        taken_up(before, rebalance.book)
    assert (over, len(session.orders), rebalance.book.is_active) == (6, 12, False)
    values = {
        "BTC": session.amounts["BTC"] * 50_000,
        "XRP": session.amounts["XRP"] / 2,
        "USDT": session.amounts["USDT"],
    }
    total = sum(values.values())
    # 11 000 USD: 6333 of BTC were sold and 3667 of XRP bought, for 40 USD of fees.
    assert Decimal(10_955) < total < Decimal(10_965)
    assert all(abs(value / total - Decimal(1) / 3) < Decimal("0.005") for value in values.values())


def test_the_cool_down_begins_with_the_purchases_and_not_with_their_sales() -> None:
    session = Session("0.006", "0", "100")
    rebalance = rebalancing(session)
    first = rebalance.begin(planned(rebalance), RebalanceMode.IMMEDIATE, NOW_NS)
    assert ([request.side for request in first.sent], first.batch_over) == ([Side.SELL], False)
    assert rebalance.step(NOW_NS) == RebalanceStep()
    session.fill_all()
    second = rebalance.step(NOW_NS + SECOND_NS)
    assert ([request.side for request in second.sent], second.batch_over) == ([Side.BUY], True)


def test_one_order_that_risk_refuses_keeps_all_of_its_batch_from_being_sent() -> None:
    session = Session("0.006", "600", "0")
    rebalance = rebalancing(session)
    session.refuses = {"XRP/USDT"}
    step = rebalance.begin(planned(rebalance), RebalanceMode.IMMEDIATE, NOW_NS)
    assert (step.sent, step.words) == ((), ("batch 1 is not sent: trading is halted",))
    assert session.orders == {}
    assert not rebalance.book.is_active


def test_an_order_the_desk_does_not_send_takes_its_purchase_with_it() -> None:
    session = Session("0.006", "0", "0")
    rebalance = rebalancing(session)
    session.desk_refuses = "the market has not started yet"
    step = rebalance.begin(planned(rebalance), RebalanceMode.IMMEDIATE, NOW_NS)
    assert (step.sent, step.words) == ((), ("tg-rb-1-0-0 is not sent: the market has not started yet",))
    assert "minimum" in rebalance.step(NOW_NS + 1).words[0]
    assert not rebalance.book.is_active


@pytest.mark.parametrize("why", ["trading is paused", "halted: drawdown"])
def test_while_trading_is_blocked_nothing_is_planned_begun_or_sent(why: str) -> None:
    session = Session("0.2", "0", "1000")
    rebalance = rebalancing(session)
    before = planned(rebalance)
    session.why_blocked = why
    assert rebalance.check(NOW_NS) == NoRebalance(why)
    assert rebalance.begin(before, USUAL, NOW_NS) == RebalanceStep(words=(why,))
    session.why_blocked = ""
    rebalance.begin(before, USUAL, NOW_NS)
    session.fill_all()
    session.why_blocked = why
    assert rebalance.step(NOW_NS + HOUR_NS) == RebalanceStep()
    assert len(session.orders) == 1


def test_a_deferred_plan_is_asked_about_again() -> None:
    session = Session("0.2", "0", "1000")
    rebalance = rebalancing(session)
    assert rebalance.begin(planned(rebalance), RebalanceMode.DEFER, NOW_NS) == RebalanceStep()
    assert isinstance(rebalance.check(NOW_NS + HOUR_NS), RebalancePlan)


def test_two_models_answers_begin_one_rebalance() -> None:
    session = Session("0.2", "0", "1000")
    rebalance = rebalancing(session)
    found = planned(rebalance)
    rebalance.begin(found, USUAL, NOW_NS)
    assert rebalance.begin(found, USUAL, NOW_NS).words == ("a rebalance is under way",)


def test_the_plan_as_a_model_and_as_the_record_sees_it() -> None:
    session = Session("0.2", "0", "1000")
    rebalance = rebalancing(session)
    found = planned(rebalance)
    sale, purchase = rebalance.trades(found, {"BTC/USDT": Regime.RANGING})
    # 10 000 of 11 000 USD are BTC.
    assert (sale.symbol, sale.side, round(sale.share_pct, 2)) == ("BTC/USDT", Side.SELL, Decimal("90.91"))
    assert (round(sale.target_pct, 2), sale.regime, sale.spread_bps) == (Decimal("33.33"), Regime.RANGING, Decimal(0))
    assert (purchase.symbol, purchase.regime) == ("XRP/USDT", Regime.UNKNOWN)
    stored = plan_to_json(found)
    assert json.loads(json.dumps(stored)) == stored
    assert (stored["total_usd"], [trade["side"] for trade in stored["trades"]]) == ("11000", ["sell", "buy"])
