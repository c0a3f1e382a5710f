"""What an order is called never says whose it is: names beginning with tg- are ours, all others anybody's."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.domain.ids import Family, Origin, own_id
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.market import BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.orders import Limit, Market, OrderRequest, Side
from triplegain.domain.quote import QuoteSource
from triplegain.domain.refusals import Refusal
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.settings import DeskSettings
from triplegain.risk.limits import RiskLimits
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession

MS = 1_000_000
START_NS = 1_767_225_600_000 * MS
BTC = KRAKEN_OFFLINE_DEFAULTS[0]


@pytest.fixture
def session() -> TradingSession:
    """100,000 USDT and 1 BTC, at 100,000.0."""
    opened = TradingSession(
        SessionSettings(
            session_id="ids",
            created_at_ns=0,
            instruments={BTC: MarketDepth.BOOK},
            source=QuoteSource.DEMO,
            initial_balances={"USDT": Decimal(100_000), "BTC": Decimal(1)},
            exchange=ExchangeSettings(),
            desk=DeskSettings(),
            limits=RiskLimits(),
            baseline=None,
            candle_ns=60_000 * MS,
        )
    )
    lots = BTC.lots(Decimal(50))
    bids, asks = ((1_000_000, lots),), ((1_000_001, lots),)
    opened.on_event(BookUpdate("BTC/USDT", START_NS, START_NS, bids, asks, snapshot=True))
    opened.on_event(PublicTrade("BTC/USDT", START_NS + MS, START_NS + MS, 1_000_000, 1000, Side.BUY))
    return opened


def by_hand(name: str) -> OrderRequest:
    return OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.001"), Limit(Decimal(50_000)))


@pytest.mark.parametrize("family", Family)
def test_a_person_may_not_take_a_name_of_ours(session: TradingSession, family: Family) -> None:
    for name in (own_id(family, 1), own_id(family, 1).upper()):
        answer = session.by_hand.place(by_hand(name))
        assert isinstance(answer, Refusal) and "choose another" in answer.reason


def test_own_names_are_no_longer_than_kraken_takes() -> None:
    assert max(len(own_id(family, 99_999)) for family in Family) <= 18
    assert own_id(Family.REBALANCE, 999, 99, 9) == "tg-rb-999-99-9"


def test_what_a_person_called_like_ours_once_were_is_a_persons_and_takes_nothing_from_us(
    session: TradingSession,
) -> None:
    for name in ("rb-1-0-0", "weight-1", "entry-7", "hodl-7"):
        assert not isinstance(session.by_hand.place(by_hand(name)), Refusal)
    session.advance_to(START_NS + 1000 * MS)
    # All four are paid from the wallet, 50 USDT each and the fee; the account of the hodl bag has never been heard of.
    assert session.portfolio.held("USDT") > 200
    assert session.exchange.wallet.held("USDT", LedgerAccount.HODL) == 0
    assert {each.by_hand for each in session.desk.open_positions()} == {True}

    name = own_id(Family.REBALANCE, 1, 0, 0)
    sale = OrderRequest(name, "BTC/USDT", Side.SELL, Decimal("0.5"), Market(), origin=Origin.REBALANCE)
    assert session.desk.allocate(sale) == sale
    for after_ms in (2000, 3000):
        time_ns = START_NS + after_ms * MS
        session.on_event(PublicTrade("BTC/USDT", time_ns, time_ns, 1_000_000, 1000, Side.BUY))
    assert (session.portfolio.total("BTC"), session.desk.allocated(name)) == (Decimal("0.5"), Decimal("0.5"))
