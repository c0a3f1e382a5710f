"""The reference by itself on the worked cases of the documents: bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from tests.exchange.conftest import INSTRUMENT
from tests.exchange.reference import ReferenceExchange
from tests.exchange.reference_account import ReferenceSettings
from tests.exchange.reference_matching import ReferenceWithBook
from tests.exchange.reference_tape import ReferenceOnTape

from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, Level, PublicTrade
from triplegain.domain.orders import (
    AmendRequest,
    FeePreference,
    Limit,
    Market,
    OrderOptions,
    OrderRequest,
    SelfTradePrevention,
    Side,
    StopLoss,
    TimeInForce,
)

_SYMBOL = INSTRUMENT.symbol
Act = Callable[["Desk"], None]


class Desk:
    """Prices and quantities as text. An act without a time comes one later than the last."""

    def __init__(
        self,
        exchange: type[ReferenceExchange] = ReferenceWithBook,
        settings: ReferenceSettings = ReferenceSettings(),  # noqa: B008  # frozen
    ) -> None:
        balances = {"BTC": Fraction(1000), "USDT": Fraction(10**6)}
        self.exchange = exchange(INSTRUMENT, balances, settings)
        self.now_ns = 1

    def tick(self, at: int | None) -> int:
        self.now_ns = at if at is not None else self.now_ns + 1
        return self.now_ns

    def told(self) -> list[str]:
        """`name lots @ price maker` of fills, `name why` of ends, `name codes` of refusals."""
        lines: list[str] = []
        for told in self.exchange.drain():
            match told.kind, told.said:
                case "filled", (int(price), int(lots), maker, *_):
                    words = INSTRUMENT.quantity(lots), INSTRUMENT.price(price), "maker" if maker else "taker"
                    lines.append(f"{told.name} {words[0]} @ {words[1]} {words[2]}")
                case "cancelled", (_, why, _):
                    lines.append(f"{told.name} {why}")
                case (("rejected" | "refused"), (*_, frozenset() as codes)):
                    lines.append(f"{told.name} {', '.join(sorted(codes))}")
                case _:
                    pass
        return lines


def _levels(words: str) -> tuple[Level, ...]:
    pairs = (word.split("x") for word in words.split())
    return tuple((INSTRUMENT.ticks(Decimal(p)), INSTRUMENT.lots(Decimal(q))) for p, q in pairs)


def book(bids: str = "", asks: str = "", at: int | None = None, snapshot: bool = False) -> Act:
    def act(desk: Desk) -> None:
        time_ns = desk.tick(at)
        desk.exchange.on_event(BookUpdate(_SYMBOL, time_ns, time_ns, _levels(bids), _levels(asks), snapshot))

    return act


def trade(side: str, quantity: str, price: str, at: int | None = None) -> Act:
    def act(desk: Desk) -> None:
        time_ns = desk.tick(at)
        ticks, lots = INSTRUMENT.ticks(Decimal(price)), INSTRUMENT.lots(Decimal(quantity))
        desk.exchange.on_event(PublicTrade(_SYMBOL, time_ns, time_ns, ticks, lots, Side.parse(side)))

    return act


def order(name: str, side: str, quantity: str, price: str | None = None, **more: object) -> Act:
    """`price`: a limit; None is a market order; `stop`, `post` and `force` among what may follow."""

    def act(desk: Desk) -> None:
        given = dict(more)
        post, stop = bool(given.pop("post", False)), given.pop("stop", None)
        terms = Market() if price is None else Limit(Decimal(price), post)
        request = OrderRequest(name, _SYMBOL, Side.parse(side), Decimal(quantity), terms)
        if stop is not None:
            request = msgspec.structs.replace(request, terms=StopLoss(Decimal(str(stop))))
        desk.exchange.place(msgspec.structs.replace(request, **given))
        desk.exchange.run_through(desk.exchange.now_ns)

    return act


def amend(name: str, quantity: str | None = None, price: str | None = None) -> Act:
    def act(desk: Desk) -> None:
        request = AmendRequest(name, Decimal(quantity) if quantity else None, Decimal(price) if price else None)
        desk.exchange.amend(request)
        desk.exchange.run_through(desk.exchange.now_ns)

    return act


def status(state: FeedState) -> Act:
    def act(desk: Desk) -> None:
        time_ns = desk.tick(None)
        desk.exchange.on_event(FeedStatus(_SYMBOL, time_ns, time_ns, state))

    return act


def cancel_all_after(seconds: int) -> Act:
    def act(desk: Desk) -> None:
        desk.exchange.cancel_all_after(seconds)
        desk.exchange.run_through(desk.exchange.now_ns)

    return act


def batch(*requests: OrderRequest) -> Act:
    def act(desk: Desk) -> None:
        desk.exchange.place_batch(requests)
        desk.exchange.run_through(desk.exchange.now_ns)

    return act


def bid(name: str, quantity: str, price: str) -> OrderRequest:
    return OrderRequest(name, _SYMBOL, Side.BUY, Decimal(quantity), Limit(Decimal(price)))


USUAL = book("100.0x5", "100.1x1 100.2x10", snapshot=True)
OLDEST, BOTH = SelfTradePrevention.CANCEL_OLDEST, SelfTradePrevention.CANCEL_BOTH

CASES: dict[str, tuple[list[Act], list[str]]] = {
    "two own bids share what the tape sells": (
        # 5.0 in front of both; 0.6 in all, to the first
        [order("a", "buy", "1", "100.0"), order("b", "buy", "1", "100.0"), trade("sell", "5", "100.0"),
         trade("sell", "0.6", "100.0")],
        ["a 0.6 @ 100 maker"],
    ),
    "cancels come from behind": (
        [order("a", "buy", "1", "100.0"), book("100.0x0.5"), trade("sell", "0.6", "100.0")],  # 0.6 - 0.5
        ["a 0.1 @ 100 maker"],
    ),
    "a level sent again moves nothing": (
        [order("a", "buy", "1", "100.0"), book("100.0x5"), trade("sell", "0.5", "100.0")], [],
    ),
    "two market orders cannot eat the same": (
        [order("a", "buy", "0.8"), order("b", "buy", "0.8")],
        ["a 0.8 @ 100.1 taker", "b 0.2 @ 100.1 taker", "b 0.6 @ 100.2 taker"],
    ),
    "what a limit took stays taken": (
        [order("a", "buy", "5", "100.1"), book("", "100.1x1"), trade("sell", "0.3", "100.1")],
        ["a 1 @ 100.1 taker", "a 0.3 @ 100.1 maker"],
    ),
    "growth of what was taken is new": (
        [order("a", "buy", "5", "100.1"), book("", "100.1x1.5")],
        ["a 1 @ 100.1 taker", "a 0.5 @ 100.1 maker"],
    ),
    "nobody trades with himself": (
        [order("a", "sell", "1", "100.1"), order("b", "buy", "1.5")],  # the public 1.0 stands in front
        ["b 1 @ 100.1 taker", "b self-trade"],
    ),
    "what we took of those in front is in front no more": (
        [order("a", "sell", "1", "100.1"), order("b", "buy", "0.4"), order("c", "buy", "0.8", self_trade=OLDEST)],
        ["b 0.4 @ 100.1 taker", "c 0.6 @ 100.1 taker", "a self-trade", "c 0.2 @ 100.2 taker"],
    ),
    "both go": (
        [order("a", "sell", "1", "100.1"), order("b", "buy", "1.5", self_trade=BOTH)],
        ["b 1 @ 100.1 taker", "a self-trade", "b self-trade"],
    ),
    "a stop does not look at quotes": (
        [order("s", "sell", "1", stop="99.0"), book("100.0x0 98.9x5")], [],
    ),
    "a stop fills at the book its trade left": (
        # the sweep ate 100.0 whole and 2.5 of the 3 at 99.0
        [book("99.0x3 98.0x5"), order("s", "sell", "2", stop="99.0"), trade("sell", "2.5", "99.0")],
        ["s 0.5 @ 99 taker", "s 1.5 @ 98 taker"],
    ),
    "more than there is": (
        [order("a", "sell", "2000")], ["a EOrder:Insufficient funds"],
    ),
    "immediate or cancel": (
        [order("a", "buy", "3", "100.1", time_in_force=TimeInForce.IOC)], ["a 1 @ 100.1 taker", "a immediate"],
    ),
    "beyond the book there is nothing": (
        [order("a", "buy", "20")], ["a 1 @ 100.1 taker", "a 10 @ 100.2 taker", "a liquidity"],
    ),
    "post-only may rest where we emptied the level": (
        [order("a", "buy", "1"), order("b", "buy", "1", "100.1", post=True),
         order("c", "buy", "1", "100.2", post=True)],
        ["a 1 @ 100.1 taker", "c EOrder:Post only order"],
    ),
    "trade first, level later": (
        [order("a", "buy", "1", "100.0"), trade("sell", "3", "100.0", 50), book("100.0x2", at=50),
         trade("sell", "2.4", "100.0", 60)],
        ["a 0.4 @ 100 maker"],
    ),
    "level first, print later": (
        [order("a", "buy", "1", "100.0"), book("100.0x2", at=50), trade("sell", "3", "100.0", 50),
         trade("sell", "2.4", "100.0", 60)],
        ["a 0.4 @ 100 maker"],
    ),
    "two prints after two shrinks": (
        # 5 in front: 3 after the first shrink, 2 after the second; both prints are what they show
        [order("a", "buy", "1", "100.0"), book("100.0x3", at=50), book("100.0x2", at=51),
         trade("sell", "2", "100.0", 51), trade("sell", "1", "100.0", 51), trade("sell", "1", "100.0", 60),
         trade("sell", "1.3", "100.0", 61)],
        ["a 0.3 @ 100 maker"],
    ),
    "amended down it keeps its place, up it goes back": (
        [order("a", "buy", "1", "100.0"), order("b", "buy", "1", "100.0"), trade("sell", "4", "100.0"),
         book("100.0x3"), amend("a", "0.5"), amend("b", "1.5"), trade("sell", "1.6", "100.0")],
        ["a 0.5 @ 100 maker"],
    ),
    "a snapshot caps and keeps the place": (
        [order("a", "buy", "1", "100.0"), status(FeedState.GAP), trade("sell", "9", "100.0"),
         book("100.0x4", "100.1x1", snapshot=True), trade("sell", "4.1", "100.0")],
        ["a 0.1 @ 100 maker"],
    ),
    "a sweep is not forgotten for a better print": (
        # bids down to 99.7 are swept; a print at 100.0 afterwards brings none of them back
        [book("100.0x1 99.9x1 99.8x1 99.7x5", "100.1x5", snapshot=True), trade("sell", "1", "99.7"),
         trade("sell", "0.01", "100.0"), order("a", "sell", "1")],
        ["a 1 @ 99.7 taker"],
    ),
    "an old book message gives nothing back": (
        [book("99.0x1", "100.1x1 100.2x1", snapshot=True), trade("buy", "1", "100.1", 20),
         trade("sell", "0.001", "99.0", 21), book("98.0x1", at=10), order("a", "buy", "1")],
        ["a 1 @ 100.2 taker"],
    ),
    "a stop the tape went through while blind": (
        [order("s", "sell", "1", stop="99.0"), status(FeedState.CHECKSUM_MISMATCH), trade("sell", "3", "97.0"),
         trade("sell", "3", "96.0"), book("100.0x0.4 99.9x5", "100.1x5", snapshot=True)],
        ["s 0.4 @ 100 taker", "s 0.6 @ 99.9 taker"],
    ),
    "a limit the tape went through while blind": (
        [order("a", "buy", "1", "100.0"), status(FeedState.GAP), trade("sell", "50", "100.0"),
         trade("sell", "0.3", "99.9")],
        ["a 0.3 @ 100 maker"],
    ),
    "each fill opens an order on the other side": (
        # 1.0 in front, 0.8 ours; the trade at 99.0 is at the trigger, the book shows 5.0 at 98.0
        [book("100.0x1"), order("a", "buy", "0.8", "100.0", options=OrderOptions(close=StopLoss(Decimal("99.0")))),
         trade("sell", "1.8", "100.0"), book("100.0x0 98.0x5"), trade("sell", "0.1", "99.0")],
        ["a 0.8 @ 100 maker", "tg-close-1-1 0.8 @ 98 taker"],
    ),
    "an edit goes to the back": (
        [order("a", "buy", "1", "100.0"), trade("sell", "5", "100.0"), book("100.0x4"),
         order("b", "buy", "2", "100.0", options=OrderOptions(replaces="a")), trade("sell", "4.5", "100.0")],
        ["a edited", "b 0.5 @ 100 maker"],
    ),
    "an edit of nothing": (
        [order("b", "buy", "2", "100.0", options=OrderOptions(replaces="a"))], ["b EOrder:Unknown order"],
    ),
    "one that is not valid refuses the whole batch": (
        [batch(bid("a", "1", "99.0"), bid("b", "1", "99.05"))],
        ["a EOrder:Tick size check failed", "b EOrder:Tick size check failed"],
    ),
    "one that lacks funds is refused alone": (
        [batch(bid("a", "1", "100.1"), bid("b", "99999", "99.0"))],
        ["a 1 @ 100.1 taker", "b EOrder:Insufficient funds"],
    ),
    "an order that starts later is not there yet": (
        # at 50 it starts behind 2.0
        [order("a", "buy", "1", "100.0", options=OrderOptions(starts_at_ns=50)), trade("sell", "9", "99.0", 40),
         book("100.0x2", at=50), trade("sell", "2.5", "100.0", 60)],
        ["a 0.5 @ 100 maker"],
    ),
    "after its deadline": (
        [order("a", "buy", "1", "99.0", options=OrderOptions(deadline_ns=499_999_999))],
        ["a EGeneral:Invalid arguments:deadline"],
    ),
    "the dead man's switch": (
        [order("a", "buy", "1", "99.0"), cancel_all_after(1), book("100.0x5", at=2 * 10**9)], ["a switch"],
    ),
    "nothing to reduce, nothing to settle, nothing lent": (
        [order("a", "buy", "1", options=OrderOptions(reduce_only=True)), order("b", "buy", "1", "99.0", leverage=2)],
        ["a EOrder:Reduce only:No position exists", "b EOrder:Margin allowance exceeded"],
    ),
    "a limit that would take where nothing is matched": (
        [status(FeedState.LIMIT_ONLY), order("a", "buy", "1", "100.1"), order("b", "buy", "1", "100.0"),
         status(FeedState.REDUCE_ONLY), order("c", "buy", "1", "99.0")],
        ["a EService:Market in limit_only mode", "c EService:Market in reduce_only mode"],
    ),
    "trades of the time away": (
        # through the price at it, no more than was traded; a stop at the worse of both less 0.1 %: 96.903, down to 96.9
        [order("a", "buy", "1", "100.0"), order("s", "sell", "1", stop="99.0"), status(FeedState.CATCH_UP),
         trade("sell", "50", "100.0"), trade("sell", "0.4", "99.9"), trade("sell", "0.1", "97.0"),
         status(FeedState.GAP), book("99.5x5", "100.1x5", snapshot=True)],
        ["a 0.4 @ 100 maker", "a 0.1 @ 100 maker", "s 1 @ 96.9 taker"],
    ),
    "after it everybody stands behind what is shown": (
        [order("a", "buy", "1", "100.0"), status(FeedState.CATCH_UP), trade("sell", "0.4", "99.9"),
         book("100.0x2", "100.1x5", snapshot=True), trade("sell", "2.5", "100.0")],
        ["a 0.4 @ 100 maker", "a 0.5 @ 100 maker"],
    ),
    "of a time that cannot be had nothing is filled": (
        [order("a", "buy", "1", "100.0"), status(FeedState.MISSED), trade("sell", "9", "99.0")], [],
    ),
    "a print that nobody can have made": (
        [order("s", "sell", "1", stop="99.0"), trade("sell", "3", "49.9"), trade("sell", "16000001", "100.0")],
        [],  # the book shows 16
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_worked_cases_with_a_book(case: str) -> None:
    acts, expected = CASES[case]
    desk = Desk()
    for act in [USUAL, *acts]:
        act(desk)
    assert desk.told() == expected


@pytest.mark.parametrize(("limit", "size"), [("100.5", "0.7"), ("100.0", "1.5")])
def test_a_print_older_than_an_orders_arrival_does_nothing_to_it(limit: str, size: str) -> None:
    """Sent at 105 it arrives at 125; the trade of 102 is told after the book of 130."""
    desk = Desk(settings=ReferenceSettings(place_delay_ns=20))
    for act in (
        book("100.0x1", "101.0x5", 100, snapshot=True), book("99.0x1", at=105), order("a", "buy", "1", limit),
        book("98.0x1", at=130), trade("sell", size, "100.0", 102),
    ):  # fmt: skip
        act(desk)
    assert desk.told() == []


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ([order("a", "buy", "1"), trade("sell", "5", "100.5")], ["a 1 @ 100.7 taker"]),  # 100.6005, up to the tick
        ([order("a", "sell", "1"), trade("buy", "5", "100.5")], ["a 1 @ 100.3 taker"]),  # 100.3995, down
        ([order("a", "buy", "1", "99.0"), trade("sell", "5", "99.0")], []),
        ([order("a", "buy", "1", "99.0"), trade("sell", "5", "98.9")], ["a 1 @ 99 maker"]),
        ([order("a", "buy", "1", "100.6"), trade("sell", "5", "100.5")], ["a 1 @ 100.6 maker"]),
        ([order("s", "sell", "1", stop="99.0"), trade("sell", "5", "95.0")], ["s 1 @ 94.9 taker"]),  # 94.905
    ],
)
def test_worked_cases_on_a_tape(acts: list[Act], expected: list[str]) -> None:
    desk = Desk(ReferenceOnTape)
    for act in [trade("buy", "1", "100.5"), *acts]:
        act(desk)
    assert desk.told() == expected


@pytest.mark.parametrize(
    ("side", "held", "coins", "dollars"),
    [
        # 0.4 % of 1 in coins: off what is bought, on top of what is sold; the dollars are the price alone
        ("buy", "0", "1000.996", "999899.9"),
        ("sell", "0", "998.996", "1000100"),
    ],
)
def test_a_fee_in_base(side: str, held: str, coins: str, dollars: str) -> None:
    desk = Desk()
    USUAL(desk)
    order("a", side, "1", options=OrderOptions(fee_preference=FeePreference.BASE))(desk)
    purse = desk.exchange.purse
    assert (purse.held("BTC"), purse.total["BTC"], purse.total["USDT"]) == tuple(map(Fraction, (held, coins, dollars)))


@pytest.mark.parametrize(
    ("model", "sold", "fills"),
    [
        # 10 in front and 10 behind, 4 cancel: 10 or 10 - 4 x 10/20 = 8 are in front
        ("back_of_queue", "10.5", ["a 0.5 @ 100 maker"]),
        ("proportional", "8.5", ["a 0.5 @ 100 maker"]),
        ("proportional", "8", []),
        ("back_of_queue", "8.5", []),
    ],
)
def test_who_left_when_a_level_shrinks(model: str, sold: str, fills: list[str]) -> None:
    desk = Desk(settings=ReferenceSettings(queue_model=model))
    for act in (
        book("100.0x10", "100.1x5", snapshot=True), order("a", "buy", "1", "100.0"), book("100.0x20"),
        book("100.0x16"), trade("sell", sold, "100.0"),
    ):  # fmt: skip
        act(desk)
    assert desk.told() == fills
