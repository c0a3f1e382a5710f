"""Many sessions on one feed, and what each of them would have been alone on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random

from tests.session.sessions import settings_for

from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import OrderRequest, OrderTerms, Side
from triplegain.domain.price import Offset, Sign
from triplegain.domain.records import CommitBatch
from triplegain.domain.refusals import Refusal
from triplegain.domain.terms import Limit, Market, StopLoss, TrailingStop
from triplegain.market.feed import MarketSource
from triplegain.session.market_floor import MarketFloor
from triplegain.session.trading_session import TradingSession

#: What is done to a session at some message, by number of the message.
Script = dict[int, list[Callable[[TradingSession], object]]]


@dataclass
class Account:
    """A session with its script, and all that it has stored."""

    session: TradingSession
    script: Script
    batches: list[CommitBatch] = field(default_factory=list)

    def act(self, number: int) -> None:
        for do in self.script.get(number, ()):
            self.session.floor.heed(self.session)
            do(self.session)
        if number in self.script:
            self.store(number)

    def store(self, number: int) -> None:
        if self.session.must_commit:
            self.batches.append(self.session.take_batch(number, 0))

    def end(self, number: int) -> None:
        self.session.floor.heed(self.session)
        self.session.close_run()
        self.batches.append(self.session.take_batch(number, 0))


def _terms(random: Random, bid: Decimal, ask: Decimal, tick: Decimal, side: Side) -> OrderTerms:
    """Near the touch or one per cent away, takers and stops among them."""
    near = Decimal(random.randrange(0, 12)) * tick
    far = (bid / 100).quantize(tick) + near
    away = random.choice((near, near, far))
    price = bid - away if side is Side.BUY else ask + away
    match random.randrange(7):
        case 0:
            return Market()
        case 1:
            return StopLoss(ask + away + tick if side is Side.BUY else bid - away - tick)
        case 2:
            return Limit(price, post_only=True)
        case 3:
            return TrailingStop(Offset(Sign.PLUS, near + tick))
        case _:
            return Limit(price)


def five_orders(name: str, seed: int, messages: int, symbol: str = "BTC/USDT") -> Script:
    """Five orders at random messages, one of which is cancelled later."""
    random, script = Random(seed), Script()
    for number in range(5):
        at, draw, which = random.randrange(50, messages - 50), random.random(), f"{name}-{number}"

        def place(session: TradingSession, draw: float = draw, which: str = which) -> object:
            quote = session.prices.quote(symbol)
            if quote is None or quote.mark is None:
                return None
            bid, ask = quote.bid or quote.mark, quote.ask or quote.mark
            own = Random(draw)
            side = own.choice((Side.BUY, Side.SELL))
            tick = session.exchange.markets[symbol].instrument.tick
            quantity = Decimal(own.randrange(1, 40)) / 100
            terms = _terms(own, bid, ask, tick, side)
            return session.by_hand.place(OrderRequest(which, symbol, side, quantity, terms))

        script.setdefault(at, []).append(place)
        if number == 4:
            cancel = partial(_cancel, which)
            script.setdefault(random.randrange(at, messages), []).append(cancel)
    return script


def _cancel(which: str, session: TradingSession) -> int | Refusal:
    return session.by_hand.cancel(which)


def scripts(count: int, messages: int) -> list[tuple[str, Script]]:
    return [(f"account{number}", five_orders(f"account{number}", number, messages)) for number in range(count)]


#: Coins and money enough for what the scripts do.
RICH = {"USDT": Decimal(1_000_000), "BTC": Decimal(100)}


def opened(
    feed: MarketSource,
    name: str,
    script: Script,
    floor: MarketFloor | None = None,
    balances: Mapping[str, Decimal] = RICH,
) -> Account:
    """Without a trader of its own."""
    settings = settings_for(feed, session_id=name, baseline=None, initial_balances=balances)
    return Account(TradingSession(settings, floor), script)


def alone(feed: MarketSource, name: str, script: Script, events: Sequence[MarketEvent]) -> Account:
    account = opened(feed, name, script)
    for number, event in enumerate(events):
        account.session.on_event(event)
        account.store(number)
        account.act(number)
    account.end(len(events))
    return account


def together(
    feed: MarketSource, scripted: Sequence[tuple[str, Script]], events: Sequence[MarketEvent]
) -> tuple[MarketFloor, list[Account]]:
    """All on one floor."""
    floor = MarketFloor({one: feed.depth[one.symbol] for one in feed.instruments}, feed.source)
    accounts = [opened(feed, name, script, floor) for name, script in scripted]
    by_session = {account.session: account for account in accounts}
    for number, event in enumerate(events):
        floor.on_event(event)
        for session in floor.heard:
            by_session[session].store(number)  # type: ignore[index]
        for account in accounts:
            account.act(number)
    for account in accounts:
        account.end(len(events))
    return floor, accounts
