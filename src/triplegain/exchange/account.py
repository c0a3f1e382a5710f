"""The account at the exchange: what it is told, what it holds, what its fills book, and what changes its orders."""

from __future__ import annotations

from collections.abc import Mapping

from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.usd import UsdPrices
from triplegain.exchange.amendments import Amendments
from triplegain.exchange.answers import Answers
from triplegain.exchange.channels import Channels
from triplegain.exchange.engine import Engine
from triplegain.exchange.funds import Funds
from triplegain.exchange.margin.account import MarginAccount
from triplegain.exchange.margin.admission import MarginAdmission
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.payments import Payments
from triplegain.exchange.settings import ExchangeSettings
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.volume_tier import VolumeTier
from triplegain.exchange.working_orders import WorkingOrders
from triplegain.ledger.wallet import Wallet


class Account:
    """`engine` tells the time and ends orders; `markets` fills as it is opened. `orders` are all that are under way or
    open."""

    def __init__(
        self,
        session: str,
        engine: Engine,
        markets: Mapping[str, VenueMarket],
        orders: WorkingOrders,
        wallet: Wallet,
        channels: Channels,
        settings: ExchangeSettings,
    ) -> None:
        self._engine = engine
        self._markets = markets
        self._wallet = wallet
        self.channels = channels
        named = orders.by_name
        self.answers = Answers(engine, markets, named, wallet, channels)
        self.volume = VolumeTier(settings.fee_volume_30d_usd)
        usd_prices = UsdPrices(markets, lambda symbol: markets[symbol].mark)
        self.margin = margin = MarginAccount(engine, markets, wallet, settings.margin, usd_prices)
        self.lending = lending = MarginAdmission(margin, markets, orders, wallet)
        self.funds = Funds(engine, orders, wallet, self.volume, margin, lending)
        margin.answer, margin.tell, margin.kept = self.answers.answer, self.answers.tell, self.funds.kept
        self.payments = Payments(
            session, engine, markets, named, wallet, self.volume, self.funds, self.answers, margin, lending, usd_prices
        )
        self.amendments = Amendments(engine, wallet, self.funds, self.answers, margin, lending, self.payments)

    def drain(self) -> list[ExchangeEvent]:
        """What has been told since the last call."""
        self.funds.untold.clear()
        return self.answers.drain()

    def accept_forced(self, order: WorkingOrder) -> None:
        """An order of the exchange's own: it needs no funds, and pays as others do."""
        order.fee_ceiling_ppm = self.volume.tier(order.instrument.fees, self._engine.now_ns).taker_ppm
        self._wallet.reserve(order.number, order.funds_asset, 0)
        self.answers.tell_accepted(order)

    def finish(self, order: WorkingOrder, reason: str) -> None:
        """The rest of an order is over: its reservation goes back, and pays what is owed."""
        self._wallet.release(order.number)
        self.margin.repay()
        self.answers.tell_ended(order, reason)
