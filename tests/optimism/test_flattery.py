"""Flattery of single orders and its range, with the arithmetic."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from triplegain.domain.clock import HOUR_NS, NEVER
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import ATOMS_PER_UNIT
from triplegain.exchange.seeded import draw
from triplegain.optimism.asked import Asked, Shape
from triplegain.optimism.flattery import ORDERS_MIN, RuleFigures, block_of, figures, flattered
from triplegain.optimism.recorded import Recorded
from triplegain.optimism.rules import RULES, Filled
from triplegain.optimism.walk import NOTHING, Elsewhere

#: One tick times one lot is 1 USDT. Fees of the lowest tier: 0.25 % and 0.40 %.
INSTRUMENT = Instrument("BTC/USDT", Decimal(1), Decimal(1), Decimal(1), Decimal(1))
FREQTRADE = next(rule for rule in RULES if rule.name == "freqtrade")
PLACE = RULES.index(FREQTRADE)


def usdt(amount: str) -> int:
    return int(Decimal(amount) * ATOMS_PER_UNIT)


def case(
    side: int, lots: int, cost: str, fee: str, there: Filled | None, mark_doubled: int | None = 2000, number: int = 1
) -> Elsewhere:
    """An order for ten lots, of which so many were filled here, and what freqtrade makes of it."""
    order = Recorded(
        number, "BTC/USDT", 0, Asked(side, Shape.LIMIT, 10, 1000), (), 1, NEVER, lots, usdt(cost), usdt(fee)
    )  # fmt: skip
    filled = tuple((there or NOTHING) if rule is FREQTRADE else None for rule in RULES)
    return Elsewhere(order, mark_doubled, filled, (999, 1001))


def told(each: Elsewhere) -> Filled:
    filled = each.filled[PLACE]
    assert filled is not None
    return filled


CASES = [
    # Bought for 10,020 here and 10,000 there: 20. Fee 40.08 here, there 0.40 % = 40: 0.08. Of 10,020 in all.
    (case(0, 10, "10020", "40.08", Filled(10, 10_000)), ("20", "0", "0.08", "10020")),
    # Sold for 9,980 here and 10,000 there: 20. As a maker 0.25 % = 25 there, 39.92 here: 14.92.
    (case(1, 10, "9980", "39.92", Filled(10, 10_000, is_maker=True)), ("20", "0", "14.92", "10000")),
    # Nothing here, ten there for 9,950; when it was over the middle was 1000: worth 10,000, 50 more. Fee 24.875.
    (case(0, 0, "0", "0", Filled(10, 9_950, is_maker=True)), ("0", "50", "-24.875", "9950")),
    # The same, and the price fell to 990: 9,900, so that it would have lost 50.
    (case(0, 0, "0", "0", Filled(10, 9_950, is_maker=True), 1980), ("0", "-50", "-24.875", "9950")),
    # Four lots here for 4,000, ten there for 10,010: of the four 4 x 1001 - 4,000 = 4 worse; of the other six
    # 6 x 1000 - 6 x 1001 = 6 worse. Fee 16 here, 40.04 there: -24.04.
    (case(0, 4, "4000", "16", Filled(10, 10_010)), ("-4", "-6", "-24.04", "10010")),
    # Filled here only: sold ten for 10,050 with the middle at 1000, which it does not get: -50. The fee of 25 is saved.
    (case(1, 10, "10050", "25", None), ("0", "-50", "25", "10050")),
    # Neither here nor there.
    (case(0, 0, "0", "0", None), ("0", "0", "0", "0")),
]


@pytest.mark.parametrize(("each", "expected"), CASES)
def test_an_order(each: Elsewhere, expected: tuple[str, str, str, str]) -> None:
    found = flattered(each, told(each), FREQTRADE, INSTRUMENT)
    assert found is not None
    assert (found.price, found.fills, found.fee, found.notional) == tuple(map(usdt, expected))
    assert found.total == found.price + found.fills + found.fee


def test_a_fee_is_rounded_up() -> None:
    """One tick times one lot is 100 atoms; 0.40 % of them is 0.4 of an atom."""
    small = Instrument("BTC/USDT", Decimal("1e-8"), Decimal("1e-8"), Decimal(1), Decimal(1))
    each = case(0, 0, "0", "0", Filled(1, 1), 2)
    found = flattered(each, Filled(1, 1), FREQTRADE, small)
    assert found is not None and found.fee == -1


def test_what_cannot_be_valued_is_not_compared() -> None:
    """Only where here and there are filled alike no mark is needed."""
    unequal, equal = (case(0, 0, "0", "0", Filled(10, 9_950), None), case(0, 10, "9960", "40", Filled(10, 9_950), None))
    assert flattered(unequal, told(unequal), FREQTRADE, INSTRUMENT) is None
    assert flattered(equal, told(equal), FREQTRADE, INSTRUMENT) is not None


def freqtrades(found: list[Elsewhere], seed: int = 7) -> RuleFigures:
    return figures(found, {"BTC/USDT": INSTRUMENT}, seed)[PLACE]


def test_figures_are_sums_in_basis_points() -> None:
    found = freqtrades([case(0, 10, "10020", "40.08", Filled(10, 10_000)), case(0, 0, "0", "0", Filled(10, 9_950))])
    # 20 + 0 + 0.08 of the first; 50 - 39.8 of the second (0.40 % of 9,950): 30.28 of 10,020 + 9,950 = 19,970.
    assert (found.flattered, found.notional) == (Decimal("30.28"), Decimal(19_970))
    assert found.basis_points == pytest.approx(30.28 / 19_970 * 10_000)
    assert found.price == pytest.approx(20 / 1.997)
    assert found.fills == pytest.approx(50 / 1.997)
    assert found.fee == pytest.approx(-39.72 / 1.997)
    assert (found.orders, found.filled_here, found.filled_there, found.only_there) == (2, 1, 2, 1)
    assert (found.low, found.high) == (None, None)


def test_the_interval_is_what_drawing_the_orders_again_gives() -> None:
    found = [case(0, 10, "10020", "40", Filled(10, 10_000 + number)) for number in range(ORDERS_MIN + 2)]
    ours = freqtrades(found)
    # Number n was 20 - n dearer here; its fee there is 0.40 % of 10,000 + n, that is 0.004 n more than 40.
    rates = []
    for sample in range(2000):
        picked = [draw(7, sample * len(found) + place) % len(found) for place in range(len(found))]
        rates.append(sum(20 - 1.004 * pick for pick in picked) / (10_020 * len(found)) * 10_000)
    rates.sort()
    assert ours.low == pytest.approx(rates[50])
    assert ours.high == pytest.approx(rates[-51])
    assert freqtrades(found) == ours
    assert freqtrades(found, seed=8) != ours
    alike = freqtrades(found[:1] * ORDERS_MIN)
    assert alike.low == pytest.approx(alike.basis_points) and alike.high == pytest.approx(alike.basis_points)


@pytest.mark.parametrize(
    ("orders", "hours", "block"),
    # In one hour 40 / 1, but no more than a tenth of 40; 40 in 20 hours are 2 an hour; 9 are too few for ten blocks.
    [(40, 1, 4), (40, 20, 2), (40, 400, 1), (9, 1, 1), (1, 1, 1), (1000, 3, 100), (1000, 30, 34)],
)
def test_as_many_orders_are_drawn_together_as_an_hour_has(orders: int, hours: int, block: int) -> None:
    step_ns = hours * HOUR_NS // orders
    assert block_of([number * step_ns for number in range(orders)]) == block


def test_orders_of_one_hour_are_drawn_together() -> None:
    """Forty in an hour, each ten alike: in blocks of four in a row the range is wider than order by order."""
    found = [case(0, 10, "10020", "40", Filled(10, 10_000 + 2 * (number // 10)), number=number) for number in range(40)]
    ours = freqtrades(found)
    assert ours.block == 4
    rates = []
    for sample in range(2000):
        starts = [draw(7, sample * 10 + place) % 40 for place in range(10)]
        picked = [(start + behind) % 40 for start in starts for behind in range(4)]
        # A fee of 0.40 % there: 0.008 more for each 2 that it is dearer.
        rates.append(sum(20 - 2.008 * (pick // 10) for pick in picked) / (10_020 * 40) * 10_000)
    rates.sort()
    assert ours.low == pytest.approx(rates[50]) and ours.high == pytest.approx(rates[-51])
    apart = [
        replace(each, order=replace(each.order, sent_ns=number * HOUR_NS * 9)) for number, each in enumerate(found)
    ]
    alone = freqtrades(apart)
    assert alone.block == 1 and None not in (alone.low, alone.high, ours.low, ours.high)
    assert ours.high - ours.low > 1.3 * (alone.high - alone.low)  # type: ignore[operator]  # none of them is None


def test_each_quote_currency_has_figures_of_its_own() -> None:
    dollars = case(0, 10, "10020", "40", Filled(10, 10_000))
    euros = case(1, 10, "9980", "39.92", Filled(10, 10_000, is_maker=True), number=2)
    euros = replace(euros, order=replace(euros.order, symbol="BTC/EUR"))
    one = Decimal(1)
    pairs = {symbol: Instrument(symbol, one, one, one, one) for symbol in ("BTC/USDT", "BTC/EUR")}
    told = {(each.asset, each.flattered) for each in figures([dollars, euros], pairs, 1) if each.orders}
    assert told == {("USDT", Decimal(20)), ("EUR", Decimal("34.92"))}


def test_an_order_of_which_a_rule_says_nothing_is_not_its_own() -> None:
    found = figures([case(0, 10, "10020", "40.08", None)], {"BTC/USDT": INSTRUMENT}, 1)
    assert {each.rule: each.orders for each in found} == {rule.name: int(rule is FREQTRADE) for rule in RULES}
