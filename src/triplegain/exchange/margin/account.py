"""What an account holds on margin: positions, what stands for them, and what fills, rollovers and settlements do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from triplegain.domain.exchange_events import ExchangeEvent, PositionRolledOver
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.money import EXACT, atoms, divide, floor_to, from_atoms
from triplegain.domain.orders import Side
from triplegain.domain.parts import WHOLE, Parts, Touch, nobody
from triplegain.exchange.charges import Charge
from triplegain.exchange.commands import Command, RollOver
from triplegain.exchange.engine import Engine
from triplegain.exchange.margin.level import Exposure, MarginFigures, collateral_usd, margin_figures
from triplegain.exchange.margin.position import OpenPosition, lending_fee
from triplegain.exchange.margin.settings import MarginSettings
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.reduce_only import MarginPosition
from triplegain.exchange.venue_market import VenueMarket
from triplegain.ledger.realised import add_known, in_usd
from triplegain.ledger.wallet import Wallet

_ZERO = Decimal(0)
_PRICE_STEP = Decimal("1e-18")
#: Prices in ticks by symbol, where others than those of now are meant.
Marks = Mapping[str, int]
_NOW: Marks = {}


class MarginState(msgspec.Struct, frozen=True):
    """`called`: the call has been told and the level is still below it; `liquidating`: positions are being sold.
    `gains` and `fees` by currency since the beginning, the others in USD at the prices of their time (None: one was not
    known): `fees_usd`, and what is left of the gains, `result_usd`."""

    called: bool = False
    liquidating: bool = False
    gains: dict[str, Decimal] = {}
    fees: dict[str, Decimal] = {}
    fees_usd: Decimal | None = _ZERO
    result_usd: Decimal | None = _ZERO


_UNTOUCHED = MarginState()


class MarginFill(NamedTuple):
    """What one fill did to positions: lots, and atoms of the quote currency. `owed` is what the wallet lacked."""

    closed: int
    opened: int
    gain: int
    opening_fee: int
    owed: int


class Settlement(NamedTuple):
    """A part of a position that is settled: its number, lots, atoms of the quote currency, and what a coin comes to."""

    position: int
    lots: int
    cost: int
    price: Decimal


class MarginAccount:
    """Positions by the number of the order that opened them, in the order of their first fills.

    `settings` None: nothing is lent any more; what was opened before stays, at the rates it was opened with.
    """

    def __init__(
        self,
        engine: Engine,
        markets: Mapping[str, VenueMarket],
        wallet: Wallet,
        settings: MarginSettings | None,
        usd_price: Callable[[str], Decimal | None],
    ) -> None:
        self._engine = engine
        self._markets = markets
        self._wallet = wallet
        self.settings = settings
        self.terms = settings or MarginSettings()
        self._usd_price = usd_price
        self.positions: dict[str, OpenPosition] = {}
        self.state = _UNTOUCHED
        #: There is something to watch; asked at every event.
        self.is_used = False
        self._touch: Touch = nobody
        self._touch_state: Touch = nobody
        #: To be set by whoever keeps time and tells events.
        self.schedule: Callable[[int, Command], None] = lambda due_ns, command: None
        self.call_off: Callable[[Command], None] = lambda command: None
        self.answer: Callable[[str], tuple[int, int, int]] = lambda symbol: (0, 0, 0)
        self.tell: Callable[[ExchangeEvent], None] = lambda event: None
        #: How many atoms of what is available are coins that the desk's positions own.
        self.kept: Callable[[str], int] = lambda asset: 0

    # -- what there is -------------------------------------------------------------------------------------------

    def of(self, symbol: str) -> Iterator[OpenPosition]:
        """The positions of a pair, oldest first; all have one side."""
        return (each for each in list(self.positions.values()) if each.symbol == symbol)

    def position(self, symbol: str) -> MarginPosition | None:
        """All positions of a pair together."""
        side, lots, instrument = None, 0, self._markets[symbol].instrument
        for each in self.of(symbol):
            side, lots = each.side, lots + each.lots(instrument)
        return None if side is None else MarginPosition(side, lots)

    def closing_lots(self, order: WorkingOrder) -> int:
        """How much of what is open an order of this pair and side would close."""
        held = self.position(order.request.symbol)
        return 0 if held is None or held.side is order.request.side else held.lots

    def whole(self, order: WorkingOrder) -> int | None:
        """How many lots of an order that only reduces leave nothing open. None: it is another one, or nothing is."""
        return self.closing_lots(order) or None if order.request.options.reduce_only else None

    def offered(self, order: WorkingOrder) -> tuple[int, ...]:
        """The leverages that are lent to orders of this pair and side; empty where none are."""
        return () if self.settings is None else self.settings.leverages(order.instrument, order.request.side)

    def only_reduces(self, order: WorkingOrder) -> bool:
        """By its own word, or because nothing would be lent to it: it is never larger than what there is to close."""
        request = order.request
        return request.only_reduces or (request.leverage > 1 and request.leverage not in self.offered(order))

    def spendable(self, asset: str) -> int:
        """Atoms that losses, fees and settlements may take: below zero where not even what is kept is there."""
        return self._wallet.available(asset) - self.kept(asset)

    def repay(self) -> None:
        if self._wallet.debts:
            self._wallet.repay(self._engine.now_ns, self.kept)

    def price(self, symbol: str, marks: Marks = _NOW) -> Decimal | None:
        """By the marks, else as of now."""
        market = self._markets[symbol]
        ticks = marks.get(symbol)
        return market.mark if ticks is None else market.instrument.price(ticks)

    def usd(self, asset: str) -> Decimal | None:
        return self._usd_price(asset)

    def figures(self, marks: Marks = _NOW) -> MarginFigures | None:
        """Collateral, results and margin now, or at other prices of positions; None where a price is not known."""
        wallet, terms, usd = self._wallet, self.terms, dict[str, Decimal]()
        balances = {asset: from_atoms(wallet.total(asset)) for asset in wallet.assets()}
        balances = {asset: amount for asset, amount in balances.items() if amount and terms.collateral.get(asset)}
        owed = {asset: from_atoms(wallet.owed(asset)) for asset in wallet.assets(LedgerAccount.DEBT)}
        quotes = (self._markets[each.symbol].instrument.quote for each in self.positions.values())
        for asset in dict.fromkeys((*balances, *(name for name, amount in owed.items() if amount), *quotes)):
            if (worth := self._worth(asset, marks)) is None:
                return None
            usd[asset] = worth
        exposures = []
        for each in self.positions.values():
            if (price := self.price(each.symbol, marks)) is None:
                return None
            exposures.append(Exposure(each, price, usd[self._markets[each.symbol].instrument.quote]))
        return margin_figures(collateral_usd(balances, owed, terms.collateral, usd), exposures)

    def _worth(self, asset: str, marks: Marks) -> Decimal | None:
        """USD for one of it, by the marks where one prices it against dollars."""
        for symbol, ticks in marks.items():
            instrument = self._markets[symbol].instrument
            if instrument.base == asset and (quote := self._usd_price(instrument.quote)) is not None:
                return instrument.price(ticks) * quote
        return self._usd_price(asset)

    @property
    def unrealised_usd(self) -> Decimal | None:
        """What all positions have gained or lost until now, without fees; None where a price is not known."""
        total: Decimal | None = _ZERO
        for each in self.positions.values():
            price, quote_usd = self.price(each.symbol), self._usd_price(self._markets[each.symbol].instrument.quote)
            total = add_known(total, None if price is None else in_usd(each.unrealised(price), quote_usd))
        return total

    @property
    def owed_usd(self) -> Decimal | None:
        """All debts together; None where a price is not known."""
        total: Decimal | None = _ZERO
        for asset in self._wallet.assets(LedgerAccount.DEBT):
            total = add_known(total, in_usd(from_atoms(self._wallet.owed(asset)), self._usd_price(asset)))
        return total

    # -- fills ---------------------------------------------------------------------------------------------------

    def book(
        self, order: WorkingOrder, price: int, lots: int, fill_number: int, charge: Charge, hold: int
    ) -> MarginFill:
        """One execution: what is open on the other side is closed, oldest first; the rest opens a position, or more of
        it, at its cost as it is told. `hold`: atoms that the rest of the order keeps reserved. Only gains, losses and
        fees reach the wallet."""
        instrument, left, gain = order.instrument, lots, 0
        for position in self.of(order.request.symbol):
            if position.side is order.request.side or not left:
                break
            part = min(left, position.lots(instrument))
            before, left = left, left - part
            record, profit = position.closed(instrument, part, _share(charge.cost, lots, left, before))
            gain += profit
            self._put(record.charged(charge.fee_paid * part // lots))
        fee = charge.fee_paid - charge.fee_paid * (lots - left) // lots
        worth = price * left * instrument.atoms_per_tick_lot
        opening_fee = (
            self._open(order, fill_number, left, worth, _share(charge.cost, lots, 0, left), fee) if left else 0
        )
        number, quote = order.number, instrument.quote
        fees = ((EntryKind.FEE, charge.fee_paid), (EntryKind.OPENING_FEE, opening_fee))
        owed = self._wallet.book_margin(
            self._engine.now_ns,
            quote,
            [(EntryKind.MARGIN, LedgerAccount.MARKET, gain), *((kind, LedgerAccount.FEES, -fee) for kind, fee in fees)],
            number,
            fill_number,
            max(self._wallet.reserved(number) - hold, 0),
            self.kept(quote),
        )
        if not order.left:
            self._wallet.release(number)
        self._count(quote, gain, charge.fee_paid + opening_fee)
        return MarginFill(lots - left, left, gain, opening_fee, owed)

    def _open(self, order: WorkingOrder, fill_number: int, lots: int, worth: int, cost: int, fee: int) -> int:
        """`lots` more are lent, told at `cost`; the fee for that, which goes by their `worth` as all fees do."""
        request, now_ns = order.request, self._engine.now_ns
        position = self.positions.get(order.key)
        if position is None:
            position = OpenPosition(
                order.number, fill_number, order.order_id, request.symbol, request.side, request.leverage,
                _ZERO, _ZERO, _ZERO, self.terms.rate(order.instrument, request.side),
                now_ns, now_ns + self.terms.rollover_ns, position_id=request.position_id or msgspec.UNSET,
            )  # fmt: skip
            self.schedule(position.rollover_at_ns, RollOver(order.number))
        opening_fee = lending_fee(worth, position.rate, order.instrument)
        self._put(position.grown(order.instrument, lots, cost, fee + opening_fee))
        return opening_fee

    def _put(self, position: OpenPosition) -> None:
        key = str(position.number)
        if position.quantity:
            self.positions[key] = position
        else:
            self.positions.pop(key, None)
            self.call_off(RollOver(position.number))
        self._touch(key)
        self._look()

    def _look(self) -> None:
        self.is_used = bool(self.positions) or self.state.called or self.state.liquidating

    def _count(self, quote: str, gain: int, fees: int) -> None:
        state, price = self.state, self._usd_price(quote)
        fees_usd, result_usd = (in_usd(from_atoms(each), price) for each in (fees, gain - fees))
        self.put_state(
            replace(
                state,
                gains={**state.gains, quote: EXACT.add(state.gains.get(quote, _ZERO), from_atoms(gain))},
                fees={**state.fees, quote: EXACT.add(state.fees.get(quote, _ZERO), from_atoms(fees))},
                fees_usd=add_known(state.fees_usd, fees_usd),
                result_usd=add_known(state.result_usd, result_usd),
            )
        )

    # -- settlements ---------------------------------------------------------------------------------------------

    def unsettled(self, order: WorkingOrder) -> tuple[str, int] | None:
        """What a settlement lacks: the asset, and how many atoms of it must be there in all; None where it is there."""
        instrument, left, needed = order.instrument, order.left, 0
        is_long = order.request.side is Side.SELL
        for position in self.of(order.request.symbol):
            lots = min(left, position.lots(instrument))
            left -= lots
            needed += _given_back(position, lots, instrument) if is_long else lots * instrument.atoms_per_lot
        asset = instrument.quote if is_long else instrument.base
        return None if needed <= self.spendable(asset) else (asset, needed)

    def settle(self, order: WorkingOrder, fill_number: int) -> Settlement:
        """Of the oldest position as much as is left of the order: a purchase is paid for at its opening cost and brings
        its coins, a sale takes coins and brings what they were sold for."""
        instrument, quote = order.instrument, order.instrument.quote
        position = next(self.of(order.request.symbol))
        lots = min(order.left, position.lots(instrument))
        coins, cost = (instrument.base, lots * instrument.atoms_per_lot), _given_back(position, lots, instrument)
        money = (quote, cost)
        paid, received = (money, coins) if position.side is Side.BUY else (coins, money)
        is_there = self._wallet.settle(self._engine.now_ns, order.number, fill_number, paid, received)
        assert is_there
        share = from_atoms(cost)
        record, _ = position.closed(instrument, lots, cost)
        self._put(replace(record, realised=position.realised))
        price = floor_to(divide(share, instrument.quantity(lots)), _PRICE_STEP)
        return Settlement(position.number, lots, cost, price)

    # -- time ----------------------------------------------------------------------------------------------------

    def roll_over(self, number: int) -> None:
        """A period is over: what is open is lent for another one."""
        position = self.positions.get(str(number))
        if position is None:
            return
        instrument = self._markets[position.symbol].instrument
        price = self.price(position.symbol)
        # Of coins whose price nobody knows what they brought.
        lent = position.cost if price is None else position.lent(price)
        fee = lending_fee(atoms(lent), position.rate, instrument)
        item = (EntryKind.ROLLOVER, LedgerAccount.FEES, -fee)
        quote = instrument.quote
        owed = self._wallet.book_margin(self._engine.now_ns, quote, [item], number, kept=self.kept(quote))
        rolled = position.rolled_over(fee, self.terms.rollover_ns)
        self._put(rolled)
        self._count(instrument.quote, 0, fee)
        self.schedule(rolled.rollover_at_ns, RollOver(number))
        stamp = self.answer(position.symbol)
        paid, lacked = from_atoms(fee), from_atoms(owed)
        self.tell(PositionRolledOver(*stamp, number, position.symbol, paid, instrument.quote, lacked))

    # -- what a session keeps ------------------------------------------------------------------------------------

    def put_state(self, state: MarginState) -> None:
        self.state = state
        self._touch_state(WHOLE)
        self._look()

    def register(self, parts: Parts) -> None:
        """No row while there is nothing to keep."""
        self._touch = parts.table("exchange.position", OpenPosition, self.positions, restore=self._restore)
        self._touch_state = parts.keyed(
            "exchange.margin", MarginState, self._stored, self._restore_state, lambda: (WHOLE,)
        )

    def _stored(self, key: str) -> MarginState | None:
        return None if self.state == _UNTOUCHED else self.state

    def _restore(self, stored: Mapping[str, OpenPosition]) -> None:
        self.positions.update(sorted(stored.items(), key=lambda each: each[1].fill_number))
        self._look()

    def _restore_state(self, stored: Mapping[str, MarginState]) -> None:
        self.state = stored.get(WHOLE, _UNTOUCHED)
        self._look()


def _share(cost: int, lots: int, least: int, most: int) -> int:
    """Of what a fill of `lots` cost those from `least` to `most`: all parts of it come to the whole."""
    return cost * most // lots - cost * least // lots


def _given_back(position: OpenPosition, lots: int, instrument: Instrument) -> int:
    """Atoms of the quote currency for a part: what a purchase cost, rounded up, what a sale brought, rounded down."""
    step, cost, there = instrument.balance_unit_atoms, atoms(position.cost), position.lots(instrument)
    if position.side is Side.BUY:
        return -(-cost * lots // (there * step)) * step
    return cost * lots // (there * step) * step
