"""The hodl bag: a tenth of what the session has newly earned is set aside, becomes coins, and is never sold.

Synchronous, without a clock or I/O, above any `Broker`, beside the order desk. Tell it of every closed position, of
every visible exchange event (after the desk has taken it in) and of time at `due_ns`. What it owns lies in the
ledger's hodl account: from the moment it is set aside no order but the bag's own can spend it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal

from msgspec import Struct

from triplegain.domain.agent_records import HodlStep
from triplegain.domain.clock import DAY_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.parts import Parts
from triplegain.domain.records import PositionRecord
from triplegain.execution.blotter import KnownOrders
from triplegain.execution.broker import Broker
from triplegain.execution.hodl.allocation import Allocation, HodlAccount, HodlAllocator, UncountedProfit
from triplegain.execution.hodl.buyer import Ask, HodlBuyer, Purchases
from triplegain.execution.hodl.journal import HodlJournal
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.ledger.realised import UsdPrice, in_usd


class HodlState(Struct, frozen=True):
    """Everything but the money itself, which is the wallet's. `waiting` is what has been said to wait, and why."""

    allocation: Allocation
    purchases: Purchases
    waiting: dict[str, str]
    valued_day: int | None
    due_ns: int | None


@dataclass(eq=False)
class HodlBag:
    """One session's bag. All times are market time in nanoseconds.

    `_orders` is the register of the desk beside it; `ask` prices a purchase, `usd_price` an asset; `blocked` says why
    nothing may be bought or set aside now (empty where it may).
    """

    _broker: Broker
    _account: HodlAccount
    _instruments: Sequence[Instrument]
    _orders: KnownOrders
    _settings: HodlSettings
    _: KW_ONLY
    ask: Ask
    usd_price: UsdPrice
    blocked: Callable[[], str]
    journal: HodlJournal = field(default_factory=HodlJournal, init=False)
    _valued_day: int | None = field(default=None, init=False)
    #: When `on_timer` is wanted next; None if nothing waits for time.
    due_ns: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._quotes = {instrument.symbol: instrument.quote for instrument in self._instruments}
        self._allocator = HodlAllocator(self._account, self._settings, self.usd_price, self.journal)
        market = self._broker, self._instruments, self._orders, self._settings
        self._buyer = HodlBuyer(*market, self.ask, self._allocator, self.journal)

    # -- what happens --------------------------------------------------------------------------------------------

    def on_position_closed(self, record: PositionRecord, now_ns: int) -> None:
        """Count a closed position, once. Raises InvalidValueError for one that is still open."""
        if record.is_open:
            raise InvalidValueError(f"position {record.position_id} is not closed: it has no profit to count yet")
        profit = UncountedProfit(record.position_id, self._quotes[record.symbol], record.realised, record.realised_usd)
        self._allocator.state.uncounted.append(profit)
        self.on_timer(now_ns)

    def on_event(self, event: ExchangeEvent, now_ns: int) -> None:
        """An answer of the venue has become visible. The desk, and with it the register, knows of it already."""
        if self._buyer.on_event(event, now_ns):
            self.on_timer(now_ns)

    # -- what is in it -------------------------------------------------------------------------------------------

    def holdings(self) -> Mapping[str, Decimal]:
        """What the bag owns, by asset, as far as answers have become visible; money that is pending is not in it."""
        return {asset: balance.quantity for asset, balance in self._allocator.state.balances.items()}

    @property
    def state(self) -> HodlState:
        allocation, purchases = self._allocator.state, self._buyer.state
        return HodlState(allocation, purchases, self.journal.said, self._valued_day, self.due_ns)

    # -- one step ------------------------------------------------------------------------------------------------

    def on_timer(self, now_ns: int) -> None:
        """Everything that can go on: retries, orders without an answer, and the valuation of the day."""
        self._value(now_ns)
        blocked = self.blocked()
        self._allocator.count(now_ns)
        self._buyer.forgive(self._allocator.set_aside(now_ns, blocked))
        again = self._allocator.is_waiting
        for asset, balance in self._allocator.balances():
            if asset != self._settings.currency:
                again |= self._buyer.look(asset, now_ns, blocked)
            elif balance.pending > 0 and balance.pending >= self._settings.thresholds[asset]:
                # The currency's own share needs no order: it is where it belongs already.
                amount = balance.pending
                balance.bought(amount, amount)
                self.journal.record(now_ns, HodlStep.BOUGHT, asset, amount, amount)
        self._set_due(now_ns, again)

    def _value(self, now_ns: int) -> None:
        """Once a UTC day: what each asset is worth. What has failed may be tried again."""
        day = now_ns // DAY_NS
        if self._valued_day is not None and day > self._valued_day:
            self._buyer.forgive(self._allocator.assets)
            for asset, balance in self._allocator.balances():
                if balance.quantity or balance.pending:
                    usd = in_usd(balance.quantity, self.usd_price(asset))
                    details = {"cost": text(balance.cost), "pending": text(balance.pending)}
                    self.journal.record(now_ns, HodlStep.VALUED, asset, balance.quantity, usd, details=details)
        self._valued_day = day

    def _set_due(self, now_ns: int, again: bool) -> None:
        """Always later than now: what was due and could not be done is looked at again after the usual pause."""
        wanted = [due for asset in self._allocator.assets if (due := self._buyer.due_ns(asset)) is not None]
        dues = [due if due > now_ns else now_ns + self._settings.retry_ns for due in wanted]
        if again:
            dues.append(now_ns + self._settings.retry_ns)
        if any(balance.quantity or balance.pending for _, balance in self._allocator.balances()):
            dues.append((now_ns // DAY_NS + 1) * DAY_NS)
        self.due_ns = min(dues, default=None)

    # -- what is stored ------------------------------------------------------------------------------------------

    def register(self, parts: Parts) -> None:
        parts.single("execution.hodl", HodlState, lambda: self.state, self.restore)

    def restore(self, state: HodlState) -> None:
        self._allocator.restore(state.allocation)
        self._buyer.state = state.purchases
        self.journal.said = state.waiting
        self._valued_day, self.due_ns = state.valued_day, state.due_ns
