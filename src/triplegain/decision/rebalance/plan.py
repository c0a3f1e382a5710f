"""The rebalance: how the free coins are brought back to their targets. The plan is arithmetic; no model touches it.

Only coins nobody has a claim on are counted and traded: those of open positions, of open orders and of the hodl bag
are not. Everything is traded against the cash asset (USDT, taken as 1 USD), never from coin to coin, so each asset
has one leg at most. A plan is made as a whole or not at all: all prices are known, the exchange would take every leg,
cash and sales pay for the purchases with fees, and what is left of it after leaving out what is too small still
brings the division nearer to its targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from triplegain.agents.rebalance import RebalanceMode
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, text
from triplegain.domain.orders import Side
from triplegain.domain.quote import Quote
from triplegain.domain.written import AMOUNT, ASSET, AT_LEAST_ONE, HOURS, LOSS_PERCENT, choice, table


@dataclass(frozen=True, slots=True)
class RebalanceSettings:
    """`targets` are parts of the whole by asset and name `cash`. `deviation_min` is a fraction of the whole.

    A rebalance that moves `split_from_usd` or more goes in `batches`, `batch_interval_ns` apart. `mode` holds where
    no model chooses.
    """

    targets: Mapping[str, Decimal] = key(
        "targets", {"BTC": 1, "XRP": 1, "USDT": 1}, table(ASSET, AMOUNT, least=1),
        "parts of the whole by asset; USDT must be one of them, everything is traded against it",
    )  # fmt: skip
    deviation_min: Decimal = key(
        "deviation_min_points", 5, LOSS_PERCENT, "percentage points by which an asset must be off its target"
    )
    interval_min_ns: int = key("interval_min_h", 24, HOURS, "hours between two rebalances, at least")
    trade_min_usd: Decimal = key("trade_min_usd", 10, AMOUNT, "a smaller trade is left out")
    split_from_usd: Decimal = key("split_from_usd", 500, AMOUNT, "a rebalance that moves so much is split into batches")
    batches: int = key("batches", 6, AT_LEAST_ONE, "batches of a split rebalance")
    batch_interval_ns: int = key("batch_interval_h", 4, HOURS, "hours between two batches")
    mode: RebalanceMode = key(
        "mode", "limit_orders", choice(RebalanceMode),
        "immediate, dca_24h, limit_orders or defer, where no model chooses",
    )  # fmt: skip
    cash: str = "USDT"

    def __post_init__(self) -> None:
        if self.cash not in self.targets:
            raise AtOddsError(f"targets must name {self.cash} (0 is allowed): every rebalancing trade is against it")
        if not any(self.targets.values()):
            raise AtOddsError("targets must not all be 0")

    def target(self, asset: str) -> Fraction:
        """The asset's share of the whole."""
        return Fraction(self.targets[asset]) / sum(Fraction(part) for part in self.targets.values())

    def symbol(self, asset: str) -> str:
        return f"{asset}/{self.cash}"

    @property
    def coins(self) -> tuple[str, ...]:
        """The assets that are traded, in order of their names."""
        return tuple(sorted(asset for asset in self.targets if asset != self.cash))


@dataclass(frozen=True, slots=True)
class Prices:
    """What a leg is reckoned with: best bid and ask, or twice the last trade where there is no book."""

    bid: Decimal
    ask: Decimal

    @property
    def mark(self) -> Fraction:
        return (Fraction(self.bid) + Fraction(self.ask)) / 2


@dataclass(frozen=True, slots=True)
class PlanLeg:
    """One trade of a plan or of a batch: `quantity` in base, `notional` in quote.

    The notional of a purchase is with fees and is the most that may be spent; that of a sale what it should bring.
    """

    symbol: str
    side: Side
    quantity: Decimal
    notional: Decimal


@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """What would be traded. `shares` is what each asset is of the whole now; `left_out` says what was too small.

    `moved_usd` is the larger of all sales and all purchases.
    """

    made_at_ns: int
    total_usd: Decimal
    moved_usd: Decimal
    shares: Mapping[str, Decimal]
    sells: tuple[PlanLeg, ...]
    buys: tuple[PlanLeg, ...]
    left_out: tuple[str, ...] = ()

    @property
    def legs(self) -> tuple[PlanLeg, ...]:
        return *self.sells, *self.buys


@dataclass(frozen=True, slots=True)
class NoRebalance:
    """Nothing is to be done, and why."""

    reason: str


def prices_of(quote: Quote | None) -> Prices | None:
    """None without a quote, or without bid, ask and last."""
    if quote is None:
        return None
    bid = quote.bid if quote.bid is not None else quote.last
    ask = quote.ask if quote.ask is not None else quote.last
    if bid is None or ask is None or not (bid.is_finite() and ask.is_finite()) or bid <= 0 or ask < bid:
        return None
    return Prices(bid, ask)


