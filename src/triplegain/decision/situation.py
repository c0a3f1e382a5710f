"""What one cycle looks at, gathered from the rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from triplegain.agents.decision_context import DecisionContext, Held, TradeLimits
from triplegain.decision.cycle import CycleContext
from triplegain.decision.signals import LatestSignals
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import EXACT, divide, from_atoms
from triplegain.domain.orders import Side
from triplegain.domain.proposal import Regime
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.domain.records import PositionRecord
from triplegain.exchange.margin.level import MarginFigures
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.execution.order_manager import OpenPosition, OrderManager
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.market.prices.price_source import PaperPriceSource
from triplegain.risk.engine import RiskEngine
from triplegain.risk.views import MarketFigures, PortfolioView


@dataclass(eq=False)
class SessionPrices:
    """Quotes are made when somebody asks: a market that moves a thousand times between two looks costs nothing."""

    _exchange: PaperExchange
    _source: QuoteSource
    _depth: Mapping[str, MarketDepth]
    chain: PaperPriceSource
    #: By symbol the quote that was given out last of the session's feed, the message it was made of, and when.
    _given: dict[str, tuple[int, int, Quote]] = field(default_factory=dict, init=False)

    def quote(self, symbol: str) -> Quote | None:
        """The quote of now (market time), None if there is no fresh one."""
        market, now_ns = self._exchange.markets.get(symbol), self._exchange.now_ns
        if market is None:
            return self.chain.quote(symbol, now_ns)
        told = market.public.told
        if market.is_held:
            self._take_from_exchange(symbol)
            return None
        given = self._given.get(symbol)
        if given is not None and given[0] == told and given[1] == now_ns and told:
            return given[2]
        self._take_from_exchange(symbol)
        quote = self.chain.quote(symbol, now_ns)
        if quote is not None and quote.source is self._source:
            self._given[symbol] = told, now_ns, quote
        return quote

    def mark(self, symbol: str) -> Decimal | None:
        """Price to value with, None if it is not fresh."""
        quote = self.quote(symbol)
        return None if quote is None else quote.mark

    def _take_from_exchange(self, symbol: str) -> None:
        market = self._exchange.markets.get(symbol)
        if market is None or not self.chain.asks_again(symbol, market.public.told):
            return
        instrument, public = market.instrument, market.public
        book = public.book
        bid, ask = market.quotes()
        has_book = self._depth[symbol] is MarketDepth.BOOK
        # The price's own time where it is known: an old price told now is old.
        at_ns = public.dated_ns or max(book.moment, public.last_at_ns)
        if at_ns <= 0 or (bid is None and ask is None and market.last is None):
            return
        self.chain.update_price(
            Quote(
                symbol,
                None if bid is None or not has_book else instrument.price(bid),
                None if ask is None or not has_book else instrument.price(ask),
                None if market.last is None else instrument.price(market.last),
                None if bid is None or not has_book else instrument.quantity(book.displayed(0, bid)),
                None if ask is None or not has_book else instrument.quantity(book.displayed(1, ask)),
                at_ns,
                max(at_ns, public.received_at_ns),
                self._source,
            )
        )


@dataclass(eq=False, slots=True)
class ContextBuilder:
    """Immutable pictures of portfolio and market, as of now.

    `unfillable` says why no price of this session may fill an order; empty where they may.
    """

    _exchange: PaperExchange
    _desk: OrderManager
    _portfolio: PaperPortfolio
    _prices: SessionPrices
    _unfillable: str = ""

    def look(
        self,
        number: int,
        now_ns: int,
        symbol: str,
        agent: str,
        paused: bool,
        halted: str,
        regime: Regime = Regime.UNKNOWN,
    ) -> CycleContext:
        everything = self._desk.open_positions()
        return CycleContext(
            number=number,
            time_ns=now_ns,
            symbol=symbol,
            agent=agent,
            portfolio=self._portfolio_view(symbol, everything, halted),
            market=self._market_view(symbol, now_ns),
            positions=tuple(position for position in everything if position.symbol == symbol),
            paused=paused,
            regime=regime,
            free_base=self._desk.free(symbol.partition("/")[0]),
        )

    def _portfolio_view(self, symbol: str, everything: Sequence[OpenPosition], halted: str) -> PortfolioView:
        by_symbol = self._exposure_by_symbol(everything)
        margin = self._exchange.margin
        figures = margin.figures() if margin.is_used or margin.settings is not None else None
        quote = symbol.partition("/")[2]
        untied = [from_atoms(each) for each in (self._exchange.account.lending.untied(quote),) if each is not None]
        return PortfolioView(
            equity=self._portfolio.equity_usd(),
            exposure=None if by_symbol is None else sum(by_symbol.values(), Decimal(0)),
            open_positions=len(everything),
            open_in_symbol=sum(position.symbol == symbol for position in everything),
            free_quote=max(min(self._desk.free(quote), self._portfolio.available(quote), *untied), Decimal(0)),
            position_quantity=sum((p.signed for p in everything if p.symbol == symbol and not p.leaving), Decimal(0)),
            halted=halted,
            exposure_by_symbol=by_symbol or {},
            margin_used=Decimal(0) if figures is None else figures.used,
            margin_available=self._margin_available(figures),
        )

    def _margin_available(self, figures: MarginFigures | None) -> Decimal:
        """In USD, beside what open orders may come to need."""
        if figures is None or self._exchange.margin.settings is None:
            return Decimal(0)
        pending = self._exchange.account.lending.pending
        return Decimal(0) if pending is None else max(figures.free - pending, Decimal(0))

    def _exposure_by_symbol(self, positions: Sequence[OpenPosition]) -> dict[str, Decimal] | None:
        """Of the desk's positions, and of what a person holds on margin, long or short."""
        by_symbol: dict[str, Decimal] = {}
        protection = self._desk.protection
        lent = [each for each in self._exchange.margin.positions.values() if protection(each.position_id or "") is None]
        for symbol in dict.fromkeys((*(each.symbol for each in positions), *(each.symbol for each in lent))):
            mark = self._prices.mark(symbol)
            usd = self._portfolio.usd_price(symbol.partition("/")[2])
            if mark is None or usd is None:
                return None
            notionals = (position.at_risk * mark * usd for position in positions if position.symbol == symbol)
            borrowed = (each.quantity * mark * usd for each in lent if each.symbol == symbol)
            by_symbol[symbol] = sum((*notionals, *borrowed), Decimal(0))
        return by_symbol

    def _market_view(self, symbol: str, now_ns: int) -> MarketFigures:
        market = self._exchange.markets[symbol]
        quote = self._prices.quote(symbol)
        stale = self._unfillable if quote is not None else f"no fresh price of {symbol}"
        if market.condition:
            stale = f"{symbol}: {market.condition}"
        elif (full := self._desk.no_room(symbol)) is not None:
            stale = full.reason
        tier = self._exchange.account.volume.tier(market.instrument.fees, now_ns)
        return MarketFigures(
            instrument=market.instrument,
            bid=None if quote is None else quote.bid,
            ask=None if quote is None else quote.ask,
            last=None if quote is None else quote.last,
            quote_usd=self._portfolio.usd_price(market.instrument.quote),
            taker_fee=EXACT.divide(Decimal(tier.taker_ppm), RATE_UNIT),
            stale=stale,
            **self._shorts(market.instrument),
        )

    def _shorts(self, instrument: Instrument) -> dict[str, Any]:
        """What the venue lends to a short here, or why nothing is. What is on margin of a pair is one position: an
        order closes the oldest of it first, whoever has opened that."""
        terms, symbol = self._exchange.margin.settings, instrument.symbol
        if terms is None:
            return {}
        if not (offered := terms.leverages(instrument, Side.SELL)):
            return {"no_shorts": f"no position to sell; no shorts are offered on {symbol}"}
        if (theirs := self._desk.on_margin(symbol)) is not None:
            return {"no_shorts": f"{theirs} is short of {symbol} already; no second one is opened beside it"}
        lent = {each.symbol for each in self._exchange.margin.positions.values()}
        lent |= {each.request.symbol for each in self._exchange.orders.values() if each.request.leverage > 1}
        if symbol in lent:
            return {"no_shorts": f"no position to sell; a short would close what is on margin of {symbol} by hand"}
        return {"short_leverages": offered, "lending_rate": terms.rate(instrument, Side.SELL)}


