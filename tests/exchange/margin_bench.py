"""The bench of the exchange with margin: what a worked case says of positions, figures and ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.exchange.conftest import NO_DELAY, Bench

from triplegain.domain.exchange_events import MarginCalled, OrderFilled, PositionRolledOver
from triplegain.domain.fees import FeeSchedule, FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import from_atoms, text
from triplegain.exchange.margin.level import MarginFigures
from triplegain.exchange.margin.settings import MarginSettings

FREE_OF_CHARGE = FeeSchedule((FeeTier(0, 0, 0),))
#: 0.25 % as a maker, 0.4 % as a taker.
USUAL_FEES = FeeSchedule((FeeTier(0, 2500, 4000),))
#: Nothing is charged for lending: the figures of a case are those of prices.
FREE = MarginSettings(rates={}, other_rate=Decimal(0))
#: 0.01 % of coins that are lent, 0.025 % of dollars.
USUAL = MarginSettings()


def btc(fees: FeeSchedule = FREE_OF_CHARGE, **more: Any) -> Instrument:
    plain = Instrument("BTC/USDT", Decimal("0.1"), Decimal("1e-8"), Decimal("0.00005"), Decimal("0.5"), 5, fees)
    return replace(plain, **more)


class MarginBench(Bench):
    """As `Bench`; a book of one level each side, as large as anybody needs, unless a case says otherwise."""

    def __init__(
        self,
        balances: dict[str, str],
        margin: MarginSettings = FREE,
        depth: MarketDepth = MarketDepth.BOOK,
        instrument: Instrument | None = None,
    ) -> None:
        super().__init__(balances, replace(NO_DELAY, margin=margin), depth, instrument or btc())
        self.posted: list[Any] = []

    def market_at(self, bid: str, ask: str, size: str = "1000", at: int | None = None) -> None:
        """The book shows these, and the last trade was at the bid."""
        self.book(bids=f"{bid}x{size}", asks=f"{ask}x{size}", snapshot=True, at=at)
        self.trade("sell", "0.0001", bid, at=self.now)

    def open(self, name: str, side: str, quantity: str, leverage: int, terms: Any = None, **more: Any) -> None:
        self.order(name, side, quantity, terms, leverage=leverage, **more)

    @property
    def figures(self) -> MarginFigures:
        figures = self.exchange.margin.figures()
        assert figures is not None
        return figures

    @property
    def positions(self) -> list[str]:
        """`buy 1.5 for 45000` of each, oldest first: what is open and what it cost."""
        found = self.exchange.margin.positions.values()
        return [f"{each.side.value} {text(each.quantity)} for {text(each.cost)}" for each in found]

    @property
    def owed(self) -> str:
        return text(from_atoms(self.wallet.owed("USDT")))

    def margin_of(self, name: str) -> list[dict[str, Any]]:
        """What the explanations of an order's fills say of positions."""
        fills = (event for event in self.drain() if isinstance(event, OrderFilled) and event.client_order_id == name)
        return [{key: value for key, value in fill.explanation["margin"].items() if value != "0"} for fill in fills]

    def calls(self) -> list[tuple[str, bool]]:
        """Level and whether positions are being sold, of each call that was told."""
        return [(text(e.level), e.liquidates) for e in self.drain() if isinstance(e, MarginCalled)]

    def rollovers(self) -> list[tuple[int, str]]:
        return [(e.position, text(e.fee)) for e in self.drain() if isinstance(e, PositionRolledOver)]

    def ledger(self) -> list[tuple[str, str, str]]:
        """Kind, account and amount of the entries of our own accounts since the last call; transactions balance."""
        entries = self.wallet.drain_entries()
        sums = Counter[tuple[int, str]]()
        for entry in entries:
            sums[entry.transaction, entry.asset] += entry.amount_atoms
        assert not any(sums.values())
        ours = (LedgerAccount.WALLET, LedgerAccount.DEBT)
        return [
            (each.kind.value, each.account.value, text(from_atoms(each.amount_atoms)))
            for each in entries
            if each.account in ours and each.kind is not EntryKind.DEPOSIT
        ]