def make_leg(side: Side, instrument: Instrument, lots: int, prices: Prices) -> PlanLeg:
    """So many lots as reckoned: a sale at the bid less the highest fee, a purchase at the ask with it on top."""
    quantity = instrument.quantity(lots)
    rate = EXACT.divide(Decimal(instrument.fees.tiers[0].taker_ppm), RATE_UNIT)
    price, factor = (prices.ask, 1 + rate) if side is Side.BUY else (prices.bid, 1 - rate)
    return PlanLeg(instrument.symbol, side, quantity, EXACT.multiply(EXACT.multiply(quantity, price), factor))


def too_small(leg: PlanLeg, instrument: Instrument, prices: Prices) -> str:
    """Why the exchange would not take it, in words; empty if it would."""
    if leg.quantity < instrument.quantity_min:
        return f"{text(leg.quantity)} {instrument.base} is below the exchange's minimum {text(instrument.quantity_min)}"
    if EXACT.multiply(leg.quantity, prices.bid) < instrument.cost_min:
        return f"{text(leg.quantity)} {instrument.base} is worth less than the exchange's minimum"
    return ""


def notional(legs: Iterable[PlanLeg]) -> Fraction:
    return sum((Fraction(leg.notional) for leg in legs), Fraction(0))


def whole_lots(quantity: Fraction, instrument: Instrument) -> int:
    """`quantity` (base, not below zero) cut to the lot."""
    return int(quantity / Fraction(instrument.lot))


def plan(
    holdings: Mapping[str, Decimal],
    quotes: Mapping[str, Quote | None],
    instruments: Iterable[Instrument],
    settings: RebalanceSettings,
    now_ns: int,
) -> RebalancePlan | NoRebalance:
    """What to trade now, or why nothing.

    `holdings` are the free amounts by asset, `quotes` the fresh quotes by symbol (None or absent: there is none).
    """
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    prices: dict[str, Prices] = {}
    for coin in settings.coins:
        symbol = settings.symbol(coin)
        if symbol not in by_symbol:
            return NoRebalance(f"{symbol} is not among the instruments of this session")
        found = prices_of(quotes.get(symbol))
        if found is None:
            return NoRebalance(f"no fresh price of {symbol}")
        prices[coin] = found
    amounts = {asset: holdings.get(asset, Decimal(0)) for asset in settings.targets}
    wrong = next((asset for asset, amount in amounts.items() if not amount.is_finite() or amount < 0), None)
    if wrong is not None:
        return NoRebalance(f"{wrong}: a free amount of {amounts[wrong]} cannot be")
    # The cash asset has no prices, and is worth 1.
    usd = {settings.cash: Fraction(1)} | {coin: found.mark for coin, found in prices.items()}
    values = {asset: Fraction(amount) * usd[asset] for asset, amount in amounts.items()}
    return _Planner(by_symbol, prices, values, settings).plan(now_ns)


@dataclass(eq=False)
class _Planner:
    """The arithmetic of one plan, exact until each leg is cut to the lot. `values` are in USD by asset."""

    _by_symbol: Mapping[str, Instrument]
    _prices: Mapping[str, Prices]
    _values: Mapping[str, Fraction]
    _settings: RebalanceSettings

    def __post_init__(self) -> None:
        self._instruments = {coin: self._by_symbol[self._settings.symbol(coin)] for coin in self._settings.coins}
        self._total = sum(self._values.values(), Fraction(0))
        self._left_out: list[str] = []

    def plan(self, now_ns: int) -> RebalancePlan | NoRebalance:
        settings, total = self._settings, self._total
        if total <= 0:
            return NoRebalance("there is nothing free to divide")
        off = {asset: value / total - settings.target(asset) for asset, value in self._values.items()}
        farthest = max(off, key=lambda asset: abs(off[asset]))
        if abs(off[farthest]) < Fraction(settings.deviation_min):
            points, least = float(off[farthest] * 100), float(settings.deviation_min * 100)
            return NoRebalance(f"{farthest} is {points:+.2f} points off its target, less than {least:g}")
        sells = self._legs(Side.SELL, {coin: off[coin] * total for coin in settings.coins if off[coin] > 0})
        buys = self._legs(Side.BUY, {coin: -off[coin] * total for coin in settings.coins if off[coin] < 0})
        buys = self._affordable(buys, sells)
        if not sells and not buys:
            return NoRebalance("; ".join(self._left_out) or "there is nothing to trade")
        if not self._nearer(sells, buys, off):
            return NoRebalance(f"what could be traded would bring it no nearer: {'; '.join(self._left_out)}")
        return RebalancePlan(
            made_at_ns=now_ns,
            total_usd=_shown(total),
            moved_usd=_shown(max(self._worth(sells), self._worth(buys))),
            shares={asset: _shown(value / total) for asset, value in self._values.items()},
            sells=tuple(sells.values()),
            buys=tuple(buys.values()),
            left_out=tuple(self._left_out),
        )

    def _legs(self, side: Side, amounts: Mapping[str, Fraction]) -> dict[str, PlanLeg]:
        legs = {}
        for coin, usd in amounts.items():
            instrument, prices = self._instruments[coin], self._prices[coin]
            leg = make_leg(side, instrument, whole_lots(usd / prices.mark, instrument), prices)
            words = too_small(leg, instrument, prices)
            if usd < Fraction(self._settings.trade_min_usd):
                words = f"{side} {float(usd):.2f} USD of {coin} is below {text(self._settings.trade_min_usd)} USD"
            if words:
                self._left_out.append(words)
            else:
                legs[coin] = leg
        return legs

    def _affordable(self, buys: dict[str, PlanLeg], sells: dict[str, PlanLeg]) -> dict[str, PlanLeg]:
        """All purchases smaller by the same share, if cash and sales do not pay for them with fees."""
        cost, money = notional(buys.values()), self._values[self._settings.cash] + notional(sells.values())
        if cost <= money:
            return buys
        amounts = {coin: Fraction(leg.quantity) * self._prices[coin].mark * money / cost for coin, leg in buys.items()}
        return self._legs(Side.BUY, amounts)

    def _nearer(self, sells: dict[str, PlanLeg], buys: dict[str, PlanLeg], off: Mapping[str, Fraction]) -> bool:
        """The distances from the targets, added up, are less afterwards than before."""
        moved = {coin: -self._worth({coin: leg}) for coin, leg in sells.items()}
        moved |= {coin: self._worth({coin: leg}) for coin, leg in buys.items()}
        cash = -sum(moved.values(), Fraction(0))
        after = {asset: off[asset] * self._total + moved.get(asset, Fraction(0)) for asset in off}
        after[self._settings.cash] += cash
        return sum(map(abs, after.values())) < sum(abs(each) for each in off.values()) * self._total

    def _worth(self, legs: Mapping[str, PlanLeg]) -> Fraction:
        worth = (Fraction(leg.quantity) * self._prices[coin].mark for coin, leg in legs.items())
        return sum(worth, Fraction(0))


