"""Votes held against what the market did."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from tests.session.stored_parts import kept, taken_up

from triplegain.decision.outcomes import OutcomeBook, OutcomeSettings
from triplegain.domain.agent_records import OutcomeRecord, VoteRecord
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import Side

HOUR_NS = 3600 * SECOND_NS
T0 = 1_700_000_000 * SECOND_NS
#: 0.4 % taker on both sides and a spread of 0.02 %.
COST = Decimal("0.0082")
ONE_HOUR = OutcomeSettings(horizons_ns=(HOUR_NS,))


def vote(number: int, action: str, price: str = "100", symbol: str = "BTC/USDT", at_ns: int = T0) -> VoteRecord:
    return VoteRecord(
        number=number,
        time_ns=at_ns,
        decision_number=1,
        symbol=symbol,
        model="qwen",
        model_id="qwen",
        action=action,
        confidence=Decimal("0.7"),
        price=Decimal(price),
    )


def priced(**prices: str | None) -> Callable[[str], Decimal | None]:
    """Prices by base asset; one that is not named has none."""

    def of(symbol: str) -> Decimal | None:
        price = prices.get(symbol.partition("/")[0])
        return None if price is None else Decimal(price)

    return of


@pytest.mark.parametrize(
    ("action", "held", "then", "move", "net"),
    [
        # 100 -> 103: +3 %, less 0.82 %.
        ("buy", None, "103", "0.03", "0.0218"),
        ("buy", Side.BUY, "97", "-0.03", "-0.0382"),
        # Leaving before a fall of 3 % saved it, less going out and coming back.
        ("sell", Side.BUY, "97", "-0.03", "0.0218"),
        ("close_long", Side.BUY, "103", "0.03", "-0.0382"),
        # A spot account that holds nothing has nothing to sell.
        ("sell", None, "97", "-0.03", "0"),
        ("close_long", None, "103", "0.03", "0"),
        ("close_short", None, "103", "0.03", "0"),
        ("close_short", Side.BUY, "103", "0.03", "0"),
        # A short that was bought back before a rise.
        ("close_short", Side.SELL, "103", "0.03", "0.0218"),
        ("sell", Side.SELL, "97", "-0.03", "0"),
        ("hold", Side.BUY, "150", "0.5", "0"),
        ("buy", None, "100", "0", "-0.0082"),
    ],
)
def test_what_following_a_vote_would_have_earned(
    action: str, held: Side | None, then: str, move: str, net: str
) -> None:
    book = OutcomeBook(ONE_HOUR)
    book.add(vote(1, action), held, COST)
    records = book.score(T0 + HOUR_NS, priced(BTC=then))
    assert records == (OutcomeRecord(1, HOUR_NS, T0 + HOUR_NS, Decimal(then), Decimal(move), Decimal(net)),)


def test_each_vote_is_scored_once_at_each_horizon() -> None:
    book = OutcomeBook()
    book.add(vote(1, "buy"), None, COST)
    book.add(vote(2, "hold", "0.5", "XRP/USDT", T0 + SECOND_NS), None, COST)
    assert book.next_due_ns == T0 + HOUR_NS
    seen: list[OutcomeRecord] = []
    for minute in range(25 * 60):
        now_ns = T0 + minute * 60 * SECOND_NS
        if now_ns >= book.next_due_ns:
            seen += book.score(now_ns, priced(BTC="101", XRP="0.5"))
    assert [(each.vote_number, each.horizon_ns // HOUR_NS) for each in seen] == [
        (1, 1), (2, 1), (1, 4), (2, 4), (1, 24), (2, 24)
    ]  # fmt: skip
    assert book.score(T0 + 100 * HOUR_NS, priced(BTC="101", XRP="0.5")) == ()
    assert book.next_due_ns > T0 + 100 * HOUR_NS


def test_a_price_that_comes_within_the_grace_period_counts_a_later_one_does_not() -> None:
    book = OutcomeBook(ONE_HOUR)
    book.add(vote(1, "buy"), None, COST)
    book.add(vote(2, "buy", "0.5", "XRP/USDT"), None, COST)
    due_ns = T0 + HOUR_NS
    # XRP has a price at once; BTC holds nobody up.
    assert [each.vote_number for each in book.score(due_ns, priced(XRP="0.6"))] == [2]
    assert book.score(due_ns + 299 * SECOND_NS, priced()) == ()
    book.add(vote(4, "hold"), None, COST)
    assert book.score(due_ns + 299 * SECOND_NS, priced()) == ()
    record, next_one = book.score(due_ns + 300 * SECOND_NS, priced(BTC="101"))
    assert (record.price, record.time_ns) == (Decimal(101), due_ns + 300 * SECOND_NS)
    assert (record.vote_number, next_one.vote_number) == (1, 4), "in the order of the votes"
    book.add(vote(3, "buy"), None, COST)
    late_ns = due_ns + 301 * SECOND_NS
    assert book.score(late_ns, priced(BTC="101")) == (OutcomeRecord(3, HOUR_NS, late_ns, None, None, None),)


def test_after_hours_away_nothing_is_known_of_what_was_due_meanwhile() -> None:
    book = OutcomeBook()
    book.add(vote(1, "buy"), None, COST)
    back_ns = T0 + 4 * HOUR_NS + SECOND_NS
    hour, four = book.score(back_ns, priced(BTC="110"))
    assert (hour.price, hour.net) == (None, None)
    # 10 % - 0.82 %.
    assert (four.price, four.net) == (Decimal(110), Decimal("0.0918"))


@pytest.mark.parametrize("price", ["NaN", "0", "-1"])
def test_a_price_that_cannot_be_is_unknown(price: str) -> None:
    book = OutcomeBook(ONE_HOUR)
    book.add(vote(1, "buy"), None, COST)
    (record,) = book.score(T0 + HOUR_NS, priced(BTC=price))
    assert (record.price, record.move, record.net) == (None, None, None)


def test_abstentions_are_counted_and_not_scored() -> None:
    book = OutcomeBook(ONE_HOUR)
    book.add(vote(1, "abstain"), None, COST)
    book.add(vote(2, "hold"), None, COST)
    assert (book.state.abstentions, book.state.votes) == ({"qwen": 1}, {"qwen": 1})
    assert [each.vote_number for each in book.score(T0 + HOUR_NS, priced(BTC="1"))] == [2]


def test_memory_is_bounded_and_what_is_pushed_out_is_recorded_as_unknown() -> None:
    book = OutcomeBook(OutcomeSettings(horizons_ns=(HOUR_NS,), votes_max=3))
    for number in range(5):
        book.add(vote(number, "buy"), None, COST)
    pushed = book.score(T0 + 1, priced(BTC="101"))
    assert [(each.vote_number, each.price) for each in pushed] == [(0, None), (1, None)]
    assert [each.price for each in book.score(T0 + HOUR_NS, priced(BTC="101"))] == [Decimal(101)] * 3


@pytest.mark.parametrize(
    ("action", "price", "cost"), [("buy", "0", "0"), ("buy", "NaN", "0"), ("buy", "1", "-1"), ("moon", "1", "0")]
)
def test_a_vote_that_cannot_be_is_an_error(action: str, price: str, cost: str) -> None:
    with pytest.raises(InvalidValueError):
        OutcomeBook().add(vote(1, action, price), None, Decimal(cost))


def test_a_restart_changes_nothing() -> None:
    book = OutcomeBook()
    parts = kept(book)
    book.add(vote(1, "buy", "50000.1"), None, COST)
    book.add(vote(2, "sell"), Side.BUY, COST)
    book.add(vote(3, "abstain"), None, COST)
    book.score(T0 + HOUR_NS, priced(BTC="50001"))
    other = taken_up(parts, OutcomeBook())
    assert (other.next_due_ns, other.state) == (book.next_due_ns, book.state)
    at = T0 + 4 * HOUR_NS
    assert other.score(at, priced(BTC="50001")) == book.score(at, priced(BTC="50001")) != ()