_BPS = 10_000


def decision_context(
    situation: CycleContext, positions: Sequence[PositionRecord], signals: LatestSignals, risk: RiskEngine
) -> DecisionContext:
    """Numbers and closed words only. `positions` are the open ones of the symbol, oldest first."""
    symbol, now_ns, portfolio = situation.symbol, situation.time_ns, situation.portfolio
    positions = _of_one_side(positions, situation)
    held = sum((position.quantity for position in positions), Decimal(0))
    entry = _average_entry(positions)
    mark, sign = situation.mark, -1 if held < 0 else 1
    unrealised = None if entry is None or mark is None else int(sign * divide(mark - entry, entry) * _BPS)
    free = None
    quote_usd = situation.market.quote_usd
    if portfolio.equity and portfolio.equity > 0 and quote_usd is not None:
        share = int(divide(portfolio.free_quote * quote_usd * 100, portfolio.equity))
        free = max(0, min(100, share))
    return DecisionContext(
        held=Held.LONG if held > 0 else Held.SHORT if held < 0 else Held.FLAT,
        limits=_trade_limits(situation, risk),
        open_positions=portfolio.open_positions,
        open_in_symbol=portfolio.open_in_symbol,
        may_open=not (situation.paused or portfolio.halted or risk.halted(now_ns)),
        entry=entry,
        unrealised_bps=unrealised,
        held_min=None if not positions else (now_ns - positions[0].opened_at_ns) // (60 * SECOND_NS),
        free_pct=free,
        technical=signals.technical(symbol, now_ns),
        regime=situation.regime,
        sentiment=signals.sentiment(symbol.partition("/")[0], now_ns),
        others=signals.others(symbol, now_ns),
        may_short=held <= 0 and _is_short_allowed(situation, risk),
    )


