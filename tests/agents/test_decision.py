from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.agents.made_answers import context, snapshot_with
from tests.market.indicators.recorded import BTC_USDT, between, candles_of
from tests.market.viewed_market import BINANCE_BTC, as_event, fed, new_view, of_crash

from triplegain.agents.answer import Action
from triplegain.agents.decision import VoteAnswer, decision_prompt, echo_of
from triplegain.agents.decision_context import DecisionContext, Held, context_json
from triplegain.agents.sentiment import Sentiment
from triplegain.agents.technical import TechnicalAnswer, technical_rules
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.proposal import Regime
from triplegain.llm.schema import form_text, schema_text
from triplegain.market.snapshot.compact import tokens_at_most
from triplegain.market.snapshot.snapshot import Snapshot


@pytest.fixture(scope="module")
def snapshot(captures: Path) -> Snapshot:
    crash = between(candles_of(captures / BTC_USDT), "2021-05-16 00:00:00", "2021-05-19 13:00:00")
    return of_crash(fed(new_view(BINANCE_BTC), map(as_event, crash)), crash)


def full_context(snapshot: Snapshot) -> DecisionContext:
    technical = technical_rules(snapshot)
    assert isinstance(technical, TechnicalAnswer)
    return context(
        held=Held.LONG, open_positions=1, open_in_symbol=1, entry=Decimal("35000.10"), unrealised_bps=67, held_min=90,
        free_pct=80, technical=technical, regime=Regime.CHOPPY, sentiment=Sentiment(-20, 50, -40, 0),
    )  # fmt: skip


ANSWERED: dict[str, Any] = {
    "snapshot": "0123456789ab", "symbol": "BTC/USDT", "action": "buy", "confidence_pct": 70, "stop_bps": 200,
    "target_bps": 400, "size_pct": 50, "reasoning": "clear trend",
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confidence_pct", float("nan")), ("confidence_pct", float("inf")), ("confidence_pct", 70.0),
        ("confidence_pct", 70.5), ("confidence_pct", "70"), ("confidence_pct", True), ("confidence_pct", None),
        ("confidence_pct", -1), ("confidence_pct", 101), ("confidence_pct", 10**30), ("confidence_pct", [70]),
        ("stop_bps", 0), ("stop_bps", -200), ("stop_bps", 2001), ("stop_bps", float("nan")), ("stop_bps", None),
        ("target_bps", 0), ("target_bps", 5001), ("target_bps", "400"),
        ("size_pct", 0), ("size_pct", 101), ("size_pct", None), ("size_pct", float("-inf")),
        ("action", "BUY!"), ("action", "strong_buy"), ("action", "do not buy"), ("action", ""), ("action", None),
        ("action", ["buy"]), ("snapshot", "0123456789AB"), ("snapshot", "0123456789abc"), ("snapshot", ""),
        ("snapshot", 0), ("symbol", ""), ("symbol", "x" * 21), ("symbol", None),
        ("reasoning", None), ("reasoning", 5),
    ],
)  # fmt: skip
def test_a_vote_with_a_wrong_value_is_no_vote(field: str, value: object) -> None:
    VoteAnswer.model_validate(ANSWERED)
    with pytest.raises(ValidationError):
        VoteAnswer.model_validate({**ANSWERED, field: value})


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "70.0", '"NaN"'])
def test_numbers_of_json_that_are_not_whole_and_finite_are_no_vote(text: str) -> None:
    written = json.dumps(ANSWERED).replace('"confidence_pct": 70', f'"confidence_pct": {text}')
    with pytest.raises(ValidationError):
        VoteAnswer.model_validate_json(written)
    with pytest.raises(ValidationError):
        VoteAnswer.model_validate(json.loads(written))


@pytest.mark.parametrize("field", list(ANSWERED))
def test_every_field_is_needed_and_no_other_is_taken(field: str) -> None:
    with pytest.raises(ValidationError):
        VoteAnswer.model_validate({key: value for key, value in ANSWERED.items() if key != field})
    with pytest.raises(ValidationError):
        VoteAnswer.model_validate({**ANSWERED, "leverage": 5})


def test_only_a_buy_needs_a_stop() -> None:
    for action in Action:
        answered = {**ANSWERED, "action": action.value, "stop_bps": None}
        if action is Action.BUY:
            with pytest.raises(ValidationError, match="a buy needs stop_bps"):
                VoteAnswer.model_validate(answered)
        else:
            assert VoteAnswer.model_validate(answered).action is action


def test_reasoning_is_cleaned_and_cut_and_costs_no_vote() -> None:
    kept = VoteAnswer.model_validate({**ANSWERED, "reasoning": "why\x1b[2J <script>x</script>" + " and so on" * 100})
    assert kept.reasoning.startswith("why [2J and so on") and len(kept.reasoning) <= 300


def test_the_echo_is_the_beginning_of_the_hash_and_the_symbol(snapshot: Snapshot) -> None:
    assert echo_of(snapshot) == {"snapshot": snapshot.hash[:12], "symbol": "BTC/USDT"}


