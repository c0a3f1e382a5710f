"""Running sessions as the API and the terminal see them, made by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from triplegain.domain.orders import Limit, OrderRequest, OrderStatus, Side, StopLoss
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.domain.records import BalanceRecord, OrderRecord, PositionRecord
from triplegain.domain.statement import AccountSummary, Drawdown
from triplegain.domain.views import DecisionSummary, SessionView

NOON_NS = 1_722_513_600 * 10**9


def quote(symbol: str, bid: str, ask: str, last: str) -> Quote:
    one = Decimal(1)
    return Quote(symbol, Decimal(bid), Decimal(ask), Decimal(last), one, one, NOON_NS, NOON_NS, QuoteSource.REPLAY)


def order(number: int, terms: Limit | StopLoss) -> OrderRecord:
    request = OrderRequest(f"c-{number}", "BTC/USDT", Side.SELL, Decimal("0.02"), terms)
    return OrderRecord(number, f"O{number}", request, OrderStatus.OPEN, NOON_NS, NOON_NS, Decimal("0.02"), terms.price)


def position(number: int, symbol: str = "BTC/USDT") -> PositionRecord:
    return PositionRecord(
        position_id=f"p-{number}",
        symbol=symbol,
        side=Side.BUY,
        entry_order_number=number,
        quantity=Decimal("0.02"),
        entry_quantity=Decimal("0.02"),
        average_entry=Decimal("64123.333333333333333333"),
        realised=Decimal("-5.12"),
        realised_usd=Decimal("-5.12"),
        fees=Decimal("5.12"),
        opened_at_ns=NOON_NS,
        updated_at_ns=NOON_NS,
        stop=Decimal("63482.1"),
        target=Decimal("65405.9"),
    )


SUMMARY = AccountSummary(
    opening=Decimal(10000),
    equity=Decimal("10123.456"),
    buy_and_hold=Decimal("10050.1"),
    realised_usd=Decimal("-5.12"),
    unrealised_usd=Decimal("128.576"),
    fees_usd=None,
    drawdown=Drawdown(Decimal(10000), NOON_NS, Decimal(9900), NOON_NS + 1),
    realised={"BTC/USDT": Decimal("-5.12")},
    fees={"USDT": Decimal("25.61"), "BTC": Decimal("0.00000123")},
    trade_count=17,
    wins=3,
    losses=5,
)


MIND = DecisionSummary(
    runs={"technical": 61, "regime": 13, "decision": 1},
    decisions={"sent": 1, "refused": 1, "held": 4, "abstained": 0},
    opinions=("BTC/USDT long 62 %, regime trending bull, sentiment +12", "XRP/USDT no analysis yet, regime unknown"),
    risk=("cool-down trade BTC/USDT until 12:06:00",),
    voters=("gpt", "sonnet"),
    trader="",
    waiting=1,
    hodl={"XRP": Decimal("41.7")},
)


def view(**changed: Any) -> SessionView:
    """A busy replay; `changed` fields replace its own."""
    values: dict[str, Any] = {
        "session_id": "paper_20240801_120000",
        "mode": "paper",
        "feed": "replay:../shared/data/binance_spot_l2_trades_btcusdt_2024-08",
        "source": "replay",
        "synthetic": False,
        "started_at_ns": NOON_NS,
        "market_time_ns": NOON_NS + 61 * 10**9,
        "events": 123456,
        "events_per_s": 41234.5,
        "progress": 0.4321,
        "paused": False,
        "halted": "",
        "away": "",
        "quotes": {
            "BTC/USDT": quote("BTC/USDT", "64553.01", "64553.1", "64553"),
            "XRP/USDT": quote("XRP/USDT", "0.62341", "0.6235", "0.6234"),
            "XRP/BTC": None,
        },
        "balances": (
            BalanceRecord("BTC", Decimal("0.02"), Decimal("0.02")),
            BalanceRecord("USDT", Decimal("8712.34567"), Decimal(0)),
            BalanceRecord("XRP", Decimal("1000.5"), Decimal(0)),
        ),
        "positions": (position(1), position(2, "XRP/USDT")),
        "open_orders": (order(1, StopLoss(Decimal("63482.1"))), order(2, Limit(Decimal("65405.9")))),
        "summary": SUMMARY,
        "last_decisions": (
            "BTC/USDT buy sent: ",
            "BTC/USDT buy refused: at most 2 positions of one pair; exposure would be above 80 % of equity",
            "XRP/USDT hold held: no cross of the averages",
        ),
        "alerts": (),
        "unrealised": {"p-1": Decimal("8.5"), "p-2": None},
        "decisions": MIND,
    }
    return SessionView(**{**values, **changed})


FILLS = tuple(f"buy 0.02 BTC/USDT @ 6455{n}.1 (taker, fee 5.16, USDT, book)" for n in range(8))