def _is_short_allowed(situation: CycleContext, risk: RiskEngine) -> bool:
    """The venue lends to one, and so much as it lends at the least is allowed in this regime."""
    offered = situation.market.short_leverages
    return bool(offered) and offered[0] <= risk.limits.regimes[situation.regime].leverage_max


def _of_one_side(positions: Sequence[PositionRecord], situation: CycleContext) -> Sequence[PositionRecord]:
    """What is long and what is short are no sum: where both are held, those that agents may close."""
    if len({position.side for position in positions}) < 2:
        return positions
    theirs = {position.position_id for position in situation.positions if position.by_hand}
    return [position for position in positions if position.position_id not in theirs]


def _average_entry(positions: Sequence[PositionRecord]) -> Decimal | None:
    """Of positions of one side."""
    held = sum((abs(position.quantity) for position in positions), Decimal(0))
    if not held:
        return None
    cost = sum((abs(position.quantity) * position.average_entry for position in positions), Decimal(0))
    return divide(cost, held)


def _trade_limits(situation: CycleContext, risk: RiskEngine) -> TradeLimits:
    symbol, limits = situation.symbol, risk.limits
    widest = min(limits.stop_max, limits.stop_max_by_symbol.get(symbol, limits.stop_max))
    least = risk.confidence_least(symbol, situation.regime, situation.time_ns)
    return TradeLimits(
        stop_min_bps=int(limits.stop_min * _BPS),
        stop_max_bps=int(widest * _BPS),
        confidence_min_pct=-int(-least * 100 // 1),
        reward_risk_min=limits.reward_risk_min,
        positions_max=limits.positions_max,
        positions_per_symbol_max=limits.positions_per_symbol_max,
        cost_bps=int(situation.round_trip_cost * _BPS),
    )
