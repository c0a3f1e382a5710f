"""Shorts of the desk on a book of the real paper exchange, where answers are on their way while things happen.

BTC/USDT: tick 0.1, lot 0.001. Every command takes 100 ms to the exchange, every answer 100 ms back.
"""

from __future__ import annotations

from decimal import Decimal

from tests.execution.test_protection_on_paper_exchange import Session

from triplegain.domain.money import atoms
from triplegain.domain.orders import Limit, Market, OrderRequest, Side
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.records import CloseReason
from triplegain.domain.verdict import RiskApproved
from triplegain.exchange.margin.settings import MarginSettings
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.protection.protection import Exiting, Protected

D = Decimal
LENT = MarginSettings(position_max={})


class Short(Session):
    """Five BTC are sold at 100 under a stop at 102."""

    def __init__(self) -> None:
        super().__init__(ExchangeSettings(seed=1, margin=LENT))
        self.trade(1000)
        wish = ("BTC/USDT", Side.SELL, Intent.OPEN, Market(), D(5), D(100), D(102))
        self.desk.open(RiskApproved(TradeProposal(*wish, leverage=2)), self.now_ns)
        self.wait(1000)
        protection = self.desk.protection("pos-1")
        assert protection is not None
        self.protection = protection
        assert isinstance(protection.stage, Protected)
        assert protection.stage.covered == 5

    def liquidate(self) -> None:
        self.exchange.margin.terms = MarginSettings(call=D(1000), liquidation=D(1000), restored=D(1000))
        self.trade(1000)

    def is_over(self) -> bool:
        return not (self.exchange.margin.positions or self.exchange.orders or self.desk.open_positions())


def test_a_liquidation_while_a_part_is_on_its_way_waits_for_the_answer_to_that() -> None:
    """The stop is cut and the part sent, and then all of it is liquidated before the part arrives."""
    short = Short()
    assert short.desk.reduce("pos-1", D("0.5"), CloseReason.SIGNAL, short.now_ns)
    while short.protection.part_exit_id is None:
        short.wait(10)
    short.liquidate()
    short.wait(150)
    assert isinstance(short.protection.stage, Exiting)
    assert short.protection.part_exit_id is not None
    short.wait(1000)
    assert short.is_over()
    assert [type(each).__name__ for each in short.events[-2:]] == ["OrderFilled", "OrderRejected"]
    record = short.record()
    assert (record.close_reason, record.quantity) == (CloseReason.LIQUIDATION, D(0))


def test_a_sale_by_hand_inside_the_spread_is_not_in_the_way_of_buying_back() -> None:
    """It is the best offer: the exit meets it first. That ends, and the exit goes on to 100.6."""
    short = Short()
    short.wallet.deposit({"BTC": atoms(D(1))}, short.now_ns)
    short.book(1000, 1006)
    mine = OrderRequest("mine", "BTC/USDT", Side.SELL, D("0.5"), Limit(D("100.3")))
    assert isinstance(short.desk.place(mine), OrderRequest)
    short.wait(500)
    short.desk.close_all(CloseReason.MANUAL, short.now_ns)
    short.wait(1000)
    assert short.is_over()
    assert short.record().close_reason is CloseReason.MANUAL
