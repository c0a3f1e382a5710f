"""The rooms of one session, wired: exchange, prices, portfolio, executor, desk, the agents' view, the record."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from triplegain.decision.cycle import DecisionExecutor
from triplegain.decision.rebalance.run import RebalanceRun
from triplegain.decision.situation import ContextBuilder, SessionPrices
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import atoms
from triplegain.domain.usd import UsdPrices
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.execution.hodl.allocation import HodlAccount
from triplegain.execution.hodl.bag import HodlBag
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.margin_exits import MarginExits
from triplegain.execution.order_manager import OrderManager
from triplegain.execution.paper_executor import PaperOrderExecutor
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.execution.positions import Positions
from triplegain.ledger.wallet import Wallet
from triplegain.risk.engine import RiskEngine
from triplegain.session.market_floor import MarketFloor
from triplegain.session.settings import SessionSettings
from triplegain.session.step_record import StepRecord
from triplegain.session.venue_conditions import VenueConditions


class SessionComponents:
    """Who works in a session, as it is before the first message. `executor` knows what the exchange knows, `desk` what
    has travelled back to us."""

    def __init__(self, settings: SessionSettings, floor: MarketFloor) -> None:
        self.settings = settings
        self.floor = floor
        self.wallet = wallet = Wallet()
        instruments = tuple(settings.instruments)
        if unknown := [each.symbol for each in instruments if each.symbol not in floor.markets]:
            raise InvalidValueError(
                f"{settings.session_id} trades {', '.join(unknown)}, which this market does not have"
            )
        markets = {each.symbol: floor.markets[each.symbol] for each in instruments}
        self.exchange = PaperExchange(settings.session_id, markets, wallet, settings.exchange)
        chain = floor.prices(settings.quote_stale_ns)
        self.prices = prices = SessionPrices(self.exchange, settings.source, settings.depth, chain)
        usd = UsdPrices([instrument.symbol for instrument in instruments], prices.mark)
        positions = Positions(instruments, usd)
        self.exchange.account.funds.owned = lambda asset: atoms(positions.owned(asset))
        self.portfolio = PaperPortfolio(
            settings.initial_balances,
            instruments,
            prices.mark,
            settings.created_at_ns,
            wallet=wallet,
            positions=positions,
            max_trade_history=settings.max_trade_history,
        )
        self.portfolio.margin = self.exchange.margin
        self.conditions = VenueConditions(self.exchange)
        self.executor = executor = PaperOrderExecutor(self.exchange, self.portfolio, positions)
        self.desk = OrderManager(
            self.exchange, instruments, executor.blotter, self.portfolio.total, settings.desk, self.conditions
        )
        self.desk.off_margin = MarginExits(self.exchange, self.desk.on_margin).send
        self.market_view = floor.view(settings.snapshot, settings.indicators)
        self.situation = ContextBuilder(self.exchange, self.desk, self.portfolio, prices, settings.unfillable)
        self.record = StepRecord(wallet, executor, prices, settings.snapshot_interval_ns)

    def open_hodl_bag(self, settings: HodlSettings, blocked: Callable[[], str]) -> HodlBag:
        """The bag beside the desk. `blocked` says why nothing may be bought now; empty where it may."""

        def ask(symbol: str) -> Decimal | None:
            quote = self.prices.quote(symbol)
            return None if quote is None else quote.ask if quote.ask is not None else quote.last

        return HodlBag(
            self.exchange,
            HodlAccount(self.wallet, self.desk, self.exchange.account.lending),
            tuple(self.settings.instruments),
            self.desk.orders,
            settings,
            ask=ask,
            usd_price=self.portfolio.usd_price,
            blocked=blocked,
        )

    def open_rebalance(
        self, risk: RiskEngine, decisions: DecisionExecutor, blocked: Callable[[], str]
    ) -> RebalanceRun | None:
        """The rebalance of the session; None where it has none. `blocked` says why nothing may be traded now."""
        if self.settings.rebalance is None:
            return None
        return RebalanceRun(
            tuple(self.settings.instruments),
            self.settings.rebalance,
            self.desk,
            self.prices,
            self.situation,
            risk,
            decisions,
            self.record.log,
            blocked,
        )
