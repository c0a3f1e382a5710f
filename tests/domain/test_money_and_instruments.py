"""Exact amounts and the steps of a pair."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.fees import KRAKEN_SPOT_FEES, FeeSchedule, FeeTier
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.money import EXACT, atoms, ceil_to, floor_to, from_atoms, parse, steps_text, text

BTC = KRAKEN_OFFLINE_DEFAULTS[0]


@pytest.mark.parametrize("amount", ["0", "1", "0.1", "1e-18", "-2.5", "123456789012345678.123456789012345678"])
def test_atoms_and_back(amount: str) -> None:
    assert from_atoms(atoms(Decimal(amount))) == Decimal(amount)


@pytest.mark.parametrize("amount", ["1e-19", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(InvalidValueError):
        atoms(Decimal(amount))


@pytest.mark.parametrize(
    ("value", "words"), [("1E+2", "100"), ("0.50", "0.5"), ("0E-9", "0"), ("-1.10", "-1.1"), ("1e-10", "0.0000000001")]
)
def test_text_has_no_exponent_and_no_trailing_zeros(value: str, words: str) -> None:
    assert text(Decimal(value)) == words


@pytest.mark.parametrize("step", ["1e-8", "0.1", "0.25", "0.5", "1", "5", "10", "0.0010"])
def test_so_many_steps_are_written_as_the_amount_is(step: str) -> None:
    written = steps_text(Decimal(step))
    for count in (0, 1, -1, 3, 10, -25, 123_456_789, 10**8, 10**30 + 7):
        assert written(count) == text(EXACT.multiply(Decimal(step), count))


@pytest.mark.parametrize("raw", [1.5, True, "ten", "NaN", "inf", ""])
def test_only_exact_finite_numbers_are_parsed(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        parse(raw)  # type: ignore[arg-type]


def test_steps_round_in_the_named_direction() -> None:
    assert floor_to(Decimal("1.29"), Decimal("0.1")) == Decimal("1.2")
    assert ceil_to(Decimal("1.21"), Decimal("0.1")) == Decimal("1.3")
    assert floor_to(Decimal("-1.21"), Decimal("0.1")) == Decimal("-1.3")


def test_an_instrument_counts_in_ticks_and_lots() -> None:
    assert (BTC.ticks(Decimal("50000.1")), BTC.lots(Decimal("0.5"))) == (500_001, 50_000_000)
    assert (BTC.price(500_001), BTC.quantity(50_000_000)) == (Decimal("50000.1"), Decimal("0.5"))
    # 0.1 x 1e-8 = 1e-9 USDT = 10^9 atoms; 0.00005 BTC = 5000 lots
    assert (BTC.atoms_per_tick_lot, BTC.lots_min) == (10**9, 5000)


@pytest.mark.parametrize("price", ["50000.05", "0", "-1", "NaN", "sNaN", "Infinity"])
def test_a_price_off_the_tick_is_refused(price: str) -> None:
    with pytest.raises(InvalidValueError):
        BTC.ticks(Decimal(price))


@pytest.mark.parametrize("quantity", ["1e-9", "-1", "NaN", "sNaN"])
def test_a_quantity_off_the_lot_is_refused(quantity: str) -> None:
    with pytest.raises(InvalidValueError):
        BTC.lots(Decimal(quantity))


def test_cutting_to_the_lot_never_rounds_up() -> None:
    assert BTC.whole_lots(Decimal("0.019999999999")) == 1_999_999


@pytest.mark.parametrize(
    ("quantity", "lots"),
    [("0.5", 50_000_000), ("1e-9", 0), ("0", None), ("-1", None), ("NaN", None), ("sNaN", None), ("1e-39", None)],
)
def test_what_can_be_traded_of_a_quantity(quantity: str, lots: int | None) -> None:
    assert BTC.tradable_lots(Decimal(quantity)) == lots


@pytest.mark.parametrize(
    ("symbol", "tick"), [("BTCUSDT", "0.1"), ("btc/usdt", "0.1"), ("/USDT", "0.1"), ("BTC/", "0.1"), ("BTC/USDT", "0")]
)
def test_an_instrument_that_cannot_be_is_refused(symbol: str, tick: str) -> None:
    with pytest.raises(InvalidValueError):
        Instrument(symbol, Decimal(tick), Decimal("1e-8"), Decimal("1e-8"), Decimal(0))


@pytest.mark.parametrize(
    ("volume", "maker", "taker"),
    [(0, 2500, 4000), (9_999, 2500, 4000), (10_000, 2000, 3500), (10_000_000, 0, 1000), (10**9, 0, 1000)],
)
def test_the_fee_tier_of_a_volume(volume: int, maker: int, taker: int) -> None:
    tier = KRAKEN_SPOT_FEES.tier(volume)
    assert (tier.maker_ppm, tier.taker_ppm) == (maker, taker)


@pytest.mark.parametrize("volumes", [(), (1,), (0, 5, 5), (0, 9, 5)])
def test_tiers_start_at_nothing_and_rise(volumes: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError):
        FeeSchedule(tuple(FeeTier(volume, 0, 0) for volume in volumes))


@pytest.mark.parametrize(
    ("symbol", "cost_decimals", "cost_step", "balance_step"),
    [
        ("BTC/USDT", 5, "0.00001", "0.00000001"),
        ("BTC/USD", 5, "0.00001", "0.0001"),
        ("XRP/BTC", 10, "0.0000000001", "0.0000000001"),
        ("BTC/ZZZ", 3, "0.001", "0.001"),  # an asset that is not known
    ],
)
def test_costs_and_balances_have_their_own_steps(
    symbol: str, cost_decimals: int, cost_step: str, balance_step: str
) -> None:
    one = Instrument(symbol, Decimal("0.1"), Decimal("1e-8"), Decimal(1), Decimal(0), cost_decimals=cost_decimals)
    assert (from_atoms(one.cost_unit_atoms), from_atoms(one.balance_unit_atoms)) == (
        Decimal(cost_step), Decimal(balance_step)
    )  # fmt: skip
