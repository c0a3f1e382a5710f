from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.agents.answer import Abstain
from triplegain.agents.regime import HeldRegime, KnownRegime, RegimeAnswer, RegimeMemory
from triplegain.domain.proposal import Regime

BTC, XRP = "BTC/USDT", "XRP/USDT"
BULL, BEAR, CHOPPY = Regime.TRENDING_BULL, Regime.TRENDING_BEAR, Regime.CHOPPY
ABSTAIN = Abstain("no answer")


def seen(regime: Regime, confidence_pct: int = 80) -> RegimeAnswer:
    return RegimeAnswer(regime=KnownRegime(regime.value), confidence_pct=confidence_pct, reasoning="seen")


def after(*looks: RegimeAnswer | Abstain, by_model: bool = True) -> Regime:
    memory = RegimeMemory()
    for number, look in enumerate(looks):
        memory.observe(BTC, look, number, by_model)
    return memory.current(BTC)


@pytest.mark.parametrize(
    ("looks", "holds"),
    [
        ((), Regime.UNKNOWN),
        ((seen(BULL),), Regime.UNKNOWN),
        ((seen(BULL), seen(BULL)), BULL),
        ((seen(BULL), seen(BEAR)), Regime.UNKNOWN),
        ((seen(BULL), seen(BEAR), seen(BULL)), Regime.UNKNOWN),
        ((seen(BULL), seen(BULL), seen(BEAR)), BULL),
        ((seen(BULL), seen(BULL), seen(BEAR), seen(BULL), seen(BEAR)), BULL),
        ((seen(BULL), seen(BULL), seen(BEAR), seen(BEAR)), BEAR),
        # An abstention changes nothing: the row goes on over it.
        ((seen(BULL), ABSTAIN, seen(BULL)), BULL),
        ((seen(BULL), seen(BULL), ABSTAIN, ABSTAIN), BULL),
        # A model that is not sure does not count, and breaks the row.
        ((seen(BULL), seen(BULL, 69)), Regime.UNKNOWN),
        ((seen(BULL, 70), seen(BULL, 70)), BULL),
        ((seen(BULL), seen(BULL, 69), seen(BULL)), Regime.UNKNOWN),
        ((seen(BULL), seen(BULL), seen(BEAR, 69), seen(BEAR)), BULL),
    ],
)
def test_two_looks_in_a_row_must_agree(looks: tuple[RegimeAnswer | Abstain, ...], holds: Regime) -> None:
    assert after(*looks) is holds


def test_rules_need_no_confidence() -> None:
    assert after(seen(CHOPPY, 40), seen(CHOPPY, 40), by_model=False) is CHOPPY
    assert after(seen(CHOPPY, 40), seen(CHOPPY, 40), by_model=True) is Regime.UNKNOWN


def test_each_symbol_has_its_own() -> None:
    memory = RegimeMemory()
    memory.observe(BTC, seen(BULL), 1, True)
    memory.observe(XRP, seen(BULL), 2, True)
    assert (memory.current(BTC), memory.current(XRP)) == (Regime.UNKNOWN, Regime.UNKNOWN)
    memory.observe(BTC, seen(BULL), 3, True)
    assert (memory.current(BTC), memory.current(XRP)) == (BULL, Regime.UNKNOWN)


def test_an_answer_about_an_earlier_snapshot_or_the_same_changes_nothing() -> None:
    memory = RegimeMemory()
    memory.observe(BTC, seen(BULL), 100, True)
    for time_ns in (100, 99):
        memory.observe(BTC, seen(BULL), time_ns, True)
    assert memory.current(BTC) is Regime.UNKNOWN


def test_it_knows_when_the_regime_was_last_seen_in_the_market() -> None:
    memory = RegimeMemory()
    assert memory.confirmed_at_ns(BTC) == 0
    for time_ns, look in ((10, seen(BULL)), (20, seen(BULL)), (30, ABSTAIN), (40, seen(BEAR)), (50, seen(BULL))):
        memory.observe(BTC, look, time_ns, True)
        if time_ns in (30, 40):
            assert memory.confirmed_at_ns(BTC) == 20
    assert memory.confirmed_at_ns(BTC) == 50


def test_the_length_of_the_row_and_the_confidence_are_settings() -> None:
    memory = RegimeMemory(runs_agreeing=3, model_confidence_min_pct=50)
    found = [memory.observe(BTC, seen(BULL, 50), number, True) for number in range(3)]
    assert found == [Regime.UNKNOWN, Regime.UNKNOWN, BULL]
    single = RegimeMemory(runs_agreeing=1)
    assert single.observe(BTC, seen(BEAR), 0, True) is BEAR


LOOKS = st.lists(
    st.tuples(
        st.sampled_from((BTC, XRP)),
        st.one_of(st.just(ABSTAIN), st.builds(seen, st.sampled_from((BULL, BEAR, CHOPPY)), st.integers(60, 80))),
        st.booleans(),
    ),
    max_size=25,
)


@given(LOOKS, st.integers(0, 25))
def test_a_restored_memory_goes_on_as_the_one_that_never_stopped(
    looks: list[tuple[str, RegimeAnswer | Abstain, bool]], stop_at: int
) -> None:
    whole, first = RegimeMemory(), RegimeMemory()
    for number, (symbol, look, by_model) in enumerate(looks):
        if number == stop_at:
            second = RegimeMemory()
            second.held = msgspec.json.decode(msgspec.json.encode(first.held), type=dict[str, HeldRegime])
            first = second
        time_ns = 1_700_000_000_000_000_000 + number
        assert first.observe(symbol, look, time_ns, by_model) is whole.observe(symbol, look, time_ns, by_model)
    assert first.held == whole.held
