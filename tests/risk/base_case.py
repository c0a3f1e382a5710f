"""What the tests of the risk room start from.

Monday 2021-05-17, 12:00 UTC. One BTC/USDT (tick 0.1, lot 0.001) at 100, stop at 98, target at 104, confidence 0.90,
equity 10 000 USD and 3 BTC held: approved as it stands.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Market, Side
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.verdict import RiskRefused
from triplegain.risk.engine import RiskEngine
from triplegain.risk.views import MarketFigures, PortfolioView

D = Decimal
T = TypeVar("T", TradeProposal, PortfolioView, MarketFigures)
MINUTE = 60 * 10**9
HOUR, DAY, WEEK = 60 * MINUTE, 1440 * MINUTE, 7 * 1440 * MINUTE
MONDAY = 1_621_209_600 * 10**9
NOON, MIDNIGHT, NEXT_MONDAY = MONDAY + 12 * HOUR, MONDAY + DAY, MONDAY + WEEK

BTC = Instrument("BTC/USDT", D("0.1"), D("0.001"), D("0.01"), D("5"))
PROPOSAL = TradeProposal(
    "BTC/USDT", Side.BUY, Intent.OPEN, Market(), quantity=D(1), stop=D(98), target=D(104), confidence=D("0.90")
)
EXIT = replace(PROPOSAL, side=Side.SELL, intent=Intent.CLOSE, stop=None, target=None)
SHIFT = replace(PROPOSAL, intent=Intent.REBALANCE, stop=None, target=None)
PORTFOLIO = PortfolioView(D(10_000), D(0), 0, 0, D(10_000), D(3))
MARKET = MarketFigures(BTC, D("99.9"), D(100), D(100), D(1), D("0.004"))


def changed(record: T, name: str, value: Any) -> T:
    """The same record with another value in one field."""
    fields: dict[str, Any] = {name: value}
    return replace(record, **fields)


def rules(
    engine: RiskEngine, now: int, usd: int | str | None = 10_000, proposal: TradeProposal = PROPOSAL
) -> tuple[str, ...]:
    """What stands against the proposal; empty if nothing does."""
    equity = None if usd is None else D(usd)
    verdict = engine.assess(proposal, replace(PORTFOLIO, equity=equity), MARKET, now)
    return verdict.rules if isinstance(verdict, RiskRefused) else ()
