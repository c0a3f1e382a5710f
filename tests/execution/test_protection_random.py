"""Whatever order things happen in: coins are under a stop or on their way out, and nothing is sold twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.execution.conftest import BTC, halve_all
from tests.execution.model_venue import ModelVenue

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.records import CloseReason
from triplegain.execution.protection.trailing import BreakEven, ProtectionSettings, TrailingStop
from triplegain.execution.settings import DeskSettings

_PLAIN = DeskSettings(protection=ProtectionSettings(max_holding_ns=3600 * SECOND_NS))
_FOLLOWING = DeskSettings(
    protection=ProtectionSettings(max_holding_ns=3600 * SECOND_NS, trailing=TrailingStop(), break_even=BreakEven())
)
_MOOD = st.integers(0, 9)
_OPERATIONS = st.one_of(
    st.tuples(st.just("arrive"), _MOOD),
    st.tuples(st.just("arrive"), _MOOD),
    st.tuples(st.just("answer"), st.just(0)),
    st.tuples(st.just("answer"), st.just(0)),
    st.tuples(st.just("settle"), _MOOD),
    st.tuples(st.just("enter"), st.integers(20, 60)),
    st.tuples(st.just("buy"), st.integers(1, 40)),
    st.tuples(st.just("trade"), st.integers(-80, 80), _MOOD),
    st.tuples(st.just("time"), st.sampled_from([10, 300, 1000, 2500, 9000])),
    st.tuples(st.just("tighten"), st.integers(-120, 20)),
    st.tuples(st.just("tighten_all"), st.sampled_from(["0.01", "0.05"])),
    st.tuples(st.just("reduce"), st.sampled_from(["0.1", "0.5", "0.9"])),
    st.tuples(st.just("halve_all"), st.just(0)),
    st.tuples(st.just("close"), st.just(0)),
    st.tuples(st.just("close_all"), st.just(0)),
    st.tuples(st.just("lose_stop"), st.just(0)),
)


def do(venue: ModelVenue, kind: str, *terms: Any) -> None:
    desk, now_ns = venue.desk, venue.now_ns
    ids = [position.position_id for position in desk.open_positions()]
    match kind, terms:
        case "arrive", (mood,):
            venue.arrive(mood)
        case "answer", _:
            venue.answer()
        case "settle", (mood,):
            for _ in range(12):
                venue.arrive(mood)
                venue.answer()
        case "enter", (lots,) if len(ids) < 2:
            venue.enter(lots)
        case "buy", (lots,):
            venue.buy(lots)
        case "trade", (ticks, mood):
            venue.trade(max(Decimal(50), venue.price + Decimal(ticks) / 10), mood)
        case "time", (milliseconds,):
            venue.pass_time(milliseconds)
        case "tighten", (ticks,) if ids:
            venue.tell()
            desk.tighten(ids[0], venue.price + Decimal(ticks) / 10, CloseReason.TRAILING_STOP, now_ns)
        case "tighten_all", (fraction,):
            if terms[0] == "0.01":
                venue.tell()
            desk.tighten_all(Decimal(fraction), now_ns)
        case "reduce", (fraction,) if ids:
            desk.reduce(ids[-1], Decimal(fraction), CloseReason.SIGNAL, now_ns)
        case "halve_all", _:
            halve_all(desk, now_ns)
        case "close", _ if ids:
            desk.close(ids[0], CloseReason.SIGNAL, now_ns)
        case "close_all", _:
            desk.close_all(CloseReason.BREAKER, now_ns)
        case "lose_stop", _:
            venue.lose_stop()


def run(operations: list[tuple[Any, ...]], follows: bool, restarts: bool) -> ModelVenue:
    venue = ModelVenue(_FOLLOWING if follows else _PLAIN, restarts)
    venue.enter(60)
    do(venue, "settle", 9)
    venue.buy(50)
    do(venue, "settle", 9)
    stops: dict[str, Decimal] = {}
    for operation in operations:
        do(venue, *operation)
        venue.after_each()
        for position in venue.desk.open_positions():
            protection = venue.desk.protection(position.position_id)
            assert protection is not None and protection.stop is not None
            assert protection.stop >= stops.get(position.position_id, protection.stop)
            stops[position.position_id] = protection.stop
    venue.finish()
    return venue


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_OPERATIONS, min_size=5, max_size=70), st.booleans())
def test_every_coin_ends_under_a_stop_or_sold_and_nothing_is_sold_twice(
    operations: list[tuple[Any, ...]], follows: bool
) -> None:
    venue = run(operations, follows, restarts=False)
    for position in venue.desk.open_positions():
        protection = venue.desk.protection(position.position_id)
        assert protection is not None and not position.leaving and not protection.owes
        assert not protection.alarmed or position.quantity < BTC.quantity_min


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_OPERATIONS, min_size=5, max_size=50), st.booleans())
def test_a_desk_restarted_after_every_step_goes_on_as_if_nothing_had_happened(
    operations: list[tuple[Any, ...]], follows: bool
) -> None:
    once, again = run(operations, follows, restarts=False), run(operations, follows, restarts=True)
    assert (once.log, once.alerts, once.coins) == (again.log, again.alerts, again.coins)
