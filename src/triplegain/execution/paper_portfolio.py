"""The paper portfolio: one face over wallet, cost book and positions.

The money itself is in the wallet. In a session the exchange books every fill there, in the step in which it happens,
and the portfolio only follows: `on_fill`. `execute_trade` is for a portfolio that stands alone: it checks, books the
wallet itself and then follows in the same way. There is no reset: a new start is a new session with a new portfolio.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.clock import iso
from triplegain.domain.errors import InvalidValueError, TripleGainError
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import EXACT, atoms, ceil_to, from_atoms, text
from triplegain.domain.orders import Side
from triplegain.domain.parts import Parts, rows_of
from triplegain.domain.records import BalanceRecord
from triplegain.domain.statement import AccountSummary, EquitySoFar
from triplegain.domain.usd import DOLLARS, UsdPrices
from triplegain.execution.paper_trade import PaperTrade
from triplegain.execution.positions import Positions
from triplegain.ledger.realised import CostBook, add_known, in_usd
from triplegain.ledger.valuation import OpeningValuation, equity_usd
from triplegain.ledger.wallet import Wallet

#: Symbol to its mark price in the quote currency, or None where it is not fresh.
Mark = Callable[[str], Decimal | None]

_ZERO = Decimal(0)
_MAX_TRADE_HISTORY = 1000


class PortfolioError(TripleGainError):
    """The portfolio refuses a trade. Nothing was booked."""

    exit_code = 2


class InvalidTradeError(PortfolioError, ValueError):
    """A trade that cannot be: symbol without a slash, side, quantity or price out of range, not finite."""


class InsufficientBalanceError(PortfolioError):
    """There is not enough to trade with."""

    def __init__(self, asset: str, held: Decimal, needed: Decimal) -> None:
        self.asset = asset
        self.held = held
        self.needed = needed
        self.missing = EXACT.subtract(needed, held)
        super().__init__(
            f"{text(needed)} {asset} are needed and {text(held)} are available: {text(self.missing)} are missing"
        )


class PaperPortfolio:
    """Balances, P&L and trades of one session. Asset names in any case; an unknown asset is 0.

    `mark` prices a symbol now. `positions` counts wins and losses by position; a trade booked directly counts alone.
    Realised P&L is by symbol, in its quote currency.
    """

    def __init__(
        self,
        session_id: str,
        initial_balances: Mapping[str, Decimal],
        instruments: Iterable[Instrument],
        mark: Mark,
        created_at_ns: int,
        *,
        wallet: Wallet | None = None,
        positions: Positions | None = None,
        max_trade_history: int = _MAX_TRADE_HISTORY,
    ) -> None:
        """Without `wallet` a new one is opened with the initial balances; a given one holds them already."""
        self.session_id = session_id
        self.initial_balances = {asset.upper(): amount for asset, amount in initial_balances.items()}
        self.created_at_ns = self.updated_at_ns = created_at_ns
        self.max_trade_history = max_trade_history
        self.cost_book = CostBook()
        self.trade_count = 0
        self.fees_paid: dict[str, Decimal] = {}
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._mark = mark
        self.usd_price = UsdPrices(self._instruments, mark)
        self.opening = OpeningValuation(self.initial_balances, next(iter(self._instruments.values())).base)
        self._positions = positions
        self._fees_usd: Decimal | None = _ZERO
        self.equity_so_far = EquitySoFar()
        self._direct_results = [0, 0]
        self._history: deque[PaperTrade] = deque(maxlen=max_trade_history)
        self._wallet = Wallet() if wallet is None else wallet
        if wallet is None:
            deposits = {asset: atoms(amount) for asset, amount in self.initial_balances.items()}
            self._wallet.deposit(deposits, created_at_ns)

    # Balances

    def total(self, asset: str) -> Decimal:
        return from_atoms(self._wallet.total(asset.upper()))

    def held(self, asset: str) -> Decimal:
        return from_atoms(self._wallet.held(asset.upper()))

    def available(self, asset: str) -> Decimal:
        return from_atoms(self._wallet.available(asset.upper()))

    def balances(self) -> tuple[BalanceRecord, ...]:
        """Every asset that was ever there, by name."""
        return tuple(BalanceRecord(asset, self.total(asset), self.held(asset)) for asset in self._wallet.assets())

    def hodl(self) -> dict[str, Decimal]:
        """What lies in the hodl account: no part of the balances, of equity or of anything that may be traded."""
        account = LedgerAccount.HODL
        return {asset: from_atoms(self._wallet.total(asset, account)) for asset in self._wallet.assets(account)}

    # Trades

    def observe_opening(self, now_ns: int) -> bool:
        """Value the opening balances once everything in them has a price; True when that is done."""
        if self.opening.is_frozen or not self.opening.observe(self.usd_price, now_ns):
            return self.opening.is_frozen
        for asset, amount in self.opening.balances.items():
            symbol = next((i.symbol for i in self._instruments.values() if i.base == asset), None)
            if symbol is not None and asset not in DOLLARS:
                self.cost_book.open_with(symbol, amount, self._mark(symbol))
        return True

    def on_fill(self, fill: OrderFilled) -> PaperTrade:
        """Follow a fill that the exchange has booked in the wallet. What the hodl bag buys is no trading."""
        return self._follow(
            fill.symbol, fill.side, fill.quantity, fill.price, fill.notional, fill.fee, fill.time_ns, fill.fill_id
        )

    def execute_trade(
        self,
        symbol: str,
        side: Side | str,
        quantity: Decimal,
        price: Decimal,
        now_ns: int,
        fee: Decimal | None = None,
    ) -> PaperTrade:
        """Book a trade: a buy pays value + fee, a sell receives value - fee. Exactly enough is enough.

        `fee` in the quote currency; None takes the first taker tier, rounded up. Raises InvalidTradeError or
        InsufficientBalanceError, and then nothing has changed.
        """
        base, quote, side = _checked(symbol, side, quantity, price)
        notional = EXACT.multiply(quantity, price)
        fee = self._fee(symbol, notional) if fee is None else fee
        if not fee.is_finite() or fee < 0:
            raise InvalidTradeError(f"a fee must be zero or more, this is {fee}")
        try:
            base_leg, quote_leg, fee_leg = (base, atoms(quantity)), (quote, atoms(notional)), (quote, atoms(fee))
        except InvalidValueError as error:
            raise InvalidTradeError(str(error)) from None
        if side is Side.BUY:
            self._require(quote, EXACT.add(notional, fee))
            paid, received = quote_leg, base_leg
        else:
            self._require(base, quantity)
            self._require(quote, EXACT.subtract(fee, notional))
            paid, received = base_leg, quote_leg
        number = self.trade_count + 1
        self._wallet.book_fill(now_ns, 0, number, paid=paid, received=received, fee=fee_leg, draw=0)
        trade = self._follow(f"{base}/{quote}", side, quantity, price, notional, fee, now_ns, "")
        if side is Side.SELL and trade.realised:
            self._direct_results[trade.realised < 0] += 1
        return trade

    def _fee(self, symbol: str, notional: Decimal) -> Decimal:
        instrument = self._instruments.get(symbol.upper())
        if instrument is None:
            raise InvalidTradeError(f"{symbol}: unknown symbol, its fee must be given")
        rate = EXACT.divide(instrument.fees.tiers[0].taker_ppm, RATE_UNIT)
        return ceil_to(EXACT.multiply(notional, rate), Decimal(1).scaleb(-instrument.fee_decimals))

    def _require(self, asset: str, needed: Decimal) -> None:
        if self.available(asset) < needed:
            raise InsufficientBalanceError(asset, self.available(asset), needed)

    def _follow(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        notional: Decimal,
        fee: Decimal,
        time_ns: int,
        fill_id: str,
    ) -> PaperTrade:
        quote = symbol.partition("/")[2]
        quote_usd = self.usd_price(quote)
        realised = self.cost_book.book(symbol, side, quantity, notional, fee, quote_usd)
        self.trade_count += 1
        self.fees_paid[quote] = EXACT.add(self.fees_paid.get(quote, _ZERO), fee)
        self._fees_usd = add_known(self._fees_usd, in_usd(fee, quote_usd))
        self.updated_at_ns = time_ns
        trade = PaperTrade(self.trade_count, time_ns, symbol, side, quantity, price, notional, fee, realised, fill_id)
        self._history.append(trade)
        return trade

    @property
    def trade_history(self) -> tuple[PaperTrade, ...]:
        """The last `max_trade_history` trades, oldest first; older ones are in the database."""
        return tuple(self._history)

    # Results

    @property
    def wins(self) -> int:
        return self._direct_results[0] + (self._positions.wins if self._positions else 0)

    @property
    def losses(self) -> int:
        return self._direct_results[1] + (self._positions.losses if self._positions else 0)

    @property
    def realised_pnl(self) -> dict[str, Decimal | None]:
        """By symbol, in its quote currency, net of fees, at average cost."""
        return {symbol: self.cost_book.realised(symbol) for symbol in self.cost_book.symbols()}

    def equity_usd(self, mark: Mark | None = None) -> Decimal | None:
        """All balances in USD at `mark` (default: now), without hodl; None if anything held has no fresh price."""
        prices = self.usd_price if mark is None else UsdPrices(self._instruments, mark)
        return equity_usd({asset: self.total(asset) for asset in self._wallet.assets()}, prices)

    def unrealised_usd(self, mark: Mark | None = None) -> Decimal | None:
        """Value less average cost of everything the cost book keeps, in USD."""
        mark = mark or self._mark
        prices = UsdPrices(self._instruments, mark)
        total: Decimal | None = _ZERO
        for symbol in self.cost_book.symbols():
            gain = self.cost_book.unrealised(symbol, mark(symbol))
            total = add_known(total, None if gain is None else in_usd(gain, prices(symbol.partition("/")[2])))
        return total

    def pnl_summary(self, mark: Mark | None = None) -> AccountSummary:
        """The statement of the account at `mark` (default: now)."""
        prices = self.usd_price if mark is None else UsdPrices(self._instruments, mark)
        hodl = self.hodl()
        return AccountSummary(
            opening=self.opening.equity,
            equity=self.equity_usd(mark),
            buy_and_hold=self.opening.buy_and_hold(prices),
            realised_usd=self.cost_book.realised_usd(),
            unrealised_usd=self.unrealised_usd(mark),
            fees_usd=self._fees_usd,
            drawdown=self.equity_so_far.drawdown,
            realised=self.realised_pnl,
            fees=dict(self.fees_paid),
            trade_count=self.trade_count,
            wins=self.wins,
            losses=self.losses,
            hodl=hodl,
            hodl_usd=equity_usd(hodl, prices),
        )

    def take_statement(self, time_ns: int) -> AccountSummary:
        """The statement that is stored: its equity counts in the drawdown from now on."""
        self.equity_so_far = self.equity_so_far.after(self.equity_usd(), time_ns)
        return self.pnl_summary()

    # Keeping

    def state(self) -> dict[str, Any]:
        """Everything but wallet and positions, whose owners keep them."""
        return {
            "updated_at_ns": str(self.updated_at_ns),
            "cost_book": self.cost_book.state(),
            "opening": self.opening.state(),
            "trade_count": self.trade_count,
            "fees_paid": {asset: text(fee) for asset, fee in self.fees_paid.items()},
            "fees_usd": None if self._fees_usd is None else text(self._fees_usd),
            "equity_so_far": msgspec.to_builtins(self.equity_so_far),
            "direct_results": list(self._direct_results),
            "history": [trade.to_dict() for trade in self._history],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.updated_at_ns = int(state["updated_at_ns"])
        self.cost_book.restore(state["cost_book"])
        self.opening.restore(state["opening"])
        self.trade_count = state["trade_count"]
        self.fees_paid = {asset: Decimal(fee) for asset, fee in state["fees_paid"].items()}
        self._fees_usd = None if state["fees_usd"] is None else Decimal(state["fees_usd"])
        self.equity_so_far = msgspec.convert(state["equity_so_far"], EquitySoFar)
        self._direct_results = list(state["direct_results"])
        self._history = deque(map(PaperTrade.from_dict, state["history"]), maxlen=self.max_trade_history)

    def to_dict(self) -> dict[str, Any]:
        """The whole portfolio, wallet included, JSON-able and without loss."""
        return {
            "session_id": self.session_id,
            "initial_balances": {asset: text(amount) for asset, amount in self.initial_balances.items()},
            "created_at_ns": str(self.created_at_ns),
            "max_trade_history": self.max_trade_history,
            "wallet": [[*name, state.decode()] for name, state in rows_of(self._wallet).items()],
            **self.state(),
        }

    @classmethod
    def from_dict(
        cls,
        stored: Mapping[str, Any],
        instruments: Iterable[Instrument],
        mark: Mark,
        *,
        positions: Positions | None = None,
    ) -> PaperPortfolio:
        wallet = Wallet()
        parts = Parts()
        wallet.register(parts)
        parts.restore({(part, key): state.encode() for part, key, state in stored["wallet"]})
        portfolio = cls(
            stored["session_id"],
            {asset: Decimal(amount) for asset, amount in stored["initial_balances"].items()},
            instruments,
            mark,
            int(stored["created_at_ns"]),
            wallet=wallet,
            positions=positions,
            max_trade_history=stored["max_trade_history"],
        )
        portfolio.restore(stored)
        return portfolio

    def to_dict_public(self) -> dict[str, Any]:
        """What a viewer may see: no ledger state, no reservations by order."""
        return {
            "session_id": self.session_id,
            "balances": {
                b.asset: {"total": text(b.total), "held": text(b.held), "available": text(b.total - b.held)}
                for b in self.balances()
            },
            "initial_balances": {asset: text(amount) for asset, amount in self.initial_balances.items()},
            "realised_pnl": {s: None if gain is None else text(gain) for s, gain in self.realised_pnl.items()},
            "fees_paid": {asset: text(fee) for asset, fee in self.fees_paid.items()},
            "trade_count": self.trade_count,
            "wins": self.wins,
            "losses": self.losses,
            "created_at": iso(self.created_at_ns),
            "updated_at": iso(self.updated_at_ns),
        }


def _checked(symbol: str, side: Side | str, quantity: Decimal, price: Decimal) -> tuple[str, str, Side]:
    base, slash, quote = symbol.upper().partition("/")
    if not (base and slash and quote):
        raise InvalidTradeError(f"a symbol reads BASE/QUOTE, this is {symbol!r}")
    for name, value in (("quantity", quantity), ("price", price)):
        if not value.is_finite() or value <= 0:
            raise InvalidTradeError(f"{name} must be a finite decimal above zero, this is {value}")
    try:
        return base, quote, side if isinstance(side, Side) else Side.parse(side)
    except ValueError as error:
        raise InvalidTradeError(str(error)) from None
