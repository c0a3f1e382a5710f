"""Orders of which nothing but their terms is asked: the checks that are left out for them would find nothing."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import msgspec
import pytest
from tests.exchange.conftest import Bench

from triplegain.domain.market import FeedState, FeedStatus, MarketDepth
from triplegain.domain.orders import FeePreference, Limit, Market, OrderOptions, OrderRequest, Side, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.domain.storable import encode
from triplegain.domain.terms import Iceberg, MarketByCost, OrderTerms, SettlePosition, StopLoss, TrailingStop
from triplegain.exchange.order import WorkingOrder

OPTIONS: dict[str, Any] = {
    "reduce_only": True, "close": StopLoss(Decimal(90)), "deadline_ns": 10**9, "starts_at_ns": 10**9,
    "replaces": "another", "closes": "another", "fee_preference": FeePreference.BASE,
}  # fmt: skip
TERMS: tuple[OrderTerms, ...] = (
    Market(), MarketByCost(Decimal(50)), MarketByCost(Decimal("0.1")), Limit(Decimal(99)), Limit(Decimal("99.05")),
    Limit(Decimal(99), post_only=True), Limit(Decimal(101), post_only=True), Limit(Offset(Sign.MINUS, Decimal(1))),
    Iceberg(Decimal(99), Decimal("0.1")), Iceberg(Decimal(99), Decimal("0.00001")), StopLoss(Decimal(95)),
    TrailingStop(Offset(Sign.PLUS, Decimal(2))),
)  # fmt: skip
STATES = (FeedState.SYNCED, FeedState.POST_ONLY, FeedState.CANCEL_ONLY, FeedState.GAP)


def test_no_option_is_plain_and_neither_is_margin() -> None:
    usual = OrderRequest("name", "BTC/USDT", Side.BUY, Decimal(1), Limit(Decimal(99)))
    assert usual.is_plain and set(OPTIONS) == set(OrderOptions.__struct_fields__)
    for name, value in OPTIONS.items():
        assert not msgspec.structs.replace(usual, options=OrderOptions(**{name: value})).is_plain, name
    assert not msgspec.structs.replace(usual, leverage=2).is_plain
    assert not msgspec.structs.replace(usual, terms=SettlePosition()).is_plain


def _told(depth: MarketDepth) -> list[bytes]:
    b = Bench({"USDT": "400", "BTC": "3"}, depth=depth)
    for has_market in (False, True):
        if has_market and depth is MarketDepth.BOOK:
            b.book(bids="99.9x5 99.0x5", asks="100.1x5 100.2x5", snapshot=True)
        if has_market:
            b.trade("buy", "0.1", "100.0")
        for state in STATES if has_market else STATES[:1]:
            b.exchange.on_event(FeedStatus(b.instrument.symbol, b.now, b.now, state, "told"))
            asked = product(TERMS, ("buy", "sell"), ("0", "0.00001", "0.5", "9"), TimeInForce)
            for number, (terms, side, quantity, force) in enumerate(asked):
                name = f"{has_market}-{state}-{number}"
                b.exchange.place(b.request(name, side, quantity, terms, time_in_force=force))
                b.exchange.run_through(b.now)
    return [encode(event) for event in b.drain()]


class _Never:
    """No order is plain: all goes the long way."""

    def __get__(self, order: Any, kind: Any = None) -> bool:
        return False

    def __set__(self, order: Any, value: bool) -> None:
        pass


@pytest.mark.parametrize("depth", [MarketDepth.BOOK, MarketDepth.TAPE])
def test_plain_orders_are_told_what_the_long_way_would_tell_them(
    monkeypatch: pytest.MonkeyPatch, depth: MarketDepth
) -> None:
    short = _told(depth)
    monkeypatch.setattr(WorkingOrder, "is_plain", _Never())
    assert short == _told(depth)
    assert {kind: any(kind in each for each in short) for kind in (b'"accepted"', b'"rejected"', b'"filled"')} == {
        b'"accepted"': True, b'"rejected"': True, b'"filled"': True,
    }  # fmt: skip
