"""How far the analyses agree, and what that does to a confidence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.agents.regime import REGIME, KnownRegime, RegimeAnswer, RegimeMemory, lean_of
from triplegain.agents.registry import AGENTS
from triplegain.agents.sentiment import NEWS, SOCIAL, NewsAnswer, SocialAnswer
from triplegain.agents.spec import AgentSpec, MarketAnalysis, Registry, TaskSpec
from triplegain.agents.technical import TECHNICAL, Bias, TechnicalAnswer, Trend
from triplegain.agents.typed_answer import Percent, Reasoning, SignedPercent, TypedAnswer
from triplegain.decision.conflicts import (
    Agreement,
    AgreementSettings,
    Direction,
    Signal,
    agreement,
    combine_confidence,
    multiplier,
)
from triplegain.decision.settings import DecisionSettings
from triplegain.decision.signals import LatestSignals
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.proposal import Regime
from triplegain.llm.reply import Prompt

SETTINGS = AgreementSettings()
NOW_NS = 1_700_000_000 * SECOND_NS
UP, DOWN = Direction.UP, Direction.DOWN


def signals(agents: Registry = AGENTS) -> LatestSignals:
    """Of a session that runs all tasks, without a single answer."""
    settings = DecisionSettings(agents=agents, tasks=agents.tasks)
    return LatestSignals(RegimeMemory(), SETTINGS, settings.sentiment, settings.fresh_ns)


def views(opinions: LatestSignals, age_s: int = 0) -> dict[str, Direction]:
    """Of what was said at NOW_NS, so much later."""
    return {name: each.direction for name, each in opinions.latest("BTC/USDT", NOW_NS + age_s * SECOND_NS).items()}


def technical(bias: Bias) -> TechnicalAnswer:
    return TechnicalAnswer(
        trend=Trend.UP, strength_pct=50, alignment_pct=None, momentum_pct=0, support_bps=None, resistance_bps=None,
        signals=(), bias=bias, confidence_pct=62, reasoning="",
    )  # fmt: skip


def hear_regime(opinions: LatestSignals, regime: Regime) -> None:
    """Twice in a row, the second time at NOW_NS."""
    answer = RegimeAnswer(regime=KnownRegime(regime.value), confidence_pct=90, reasoning="")
    for at_ns in (NOW_NS - 1, NOW_NS):
        opinions.update(REGIME, "BTC/USDT", answer, at_ns, by_model=True)


def hear_social(opinions: LatestSignals, score_pct: int | None) -> None:
    answer = SocialAnswer(score_pct=score_pct, confidence_pct=40, narratives=(), reasoning="")
    opinions.update(SOCIAL, "BTC", answer, NOW_NS, by_model=True)


def look(*directions: Direction) -> list[Signal]:
    return [Signal(str(number), way) for number, way in enumerate(directions)]


@pytest.mark.parametrize(
    ("agreeing", "fresh", "expected"),
    [
        (0, 0, "1"),
        # r = 0: 0.85. r = 1: 1 + 0.34 x 0.30/0.34 = 1.30.
        (0, 1, "0.85"),
        (0, 3, "0.85"),
        (1, 1, "1.3"),
        (3, 3, "1.3"),
        # r = 1/2 and 1/3 (0.3333 is not below 0.33): nothing changes.
        (1, 2, "1"),
        (1, 3, "1"),
        # r = 2/3: 1 + (0.666667 - 0.66) x 0.30/0.34 = 1 + 0.00588235..; rounded down.
        (2, 3, "1.005882"),
        # Ten views, for the formula's sake: 0.85 + 0.2 x 0.15/0.33 = 0.94090909..; 1 + 0.14 x 0.30/0.34 = 1.12352941..
        (2, 10, "0.940909"),
        (8, 10, "1.123529"),
    ],
)
def test_the_multiplier_of_each_ratio(agreeing: int, fresh: int, expected: str) -> None:
    assert multiplier(agreeing, fresh, SETTINGS) == Decimal(expected)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_the_multiplier_is_continuous_and_never_falls(step: tuple[int, int]) -> None:
    agreeing, fresh = step
    before, after = (multiplier(count, fresh, SETTINGS) for count in (agreeing, agreeing + 1))
    # The steepest part is 0.30/0.34 per unit of r; one millionth for the rounding.
    assert 0 <= after - before <= Fraction(30, 34 * fresh) + Fraction(1, 10**6)


def test_at_its_bounds_the_multiplier_is_one() -> None:
    assert multiplier(66, 100, SETTINGS) == multiplier(33, 100, SETTINGS) == 1
    assert multiplier(67, 100, SETTINGS) > 1 > multiplier(32, 100, SETTINGS)


@pytest.mark.parametrize(("viewer", "fresh_s"), [("technical", 120), ("regime", 600), ("sentiment", 3600)])
def test_a_view_is_fresh_up_to_its_age(viewer: str, fresh_s: int) -> None:
    opinions = signals()
    opinions.update(TECHNICAL, "BTC/USDT", technical(Bias.LONG), NOW_NS, by_model=True)
    hear_regime(opinions, Regime.TRENDING_BULL)
    hear_social(opinions, 50)
    assert views(opinions, fresh_s)[viewer] is UP
    assert viewer not in views(opinions, fresh_s + 1)
    assert views(opinions, -1) == {}, "from the future"


def test_all_for_a_purchase_are_full_agreement() -> None:
    assert agreement(UP, look(UP, UP), SETTINGS) == Agreement(2, 2, Decimal("1.3"))
    assert agreement(DOWN, look(UP, UP), SETTINGS) == Agreement(0, 2, Decimal("0.85"))
    assert agreement(UP, [], SETTINGS) == Agreement(0, 0, Decimal(1))


def test_who_has_no_view_is_not_counted() -> None:
    opinions = signals()
    opinions.update(TECHNICAL, "BTC/USDT", technical(Bias.NEUTRAL), NOW_NS, by_model=True)
    hear_regime(opinions, Regime.RANGING)
    hear_social(opinions, -50)
    assert opinions.latest("BTC/USDT", NOW_NS) == {"sentiment": Signal("sentiment", DOWN, Decimal("0.4"), True)}


def test_the_direction_of_every_regime() -> None:
    pointing = {regime: lean_of(regime) for regime in Regime}
    assert {regime.value for regime, way in pointing.items() if way == 100} == {"trending_bull", "volatile_bull"}
    assert {regime.value for regime, way in pointing.items() if way == -100} == {"trending_bear", "volatile_bear"}


@pytest.mark.parametrize(
    ("score", "direction"), [(11, UP), (10, None), (0, None), (-10, None), (-11, DOWN), (None, None)]
)
def test_a_sentiment_near_zero_is_no_view(score: int | None, direction: Direction | None) -> None:
    opinions = signals()
    hear_social(opinions, score)
    assert views(opinions).get("sentiment") is direction


def test_sentiment_is_one_view_of_two_analysts_by_their_weights() -> None:
    opinions = signals()
    hear_social(opinions, 50)
    answer = NewsAnswer(score_pct=-90, confidence_pct=80, events=(), reasoning="")
    opinions.update(NEWS, "BTC", answer, NOW_NS, by_model=True)
    # (0.6 x 50 - 0.6 x 90) / 1.2 = -20, as sure as (40 + 80) / 2.
    assert opinions.latest("BTC/USDT", NOW_NS) == {"sentiment": Signal("sentiment", DOWN, Decimal("0.6"), True)}


class Flows(TypedAnswer):
    flow_pct: SignedPercent
    confidence_pct: Percent
    reasoning: Reasoning

    @property
    def lean_pct(self) -> int | None:
        return self.flow_pct


def test_an_agent_of_the_registry_counts_by_what_its_answer_says_of_itself() -> None:
    """It runs each minute: its answer counts for two. Who does not inform a decision is not counted."""
    task = TaskSpec("flows", 60 * SECOND_NS)
    agent = AgentSpec(
        "flows", "who buys", Flows, MarketAnalysis(lambda text, seen: Prompt("", "")), task, ("decision",)
    )
    elsewhere = replace(agent, name="elsewhere", task=TaskSpec("elsewhere"), informs=("rebalance",))
    opinions = signals(Registry((*AGENTS, agent, elsewhere)))
    for each in (agent, elsewhere):
        answer = Flows(flow_pct=-5, confidence_pct=70, reasoning="")
        opinions.update(each, "BTC/USDT", answer, NOW_NS, by_model=True)
    assert opinions.latest("BTC/USDT", NOW_NS) == {"flows": Signal("flows", DOWN, Decimal("0.7"))}
    assert views(opinions, 120) == {"flows": DOWN} and views(opinions, 121) == {}


@pytest.mark.parametrize(
    ("base", "boost", "factor", "expected"),
    [
        # 0.6 + 0.05 = 0.65 against 0.6 x 1.3 = 0.78: the larger holds, not both.
        ("0.6", "0.05", "1.3", "0.78"),
        ("0.6", "0.15", "1.1", "0.75"),
        # Down by 0.6 x 0.15 = 0.09 against up by 0.05, and against up by 0.10.
        ("0.6", "0.05", "0.85", "0.51"),
        ("0.6", "0.10", "0.85", "0.70"),
        # Equally far: down.
        ("0.6", "0.09", "0.85", "0.51"),
        ("0.6", "0", "1", "0.6"),
        # Capped, whoever asks for more.
        ("0.9", "0.15", "1.3", "0.95"),
        ("0.97", "0", "1", "0.95"),
        ("0", "0", "1.3", "0"),
    ],
)
def test_the_larger_of_boost_and_agreement_holds(base: str, boost: str, factor: str, expected: str) -> None:
    assert combine_confidence(Decimal(base), Decimal(boost), Decimal(factor), SETTINGS) == Decimal(expected)


@pytest.mark.parametrize(
    "numbers",
    [("NaN", "0", "1"), ("0.5", "Infinity", "1"), ("0.5", "0", "NaN"), ("1.1", "0", "1"), ("-0.1", "0", "1"),
     ("0.5", "-0.1", "1"), ("0.5", "0", "0")],
)  # fmt: skip
def test_a_confidence_that_cannot_be_is_an_error(numbers: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidValueError):
        base, boost, factor = map(Decimal, numbers)
        combine_confidence(base, boost, factor, SETTINGS)


def test_more_agreeing_than_there_are_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="3 of 2"):
        multiplier(3, 2, SETTINGS)
