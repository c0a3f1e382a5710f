"""What one cycle looks at, gathered from the rooms."""

from __future__ import annotations

from decimal import Decimal

from triplegain.decision.cycle import Situation
from triplegain.decision.prices import SessionPrices
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.money import EXACT
from triplegain.domain.proposal import Regime
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.execution.order_desk import OrderDesk
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.risk.views import MarketView, PortfolioView


class SituationRoom:
    """Immutable pictures of portfolio and market, as of now."""

    def __init__(
        self,
        exchange: PaperExchange,
        desk: OrderDesk,
        portfolio: PaperPortfolio,
        prices: SessionPrices,
        unfillable: str = "",
    ) -> None:
        """`unfillable` says why no price of this session may fill an order; empty where they may."""
        self._unfillable = unfillable
        self._exchange = exchange
        self._desk = desk
        self._portfolio = portfolio
        self._prices = prices

    def look(
        self,
        number: int,
        now_ns: int,
        symbol: str,
        agent: str,
        paused: bool,
        halted: str,
        regime: Regime = Regime.UNKNOWN,
    ) -> Situation:
        positions = self._desk.open_positions(symbol)
        return Situation(
            number=number,
            time_ns=now_ns,
            symbol=symbol,
            agent=agent,
            portfolio=self._portfolio_view(symbol, halted),
            market=self._market_view(symbol, now_ns),
            positions=positions,
            paused=paused,
            regime=regime,
            free_base=self._desk.free(symbol.partition("/")[0]),
        )

    def _portfolio_view(self, symbol: str, halted: str) -> PortfolioView:
        everything = self._desk.open_positions()
        by_symbol = self._exposure_by_symbol()
        quote = symbol.partition("/")[2]
        return PortfolioView(
            equity=self._portfolio.equity_usd(),
            exposure=None if by_symbol is None else sum(by_symbol.values(), Decimal(0)),
            open_positions=len(everything),
            open_in_symbol=sum(position.symbol == symbol for position in everything),
            free_quote=max(min(self._desk.free(quote), self._portfolio.available(quote)), Decimal(0)),
            position_quantity=sum((p.quantity for p in everything if p.symbol == symbol and not p.leaving), Decimal(0)),
            halted=halted,
            exposure_by_symbol=by_symbol or {},
        )

    def exposure(self) -> Decimal | None:
        """Notional of positions and entries under way in USD; None if one of them has no price."""
        by_symbol = self._exposure_by_symbol()
        return None if by_symbol is None else sum(by_symbol.values(), Decimal(0))

    def _exposure_by_symbol(self) -> dict[str, Decimal] | None:
        by_symbol: dict[str, Decimal] = {}
        for position in self._desk.open_positions():
            mark = self._prices.mark(position.symbol)
            usd = self._portfolio.usd_price(position.symbol.partition("/")[2])
            if mark is None or usd is None:
                return None
            notional = position.at_risk * mark * usd
            by_symbol[position.symbol] = by_symbol.get(position.symbol, Decimal(0)) + notional
        return by_symbol

    def _market_view(self, symbol: str, now_ns: int) -> MarketView:
        market = self._exchange.markets[symbol]
        quote = self._prices.quote(symbol)
        stale = self._unfillable if quote is not None else f"no fresh price of {symbol}"
        if market.condition:
            stale = f"{symbol}: {market.condition}"
        tier = self._exchange.account.volume.tier(market.instrument.fees, now_ns)
        return MarketView(
            instrument=market.instrument,
            bid=None if quote is None else quote.bid,
            ask=None if quote is None else quote.ask,
            last=None if quote is None else quote.last,
            quote_usd=self._portfolio.usd_price(market.instrument.quote),
            taker_fee=EXACT.divide(Decimal(tier.taker_ppm), RATE_UNIT),
            stale=stale,
        )
