"""One cycle: every action of an agent, flat and invested, and the record of why not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from triplegain.agents.answer import Abstain, Action, AgentAnswer, TargetWeights
from triplegain.decision.cycle import (
    Allocate,
    ClosePositions,
    CycleContext,
    CycleOutcome,
    OpenTrade,
)
from triplegain.decision.cycle import run_cycle as run
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Side
from triplegain.domain.proposal import TradeProposal
from triplegain.domain.records import CloseReason
from triplegain.domain.verdict import RiskVerdict
from triplegain.execution.order_manager import OpenPosition
from triplegain.risk.engine import RiskEngine
from triplegain.risk.limits import RiskLimits
from triplegain.risk.state import RiskMemory
from triplegain.risk.views import SPOT_ONLY, MarketFigures, PortfolioView

D = Decimal
BTC = Instrument("BTC/USDT", D("0.1"), D("0.001"), D("0.01"), D("5"))
FLAT = CycleContext(
    number=7,
    time_ns=1_000,
    symbol="BTC/USDT",
    agent="ema_baseline",
    portfolio=PortfolioView(D(10_000), D(0), 0, 0, D(10_000), D(0)),
    market=MarketFigures(BTC, D("100.2"), D("100.3"), D(100), D(1), D("0.004")),
    positions=(),
)
HELD = OpenPosition("pos-1", "BTC/USDT", D(3), D(3), True, False)
WAITING = OpenPosition("pos-2", "BTC/USDT", D(0), D(5), False, False)
LEAVING = replace(HELD, position_id="pos-3", leaving=True)


ENGINE = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), 1_000))


def judge(proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures) -> RiskVerdict:
    return ENGINE.assess(proposal, portfolio, market, FLAT.time_ns)


def answer(action: Action, **terms: Any) -> AgentAnswer:
    return AgentAnswer(action, D("0.75"), "the averages crossed", D("0.005"), D("0.01"), **terms)


def cycle(action: Action, **situation: Any) -> CycleOutcome:
    return run(answer(action), replace(FLAT, **situation), judge)


def test_a_buy_while_flat_opens_with_stop_and_target_measured_from_the_ask() -> None:
    outcome = cycle(Action.BUY)
    assert isinstance(outcome.action, OpenTrade)
    proposal = outcome.action.approved.proposal
    # 100.3 x 0.995 = 99.7985, down to 99.7; 100.3 x 1.01 = 101.303, up to 101.4
    assert (proposal.entry, proposal.stop, proposal.target) == (D("100.3"), D("99.7"), D("101.4"))
    decision = outcome.decision
    assert (decision.number, decision.time_ns, decision.agent, decision.action) == (7, 1_000, "ema_baseline", "buy")
    assert (decision.outcome, decision.reasons, decision.client_order_id) == ("sent", ("the averages crossed",), None)
    assert decision.details["stop"] == "99.7"
    assert [clamp["rule"] for clamp in decision.details["clamps"]] == ["size_max", "lot"]
    assert outcome.sent_as("tg-entry-1").decision.client_order_id == "tg-entry-1"


def test_without_a_book_the_last_trade_is_the_entry() -> None:
    outcome = cycle(Action.BUY, market=replace(FLAT.market, bid=None, ask=None))
    assert isinstance(outcome.action, OpenTrade) and outcome.action.approved.proposal.entry == D(100)


def test_a_buy_at_the_full_count_is_refused_by_risk_with_its_reason() -> None:
    outcome = cycle(Action.BUY, portfolio=replace(FLAT.portfolio, open_positions=2, open_in_symbol=2))
    assert outcome.action is None
    assert outcome.decision.outcome == "refused"
    assert outcome.decision.reasons == ("2 positions are open in BTC/USDT, the limit is 2",)


def test_a_buy_without_any_price_is_refused_in_words() -> None:
    outcome = cycle(Action.BUY, market=replace(FLAT.market, bid=None, ask=None, last=None))
    assert outcome.decision.outcome == "refused"
    assert any("no fresh price" in reason for reason in outcome.decision.reasons)


def test_a_buy_while_paused_is_refused_and_an_exit_is_not() -> None:
    assert cycle(Action.BUY, paused=True).decision.reasons == ("trading is paused: no new positions",)
    assert isinstance(cycle(Action.SELL, paused=True, positions=(HELD,)).action, ClosePositions)


@pytest.mark.parametrize("action", [Action.SELL, Action.CLOSE_LONG])
def test_a_sell_closes_everything_open_in_the_symbol_entries_on_their_way_included(action: Action) -> None:
    outcome = cycle(action, positions=(HELD, WAITING, LEAVING))
    assert outcome.action == ClosePositions(("pos-1", "pos-2"), CloseReason.SIGNAL)
    assert (outcome.decision.outcome, outcome.decision.details) == ("sent", {"closes": ["pos-1", "pos-2"]})


def test_a_sell_takes_back_an_entry_that_has_bought_nothing_yet() -> None:
    assert cycle(Action.SELL, positions=(WAITING,)).action == ClosePositions(("pos-2",), CloseReason.SIGNAL)


def test_an_exit_is_decided_while_halted_and_blind() -> None:
    portfolio = replace(FLAT.portfolio, halted="drawdown", equity=None, exposure=None)
    market = replace(FLAT.market, stale="gap", bid=None, ask=None, last=None, quote_usd=None)
    outcome = cycle(Action.SELL, positions=(HELD,), portfolio=portfolio, market=market)
    assert isinstance(outcome.action, ClosePositions)


@pytest.mark.parametrize(
    ("action", "positions", "reason"),
    [
        (Action.SELL, (), SPOT_ONLY),
        (Action.CLOSE_LONG, (), SPOT_ONLY),
        (Action.SELL, (LEAVING,), "its positions are already being closed"),
        (Action.CLOSE_SHORT, (HELD,), "no short to close; spot has no shorts"),
    ],
)
def test_there_is_nothing_to_sell(action: Action, positions: tuple[OpenPosition, ...], reason: str) -> None:
    outcome = cycle(action, positions=positions)
    assert outcome.action is None
    assert (outcome.decision.outcome, outcome.decision.reasons) == ("refused", (reason,))


def test_hold_and_abstain_change_nothing_and_are_recorded() -> None:
    held = cycle(Action.HOLD, positions=(HELD,))
    assert (held.action, held.decision.outcome) == (None, "held")
    silent = run(Abstain("warming up: 3 of 21 candles"), FLAT, judge)
    assert (silent.action, silent.decision.outcome) == (None, "abstained")
    assert silent.decision.reasons == ("warming up: 3 of 21 candles",)


def divided(weight: str, free_base: str = "0", band: str = "0", **situation: Any) -> CycleOutcome:
    wanted = TargetWeights({"BTC": D(weight)}, "BTC is bought once and held", D(band))
    return run(wanted, replace(FLAT, free_base=D(free_base), **situation), judge)


def test_what_is_missing_from_a_weight_is_bought_as_inventory_without_a_stop() -> None:
    outcome = divided("0.4", "10")
    assert isinstance(outcome.action, Allocate)
    proposal = outcome.action.approved.proposal
    # 0.4 x 10 000 - 10 x 100.25 = 2 997.5 USD, at the ask of 100.3: 29.885 BTC
    assert (proposal.side, outcome.action.approved.quantity, proposal.stop) == (Side.BUY, D("29.885"), None)
    assert (outcome.decision.action, outcome.decision.outcome) == ("rebalance", "sent")


def test_what_is_too_much_for_a_weight_is_sold_from_what_is_free() -> None:
    outcome = divided("0.1", "20")
    assert isinstance(outcome.action, Allocate)
    # 20 x 100.25 - 1 000 = 1 005 USD, at the bid of 100.2: 10.029 BTC
    assert (outcome.action.approved.proposal.side, outcome.action.approved.quantity) == (Side.SELL, D("10.029"))


@pytest.mark.parametrize(
    ("outcome", "words", "changes"),
    [
        ("held", "within its band", {"weight": "0.1", "free_base": "9.9", "band": "0.05"}),
        ("held", "less than the exchange trades", {"weight": "0.1", "free_base": "9.975"}),
        ("refused", "paused", {"weight": "0.4", "paused": True}),
        ("refused", "no weight", {"weight": "1.5"}),
        ("refused", "unknown", {"weight": "0.4", "portfolio": replace(FLAT.portfolio, equity=None)}),
    ],
)
def test_a_weight_that_is_met_or_cannot_be_measured_sends_nothing(
    outcome: str, words: str, changes: dict[str, Any]
) -> None:
    found = divided(**changes)
    assert found.action is None
    assert found.decision.outcome == outcome
    assert words in found.decision.reasons[0]


def test_a_buy_that_wants_half_of_what_it_may_have_is_judged_at_half() -> None:
    whole = cycle(Action.BUY).action
    half = run(answer(Action.BUY, size_fraction=D("0.5")), FLAT, judge)
    assert isinstance(whole, OpenTrade)
    assert isinstance(half.action, OpenTrade)
    # whole: 20 % of 10 000 at 100.3 = 19.940 lots of 0.001; half of it 9.970
    assert (whole.approved.quantity, half.action.approved.quantity) == (D("19.940"), D("9.970"))
    assert "wanted_size" in [clamp["rule"] for clamp in half.decision.details["clamps"]]


def test_a_share_that_leaves_less_than_the_exchange_takes_is_refused() -> None:
    # 0.001 of 19.940 is 0.019; the least order costs 5, this one 1.9
    tiny = run(answer(Action.BUY, size_fraction=D("0.001")), FLAT, judge)
    assert tiny.action is None
    assert tiny.decision.outcome == "refused"
    assert tiny.decision.details["rules"] == ["minimum"]


def test_the_mark_is_the_middle_and_a_round_trip_costs_both_fees_and_the_spread() -> None:
    # (100.2 + 100.3) / 2 = 100.25; 2 x 0.4 % + 0.1 / 100.25
    assert FLAT.mark == D("100.25")
    assert FLAT.round_trip_cost == pytest.approx(D("0.008") + D("0.1") / D("100.25"))
    assert replace(FLAT, market=replace(FLAT.market, stale="no fresh price")).mark is None
