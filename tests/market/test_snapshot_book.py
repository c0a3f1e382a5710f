from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import Level
from triplegain.market.snapshot.book_features import book_features

BTC_USDT, _, XRP_BTC = KRAKEN_OFFLINE_DEFAULTS
PCTS = (Decimal("0.5"), Decimal(1), Decimal(2))
COIN = 10**8


def test_the_figures_of_a_book_by_hand() -> None:
    """Tick 0.1: bid 59,999.9 and ask 60,000.1 around 60,000; 0.5 % is 300, 1 % 600, 2 % 1,200."""
    bids = [(599_999, 2 * COIN), (597_000, COIN), (594_000, 3 * COIN), (588_000, 5 * COIN)]
    asks = [(600_001, COIN), (603_000, COIN), (606_001, 4 * COIN), (612_000, 7 * COIN)]
    book = book_features(BTC_USDT, (bids, asks), PCTS)
    assert book is not None
    assert (book.bid, book.ask, book.mid) == (Decimal("59999.9"), Decimal("60000.1"), Decimal(60_000))
    assert book.spread_bps == pytest.approx(0.2 / 60_000 * 10_000)
    # The bid is twice as heavy, so the middle leans to the ask: (59,999.9 x 1 + 60,000.1 x 2) / 3.
    assert book.weighted_mid == pytest.approx(60_000 + 0.1 / 3)
    assert [(int(each.bid_quantity), int(each.ask_quantity)) for each in book.depths] == [(3, 2), (6, 2), (11, 13)]
    assert book.imbalance == pytest.approx((3 - 2) / (3 + 2))
    assert (book.imbalance_pct, book.bids_reach_pct, book.asks_reach_pct) == (0.5, 2.0, 2.0)


def test_the_sides_are_compared_as_far_as_both_are_seen() -> None:
    """Bids are seen to 0.1 %, asks to 2 %: what the asks have further out says nothing of the balance."""
    bids = [(599_999, COIN), (599_400, 2 * COIN)]
    asks = [(600_001, COIN), (600_601, 50 * COIN), (612_000, 100 * COIN)]
    book = book_features(BTC_USDT, (bids, asks), PCTS)
    assert book is not None
    assert (book.imbalance, book.imbalance_pct) == ((3 - 1) / (3 + 1), 0.1)
    assert (book.bids_reach_pct, book.asks_reach_pct) == (0.1, 2.0)
    assert book.depths[0].bid_quantity == 3


@pytest.mark.parametrize(
    ("bids", "asks"),
    [([], [(2, 1)]), ([(1, 1)], []), ([(5, 1)], [(5, 1)]), ([(6, 1)], [(5, 1)])],
    ids=["no bid", "no ask", "locked", "crossed"],
)
def test_a_book_that_is_no_market_has_no_figures(bids: list[Level], asks: list[Level]) -> None:
    assert book_features(BTC_USDT, (bids, asks), PCTS) is None


def test_levels_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="best first"):
        book_features(BTC_USDT, ([(1, 1), (2, 1)], [(3, 1), (4, 1)]), PCTS)


def test_the_middle_of_a_cheap_pair_is_exact() -> None:
    book = book_features(XRP_BTC, ([(2350, 7)], [(2351, 9)]), PCTS)
    assert book is not None
    assert book.mid == Decimal("0.000023505")
    assert book.spread_bps == pytest.approx(10_000 / 2350.5)


_sides = st.lists(st.tuples(st.integers(1, 3_000), st.integers(1, 10**12)), min_size=1, max_size=30)


@given(_sides, _sides)
def test_any_book_is_summed_up_as_by_hand(below: list[Level], above: list[Level]) -> None:
    bids = sorted({20_000 - away: lots for away, lots in below}.items(), reverse=True)
    asks = sorted({20_000 + away: lots for away, lots in above}.items())
    book = book_features(XRP_BTC, (bids, asks), PCTS)
    assert book is not None
    assert -1 <= book.imbalance <= 1 and float(book.bid) <= book.weighted_mid <= float(book.ask)
    mid = Fraction(bids[0][0] + asks[0][0], 2)
    for depth in book.depths:
        share = Fraction(depth.pct) / 100
        assert XRP_BTC.lots(depth.bid_quantity) == sum(lots for price, lots in bids if price >= mid * (1 - share))
        assert XRP_BTC.lots(depth.ask_quantity) == sum(lots for price, lots in asks if price <= mid * (1 + share))
