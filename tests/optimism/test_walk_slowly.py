"""The walk against one order and one rule at a time, on drawn markets: every look is made, whether anything has moved
or not, with the whole market played anew for each."""

from __future__ import annotations

from random import Random

import pytest
from tests.examples import seeds
from tests.optimism.test_walk import INSTRUMENT, PAIR, book, order, trade, walked

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import FeedState, FeedStatus, Level, MarketDepth, MarketEvent, PublicTrade
from triplegain.exchange.public_market import PublicMarket
from triplegain.optimism.asked import Asked, Shape
from triplegain.optimism.recorded import Change, Recorded
from triplegain.optimism.rules import RULES, Filled, Rule, Seen, crosses
from triplegain.optimism.walk import NOTHING

_END_S = 200


def drawn_market(chance: Random) -> list[MarketEvent]:
    """Snapshots around a middle that wanders, trades, and a gap now and then."""
    middle, events = 1000, list[MarketEvent]()
    for second in sorted(chance.randrange(_END_S) for _ in range(chance.randrange(5, 60))):
        middle += chance.randrange(-3, 4)
        what = chance.random()
        if what < 0.6:
            bids = tuple((middle - 1 - step, chance.randrange(1, 9)) for step in range(chance.randrange(4)))
            asks = tuple((middle + 1 + step, chance.randrange(1, 9)) for step in range(chance.randrange(4)))
            events.append(book(second, bids, asks, snapshot=True))
        elif what < 0.95:
            events.append(trade(second, middle + chance.randrange(-2, 3), chance.randrange(1, 5)))
        else:
            events.append(FeedStatus(PAIR, second * SECOND_NS, second * SECOND_NS, FeedState.GAP))
    return events


def drawn_order(chance: Random, number: int) -> Recorded:
    def asked() -> Asked:
        price = 0 if shape is Shape.MARKET else 1000 + chance.randrange(-9, 10)
        limit = price + chance.randrange(-2, 3) if shape is Shape.STOP_LIMIT else 0
        return Asked(side, shape, chance.randrange(1, 30), price, limit)

    shape, side, sent = chance.choice(list(Shape)), chance.randrange(2), chance.randrange(_END_S)
    changes = tuple(Change(chance.randrange(sent, _END_S) * SECOND_NS, asked()) for _ in range(chance.randrange(2)))
    return order(
        number, sent, asked(), chance.randrange(sent, _END_S + 1), filled=chance.random() < 0.3, changes=changes
    )


def levels(market: PublicMarket, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    if market.state is not FeedState.SYNCED:
        return (), ()
    bids, asks = market.book.best_first()
    return bids[:depth], asks[:depth]


def last(market: PublicMarket) -> int | None:
    return market.last if market.state is FeedState.SYNCED else None


def slowly(events: list[MarketEvent], one: Recorded, rule: Rule, commands: set[int]) -> Filled | None:
    """What a rule makes of one order; None where the market was not there. `commands`: seconds at which something is
    sent, amended or taken back."""
    market = PublicMarket(INSTRUMENT, MarketDepth.BOOK)
    asked, crossed, sent_s = one.asked, False, one.sent_ns // SECOND_NS
    back_s = one.taken_back_ns // SECOND_NS
    waiting = list(events)
    first_s = sent_s + ((rule.market_after_ns or 0) // SECOND_NS if asked.shape is Shape.MARKET else 0)
    for second in range(_END_S + 1):
        while waiting and waiting[0].exchange_time_ns <= second * SECOND_NS:
            event = waiting.pop(0)
            believed = market.on_event(event, event.exchange_time_ns)
            is_resting = sent_s < second <= back_s and asked.shape is not Shape.MARKET
            if asked.shape is Shape.MARKET and rule.market_after_ns is None:
                is_resting = sent_s < second
            if is_resting and isinstance(event, PublicTrade) and believed and rule.hears_trades:
                price = (event.price,) * 3 if market.state is FeedState.SYNCED else None
                seen = Seen(*levels(market, rule.depth), last(market), price, False, crossed)
                if filled := rule.fill(asked, seen):
                    return filled
            if is_resting and rule.quotes_every_ns == 0:
                seen = Seen(*levels(market, rule.depth), last(market), None, False, crossed)
                if filled := rule.fill(asked, seen):
                    return filled
        if second == sent_s:
            if not market.told or market.state is not FeedState.SYNCED:
                return None
            crossed = crosses(asked, *levels(market, 1))
        if rule.looks_at_commands and second in commands and sent_s < second <= back_s:
            seen = Seen(*levels(market, rule.depth), last(market), None, False, crossed)
            if asked.shape is not Shape.MARKET and (filled := rule.fill(asked, seen)):
                return filled
        for change in one.changes:
            if change.time_ns == second * SECOND_NS:
                asked = change.asked if second >= sent_s else asked
        every_s = (rule.quotes_every_ns or 0) // SECOND_NS
        is_look = every_s and second > sent_s and (second - sent_s) % every_s == 0 and second < back_s
        if second == first_s or (is_look and asked.shape is not Shape.MARKET):
            seen = Seen(*levels(market, rule.depth), last(market), None, second == first_s, crossed)
            if filled := rule.fill(one.asked if second == first_s else asked, seen):
                return filled
            if asked.shape is Shape.MARKET and rule.market_after_ns is not None:
                return NOTHING
    return None if asked.shape is Shape.MARKET else NOTHING


@pytest.mark.parametrize("seed", seeds(200, always=25))
def test_the_walk_makes_of_orders_what_looking_all_the_time_does(seed: int) -> None:
    chance = Random(seed)
    market = drawn_market(chance)
    orders = [drawn_order(chance, number) for number in range(8)]
    found, unseen = walked(market, orders).end(_END_S * SECOND_NS)
    made = {each.order.number: each.filled for each in found}
    assert len(made) + len(unseen) == len(orders)
    times = [(one.sent_ns, one.taken_back_ns, *(each.time_ns for each in one.changes)) for one in orders]
    commands = {time_ns // SECOND_NS for of_one in times for time_ns in of_one}
    for one in orders:
        for place, rule in enumerate(RULES):
            expected = slowly(market, one, rule, commands) if one.asked.shape in rule.takes else None
            assert made.get(one.number, (None,) * len(RULES))[place] == expected, (one, rule.name)
