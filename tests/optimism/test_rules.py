"""Each rule of another paper mode with worked cases: ticks of 1, lots of 1, costs in ticks times lots."""

from __future__ import annotations

import re

import pytest

from triplegain.domain.fees import FeeTier
from triplegain.optimism.asked import Asked, Shape
from triplegain.optimism.rules import RULES, Filled, Seen

BUY, SELL = 0, 1
#: 10 lots for 1000 to 1002 each, and 10 wanted for 998 down to 996.
ASKS = ((1000, 10), (1001, 10), (1002, 10))
BIDS = ((998, 10), (997, 10), (996, 10))


def look(
    *,
    bids: tuple[tuple[int, int], ...] = BIDS,
    asks: tuple[tuple[int, int], ...] = ASKS,
    last: int | None = 999,
    traded: tuple[int, int] | None = None,
    opened: int | None = None,
    first: bool = False,
    crossed: bool = False,
) -> Seen:
    told = None if traded is None else (*traded, traded[0] if opened is None else opened)
    return Seen(bids, asks, last, told, first, crossed)


def asked(side: int, shape: Shape, lots: int, price: int = 0, limit: int = 0) -> Asked:
    return Asked(side, shape, lots, price, limit)


MARKET, LIMIT, STOP, STOP_LIMIT, TAKE = Shape.MARKET, Shape.LIMIT, Shape.STOP, Shape.STOP_LIMIT, Shape.TAKE_PROFIT
POST = Shape.POST_ONLY
FIRST = look(first=True)

