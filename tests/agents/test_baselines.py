"""Buy and hold, equal weight and the random trader: what they answer, and what they remember."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from triplegain.agents.answer import Action, AgentAnswer, Answer, TargetWeights
from triplegain.agents.baselines.baseline import (
    Baseline,
    BuyAndHold,
    BuyAndHoldSettings,
    EqualWeight,
    EqualWeightSettings,
    RandomSettings,
    RandomTrader,
)
from triplegain.agents.baselines.choice import BaselineChoice, baselines
from triplegain.agents.ema_baseline import BaselineSettings, EmaBaseline
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle

HOUR_NS = 3600 * SECOND_NS
SYMBOLS = ("BTC/USDT", "XRP/USDT", "XRP/BTC")


def candle(number: int, symbol: str = "BTC/USDT", close: int = 100) -> Candle:
    return Candle(symbol, number * HOUR_NS, HOUR_NS, close, close, close, close, 1)


def candles(count: int) -> Iterable[Candle]:
    return (candle(number) for number in range(count))


def actions(trader: RandomTrader, count: int, first: int = 0) -> list[Action]:
    """What it does, hour by hour, if everything it says is done."""
    said = []
    for number in range(first, first + count):
        answer = trader.on_candle(candle(number, trader.symbol))
        assert isinstance(answer, AgentAnswer)
        if answer.action in (Action.BUY, Action.SELL):
            trader.carried_out()
        said.append(answer.action)
    return said


def test_buy_and_hold_asks_for_its_share_until_it_has_it_and_then_never_again() -> None:
    trader = BuyAndHold("XRP/USDT", Decimal("0.495"))
    for number in (1, 2):  # the first was refused
        assert trader.on_candle(candle(number, "XRP/USDT")) == TargetWeights(
            {"XRP": Decimal("0.495")}, "XRP is bought once and held"
        )
    trader.carried_out()
    for number in (3, 4, 500):
        answer = trader.on_candle(candle(number, "XRP/USDT", close=number))
        assert isinstance(answer, AgentAnswer) and answer.action is Action.HOLD


def test_equal_weight_says_the_same_after_every_candle() -> None:
    trader = EqualWeight("BTC/USDT", Decimal("0.3333"))
    wanted = TargetWeights({"BTC": Decimal("0.3333")}, "BTC has an equal share", Decimal("0.05"))
    answers = []
    for each in candles(3):
        answers.append(trader.on_candle(each))
        trader.carried_out()
    assert answers == [wanted] * 3


@pytest.mark.parametrize(
    ("chosen", "symbols", "weights"),
    [
        (BuyAndHoldSettings(), SYMBOLS, {"BTC/USDT": "0.495", "XRP/USDT": "0.495"}),  # 0.99 / 2
        (
            BuyAndHoldSettings(Decimal(0)),
            ("A/USDT", "B/USDT", "C/USDT"),
            dict.fromkeys(("A/USDT", "B/USDT", "C/USDT"), "0.3333"),
        ),
        (BuyAndHoldSettings(), ("XRP/BTC",), {"XRP/BTC": "0.99"}),
        (EqualWeightSettings(), SYMBOLS, {"BTC/USDT": "0.3333", "XRP/USDT": "0.3333"}),  # and a third cash
        (EqualWeightSettings(), ("BTC/USDT",), {"BTC/USDT": "0.5"}),
    ],
)
def test_the_equity_is_divided_among_the_coins_once_each(
    chosen: BaselineChoice, symbols: tuple[str, ...], weights: dict[str, str]
) -> None:
    said: dict[str, Answer] = {
        trader.symbol: trader.on_candle(candle(1, trader.symbol)) for trader in baselines(chosen, symbols)
    }
    found = {
        symbol: {asset: f"{weight}" for asset, weight in answer.weights.items()}
        for symbol, answer in said.items()
        if isinstance(answer, TargetWeights)
    }
    assert found == {symbol: {symbol.partition("/")[0]: weight} for symbol, weight in weights.items()}


def test_ema_and_random_trade_every_symbol() -> None:
    assert [type(trader) for trader in baselines(BaselineSettings(), SYMBOLS)] == [EmaBaseline] * 3
    assert [trader.symbol for trader in baselines(RandomSettings(), SYMBOLS)] == list(SYMBOLS)


def test_the_same_seed_throws_the_same_and_another_seed_or_symbol_does_not() -> None:
    first = actions(RandomTrader("BTC/USDT", RandomSettings(seed=7)), 500)
    assert actions(RandomTrader("BTC/USDT", RandomSettings(seed=7)), 500) == first
    assert actions(RandomTrader("BTC/USDT", RandomSettings(seed=8)), 500) != first
    assert actions(RandomTrader("XRP/USDT", RandomSettings(seed=7)), 500) != first


def test_what_a_candle_throws_does_not_depend_on_the_candles_before_it() -> None:
    settings = RandomSettings(seed=3)
    whole, late = RandomTrader("BTC/USDT", settings), RandomTrader("BTC/USDT", settings)
    # Nothing is carried out: both are flat all the time.
    all_of_it = [whole.on_candle(candle(number)) for number in range(200)]
    assert [late.on_candle(candle(number)) for number in range(150, 200)] == all_of_it[150:]


@pytest.mark.parametrize(
    ("entries", "shortest_h", "longest_h"),
    [
        ("1", 4, 24),
        pytest.param("0.5", 1, 3, marks=pytest.mark.slow),
        pytest.param("3", 1, 8, marks=pytest.mark.slow),
        pytest.param("0.25", 24, 48, marks=pytest.mark.slow),
    ],
)
def test_it_enters_as_often_as_is_set_with_the_time_it_holds_counted_in(
    entries: str, shortest_h: int, longest_h: int
) -> None:
    settings = RandomSettings(
        entries_per_day=Decimal(entries), holding_min_ns=shortest_h * HOUR_NS, holding_max_ns=longest_h * HOUR_NS
    )
    days = 2000
    said = actions(RandomTrader("BTC/USDT", settings), days * 24)
    bought = said.count(Action.BUY)
    # Hourly candles round an exit up by half a candle and make an entry wait for the next one: at most an hour a round.
    expected = days / (1 / float(entries) + 0.75 / 24)
    assert abs(bought - expected) < 4 * bought**0.5 + 0.02 * bought
    assert said.count(Action.SELL) in (bought, bought - 1)


def test_it_holds_for_a_time_between_the_bounds() -> None:
    settings = RandomSettings(entries_per_day=Decimal(2), holding_min_ns=2 * HOUR_NS, holding_max_ns=5 * HOUR_NS)
    said = actions(RandomTrader("BTC/USDT", settings), 20_000)
    spans, since = [], 0
    for number, action in enumerate(said):
        if action is Action.BUY:
            since = number
        elif action is Action.SELL:
            spans.append(number - since)
    # It leaves with the first candle that closes after a time of 2 h to 5 h.
    assert set(spans) == {3, 4, 5}
    assert said[: said.index(Action.BUY)] == [Action.HOLD] * said.index(Action.BUY)


def test_an_entry_that_was_refused_is_not_held() -> None:
    trader = RandomTrader("BTC/USDT", RandomSettings(entries_per_day=Decimal(1)))
    said = [trader.on_candle(each) for each in candles(2000)]
    words = {answer.action for answer in said if isinstance(answer, AgentAnswer)}
    assert words == {Action.BUY, Action.HOLD}


def test_a_random_entry_brings_the_stop_that_risk_asks_for() -> None:
    trader = RandomTrader("BTC/USDT", RandomSettings(stop=Decimal("0.03")))
    bought = next(
        a for a in map(trader.on_candle, candles(2000)) if isinstance(a, AgentAnswer) and a.action is Action.BUY
    )
    assert (bought.stop_fraction, bought.target_fraction, bought.confidence) == (Decimal("0.03"), None, Decimal("0.75"))


@pytest.mark.parametrize(
    "wrong", [{"entries_per_day": Decimal(2)}, {"entries_per_day": Decimal(0)}, {"holding_min_ns": 0}]
)
def test_more_entries_than_there_is_time_for_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):  # 2 a day, held for 14 h on average
        replace(RandomSettings(), **wrong)


@pytest.mark.parametrize(
    "chosen", [BuyAndHoldSettings(), EqualWeightSettings(), RandomSettings(seed=5), BaselineSettings()]
)
def test_a_restart_after_every_candle_changes_no_answer(chosen: BaselineChoice) -> None:
    def play(restarts: bool) -> list[Answer]:
        trader: Baseline = baselines(chosen, ["BTC/USDT"])[0]
        said = []
        for number in range(400):
            said.append(trader.on_candle(candle(number, close=100 + (number * 7) % 31)))
            trader.carried_out()
            if restarts:
                stored = json.loads(json.dumps(trader.state()))
                trader = baselines(chosen, ["BTC/USDT"])[0]
                trader.restore(stored)
        return said

    assert play(True) == play(False)


@pytest.mark.parametrize("chosen", [BuyAndHoldSettings(), EqualWeightSettings(), RandomSettings()])
def test_candles_come_in_order_and_of_one_symbol(chosen: BaselineChoice) -> None:
    trader = baselines(chosen, ["BTC/USDT"])[0]
    trader.on_candle(candle(5))
    assert trader.last_close_ns == 6 * HOUR_NS
    for wrong in (candle(5), candle(4), candle(6, "XRP/USDT")):
        with pytest.raises(InvalidValueError, match="out of order"):
            trader.on_candle(wrong)
