"""Where stops follow to. BTC/USDT here: tick 0.1, highest taker fee 0.40 %."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.execution.conftest import BTC

from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Side
from triplegain.execution.protection.trailing import BreakEven, EntryCost, TrailingStop, TrailMode

TICK = Decimal("0.1")
BY_ATR = TrailingStop(mode=TrailMode.ATR)


def test_a_trailing_stop_starts_one_percent_above_the_entry() -> None:
    assert TrailingStop().activation(Decimal(100), TICK) == Decimal(101)
    assert TrailingStop().activation(Decimal("100.1"), TICK) == Decimal("101.2")  # 101.101, up to the tick


@pytest.mark.parametrize(
    ("price", "level"),
    [
        ("101.4", None),  # 101.4 x 0.985 = 99.879 -> 99.8: the next step is 99.8 x 1.001 = 99.8998 -> 99.9
        ("101.5", "99.9"),  # 99.9775 -> 99.9
        ("110", "108.3"),  # 108.35 -> 108.3
    ],
)
def test_it_stands_one_and_a_half_percent_below_the_bid_and_moves_in_steps(price: str, level: str | None) -> None:
    moved = TrailingStop().level(Decimal("99.8"), Decimal(price), TICK, None)
    assert moved == (None if level is None else Decimal(level))


def test_a_step_is_never_less_than_a_tick() -> None:
    trailing = TrailingStop(step=Decimal("0.0000001"))
    assert trailing.level(Decimal("98.5"), Decimal("100.05"), TICK, None) is None  # 98.549 -> 98.5, where it stands
    assert trailing.level(Decimal("98.5"), Decimal("100.2"), TICK, None) == Decimal("98.6")  # 98.697


@pytest.mark.parametrize(
    ("atr", "level"),
    [("0.02", "97"), ("0.01", "98.5"), (None, None), ("0.7", None)],  # 100 x (1 - 1.5 x 0.02); 1.05 is no distance
)
def test_by_atr_the_distance_is_one_and_a_half_of_it_and_unknown_without(atr: str | None, level: str | None) -> None:
    known = None if atr is None else Decimal(atr)
    moved = BY_ATR.level(Decimal(90), Decimal(100), TICK, known)
    assert moved == (None if level is None else Decimal(level))
    assert (BY_ATR.wakes_at(Decimal(90), TICK, known) is None) == (level is None)


@given(
    st.integers(1, 10_000_000),
    st.decimals("0.001", "0.5", places=4),
    st.decimals("0", "0.05", places=4),
    st.sampled_from([Decimal("0.1"), Decimal("0.00001"), Decimal("1e-8")]),
)
def test_it_wakes_at_the_lowest_price_at_which_it_would_move(
    ticks: int, trail: Decimal, step: Decimal, tick: Decimal
) -> None:
    trailing, stop = TrailingStop(trail=trail, step=step), ticks * tick
    price = trailing.wakes_at(stop, tick, None)
    assert price is not None
    level = trailing.level(stop, price, tick, None)
    assert level is not None and stop < level < price and level >= stop * (1 + step)
    assert trailing.level(stop, price - tick, tick, None) is None


def test_break_even_pays_both_fees_and_a_tenth_of_a_percent() -> None:
    cost = EntryCost(Decimal(100), Decimal("100.4"))  # bought at 100 with a fee of 0.4
    assert BreakEven().level(cost, BTC) == Decimal(101)  # 100.4 x 1.001 / 0.996 = 100.9040..., up to the tick
    assert BreakEven().wakes_at(cost, BTC) == Decimal("101.1")  # 101 would be the market itself
    assert BreakEven(at=Decimal("0.03")).wakes_at(cost, BTC) == Decimal(103)


@given(
    st.integers(1, 10**9),
    st.decimals("0", "0.004", places=4),
    st.decimals("0", "0.02", places=4),
    st.sampled_from([BTC, Instrument("XRP/BTC", Decimal("1e-8"), Decimal(1), Decimal(1), Decimal("1e-8"))]),
)
def test_selling_at_break_even_leaves_the_buffer_whatever_was_paid(
    ticks: int, fee: Decimal, buffer: Decimal, instrument: Instrument
) -> None:
    price = ticks * instrument.tick
    cost = EntryCost(price, price * (1 + fee))
    level = BreakEven(buffer=buffer).level(cost, instrument)
    assert level * (1 - Decimal("0.004")) >= cost.with_fees * (1 + buffer)
    assert (level - instrument.tick) * (1 - Decimal("0.004")) < cost.with_fees * (1 + buffer)


@given(
    st.integers(1000, 10_000_000),
    st.decimals("0.001", "0.5", places=4),
    st.decimals("0", "0.05", places=4),
    st.sampled_from([Decimal("0.1"), Decimal("0.00001"), Decimal("1e-8")]),
)
def test_of_a_short_it_wakes_at_the_highest_price_at_which_it_would_move(
    ticks: int, trail: Decimal, step: Decimal, tick: Decimal
) -> None:
    trailing, stop = TrailingStop(trail=trail, step=step), ticks * tick
    price = trailing.wakes_at(stop, tick, None, Side.SELL)
    assert price is not None
    level = trailing.level(stop, price, tick, None, Side.SELL)
    assert level is not None and price < level < stop and level <= stop * (1 - step)
    assert trailing.level(stop, price + tick, tick, None, Side.SELL) is None


def test_the_stop_of_a_short_follows_from_above() -> None:
    assert TrailingStop().activation(Decimal(100), TICK, Side.SELL) == Decimal(99)
    assert TrailingStop().level(Decimal(102), Decimal(99), TICK, None, Side.SELL) == Decimal("100.5")  # 100.485
    cost = EntryCost(Decimal(100), Decimal("99.6"))  # sold at 100 with a fee of 0.4
    assert BreakEven().level(cost, BTC, Side.SELL) == Decimal("99.1")  # 99.6 x 0.999 / 1.004 = 99.1040...
    assert BreakEven().wakes_at(cost, BTC, Side.SELL) == Decimal(99)
