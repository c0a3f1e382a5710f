"""The hodl bag: a tenth of what the session has newly earned is set aside, becomes coins, and is never sold.

Synchronous, without a clock or I/O, above any `Broker`, beside the order desk. Tell it of every closed position, of
every visible exchange event (after the desk has taken it in) and of time at `next_due_ns`. What it owns lies in the
ledger's hodl account: from the moment it is set aside no order but the bag's own can spend it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain.agent_records import AlertRecord, HodlRecord, HodlStep
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.records import PositionRecord
from triplegain.domain.refusals import Code, Refusal
from triplegain.execution.broker import Broker
from triplegain.execution.hodl_bag.account import HodlAccount
from triplegain.execution.hodl_bag.buyer import Ask, HodlBuyer, NotNow
from triplegain.execution.hodl_bag.journal import HodlJournal
from triplegain.execution.hodl_bag.pots import HodlPots
from triplegain.execution.hodl_bag.profit import DAY_NS
from triplegain.execution.hodl_bag.settings import HodlSettings
from triplegain.execution.hodl_bag.till import Closed, HodlTill
from triplegain.execution.order_register import OrderRegister
from triplegain.ledger.realised import UsdPrice, in_usd


def _nothing_blocks() -> str:
    return ""


class HodlBag:
    """One session's bag. All times are market time in nanoseconds.

    `orders` is the register of the desk beside it; `ask` prices a purchase, `usd_price` an asset; `blocked` says why
    nothing may be bought or set aside now (empty where it may).
    """

    def __init__(
        self,
        broker: Broker,
        account: HodlAccount,
        instruments: Iterable[Instrument],
        orders: OrderRegister,
        settings: HodlSettings,
        *,
        ask: Ask,
        usd_price: UsdPrice,
        blocked: Callable[[], str] = _nothing_blocks,
    ) -> None:
        instruments = tuple(instruments)
        others = (asset for asset in settings.split if asset != settings.currency)
        self._settings = settings
        self._quotes = {instrument.symbol: instrument.quote for instrument in instruments}
        self._usd_price = usd_price
        self._blocked = blocked
        self._pots = HodlPots((settings.currency, *others))
        self._journal = HodlJournal()
        self._till = HodlTill(account, settings, usd_price, self._pots, self._journal)
        self._buyer = HodlBuyer(broker, instruments, orders, settings, ask, self._pots, self._journal)
        self._valued_day: int | None = None
        self._due_ns: int | None = None

    # -- what happens --------------------------------------------------------------------------------------------

    def on_position_closed(self, record: PositionRecord, now_ns: int) -> None:
        """Count a closed position, once. Raises InvalidValueError for one that is still open."""
        if record.is_open:
            raise InvalidValueError(f"position {record.position_id} is not closed: it has no profit to count yet")
        quote = self._quotes[record.symbol]
        self._till.add(Closed(record.position_id, quote, record.realised, record.realised_usd))
        self._advance(now_ns)

    def on_event(self, event: ExchangeEvent, now_ns: int) -> None:
        """An answer of the venue has become visible. The desk, and with it the register, knows of it already."""
        if self._buyer.on_event(event, now_ns):
            self._advance(now_ns)

    def on_timer(self, now_ns: int) -> None:
        """Retries, orders without an answer, and the valuation of the day."""
        self._advance(now_ns)

    def next_due_ns(self) -> int | None:
        """When `on_timer` is wanted next; None if nothing waits for time."""
        return self._due_ns

    def force(self, asset: str, now_ns: int) -> Refusal | None:
        """Buy now what is pending for `asset`, whatever its threshold. Never below the exchange's smallest order."""
        asset = asset.upper()
        if asset not in self._pots:
            return Refusal(Code.REFUSED, f"the hodl bag does not keep {asset}; it keeps {', '.join(self._pots.assets)}")
        if self._buyer.is_buying(asset):
            return Refusal(Code.REFUSED, f"an order for {asset} is already under way")
        if self._pots[asset].pending <= 0:
            return Refusal(Code.REFUSED, f"nothing is pending for {asset}")
        self._buyer.forgive((asset,))
        if asset == self._settings.currency:
            self._keep(now_ns)
            return None
        found = self._buyer.buy(asset, now_ns, self._blocked())
        self._set_due(now_ns, found is not None and found.passes)
        return None if found is None else Refusal(Code.REFUSED, found.reason)

    # -- what is in it -------------------------------------------------------------------------------------------

    def holdings(self) -> Mapping[str, Decimal]:
        """What the bag owns, by asset, as far as answers have become visible; money that is pending is not in it."""
        return {asset: self._pots[asset].quantity for asset in self._pots.assets}

    @property
    def costs(self) -> Mapping[str, Decimal]:
        """What the holdings cost in the currency, fees included."""
        return {asset: self._pots[asset].cost for asset in self._pots.assets}

    @property
    def pending(self) -> Mapping[str, Decimal]:
        """Money set aside for each asset and not spent yet, in the currency."""
        return {asset: self._pots[asset].pending for asset in self._pots.assets}

    @property
    def owed(self) -> Decimal:
        """USD earned for the bag that could not be set aside yet."""
        return self._till.owed

    @property
    def high_water(self) -> Decimal:
        """The highest realised profit in USD of which a share was kept."""
        return self._till.mark.high_water

    def drain_records(self) -> list[HodlRecord]:
        """The records since the last call, all with number 0."""
        return self._journal.drain_records()

    def drain_alerts(self) -> list[AlertRecord]:
        return self._journal.drain_alerts()

    # -- one step ------------------------------------------------------------------------------------------------

    def _advance(self, now_ns: int) -> None:
        self._value(now_ns)
        blocked = self._blocked()
        self._till.count(now_ns)
        self._buyer.forgive(self._till.set_aside(now_ns, blocked))
        again = self._till.is_waiting
        for asset in self._pots.assets:
            if asset == self._settings.currency:
                if self._pots[asset].pending >= self._settings.thresholds[asset]:
                    self._keep(now_ns)
                continue
            found = self._buyer.look(asset, now_ns, blocked)
            again = again or (isinstance(found, NotNow) and found.passes)
        self._set_due(now_ns, again)

    def _keep(self, now_ns: int) -> None:
        """The currency's own share needs no order: it is where it belongs already."""
        currency = self._settings.currency
        amount = self._pots[currency].pending
        if amount > 0:
            self._pots.bought(currency, amount, amount)
            self._journal.record(now_ns, HodlStep.BOUGHT, currency, amount, amount)

    def _value(self, now_ns: int) -> None:
        """Once a UTC day: what each asset is worth. What has failed may be tried again."""
        day = now_ns // DAY_NS
        if self._valued_day is not None and day > self._valued_day:
            self._buyer.forgive(self._pots.assets)
            for asset in self._pots.assets:
                pot = self._pots[asset]
                if pot.quantity or pot.pending:
                    usd = in_usd(pot.quantity, self._usd_price(asset))
                    details = {"cost": text(pot.cost), "pending": text(pot.pending)}
                    self._journal.record(now_ns, HodlStep.VALUED, asset, pot.quantity, usd, details=details)
        self._valued_day = day

    def _set_due(self, now_ns: int, again: bool) -> None:
        """Always later than now: what was due and could not be done is looked at again after the usual pause."""
        wanted = [due for asset in self._pots.assets if (due := self._buyer.due_ns(asset)) is not None]
        dues = [due if due > now_ns else now_ns + self._settings.retry_ns for due in wanted]
        if again:
            dues.append(now_ns + self._settings.retry_ns)
        if any(self._pots[asset].quantity or self._pots[asset].pending for asset in self._pots.assets):
            dues.append((now_ns // DAY_NS + 1) * DAY_NS)
        self._due_ns = min(dues, default=None)

    def state(self) -> dict[str, Any]:
        """Everything but the money itself, which is the wallet's. Records and alerts are drained, not kept."""
        return {
            "pots": self._pots.state(),
            "till": self._till.state(),
            "buyer": self._buyer.state(),
            "told": self._journal.state(),
            "valued_day": self._valued_day,
            "due_ns": None if self._due_ns is None else str(self._due_ns),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._pots.restore(state["pots"])
        self._till.restore(state["till"])
        self._buyer.restore(state["buyer"])
        self._journal.restore(state["told"])
        self._valued_day = state["valued_day"]
        self._due_ns = None if state["due_ns"] is None else int(state["due_ns"])
