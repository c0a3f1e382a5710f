"""A market of a minute written by hand, and what seven rules make of four orders on it.

One tick is 1 USDT and one lot 1 BTC. Asks of 10 lots at 1000, 1001 and 1002, bids at 998, 997 and 996.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BookUpdate,
    Candle,
    CandleClosed,
    FeedState,
    FeedStatus,
    Heartbeat,
    Level,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.orders import Side
from triplegain.exchange.public_market import public_markets
from triplegain.optimism.asked import Asked, Shape
from triplegain.optimism.recorded import Change, Recorded
from triplegain.optimism.rules import RULES, Filled
from triplegain.optimism.walk import NOTHING, Elsewhere, Quotes, Walk

PAIR = "BTC/USDT"
INSTRUMENT = Instrument(PAIR, Decimal(1), Decimal(1), Decimal(1), Decimal(1))
NAMES = [rule.name for rule in RULES]


def book(second: int, bids: tuple[Level, ...], asks: tuple[Level, ...], snapshot: bool = False) -> BookUpdate:
    return BookUpdate(PAIR, second * SECOND_NS, second * SECOND_NS, bids, asks, snapshot)


def trade(second: int, price: int, quantity: int = 1) -> PublicTrade:
    return PublicTrade(PAIR, second * SECOND_NS, second * SECOND_NS, price, quantity, Side.SELL)


def beat(second: int) -> Heartbeat:
    return Heartbeat(second * SECOND_NS, second * SECOND_NS)


MARKET: list[MarketEvent] = [
    book(0, ((998, 10), (997, 10), (996, 10)), ((1000, 10), (1001, 10), (1002, 10)), snapshot=True),
    trade(0, 999),
    trade(3, 998),
    # At 7 s three lots are offered for 998.
    book(7, ((998, 0),), ((998, 3),)),
    # At 25 s it falls.
    trade(25, 994),
    book(26, ((997, 0), (996, 0), (990, 10)), ((998, 0), (1000, 0), (1001, 0), (1002, 0), (993, 5))),
    beat(70),
]


def order(
    number: int, sent: int, asked: Asked, over: int, *, filled: bool = False, changes: tuple[Change, ...] = ()
) -> Recorded:
    over_ns = over * SECOND_NS
    taken_back_ns = NEVER if filled else over_ns
    return Recorded(number, PAIR, sent * SECOND_NS, asked, changes, over_ns, taken_back_ns, 0, 0, 0)


def walked(
    market: list[MarketEvent],
    orders: list[Recorded],
    depth: MarketDepth = MarketDepth.BOOK,
    decided: Mapping[int, Quotes] | None = None,
) -> Walk:
    walk = Walk(public_markets({INSTRUMENT: depth}), orders, decided=decided)
    for event in market:
        walk.take(event)
    return walk


def by_rule(found: Elsewhere) -> dict[str, Filled | None]:
    return dict(zip(NAMES, found.filled, strict=True))


def test_seven_rules_fill_a_market_order_a_limit_and_a_stop() -> None:
    market = order(1, 1, Asked(0, Shape.MARKET, 25), over=1)
    limit = order(2, 1, Asked(0, Shape.LIMIT, 5, 998), over=20)
    # A stop at 990 that is moved up to 995 at 8 s; here it was filled at 26 s.
    moved = (Change(8 * SECOND_NS, Asked(1, Shape.STOP, 4, 995)),)
    stop = order(3, 1, Asked(1, Shape.STOP, 4, 990), over=26, filled=True, changes=moved)
    early = order(4, -1, Asked(0, Shape.MARKET, 1), over=0)
    found, unseen = walked(MARKET, [market, limit, stop, early]).end(70 * SECOND_NS)
    assert unseen == [early]
    assert [each.order for each in found] == [market, limit, stop]
    # When they were over: 998 + 1000 at 1 s, 997 + 998 at 20 s, 990 + 993 at 26 s.
    assert [each.mark_doubled for each in found] == [1998, 1995, 1983]
    assert by_rule(found[0]) == {
        "OctoBot": Filled(25, 24_975),  # 25 x 999, the last trade
        "Jesse": Filled(25, 24_975),
        "backtesting.py": Filled(25, 24_950),  # 25 x 998, the next trade, at 3 s
        "kraken-cli": Filled(25, 25_000),  # 25 x 1000
        "LEAN": Filled(25, 25_000),
        "freqtrade": Filled(25, 25_020),  # 10 x 1000 + 10 x 1001 + 5 x 1002
        "hummingbot": Filled(25, 25_020),  # at 6 s the book is the same
    }
    assert by_rule(found[1]) == {
        "OctoBot": Filled(5, 4_990, is_maker=True),  # one lot was traded at 998 at 3 s
        "Jesse": Filled(5, 4_990, is_maker=True),
        "backtesting.py": Filled(5, 4_990),
        "kraken-cli": Filled(5, 4_990),  # it looks before it takes the order back at 20 s
        "LEAN": NOTHING,  # never below 998 until then
        "freqtrade": Filled(5, 4_990, is_maker=True),  # at 11 s, the next of its looks
        "hummingbot": Filled(5, 4_990, is_maker=True),  # at 7 s
    }
    assert by_rule(found[2]) == {
        "OctoBot": Filled(4, 3_980),  # 4 x 995, though the trade was at 994
        "Jesse": Filled(4, 3_980),
        "backtesting.py": Filled(4, 3_976),  # 4 x 994, which is worse than its trigger
        "kraken-cli": None,  # has no stops
        "LEAN": Filled(4, 3_960),  # 4 x 990, the bid of 26 s
        "freqtrade": Filled(4, 3_980, is_maker=True),  # at 26 s the ask is 993, and it is never worse than its trigger
        "hummingbot": None,
    }


def test_of_several_messages_of_one_time_an_order_sees_those_before_it() -> None:
    """At 5 s the asks are 1003, 1004 and 1005, one after the other; decided were orders at each, and at one that never
    was, which comes after all of them, as does one of which it is not known."""
    market = [MARKET[0], *(book(5, ((997, 10),), ((ask, 90),), snapshot=True) for ask in (1003, 1004, 1005)), beat(9)]
    orders = [order(number, 5, Asked(0, Shape.MARKET, 1), over=5) for number in range(1, 6)]
    decided = {1: (997, 1003), 2: (997, 1004), 3: (997, 1005), 4: (997, 1009)}
    found, _ = walked(market, orders, decided=decided).end(9 * SECOND_NS)
    assert [by_rule(each)["LEAN"] for each in found] == [Filled(1, ask) for ask in (1003, 1004, 1005, 1005, 1005)]
    assert [each.quotes[1] for each in found] == [1003, 1004, 1005, 1005, 1005]
    # A limit for 1003 that was there between the first two is filled by none that comes later, and by a fall to 1002.
    limit = order(1, 5, Asked(0, Shape.LIMIT, 1, 1004), over=9)
    late, _ = walked(market, [limit], decided={1: (997, 1005)}).end(9 * SECOND_NS)
    early, _ = walked(market, [limit], decided={1: (997, 1003)}).end(9 * SECOND_NS)
    assert [by_rule(each)["LEAN"] for each in (*late, *early)] == [NOTHING, NOTHING]
    falls = [*market[:2], book(5, ((997, 10),), ((1002, 90),), snapshot=True), *market[2:]]
    early, _ = walked(falls, [limit], decided={1: (997, 1003)}).end(9 * SECOND_NS)
    assert by_rule(early[0])["LEAN"] == Filled(1, 1002)


def test_what_is_taken_back_as_somebody_looks_is_gone() -> None:
    # freqtrade looks at 11 s.
    asked = Asked(0, Shape.LIMIT, 5, 998)
    found, _ = walked(MARKET, [order(1, 1, asked, over=11), order(2, 1, asked, over=12)]).end(70 * SECOND_NS)
    assert [by_rule(each)["freqtrade"] for each in found] == [NOTHING, Filled(5, 4_990, is_maker=True)]


def test_looks_fall_on_their_times_after_a_quiet_hour() -> None:
    # Nothing happens for an hour, then the ask comes to 998 from 3602 to 3604 s: hummingbot looks at 3603 s, freqtrade
    # at 3601 and 3606 s, kraken-cli at 3601 and 3661 s.
    there, away = book(3602, ((998, 0),), ((998, 3),)), book(3605, (), ((998, 0),))
    sent = order(1, 1, Asked(0, Shape.LIMIT, 5, 998), over=3700)
    filled = by_rule(walked([MARKET[0], there, away, beat(3699)], [sent]).end(3699 * SECOND_NS)[0][0])
    assert [filled[name] for name in ("hummingbot", "freqtrade", "kraken-cli")] == [
        Filled(5, 4_990, is_maker=True), NOTHING, NOTHING,
    ]  # fmt: skip
    stays = by_rule(walked([MARKET[0], there, beat(3699)], [sent]).end(3699 * SECOND_NS)[0][0])
    assert [stays[name] for name in ("freqtrade", "kraken-cli")] == [Filled(5, 4_990, is_maker=True), Filled(5, 4_990)]


def test_a_look_behind_the_end_of_the_market_is_not_made_up() -> None:
    found, _ = walked(MARKET[:3], [order(1, 1, Asked(0, Shape.MARKET, 25), over=1)]).end(3 * SECOND_NS)
    # hummingbot would have looked at 6 s.
    assert by_rule(found[0])["hummingbot"] is None and by_rule(found[0])["LEAN"] == Filled(25, 25_000)


def test_an_order_sent_with_the_last_message_meets_the_market() -> None:
    found, unseen = walked(MARKET[:5], [order(1, 25, Asked(0, Shape.MARKET, 2), over=25)]).end(25 * SECOND_NS)
    assert unseen == [] and by_rule(found[0])["LEAN"] == Filled(2, 2 * 998)


def test_a_market_that_is_not_to_be_trusted_shows_nothing() -> None:
    gap = FeedStatus(PAIR, 2 * SECOND_NS, 2 * SECOND_NS, FeedState.GAP)
    market = [*MARKET[:2], gap, *MARKET[3:]]
    blind, before = order(1, 5, Asked(0, Shape.MARKET, 25), over=5), order(2, 1, Asked(1, Shape.STOP, 4, 995), over=40)
    found, unseen = walked(market, [blind, before]).end(70 * SECOND_NS)
    assert unseen == [blind]
    assert (found[0].mark_doubled, set(by_rule(found[0]).values())) == (None, {NOTHING, None})


def test_a_market_that_is_seen_again_as_it_was_is_looked_at() -> None:
    gap = FeedStatus(PAIR, 2 * SECOND_NS, 2 * SECOND_NS, FeedState.GAP)
    again = book(6, ((998, 10),), ((1000, 10),), snapshot=True)
    moved = (Change(3 * SECOND_NS, Asked(0, Shape.LIMIT, 2, 1001)),)
    sent = order(1, 1, Asked(0, Shape.LIMIT, 2, 990), over=9, changes=moved)
    found, _ = walked([MARKET[0], gap, trade(5, 999), again], [sent]).end(9 * SECOND_NS)
    assert by_rule(found[0])["LEAN"] == Filled(2, 2_000, is_maker=True)


def test_where_there_are_candles_only_the_last_price_is_all_there_is() -> None:
    def candle(minute: int, low: int, high: int, close: int) -> CandleClosed:
        end_ns = (minute + 1) * 60 * SECOND_NS
        told = Candle(PAIR, minute * 60 * SECOND_NS, 60 * SECOND_NS, close, high, low, close, 10)
        return CandleClosed(PAIR, end_ns, end_ns, told)

    market: list[MarketEvent] = [candle(0, 990, 1010, 1000), candle(1, 980, 1005, 990), candle(2, 985, 995, 986)]
    bought, waiting = Asked(0, Shape.MARKET, 3), Asked(0, Shape.LIMIT, 3, 985)
    found, _ = walked(
        market, [order(1, 60, bought, over=60), order(2, 60, waiting, over=200)], MarketDepth.CANDLES
    ).end(180 * SECOND_NS)
    # All at the close of 1000; hummingbot five seconds later, which is the same candle.
    filled = by_rule(found[0])
    # The next candle opens at 990.
    assert filled.pop("backtesting.py") == Filled(3, 2970)
    assert set(filled.values()) == {Filled(3, 3000)}
    # The second candle went down to 980, and no close came to 985.
    filled = by_rule(found[1])
    assert {name for name in NAMES if filled[name] != NOTHING} == {"OctoBot", "Jesse", "backtesting.py", "hummingbot"}
    assert (found[0].mark_doubled, found[1].mark_doubled) == (2000, 2 * 986)