def test_the_prompt_holds_the_schema_the_echo_the_account_and_the_market(snapshot: Snapshot) -> None:
    about = full_context(snapshot)
    prompt = decision_prompt(snapshot, about)
    assert schema_text(VoteAnswer) in prompt.system and form_text(VoteAnswer) in prompt.system
    assert f'"snapshot":"{snapshot.hash[:12]}" and "symbol":"BTC/USDT"' in prompt.user
    account, market = prompt.user.split("\n\nAccount\n")[1].split("\n\nMarket\n")
    assert account == context_json(about)
    assert json.loads(market)["snapshot"] == snapshot.hash
    # The same for every market and moment: a provider may keep it.
    later = replace(snapshot, hash="f" * 64, symbol="XRP/USDT")
    assert prompt.system == decision_prompt(later, context()).system


def test_the_account_is_numbers_and_closed_words(snapshot: Snapshot) -> None:
    assert json.loads(context_json(full_context(snapshot))) == {
        "position": "long", "entry": "35000.1", "unrealised_bps": 67, "held_min": 90, "free_funds_pct": 80,
        "open_positions": [1, 5], "open_in_symbol": [1, 2], "may_open": True,
        "limits": {
            "stop_bps": [50, 300], "confidence_min_pct": 60, "reward_risk_min": "1.5", "round_trip_cost_bps": 80,
        },
        "technical": {
            "trend": "down", "strength_pct": 43, "alignment_pct": -100, "momentum_pct": -63, "support_bps": None,
            "resistance_bps": 2768, "bias": "short", "confidence_pct": 25,
        },
        "regime": "choppy",
        "sentiment": {"overall_pct": -20, "confidence_pct": 50, "social_pct": -40, "news_pct": 0},
    }  # fmt: skip
    nothing = json.loads(context_json(context()))
    assert (nothing["technical"], nothing["sentiment"], nothing["regime"]) == (None, None, "unknown")


@pytest.mark.parametrize(
    "wrong",
    [
        {"entry": Decimal("NaN")}, {"entry": Decimal("Infinity")}, {"entry": Decimal(0)}, {"entry": Decimal(-1)},
        {"free_pct": 101}, {"free_pct": -1},
    ],
)  # fmt: skip
def test_numbers_of_an_account_that_cannot_be_raise(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        context(**wrong)


@given(st.integers(600, 12_000))
@settings(max_examples=60, deadline=None)
def test_any_budget_is_kept_and_the_prompt_is_always_the_same(snapshot: Snapshot, budget: int) -> None:
    prompt = decision_prompt(snapshot, full_context(snapshot), budget)
    assert tokens_at_most(prompt.system) + tokens_at_most(prompt.user) <= budget
    assert prompt == decision_prompt(snapshot, full_context(snapshot), budget)
    assert snapshot.hash[:12] in prompt.system + prompt.user


def test_a_small_budget_has_the_primary_figures_and_the_rest_as_it_fits(snapshot: Snapshot) -> None:
    prompt = decision_prompt(snapshot, full_context(snapshot), 700)
    assert form_text(VoteAnswer, echo_of(snapshot)) in prompt.system
    assert prompt.user.splitlines() == [
        "BTC/USDT price 35234.62, position long +67 bps",
        "1h: rsi 18.3 adx 42.8 choppiness 31.7 ema_9_bps 1075 ema_21_bps 1521 ema_50_bps 2097 "
        "macd_histogram_bps -100.2 atr_bps 478.6",
        "regime choppy, technical short 25, sentiment -20",
        "stop 50..300 bps, confidence >= 60, may_open true",
        "24h change -19.84 %",
        "trend -1..1: 1m -1, 5m -1, 15m -1, 1h -1",
        "spread 0 bps, imbalance 0.92",
        "flags: price_is_close book_reach:0.139 few:1h:85/220 few:4h:21/200 few:1d:3/200",
    ]
    lines = [decision_prompt(snapshot, full_context(snapshot), budget).user.splitlines() for budget in (450, 350)]
    assert lines[0] == prompt.user.splitlines()[: len(lines[0])]
    assert len(lines[1]) < len(lines[0]) < 8


def test_figures_that_are_not_known_are_null_in_few_words() -> None:
    bare = snapshot_with(rsi=None, atr=None, ema_9=None, choppiness=None, trend=None)
    assert decision_prompt(bare, context(), 700).user.splitlines()[:2] == [
        "BTC/USDT price 10000, position flat",
        "1h: rsi null adx 30 choppiness null ema_9_bps null ema_21_bps 0 ema_50_bps -100 "
        "macd_histogram_bps 12 atr_bps null",
    ]


def test_a_budget_that_holds_not_even_the_question_is_refused_with_what_it_needs(snapshot: Snapshot) -> None:
    with pytest.raises(
        InvalidValueError, match=r"100 tokens do not hold the question about BTC/USDT, which has [0-9]+"
    ):
        decision_prompt(snapshot, context(), 100)


@pytest.mark.parametrize("budget", [8000, 900])
def test_shorts_are_spoken_of_only_where_they_are_offered_or_held(snapshot: Snapshot, budget: int) -> None:
    spot = decision_prompt(snapshot, context(), budget)
    offered = decision_prompt(snapshot, context(may_short=True), budget)
    held = decision_prompt(snapshot, context(held=Held.SHORT), budget)
    assert "open a short" not in spot.system and "may_short" not in spot.user
    assert re.search("opens? a short", offered.system) and "no new shorts" not in offered.system
    assert held.system == offered.system
    assert ('"may_short":true' in offered.user) == (budget == 8000)
