"""The paper portfolio: one face over wallet, cost book and positions.

The money itself is in the wallet: the exchange books every fill there, in the step in which it happens, and the
portfolio only follows. There is no reset: a new start is a new session with a new portfolio.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import asdict

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import EXACT, from_atoms
from triplegain.domain.parts import Parts
from triplegain.domain.records import BalanceRecord
from triplegain.domain.statement import AccountSummary, EquitySoFar, Statement
from triplegain.domain.usd import DOLLARS, UsdPrices, UsdPricesOnce
from triplegain.exchange.margin.account import MarginAccount, MarginState
from triplegain.execution.positions import Positions, Results
from triplegain.ledger.realised import CostBook, UsdPrice, add_known, in_usd
from triplegain.ledger.valuation import Opening, equity_usd
from triplegain.ledger.wallet import Wallet

#: Symbol to its mark price in the quote currency, or None where it is not fresh.
Mark = Callable[[str], Decimal | None]

_ZERO = Decimal(0)
_NO_MARGIN = MarginState()
_MAX_TRADE_HISTORY = 1000


class PortfolioState(Struct):
    """What is counted; `direct` are wins and losses of trades that were booked directly."""

    updated_at_ns: int
    trade_count: int = 0
    fees_paid: dict[str, Decimal] = {}
    fees_usd: Decimal | None = _ZERO
    equity_so_far: EquitySoFar = field(default_factory=EquitySoFar)
    direct: Results = field(default_factory=Results)


class PaperPortfolio:
    """Balances, P&L and trades of one session. Asset names in any case; an unknown asset is 0.

    `mark` prices a symbol now. `positions` counts wins and losses by position. Realised P&L is by symbol, in its quote
    currency.
    """

    def __init__(
        self,
        initial_balances: Mapping[str, Decimal],
        instruments: Iterable[Instrument],
        mark: Mark,
        created_at_ns: int,
        *,
        wallet: Wallet,
        positions: Positions | None = None,
        max_trade_history: int = _MAX_TRADE_HISTORY,
    ) -> None:
        """`wallet` holds the initial balances, once the session has opened."""
        self.initial_balances = {asset.upper(): amount for asset, amount in initial_balances.items()}
        self.state = PortfolioState(created_at_ns)
        self.cost_book = CostBook()
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._mark = mark
        self.usd_price = UsdPrices(self._instruments, mark)
        self.opening = Opening.of(self.initial_balances, next(iter(self._instruments.values())).base)
        self._positions = positions
        #: Oldest first; older ones are in the database.
        self.trade_history: deque[OrderFilled] = deque(maxlen=max_trade_history)
        self._wallet = wallet
        #: Totals and held in atoms, and the records of them.
        self._told_balances: tuple[dict[str, tuple[int, int]], tuple[BalanceRecord, ...]] = {}, ()
        #: What is held on margin beside the balances; None for an account that has none.
        self.margin: MarginAccount | None = None

    # Balances

    def total(self, asset: str) -> Decimal:
        return from_atoms(self._wallet.total(asset.upper()))

    def held(self, asset: str) -> Decimal:
        return from_atoms(self._wallet.held(asset.upper()))

    def available(self, asset: str) -> Decimal:
        return from_atoms(self._wallet.available(asset.upper()))

    def balances(self) -> tuple[BalanceRecord, ...]:
        """Every asset that was ever there, by name."""
        there = {asset: (self._wallet.total(asset), self._wallet.held(asset)) for asset in self._wallet.totals()}
        if there != self._told_balances[0]:
            told = (BalanceRecord(asset, from_atoms(total), from_atoms(held)) for asset, (total, held) in there.items())
            self._told_balances = there, tuple(sorted(told, key=lambda each: each.asset))
        return self._told_balances[1]

    def hodl(self) -> dict[str, Decimal]:
        """What lies in the hodl account: no part of the balances, of equity or of anything that may be traded."""
        account = LedgerAccount.HODL
        return {asset: from_atoms(self._wallet.total(asset, account)) for asset in self._wallet.assets(account)}

    # Trades

    def observe_opening(self, now_ns: int) -> bool:
        """Value the opening balances once everything in them has a price; True when that is done."""
        before, self.opening = self.opening, self.opening.observed(self.usd_price, now_ns)
        if self.opening is before:
            return before.is_frozen
        for asset, amount in self.opening.balances.items():
            symbol = next((i.symbol for i in self._instruments.values() if i.base == asset), None)
            if symbol is not None and asset not in DOLLARS:
                self.cost_book.open_with(symbol, amount, self._mark(symbol))
        return True

    def on_fill(self, fill: OrderFilled) -> Decimal | None:
        """Follow a fill that the exchange has booked in the wallet. What the hodl bag buys is no trading.

        What it realised in the quote currency net of its fee; None where a cost is unknown.
        """
        quote = fill.symbol.partition("/")[2]
        quote_usd = self.usd_price(quote)
        realised = self.cost_book.book(fill.symbol, fill.side, fill.coins, fill.coins_value, fill.fee_value, quote_usd)
        self.state.trade_count += 1
        asset = fill.fee_asset
        self.state.fees_paid[asset] = EXACT.add(self.state.fees_paid.get(asset, _ZERO), fill.fee)
        self.state.fees_usd = add_known(self.state.fees_usd, in_usd(fill.fee_value, quote_usd))
        self.state.updated_at_ns = fill.time_ns
        self.trade_history.append(fill)
        return realised

    def on_margin_fill(self, fill: OrderFilled, is_settled: bool) -> None:
        """Follow a fill of an order with leverage: no coins came or went, and its fees and gains are those of its
        positions. `is_settled`: coins of a position have come at what they cost, or have gone for what they brought."""
        if is_settled:
            quote_usd = self.usd_price(fill.symbol.partition("/")[2])
            self.cost_book.book(fill.symbol, fill.side.opposite, fill.quantity, fill.notional, _ZERO, quote_usd)
        self.state.trade_count += 1
        self.state.updated_at_ns = fill.time_ns
        self.trade_history.append(fill)

    # Results

    @property
    def wins(self) -> int:
        return self.state.direct.wins + (self._positions.results.wins if self._positions else 0)

    @property
    def losses(self) -> int:
        return self.state.direct.losses + (self._positions.results.losses if self._positions else 0)

    def equity_usd(self, usd_price: UsdPrice | None = None) -> Decimal | None:
        """All balances in USD now, without hodl, with the results of positions on margin and less what is owed; None if
        anything held has no fresh price."""
        there = {asset: from_atoms(total) for asset, total in self._wallet.totals().items() if total}
        equity = equity_usd(there, usd_price or self.usd_price)
        if self.margin is None or not (self.margin.is_used or self._wallet.totals(LedgerAccount.DEBT)):
            return equity
        owed = self.margin.owed_usd
        equity = add_known(equity, self.margin.unrealised_usd)
        return add_known(equity, None if owed is None else EXACT.minus(owed))

    @property
    def is_cash(self) -> bool:
        """Nothing but dollars is there or owed: no price changes what the account is worth."""
        return self._wallet.holds_only(DOLLARS)

    def unrealised_usd(self) -> Decimal | None:
        """Value less average cost of everything the cost book keeps, and of positions on margin, in USD."""
        total: Decimal | None = _ZERO if self.margin is None else self.margin.unrealised_usd
        for symbol in self.cost_book.held():
            gain = self.cost_book.unrealised(symbol, self._mark(symbol))
            total = add_known(total, None if gain is None else in_usd(gain, self.usd_price(symbol.partition("/")[2])))
        return total

    def pnl_summary(self) -> AccountSummary:
        """The statement of the account now, with what was traded for it."""
        hodl, now = self.hodl(), self._statement(self.equity_usd(), self.usd_price)
        lent = _NO_MARGIN if self.margin is None else self.margin.state
        fees = dict(self.state.fees_paid)
        for asset, amount in lent.fees.items():
            fees[asset] = EXACT.add(fees.get(asset, _ZERO), amount)
        return AccountSummary(
            **asdict(now),
            realised={symbol: self.cost_book.pool(symbol).realised for symbol in self.cost_book.symbols()},
            fees=fees,
            trade_count=self.state.trade_count,
            wins=self.wins,
            losses=self.losses,
            hodl=hodl,
            hodl_usd=equity_usd(hodl, self.usd_price),
        )

    def _statement(self, equity: Decimal | None, usd_price: UsdPrice) -> Statement:
        lent = _NO_MARGIN if self.margin is None else self.margin.state
        return Statement(
            opening=self.opening.equity,
            equity=equity,
            buy_and_hold=self.opening.buy_and_hold(usd_price),
            realised_usd=add_known(self.cost_book.realised_usd(), lent.result_usd),
            unrealised_usd=self.unrealised_usd(),
            fees_usd=add_known(self.state.fees_usd, lent.fees_usd),
            drawdown=self.state.equity_so_far.drawdown,
        )

    def take_statement(self, time_ns: int) -> Statement:
        """The statement that is stored: its equity counts in the drawdown from now on."""
        usd_price = UsdPricesOnce(self.usd_price)
        equity = self.equity_usd(usd_price)
        self.state.equity_so_far = self.state.equity_so_far.after(equity, time_ns)
        return self._statement(equity, usd_price)

    # Keeping

    def register(self, parts: Parts) -> None:
        """All but wallet and positions, whose owners keep them, and the trades in memory, which are rows."""
        parts.held("execution.portfolio", PortfolioState, self)
        self.cost_book.register(parts)
        parts.held("ledger.opening", Opening, self, "opening")