CASES = [
    # The last trade was at 999: 25 x 999 = 24,975, though the book asks 10 x 1000 + 10 x 1001 + 5 x 1002 = 25,020.
    ("OctoBot", asked(BUY, MARKET, 25), FIRST, Filled(25, 24_975)),
    ("OctoBot", asked(BUY, MARKET, 25), look(first=True, last=None), None),
    # A trade at the limit is enough, however little was traded; one a tick above is not.
    ("OctoBot", asked(BUY, LIMIT, 1000, 998), look(traded=(998, 998)), Filled(1000, 998_000, is_maker=True)),
    ("OctoBot", asked(BUY, LIMIT, 1000, 998), look(traded=(999, 999)), None),
    ("OctoBot", asked(BUY, POST, 9, 998), look(traded=(998, 998), crossed=True), Filled(9, 8_982, is_maker=True)),
    # Quotes alone do nothing, and one that was reached when it was sent pays as a taker.
    ("OctoBot", asked(BUY, LIMIT, 5, 1001), look(), None),
    ("OctoBot", asked(BUY, LIMIT, 5, 1001), look(traded=(1000, 1000), crossed=True), Filled(5, 5_005)),
    # The market gaps to 900; the stop at 950 is filled for 950.
    ("OctoBot", asked(SELL, STOP, 10, 950), look(traded=(900, 900)), Filled(10, 9_500)),
    ("OctoBot", asked(SELL, STOP, 10, 950), look(traded=(951, 951)), None),
    ("OctoBot", asked(BUY, STOP, 10, 1050), look(traded=(1100, 1100)), Filled(10, 10_500)),
    ("OctoBot", asked(SELL, TAKE, 10, 1050), look(traded=(1050, 1050)), Filled(10, 10_500)),
    # A candle from 940 to 1060 reaches both.
    ("Jesse", asked(SELL, LIMIT, 10, 1050), look(traded=(940, 1060)), Filled(10, 10_500, is_maker=True)),
    ("Jesse", asked(SELL, STOP, 10, 950), look(traded=(940, 1060)), Filled(10, 9_500)),
    ("Jesse", asked(SELL, MARKET, 10), FIRST, Filled(10, 9_990)),
    # A limit that is reached already as it is sent is refused.
    ("Jesse", asked(BUY, LIMIT, 10, 1005), look(traded=(1000, 1000), crossed=True), None),
    # A bar that opens at 999 and goes from 940 to 1060: any size at its open.
    ("backtesting.py", asked(BUY, MARKET, 1000), look(traded=(940, 1060), opened=999), Filled(1000, 999_000)),
    ("backtesting.py", asked(BUY, MARKET, 1000), FIRST, None),
    # A purchase for 1005 gets the better open; one for 950 its own price, one for 939 nothing. A sale likewise.
    ("backtesting.py", asked(BUY, LIMIT, 3, 1005), look(traded=(940, 1060), opened=999), Filled(3, 2_997)),
    ("backtesting.py", asked(BUY, LIMIT, 3, 950), look(traded=(940, 1060), opened=999), Filled(3, 2_850)),
    ("backtesting.py", asked(BUY, LIMIT, 3, 939), look(traded=(940, 1060), opened=999), None),
    ("backtesting.py", asked(SELL, LIMIT, 3, 1050), look(traded=(940, 1060), opened=1055), Filled(3, 3_165)),
    ("backtesting.py", asked(SELL, POST, 3, 1050), look(traded=(940, 1060), opened=999), Filled(3, 3_150)),
    # A stop at 950 sells for that, and for an open below it; a purchase at 1050 likewise.
    ("backtesting.py", asked(SELL, STOP, 3, 950), look(traded=(940, 1060), opened=999), Filled(3, 2_850)),
    ("backtesting.py", asked(SELL, STOP, 3, 950), look(traded=(900, 945), opened=910), Filled(3, 2_730)),
    ("backtesting.py", asked(BUY, STOP, 3, 1050), look(traded=(940, 1060), opened=1055), Filled(3, 3_165)),
    ("backtesting.py", asked(BUY, STOP, 3, 1061), look(traded=(940, 1060), opened=999), None),
    ("backtesting.py", asked(SELL, STOP, 3, 998), look(), None),
    # A thousand lots for the best ask, where 10 are offered.
    ("kraken-cli", asked(BUY, MARKET, 1000), FIRST, Filled(1000, 1_000_000)),
    ("kraken-cli", asked(SELL, MARKET, 1000), FIRST, Filled(1000, 998_000)),
    # A limit 20 % above the market waits, and then pays its limit.
    ("kraken-cli", asked(BUY, LIMIT, 2, 1200), look(first=True, crossed=True), None),
    ("kraken-cli", asked(BUY, LIMIT, 2, 1200), look(crossed=True), Filled(2, 2_400)),
    ("kraken-cli", asked(BUY, LIMIT, 2, 999), look(), None),
    ("kraken-cli", asked(SELL, LIMIT, 2, 998), look(), Filled(2, 1_996)),
    ("LEAN", asked(BUY, MARKET, 1000), FIRST, Filled(1000, 1_000_000)),
    # A touch is not enough; a tick beyond is, at the quote.
    ("LEAN", asked(BUY, LIMIT, 50, 1000), look(), None),
    ("LEAN", asked(BUY, LIMIT, 50, 1001), look(), Filled(50, 50_000, is_maker=True)),
    ("LEAN", asked(BUY, LIMIT, 50, 1001), look(crossed=True), Filled(50, 50_000)),
    ("LEAN", asked(BUY, POST, 50, 1001), look(crossed=True), Filled(50, 50_000, is_maker=True)),
    ("LEAN", asked(BUY, LIMIT, 50, 1001), FIRST, None),
    ("LEAN", asked(SELL, LIMIT, 50, 997), look(), Filled(50, 49_900, is_maker=True)),
    # The gap is paid: the stop at 1000 sells for the bid of 998.
    ("LEAN", asked(SELL, STOP, 50, 1000), look(), Filled(50, 49_900)),
    ("LEAN", asked(BUY, STOP, 50, 999), look(), Filled(50, 50_000)),
    ("LEAN", asked(BUY, STOP, 50, 1000), look(), None),
    # 10 x 1000 + 10 x 1001 + 5 x 1002
    ("freqtrade", asked(BUY, MARKET, 25), FIRST, Filled(25, 25_020)),
    # 30,030 for the thirty there are, and 70 at the last level: 70 x 1002 = 70,140.
    ("freqtrade", asked(BUY, MARKET, 100), FIRST, Filled(100, 100_170)),
    # 1 x 1000 + 99 x 2000 = 199,000, but never worse than 5 % from the best: 100 x 1050.
    ("freqtrade", asked(BUY, MARKET, 100), look(asks=((1000, 1), (2000, 1)), first=True), Filled(100, 105_000)),
    # 1 x 1000 + 99 x 500 = 50,500, and 5 % below the best bid: 100 x 950.
    ("freqtrade", asked(SELL, MARKET, 100), look(bids=((1000, 1), (500, 1)), first=True), Filled(100, 95_000)),
    # 1005 x 0.99 = 994.95 is below the ask of 1000: whole at the limit, though the book asks less.
    ("freqtrade", asked(BUY, LIMIT, 25, 1005), look(first=True, crossed=True), Filled(25, 25_125)),
    # 1020 x 0.99 = 1009.8 is not: as a market order.
    ("freqtrade", asked(BUY, LIMIT, 25, 1020), look(first=True, crossed=True), Filled(25, 25_020)),
    # 980 x 1.01 = 989.8 is below the bid of 998: 10 x 998 + 10 x 997 + 5 x 996 = 24,930.
    ("freqtrade", asked(SELL, LIMIT, 25, 980), look(first=True, crossed=True), Filled(25, 24_930)),
    ("freqtrade", asked(BUY, LIMIT, 5000, 1000), look(), Filled(5000, 5_000_000, is_maker=True)),
    ("freqtrade", asked(BUY, LIMIT, 5000, 999), look(), None),
    # The ask has fallen to 900, the bid is 890: the stop at 950 sells for 950 all the same, as a maker.
    (
        "freqtrade",
        asked(SELL, STOP, 10, 950),
        look(bids=((890, 99),), asks=((900, 99),)),
        Filled(10, 9_500, is_maker=True),
    ),
    # With a limit of 940 it sells for 940; on Kraken it would wait.
    (
        "freqtrade",
        asked(SELL, STOP_LIMIT, 10, 950, 940),
        look(bids=((890, 99),), asks=((900, 99),)),
        Filled(10, 9_400, is_maker=True),
    ),
    # The bid is below the stop and the ask is not: nothing yet. One that is reached as it is sent is refused.
    ("freqtrade", asked(SELL, STOP, 10, 999), look(), None),
    ("freqtrade", asked(SELL, STOP, 10, 1000), look(first=True, crossed=True), None),
    ("freqtrade", asked(SELL, STOP, 10, 1000), look(crossed=True), None),
    # The thirty there are cost 30,030, and a hundred come for that.
    ("hummingbot", asked(BUY, MARKET, 25), FIRST, Filled(25, 25_020)),
    ("hummingbot", asked(BUY, MARKET, 100), FIRST, Filled(100, 30_030)),
    ("hummingbot", asked(BUY, MARKET, 100), look(asks=(), first=True), None),
    # A trade at the limit is not enough, one beyond is, whatever its size; so is a quote at it.
    ("hummingbot", asked(BUY, LIMIT, 1000, 990), look(traded=(990, 990)), None),
    ("hummingbot", asked(BUY, LIMIT, 1000, 990), look(traded=(989, 989)), Filled(1000, 990_000, is_maker=True)),
    ("hummingbot", asked(SELL, LIMIT, 1000, 998), look(), Filled(1000, 998_000, is_maker=True)),
    ("hummingbot", asked(SELL, LIMIT, 1000, 998), FIRST, None),
]


@pytest.mark.parametrize(("name", "order", "seen", "expected"), CASES)
def test_a_worked_case(name: str, order: Asked, seen: Seen, expected: Filled | None) -> None:
    (rule,) = (rule for rule in RULES if rule.name == name)
    assert order.shape in rule.takes
    assert rule.fill(order, seen) == expected


def test_every_rule_has_worked_cases_and_says_where_it_is_from() -> None:
    assert {name for name, *_ in CASES} == {rule.name for rule in RULES}
    assert all(rule.version and re.match(r"[\w-]+/[\w.-]+: \S+", rule.source) for rule in RULES)


def test_fees_are_the_rules_own_or_those_of_the_lowest_tier() -> None:
    entry = FeeTier(0, 2500, 4000)
    told = {rule.name: (rule.fee_ppm(True, entry), rule.fee_ppm(False, entry)) for rule in RULES}
    assert told == {
        "OctoBot": (1000, 1000), "Jesse": (2600, 2600), "backtesting.py": (0, 0), "kraken-cli": (2600, 2600),
        "LEAN": (1600, 2600), "freqtrade": (2500, 4000), "hummingbot": (2500, 4000),
    }  # fmt: skip
