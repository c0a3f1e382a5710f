"""From closed positions to money set aside: what is kept of a profit, whether it is there, and what it is for."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct, field

from triplegain.domain.agent_records import HodlStep
from triplegain.domain.clock import DAY_NS
from triplegain.domain.money import EXACT, atoms, floor_to, from_atoms, text
from triplegain.exchange.margin.admission import MarginAdmission
from triplegain.execution.hodl.journal import HodlJournal
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.order_manager import OrderManager
from triplegain.ledger.realised import UsdPrice, in_usd
from triplegain.ledger.wallet import Wallet

#: Amounts set aside are multiples of this.
STEP = Decimal("1e-8")

_ZERO = Decimal(0)
_PROFIT = "the profit of closed positions"
_MONEY = "setting money aside"


class HodlAccount:
    """The wallet's hodl account: there money is out of trading's reach."""

    def __init__(self, wallet: Wallet, desk: OrderManager, lending: MarginAdmission) -> None:
        self._wallet = wallet
        self._desk = desk
        self._lending = lending

    def free(self, asset: str) -> Decimal:
        """What may be set aside: no more than the wallet has, nor than the desk, which knows of orders on their way,
        counts as free, nor of what stands for positions on margin."""
        available, untied = self._wallet.available(asset), self._lending.untied(asset)
        if untied is not None:
            available = max(min(available, untied), 0)
        return min(from_atoms(available), self._desk.free(asset))

    def set_aside(self, asset: str, amount: Decimal, now_ns: int) -> bool:
        """Move money from the trading account, for good. False, and nothing moved, if short."""
        return self.free(asset) >= amount and self._wallet.set_aside(asset, atoms(amount), now_ns)


class SubBalance(Struct):
    """One asset: `quantity` owned, what it `cost` with fees, and what is `pending` for it, both in the currency.

    `pending` is below zero after a purchase that cost more than was there; the account's other money lent it, and the
    next allocation pays it back.
    """

    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    pending: Decimal = _ZERO

    def bought(self, quantity: Decimal, cost: Decimal) -> None:
        """Coins came in and `cost` (fee included) went out."""
        self.quantity = EXACT.add(self.quantity, quantity)
        self.cost = EXACT.add(self.cost, cost)
        self.pending = EXACT.subtract(self.pending, cost)


class ProfitMark(Struct):
    """The sum of all closed positions in USD, its high-water mark, and what was kept today (UTC, market time).

    A loss has to be earned back before anything is kept again, so an account that loses keeps nothing. The mark only
    rises when something is above it by the least profit: smaller gains add up. What a limit cut off is not kept later.
    """

    realised: Decimal = _ZERO
    high_water: Decimal = _ZERO
    kept_today: Decimal = _ZERO
    day: int = 0

    def take(self, profit: Decimal, settings: HodlSettings, now_ns: int) -> Decimal:
        """Count one closed position, net of fees; the USD to keep of it, 0 where nothing is."""
        day = now_ns // DAY_NS
        if day > self.day:
            self.day, self.kept_today = day, _ZERO
        self.realised = EXACT.add(self.realised, profit)
        above = EXACT.subtract(self.realised, self.high_water)
        if above < settings.profit_min:
            return _ZERO
        self.high_water = self.realised
        left_today = EXACT.subtract(settings.day_max, self.kept_today)
        wanted = EXACT.multiply(above, settings.share)
        kept = floor_to(min(wanted, settings.allocation_max, left_today), STEP)
        self.kept_today = EXACT.add(self.kept_today, kept)
        return kept


class UncountedProfit(Struct, frozen=True):
    """Of a closed position: `realised` in `quote`; its USD where they were known at the time."""

    position_id: str
    quote: str
    realised: Decimal
    realised_usd: Decimal | None


class AllocationDue(Struct, frozen=True):
    """USD to be set aside from a profit, as soon as the currency is there."""

    position_id: str
    amount: Decimal


class Allocation(Struct):
    """What the allocator remembers. At rest the currency's quantity and all pending money together are what the
    account has of the currency."""

    balances: dict[str, SubBalance]
    mark: ProfitMark = field(default_factory=ProfitMark)
    uncounted: list[UncountedProfit] = []
    due: list[AllocationDue] = []


class HodlAllocator:
    """Closed positions are counted in the order they closed in; one without a price keeps the later ones waiting."""

    def __init__(self, account: HodlAccount, settings: HodlSettings, usd_price: UsdPrice, journal: HodlJournal) -> None:
        others = (asset for asset in settings.split if asset != settings.currency)
        #: The currency first.
        self.assets = (settings.currency, *others)
        self.state = Allocation({asset: SubBalance() for asset in self.assets})
        self._account = account
        self._settings = settings
        self._usd_price = usd_price
        self._journal = journal

    def balance(self, asset: str) -> SubBalance:
        return self.state.balances[asset]

    def balances(self) -> Iterable[tuple[str, SubBalance]]:
        return ((asset, self.state.balances[asset]) for asset in self.assets)

    def restore(self, state: Allocation) -> None:
        """An asset that the split has newly got begins with nothing."""
        state.balances = {asset: SubBalance() for asset in self.assets} | state.balances
        self.state = state

    @property
    def is_waiting(self) -> bool:
        return bool(self.state.uncounted or self.state.due)

    def count(self, now_ns: int) -> None:
        """Count what can be valued; what is to be kept of it is due from here on."""
        state = self.state
        while state.uncounted:
            profit = state.uncounted[0]
            usd = profit.realised_usd
            if usd is None:
                usd = in_usd(profit.realised, self._usd_price(profit.quote))
            if usd is None:
                self._journal.waiting(now_ns, _PROFIT, "", f"{profit.quote} has no fresh price in USD")
                return
            self._journal.goes_on(_PROFIT)
            state.uncounted.pop(0)
            kept = state.mark.take(usd, self._settings, now_ns)
            if kept:
                state.due.append(AllocationDue(profit.position_id, kept))

    def set_aside(self, now_ns: int, blocked: str) -> set[str]:
        """Move what is due, oldest first, as far as the money goes. The assets that got some."""
        currency, given = self._settings.currency, set[str]()
        while self.state.due:
            due = self.state.due[0]
            reason = blocked or self._shortage(due)
            if reason or not self._account.set_aside(currency, due.amount, now_ns):
                self._journal.waiting(now_ns, _MONEY, "", reason or f"{currency} is held by orders")
                return given
            self._journal.goes_on(_MONEY)
            self.state.due.pop(0)
            for asset, usd in split_up(due.amount, self._settings).items():
                balance = self.balance(asset)
                balance.pending = EXACT.add(balance.pending, usd)
                details = {"currency": currency, "pending": text(balance.pending)}
                self._journal.record(now_ns, HodlStep.ALLOCATED, asset, _ZERO, usd, due.position_id, details=details)
                given.add(asset)
        return given

    def _shortage(self, due: AllocationDue) -> str:
        currency = self._settings.currency
        if self._account.free(currency) >= due.amount:
            return ""
        # What is free changes with every price: in the reason it would be news each time.
        return f"not enough free {currency} for the {text(due.amount)} of {due.position_id}"


def split_up(amount: Decimal, settings: HodlSettings) -> dict[str, Decimal]:
    """`amount` by asset, rounded down; the currency takes the rest, so that nothing is lost."""
    shares = {
        asset: floor_to(EXACT.multiply(amount, share), STEP)
        for asset, share in settings.split.items()
        if asset != settings.currency
    }
    rest = EXACT.subtract(amount, sum(shares.values(), _ZERO))
    return {settings.currency: rest, **shares}
