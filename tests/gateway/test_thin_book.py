from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.small_market import BTC

from triplegain.gateway.served_market import LEVELS, ThinBook


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.booleans())
def test_the_trade_stands_at_its_own_side_and_nothing_crosses(first: int, price: int, bought: bool) -> None:
    bids, asks = ThinBook(BTC, first).around(price, bought=bought)
    assert (asks if bought else bids)[0][0] == price
    assert [one for one, _ in bids] == sorted({one for one, _ in bids}, reverse=True)
    assert [one for one, _ in asks] == sorted({one for one, _ in asks})
    assert len(asks) == LEVELS and len(bids) <= LEVELS
    assert not bids or bids[0][0] < asks[0][0]
    assert all(one > 0 and size > 0 for one, size in (*bids, *asks))


def test_sizes_depend_on_the_price_alone() -> None:
    thin = ThinBook(BTC, 370_000)
    bids, asks = thin.around(370_000, bought=True)
    later_bids, later_asks = thin.around(370_004, bought=False)
    known = dict((*bids, *asks))
    assert all(known.get(price, size) == size for price, size in (*later_bids, *later_asks))
    # 500 USDT at 37,000 USDT are 0.01351351 BTC; a level is one to eight of them.
    assert {size // 1_351_351 for _, size in (*bids, *asks)} <= set(range(1, 9))