def _shown(value: Fraction, digits: int = 8) -> Decimal:
    """Rounded down: to eight decimals for people and for the size from which on a plan is split."""
    return EXACT.scaleb(Decimal(int(value * 10**digits)), -digits)


#: A part of a leg is worth at least twice the exchange's minimum: prices move before its time has come.
_MINIMUMS = 2


@dataclass(frozen=True, slots=True)
class RebalanceBatch:
    """What is sent together, sales before purchases. It may begin from `due_ns` on, and must be over by `until_ns`."""

    number: int
    due_ns: int
    until_ns: int
    sells: tuple[PlanLeg, ...]
    buys: tuple[PlanLeg, ...]


def batches_of(
    planned: RebalancePlan,
    mode: RebalanceMode,
    instruments: Iterable[Instrument],
    settings: RebalanceSettings,
    now_ns: int,
) -> tuple[RebalanceBatch, ...]:
    """The batches of a planned in order, none for DEFER. A leg too small for all of them is spread over fewer.

    Sales lie in the first batches and purchases in the last: after any batch the share of sales that were made is at
    least the share of purchases, so that no purchase waits for a sale of a later batch.
    """
    if mode is RebalanceMode.DEFER:
        return ()
    split = mode is RebalanceMode.DCA_24H or planned.moved_usd >= settings.split_from_usd
    count = settings.batches if split else 1
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    rows: list[tuple[list[PlanLeg], list[PlanLeg]]] = [([], []) for _ in range(count)]
    for leg in planned.sells:
        for row, part in zip(rows, _parts(leg, by_symbol[leg.symbol], count, settings), strict=False):
            row[0].append(part)
    for leg in planned.buys:
        for row, part in zip(reversed(rows), _parts(leg, by_symbol[leg.symbol], count, settings), strict=False):
            row[1].append(part)
    batches = []
    for number, (sells, buys) in enumerate(rows):
        due_ns = now_ns + number * settings.batch_interval_ns
        if sells or buys:
            until_ns = due_ns + settings.batch_interval_ns
            batches.append(RebalanceBatch(number, due_ns, until_ns, tuple(sells), tuple(buys)))
    return tuple(batches)


def _parts(leg: PlanLeg, instrument: Instrument, count: int, settings: RebalanceSettings) -> list[PlanLeg]:
    """Equal parts in whole lots, the odd lots in the first one; as many as `count` if none gets too small."""
    lots = instrument.lots(leg.quantity)
    least_notional = max(settings.trade_min_usd, _MINIMUMS * instrument.cost_min)
    by_notional = int(EXACT.divide_int(leg.notional, least_notional)) if least_notional else count
    by_quantity = lots // (_MINIMUMS * instrument.lots_min) if instrument.lots_min else count
    pieces = max(1, min(count, by_notional, by_quantity, lots))
    each, odd = divmod(lots, pieces)
    rest = PlanLeg(leg.symbol, leg.side, instrument.quantity(each), _shown(Fraction(leg.notional) * each / lots, 10))
    taken = EXACT.multiply(rest.notional, pieces - 1)
    first = PlanLeg(leg.symbol, leg.side, instrument.quantity(each + odd), EXACT.subtract(leg.notional, taken))
    return [first, *[rest] * (pieces - 1)]
