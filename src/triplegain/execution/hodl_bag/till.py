"""From closed positions to money set aside: what is to be kept, and whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.agent_records import HodlStep
from triplegain.domain.money import text
from triplegain.execution.hodl_bag.account import HodlAccount
from triplegain.execution.hodl_bag.journal import HodlJournal
from triplegain.execution.hodl_bag.pots import HodlPots
from triplegain.execution.hodl_bag.profit import ProfitMark, split_up
from triplegain.execution.hodl_bag.settings import HodlSettings
from triplegain.ledger.realised import UsdPrice, in_usd

_ZERO = Decimal(0)
_PROFIT = "the profit of closed positions"
_MONEY = "setting money aside"


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed position that is not counted yet: `realised` in `quote`; its USD where they were known at the time."""

    position_id: str
    quote: str
    realised: Decimal
    realised_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Owed:
    """USD to be set aside from a profit, as soon as the currency is there."""

    position_id: str
    amount: Decimal


class HodlTill:
    """Closed positions are counted in the order they closed in; one without a price keeps the later ones waiting."""

    def __init__(
        self,
        account: HodlAccount,
        settings: HodlSettings,
        usd_price: UsdPrice,
        pots: HodlPots,
        journal: HodlJournal,
    ) -> None:
        self.mark = ProfitMark(settings)
        self._account = account
        self._settings = settings
        self._usd_price = usd_price
        self._pots = pots
        self._journal = journal
        self._closed: list[Closed] = []
        self._owed: list[Owed] = []

    @property
    def owed(self) -> Decimal:
        """USD that profits have earned for the bag and that could not be set aside yet."""
        return sum((owed.amount for owed in self._owed), _ZERO)

    @property
    def is_waiting(self) -> bool:
        return bool(self._closed or self._owed)

    def add(self, closed: Closed) -> None:
        self._closed.append(closed)

    def count(self, now_ns: int) -> None:
        """Count what can be valued; what is to be kept of it is owed from here on."""
        while self._closed:
            closed = self._closed[0]
            profit = closed.realised_usd
            if profit is None:
                profit = in_usd(closed.realised, self._usd_price(closed.quote))
            if profit is None:
                self._journal.waiting(now_ns, _PROFIT, "", f"{closed.quote} has no fresh price in USD")
                return
            self._journal.goes_on(_PROFIT)
            self._closed.pop(0)
            kept = self.mark.take(profit, now_ns)
            if kept:
                self._owed.append(Owed(closed.position_id, kept))

    def set_aside(self, now_ns: int, blocked: str) -> set[str]:
        """Move what is owed, oldest first, as far as the money goes. The assets that got some."""
        currency, given = self._settings.currency, set[str]()
        while self._owed:
            owed = self._owed[0]
            reason = blocked or self._shortage(owed.amount)
            if reason or not self._account.set_aside(currency, owed.amount, now_ns):
                self._journal.waiting(now_ns, _MONEY, "", reason or f"{currency} is held by orders")
                return given
            self._journal.goes_on(_MONEY)
            self._owed.pop(0)
            shares = split_up(owed.amount, self._settings)
            self._pots.add_pending(shares)
            for asset, usd in shares.items():
                details = {"currency": currency, "pending": text(self._pots[asset].pending)}
                self._journal.record(now_ns, HodlStep.ALLOCATED, asset, _ZERO, usd, owed.position_id, details=details)
                given.add(asset)
        return given

    def _shortage(self, amount: Decimal) -> str:
        currency = self._settings.currency
        free = self._account.free(currency)
        if free >= amount:
            return ""
        # What is free changes with every price: in the reason it would be news each time.
        return f"not enough free {currency} for the {text(amount)} of {self._owed[0].position_id}"

    def state(self) -> dict[str, Any]:
        return {
            "mark": self.mark.state(),
            "closed": [
                [c.position_id, c.quote, text(c.realised), None if c.realised_usd is None else text(c.realised_usd)]
                for c in self._closed
            ],
            "owed": [[owed.position_id, text(owed.amount)] for owed in self._owed],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.mark.restore(state["mark"])
        self._closed = [
            Closed(position_id, quote, Decimal(realised), None if usd is None else Decimal(usd))
            for position_id, quote, realised, usd in state["closed"]
        ]
        self._owed = [Owed(position_id, Decimal(amount)) for position_id, amount in state["owed"]]
