"""Shorts of agents in a whole session, on candles of an hour.

A sale at an open of 100 brings 99.9, a purchase pays 100.1.

10,000 USDT: 20 % are 20 coins. Fee 0.4 %, lending 0.01 % (BTC) at the opening and each 4 hours.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from tests.session.candle_session import CandleAudit, Told
from tests.session.scripted_models import SIX
from tests.session.sessions import settings_for
from tests.session.stored_parts import stored
from tests.session.test_margin_in_session import check_statement

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.agents.registry import AGENTS
from triplegain.app.session_views import judge
from triplegain.decision.rounds import FinishedRound
from triplegain.decision.settings import DecisionSettings
from triplegain.decision.signals import LatestSignals
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import HOUR_NS, SECOND_NS
from triplegain.domain.market import CandleClosed
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.records import CloseReason, DecisionRecord, PositionRecord
from triplegain.domain.refusals import Refusal
from triplegain.domain.verdict import RiskApproved, RiskRefused
from triplegain.exchange.margin.settings import MarginSettings
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.protection.protection import Protected
from triplegain.execution.protection.trailing import BreakEven, ProtectionSettings, TrailingStop
from triplegain.execution.settings import DeskSettings
from triplegain.feeds.captures.replay import open_replay
from triplegain.llm.reply import ModelAnswer, Usage
from triplegain.market.snapshot.snapshot import Snapshot
from triplegain.risk.limits import RiskLimits
from triplegain.session.trading_session import TradingSession

LENT = ExchangeSettings(margin=MarginSettings(position_max={}))
D = Decimal


class Short(Told):
    """`say` is an agent's answer at this moment: stop 2 % and target 4 % away, in a market that falls."""

    def __init__(self, *symbols: str, **changes: Any) -> None:
        self.closed: list[PositionRecord] = []
        self.alerts: list[AlertKind] = []
        super().__init__(*symbols, **({"exchange": LENT} | changes))
        self.candle("100 100 100 100", *["100 100 100 100"] * (len(symbols) - 1))

    def take(self) -> None:
        batch = self.session.take_batch(0, 0)
        self.audit.take(batch.events)
        self.alerts += [alert.kind for alert in batch.alerts]
        self.closed += [position for position in batch.positions if not position.is_open]
        if self.session.exchange.margin.is_used:
            check_statement(self.session)

    def say(
        self, action: Action, size: str | None = None, regime: Regime = Regime.TRENDING_BEAR, symbol: str = "BTC/USDT"
    ) -> DecisionRecord:
        session = self.session
        situation = replace(session.look(symbol, "test"), regime=regime)
        answer = AgentAnswer(action, D("0.9"), "it falls", D("0.02"), D("0.04"), None if size is None else D(size))
        outcome = session.decisions.plan(answer, situation)
        session.decisions.carry_out(outcome)
        session._settle()
        self.take()
        return outcome.decision

    def opened(self) -> Short:
        """A short of 20 coins at 99.9, with its stop at 102 and its target at 96."""
        assert self.say(Action.SELL).outcome == "sent"
        self.candle("100 100 99 100")
        return self

    @property
    def held(self) -> Decimal:
        return sum((each.quantity for each in self.session.executor.positions.records()), D(0))


def test_a_sale_without_a_position_is_a_short_with_its_stop_above_and_its_fees_in_the_result() -> None:
    """1,998 sold: fee 7.992, lending 0.1998. At 100 each coin has lost 0.1."""
    told = Short().opened()
    (position,) = told.session.executor.positions.records()
    assert (position.side, position.quantity, position.average_entry) == (Side.SELL, D(-20), D("99.9"))
    assert (position.stop, position.target, position.fees) == (D(102), D(96), D("8.1918"))
    assert told.session.executor.positions.unrealised("pos-1", D(100)) == -2
    (stop,) = told.session.executor.orders.open_orders()
    assert (stop.request.side, stop.quantity, stop.price_now) == (Side.BUY, D(20), D(102))
    assert (stop.request.options.reduce_only, stop.request.leverage) == (True, 2)
    assert (told.session.portfolio.total("BTC"), told.session.executor.positions.owned("BTC")) == (D(0), D(0))


def test_risk_sees_a_short_once_with_what_it_is_worth_and_the_margin_it_uses() -> None:
    """20 at 100, half of it margin; 10,000 - 8.1918 - 2 - 1,000 are free."""
    seen = Short().opened().session.look("BTC/USDT", "test").portfolio
    assert (seen.exposure, seen.exposure_by_symbol, seen.position_quantity) == (D(2000), {"BTC/USDT": D(2000)}, D(-20))
    assert (seen.margin_used, seen.margin_available) == (D(1000), D("8989.8082"))


def test_a_price_that_has_fallen_far_enough_is_told_to_the_desk_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target is 96, the last trade 100: 960 and 1,000 ticks."""
    session, asked = Short().opened().session, list[str]()
    assert session._targets == {"BTC/USDT": (None, 960)}
    monkeypatch.setattr(session, "_tell_quote", asked.append)
    for fall, times in ((999, 0), (1000, 1)):
        session._watch("BTC/USDT", (None, fall))
        assert len(asked) == times


def shorts_end(told: Short, closes: str, reason: CloseReason, realised: str) -> None:
    assert told.session.desk.open_positions() == ()
    assert not told.session.exchange.margin.positions
    assert not told.session.exchange.orders
    assert told.fills()[-1] == closes
    (position,) = told.closed[-1:]
    assert (position.close_reason, position.realised, position.quantity) == (reason, D(realised), D(0))
    summary = told.session.portfolio.pnl_summary()
    assert (summary.wins, summary.losses) == ((1, 0) if position.realised > 0 else (0, 1))
    # The desk and the exchange say the same of what it came to.
    assert told.session.exchange.margin.state.result_usd == position.realised == summary.realised_usd
    assert told.audit.bare()[1] == []


#: What is told after the opening, how it ends, and with what; 8.1918 are paid by then.
ENDS = [
    # 20 x (99.9 - 102.2 (102 and slippage)) = -46, fee 8.176
    (["101 103 100 101"], "stop_loss 20 @ 102.2 (hour 2)", CloseReason.STOP_LOSS, "-62.3678"),
    # The open lies beyond the stop: 20 x (99.9 - 104.2) = -86, fee 8.336
    (["104 104 103 103"], "stop_loss 20 @ 104.2 (hour 2)", CloseReason.STOP_LOSS, "-102.5278"),
    # Both in one candle: the stop.
    (["100 102 96 100"], "stop_loss 20 @ 102.2 (hour 2)", CloseReason.STOP_LOSS, "-62.3678"),
    # Reached at the close, bought at the next open: 20 x (99.9 - 95.1) = 96, fee 7.608
    (["97 97 95 95", "95 95 95 95"], "take_profit 20 @ 95.1 (hour 3)", CloseReason.TAKE_PROFIT, "80.2002"),
]


@pytest.mark.parametrize(("candles", "closes", "reason", "realised"), ENDS)
def test_a_short_ends_at_its_stop_or_its_target(
    candles: list[str], closes: str, reason: CloseReason, realised: str
) -> None:
    told = Short().opened()
    for candle in candles:
        told.candle(candle)
    shorts_end(told, closes, reason, realised)


def test_the_stop_meets_the_candle_of_the_sale_itself() -> None:
    told = Short()
    told.say(Action.SELL)
    told.candle("100 102 99 100")
    shorts_end(told, "stop_loss 20 @ 102.2 (hour 1)", CloseReason.STOP_LOSS, "-62.3678")


@pytest.mark.parametrize("action", [Action.BUY, Action.CLOSE_SHORT])
def test_a_purchase_or_a_close_takes_it_off(action: Action) -> None:
    """20 x (99.9 - 98.1) = 36, fee 7.848."""
    told = Short().opened()
    assert told.say(action).outcome == "sent"
    told.candle("98 98 98 98")
    shorts_end(told, "signal 20 @ 98.1 (hour 2)", CloseReason.SIGNAL, "19.9602")
    assert told.say(Action.CLOSE_SHORT).reasons == ("no short to close",)


def test_a_purchase_of_a_part_takes_off_so_much_and_the_rest_keeps_its_stop() -> None:
    told = Short().opened()
    assert told.say(Action.BUY, "0.25").details["share"] == "0.25"
    told.candle("98 98 98 98")
    assert told.fills()[-1] == "signal 5 @ 98.1 (hour 2)"
    assert told.held == -15
    stage = told.session.desk.protection("pos-1").stage  # type: ignore[union-attr]
    assert isinstance(stage, Protected)
    assert (stage.covered, stage.level.trigger) == (D(15), D(102))
    assert told.audit.bare()[1] == []


def test_after_its_time_it_is_bought_back_and_each_four_hours_have_cost() -> None:
    """12 periods of 20 x 100 x 0.01 % = 0.2 in 48 hours: 8.1918 + 2.4, and 20 x 100.1 x 0.4 % = 8.008 to leave."""
    told = Short().opened()
    for _ in range(10):
        told.candle("100 100 100 100")
    # What has been told is what is.
    assert told.session.desk.positions.records() == told.session.executor.positions.records()
    assert told.session.executor.positions.records()[0].fees == D("8.5918")
    for _ in range(40):
        told.candle("100 100 100 100")
    assert told.closed[-1].close_reason is CloseReason.TIME_EXIT
    assert told.closed[-1].fees == D("18.5998")
    assert told.session.exchange.margin.state.result_usd == told.closed[-1].realised


def test_flat_and_the_drawdown_breaker_take_it_off_once() -> None:
    told = Short().opened()
    assert told.session.by_hand.flat() == ("pos-1",)
    told.candle("98 98 98 98")
    shorts_end(told, "manual 20 @ 98.1 (hour 2)", CloseReason.MANUAL, "19.9602")
    told = Short().opened()
    told.session.risk.on_equity(D(20_000), told.session.now_ns)
    told.session.watch.moved(told.session.now_ns)
    told.candle("100 100 100 100")
    told.candle("98 98 98 98")
    assert told.closed[-1].close_reason is CloseReason.BREAKER
    assert not told.session.exchange.margin.positions
    assert len(told.fills("breaker")) == 1


def test_breakers_tighten_and_halve_it() -> None:
    told = Short().opened()
    desk, now_ns = told.session.desk, told.session.now_ns
    told.session._tell_quote("BTC/USDT")
    assert desk.tighten_all(D("0.01"), now_ns) == ("pos-1",)
    assert desk.tighten_all(D("0.015"), now_ns) == ("pos-1",)  # never wider
    told.session._settle()
    told.candle("99 99 99 99")
    (stop,) = told.session.executor.orders.open_orders()
    assert stop.price_now == 101
    assert desk.reduce("pos-1", D("0.5"), CloseReason.BREAKER, told.session.now_ns)
    told.candle("99 99 99 99")
    assert told.held == -10
    told.candle("99 101 99 100")
    assert told.fills()[-2:] == ["breaker 10 @ 99.1 (hour 3)", "stop_loss 10 @ 101.2 (hour 4)"]
    assert told.closed[-1].close_reason is CloseReason.BREAKER
    assert told.audit.bare()[1] == []


def test_break_even_pays_what_lending_has_cost_as_well() -> None:
    """20 at 99.9 less 8.1918, and ten periods of 20 x 100 x 0.01 % = 0.2: 99.39041 a coin. Half is bought back first,
    with its half of that. 99.39041 x 0.999 / 1.004 = 98.8954...; 98.9 would be it without the ten periods."""
    told = Short(desk=DeskSettings(protection=ProtectionSettings(break_even=BreakEven()))).opened()
    for _ in range(40):
        told.candle("100 100 100 100")
    (position,) = told.session.executor.positions.all()
    assert (position.financing, position.average_cost) == (D(2), D("99.39041"))
    assert told.session.by_hand.reduce_position("pos-1", D(10)) is None
    told.candle("100 100 100 100")
    (position,) = told.session.executor.positions.all()
    assert (position.financing, position.average_cost) == (D(1), D("99.39041"))
    told.candle("99 99 98 98")
    told.candle("98 98 98 98")
    assert told.session.executor.positions.records()[0].stop == D("98.8")


def test_a_person_may_lower_its_stop_and_not_raise_it_and_close_a_part() -> None:
    told = Short().opened()
    for price, words in (("103", "only moved down"), ("99.9", "not above the market"), ("101.5", "")):
        answer = told.session.by_hand.amend(AmendRequest("tg-stop-1", price=D(price)))
        assert (words in answer.reason) if isinstance(answer, Refusal) else not words
    told.candle("100 100 100 100")
    assert told.session.by_hand.reduce_position("pos-1", D(5)) is None
    told.candle("100 100 100 100")
    assert told.held == -15
    assert told.session.by_hand.close_position("pos-1")
    told.candle("100 100 100 100")
    assert told.closed[-1].close_reason is CloseReason.MANUAL


def test_its_stop_follows_where_stops_are_to_follow() -> None:
    """From 1 % below 99.9 on (98.901, so 98.9), 1.5 % above the market."""
    trailing = ProtectionSettings(trailing=TrailingStop())
    told = Short(desk=DeskSettings(protection=trailing)).opened()
    told.candle("99 99 98.9 99")
    told.candle("99 99 96.1 96.1")
    told.candle("96.1 96.1 96.1 96.1")
    assert told.session.executor.positions.records()[0].stop == D("97.6")  # 96.1 x 1.015 = 97.5415
    told.candle("97 98 97 97")
    assert told.closed[-1].close_reason is CloseReason.TRAILING_STOP
    # Break-even at 1 %: (1,998 - 8.1918) / 20 x 0.999 / 1.004 = 98.994..., so 98.9
    even = ProtectionSettings(break_even=BreakEven())
    told = Short(desk=DeskSettings(protection=even)).opened()
    told.candle("99 99 98 98")
    told.candle("98 98 98 98")
    assert told.session.executor.positions.records()[0].stop == D("98.9")


def test_a_liquidation_ends_the_position_and_says_so() -> None:
    """1,000 of margin are used of 10,000: with levels that are twenty times as high the first candle takes it off, and
    its stop ends with it."""
    told = Short().opened()
    told.session.exchange.margin.terms = MarginSettings(call=D(20), liquidation=D(20), restored=D(20), position_max={})
    told.candle("100 100.5 100 100")
    told.candle("100 100.5 100 100")
    assert told.closed[-1].close_reason is CloseReason.LIQUIDATION
    assert told.session.desk.open_positions() == ()
    assert not told.session.exchange.orders
    assert set(told.alerts) == {AlertKind.MARGIN_CALL}
    assert told.session.risk.memory.losses_in_a_row == 1


def test_a_liquidation_in_parts_cuts_the_stop_to_what_is_left() -> None:
    """A candle of 100 coins gives 10 of the 20."""
    told = Short(exchange=replace(LENT, partial_fills=True)).opened()
    told.session.exchange.margin.terms = MarginSettings(call=D(20), liquidation=D(20), restored=D(20), position_max={})
    told.candle("100 100.5 100 100", volume="100")
    assert told.held == -10
    stage = told.session.desk.protection("pos-1").stage  # type: ignore[union-attr]
    assert isinstance(stage, Protected) and stage.covered == 10
    told.candle("100 100.5 100 100")
    told.candle("100 100.5 100 100")
    assert (told.closed[-1].close_reason, told.session.exchange.orders) == (CloseReason.LIQUIDATION, {})
    assert told.session.desk.open_positions() == ()


def test_a_short_below_the_minimum_is_bought_back_all_the_same() -> None:
    """0.0052 sold at 99.9 cost 0.51948; at its target 0.0052 x 95.1 = 0.49452 are less than the least of 0.5."""
    told = Short()
    assert told.say(Action.SELL, "0.00026").details["quantity"] == "0.0052"
    told.candle("100 100 99 100")
    told.candle("97 97 95 95")
    told.candle("95 95 95 95")
    assert told.fills()[-1] == "take_profit 0.0052 @ 95.1 (hour 3)"
    assert told.closed[-1].quantity == 0
    assert not told.session.exchange.margin.positions


def test_a_short_of_which_little_was_sold_has_a_stop_and_is_bought_back() -> None:
    """Of an hour in which 0.0003 are traded a tenth is ours: 0.00003, less than the least of 0.00005."""
    told = Short(exchange=replace(LENT, partial_fills=True))
    told.say(Action.SELL)
    told.candle("100 100 99 100", volume="0.0003")
    assert told.held == D("-0.00003")
    (entry,) = told.session.executor.orders.open_orders()
    told.session.by_hand.cancel(entry.request.client_order_id)
    told.candle("100 100 99 100", volume="0")
    stage = told.session.desk.protection("pos-1").stage  # type: ignore[union-attr]
    assert isinstance(stage, Protected)
    assert stage.covered == D("0.00003")
    assert told.say(Action.CLOSE_SHORT).outcome == "sent"
    told.candle("100 100 99 100", volume="30000")
    told.candle("100 100 99 100", volume="30000")
    assert not told.closed[-1].dust
    # Sold for 0.002997, told as 0.00299, bought for 0.003003, told as 0.00301. Both books have it so.
    assert told.session.exchange.margin.state.result_usd == told.closed[-1].realised
    assert not told.session.exchange.margin.positions
    assert told.audit.bare()[1] == []
    assert told.say(Action.SELL).outcome == "sent"


def test_what_a_short_gained_pays_the_hodl_bag_like_any_other_profit() -> None:
    told = Short(hodl=HodlSettings()).opened()
    told.say(Action.CLOSE_SHORT)
    told.candle("90 90 90 90")
    told.candle("90 90 90 90")
    # 20 x (99.9 - 90.1) = 196, less 8.1918 and a fee of 7.208: 180.6002, of which a tenth
    assert told.session.portfolio.hodl()["USDT"] == D("18.06002")


def no_margin() -> Short:
    return Short(exchange=ExchangeSettings())


def with_a_long_by_hand() -> Short:
    told = Short()
    told.session.by_hand.place(OrderRequest("mine", "BTC/USDT", Side.BUY, D(1), Market(), leverage=2))
    told.candle("100 100 100 100")
    return told


def with_an_order_by_hand() -> Short:
    told = Short()
    told.session.by_hand.place(OrderRequest("mine", "BTC/USDT", Side.BUY, D(1), Limit(D(90)), leverage=2))
    told.candle("100 100 100 100")
    return told


REFUSED = [
    (no_margin, {}, "no position to sell; spot has no shorts"),
    (lambda: Short().opened(), {}, "pos-1 is short of BTC/USDT already"),
    (with_a_long_by_hand, {}, "would close what is on margin of BTC/USDT by hand"),
    (with_an_order_by_hand, {}, "would close what is on margin of BTC/USDT by hand"),
    (lambda: Short("ETH/USDT"), {"symbol": "ETH/USDT"}, "no shorts are offered on ETH/USDT"),
    (Short, {"regime": Regime.UNKNOWN}, "leverage 2 at the least, leverage_regime allows 1"),
]


@pytest.mark.parametrize(("scene", "asked", "words"), REFUSED)
def test_a_short_that_cannot_be_is_refused_in_words(scene: Any, asked: dict[str, Any], words: str) -> None:
    told = scene()
    decision = told.say(Action.SELL, **asked)
    assert decision.outcome == "refused"
    assert words in decision.reasons[0]


def test_a_question_to_risk_may_be_about_a_short() -> None:
    """20 % of 10,000 at 100."""
    asked = TradeProposal(
        "BTC/USDT", Side.SELL, Intent.OPEN, Market(), stop=D(102), confidence=D("0.9"), regime=Regime.TRENDING_BEAR
    )
    verdict = judge(Short().session, asked, None, Regime.TRENDING_BEAR)
    assert isinstance(verdict, RiskApproved)
    assert (verdict.quantity, verdict.proposal.leverage) == (D(20), 2)
    refused = judge(no_margin().session, asked, None, None)
    assert isinstance(refused, RiskRefused)
    assert refused.reasons == ("no position to sell; spot has no shorts",)


def told_to_models(told: Short, regime: Regime = Regime.TRENDING_BEAR) -> tuple[str, bool, bool, int | None]:
    session = told.session
    context = session.context(replace(session.look("BTC/USDT", "test"), regime=regime))
    return context.held.value, context.may_short, context.has_shorts, context.unrealised_bps


def test_models_are_told_of_shorts_only_where_they_exist() -> None:
    """At 100 a short from 99.9 has lost 10 of 10,000."""
    assert told_to_models(no_margin()) == ("flat", False, False, None)
    assert told_to_models(Short()) == ("flat", True, True, None)
    assert told_to_models(Short(), Regime.UNKNOWN) == ("flat", False, False, None)
    assert told_to_models(Short().opened()) == ("short", False, True, -10)


@pytest.mark.parametrize(
    ("opening", "voted", "gone"),
    [(Action.SELL, "buy", "101 103 100 101"), (Action.BUY, "sell", "99 99 97 98")],
)
def test_a_vote_to_end_what_its_stop_has_ended_meanwhile_opens_nothing(
    opening: Action, voted: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LatestSignals, "regime", lambda *_: Regime.TRENDING_BEAR)
    told = Short()
    assert told.say(opening).outcome == "sent"
    told.candle("100 100.5 99.5 100")
    session, voting = told.session, told.session.decision_engine.voting
    snapshot = session.snapshot("BTC/USDT")
    assert isinstance(snapshot, Snapshot)
    asked = voting.decision_round("decision-1", "BTC/USDT", snapshot, session.now_ns)
    told.candle(gone)
    assert not told.held
    says = {
        "action": voted, "confidence_pct": 90, "stop_bps": 200, "target_bps": 400, "size_pct": 100, "reasoning": "so",
        **asked.echo,
    }  # fmt: skip
    replies = {model: ModelAnswer(says, model, Usage(SECOND_NS)) for model in SIX}
    voting.tally(FinishedRound(asked, replies), session.now_ns, None)
    session._settle()
    batch = session.take_batch(0, 0)
    (decision,) = batch.decisions
    assert decision.outcome == "abstained"
    assert f"their {voted} was to open nothing" in decision.reasons[0]
    assert session.desk.open_positions() == ()


def test_models_are_told_of_their_short_and_not_of_its_sum_with_a_purchase_by_hand() -> None:
    told = Short().opened()
    bought = told.session.by_hand.place(OrderRequest("by-hand", "BTC/USDT", Side.BUY, D(20), Market()))
    assert not isinstance(bought, Refusal)
    told.candle("100 100 100 100")
    assert told.held == 0
    assert told_to_models(told) == ("short", False, True, -10)


def test_nobody_opens_or_closes_anything_on_margin_beside_it() -> None:
    told = Short().opened()
    for side in Side:
        refused = told.session.by_hand.place(OrderRequest(f"by-{side}", "BTC/USDT", side, D(1), Market(), leverage=2))
        assert isinstance(refused, Refusal)
        assert "close the position instead" in refused.reason


@pytest.mark.parametrize("hours", [1, 3])
def test_a_session_that_is_stored_with_a_short_goes_on_identically(hours: int) -> None:
    def play(told: Told, first: int, last: int) -> None:
        for hour in range(first, last):
            told.candle(f"{100 - hour} {100 - hour} {99 - hour} {99 - hour}")

    whole, half = Short().opened(), Short().opened()
    play(whole, 0, 8)
    play(half, 0, hours)
    rows = stored(half.session)
    again = Told(exchange=LENT)
    again.session.on_event = again.session.observe  # type: ignore[method-assign, assignment]
    again.candle("100 100 100 100")
    again.candle("100 100 99 100")
    play(again, 0, hours)
    del again.session.on_event
    again.session.restore(rows)
    assert again.session.desk.protection("pos-1") == half.session.desk.protection("pos-1")
    play(again, hours, 8)
    assert stored(again.session) == stored(whole.session)
    assert whole.closed[-1].close_reason is CloseReason.TAKE_PROFIT


#: 2021-06-02 00:00.
_AFTER_THE_CRASH_NS = 1_622_592_000 * 10**9


@pytest.mark.slow
def test_the_baseline_goes_short_in_the_crash_of_may_2021_and_never_without_a_stop(captures: Path) -> None:
    """BTC/USDT and XRP/USDT by hours, 2021-04-01 to 06-01; the regime by rules."""
    feed = open_replay(captures / "binance_ohlcv_1h_2021_2023")
    tasks = tuple(task for task in AGENTS.tasks if task.name == "regime")
    session = TradingSession(
        settings_for(
            feed,
            candle_ns=HOUR_NS,
            limits=RiskLimits(),
            exchange=ExchangeSettings(margin=MarginSettings()),
            decision=DecisionSettings(tasks=tasks),
        )
    )
    audit, shorts = CandleAudit(HOUR_NS), dict[str, PositionRecord]()
    for event in takewhile(lambda each: each.exchange_time_ns < _AFTER_THE_CRASH_NS, feed.events()):
        assert isinstance(event, CandleClosed)
        audit.candle(event.candle)
        session.on_event(event)
        if session.must_commit:
            batch = session.take_batch(0, 0)
            audit.take(batch.events)
            shorts |= {each.position_id: each for each in batch.positions if each.side is Side.SELL}
    looked, bare = audit.bare()
    assert (bare, dict(audit.late)) == ([], {})
    assert looked > 300
    assert len(shorts) > 10
    assert {each.close_reason for each in shorts.values()} >= {CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT}
    assert any(each.symbol == "XRP/USDT" and each.realised > 200 for each in shorts.values())
    check_statement(session)
