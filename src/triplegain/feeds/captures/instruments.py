"""Instruments of recorded markets: a capture carries its own tick and lot, whatever the exchange uses today; many name
their pair and venue nowhere but in the file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.market.feed import CaptureError
from triplegain.market.scaling import is_near_step

#: How many prices of a file are looked at to choose its tick.
SAMPLE = 1000

#: Share of a sample that must lie on a tick. Of prices on a ten times finer tick a tenth does by chance.
_ENOUGH = 0.5

_LOT = Decimal("1e-8")
_QUOTES = ("USDT", "USDC", "BTC", "XBT", "ETH", "USD", "EUR", "GBP", "CHF")
_KRAKEN_NAMES = {"XBT": "BTC", "XDG": "DOGE"}


def _kraken(symbol: str, tick: str, quantity_min: str, cost_min: str, cost_decimals: int) -> Instrument:
    return Instrument(
        symbol, Decimal(tick), _LOT, Decimal(quantity_min), Decimal(cost_min), cost_decimals=cost_decimals
    )


def _binance(symbol: str, tick: str) -> Instrument:
    """Binance's tick with Kraken's minimum sizes and fees: it is Kraken we simulate."""
    like = next(instrument for instrument in KRAKEN_OFFLINE_DEFAULTS if instrument.symbol == symbol)
    return Instrument(
        symbol, Decimal(tick), _LOT, like.quantity_min, like.cost_min, cost_decimals=like.cost_decimals, venue="binance"
    )


_KNOWN: tuple[Instrument, ...] = (
    *KRAKEN_OFFLINE_DEFAULTS,
    _kraken("BTC/USD", "0.1", "0.00005", "0.5", 5),
    _kraken("ETH/BTC", "0.00001", "0.002", "0.00002", 10),
    _kraken("XRP/EUR", "0.00001", "2", "0.5", 5),
    _kraken("MINA/GBP", "0.0001", "10", "0.5", 5),
    _binance("BTC/USDT", "0.01"),
    _binance("XRP/USDT", "0.00001"),
    _binance("XRP/BTC", "1e-8"),
)


def capture_instrument(symbol: str, venue: str = "kraken", prices: Sequence[str] = ()) -> Instrument:
    """The instrument of a capture.

    A file of candles or trades does not say which venue it comes from; `prices` (a sample, as text) then decide
    between ticks: the first candidate that fits most of them, so that one bad price decides nothing.
    Raises InvalidValueError for an unknown symbol.
    """
    found = [instrument for instrument in _KNOWN if instrument.symbol == symbol]
    candidates = sorted(found, key=lambda instrument: instrument.venue != venue)
    if not candidates:
        known = ", ".join(sorted({instrument.symbol for instrument in _KNOWN}))
        raise InvalidValueError(f"tick and lot of {symbol} are not known; known are {known}")
    if not prices:
        return candidates[0]
    shares = [_fitting(instrument, prices) for instrument in candidates]
    enough = [instrument for instrument, share in zip(candidates, shares, strict=True) if share >= _ENOUGH]
    return enough[0] if enough else candidates[shares.index(max(shares))]


def _fitting(instrument: Instrument, prices: Sequence[str]) -> float:
    """Share of the prices that are multiples of the tick."""
    count = 0
    for text in prices:
        try:
            steps = Decimal(text) / instrument.tick
        except ArithmeticError:
            continue
        count += is_near_step(steps)
    return count / len(prices)


def symbol_of(name: str) -> str | None:
    """BASE/QUOTE from `BTC_USDT`, `BTC/USDT`, `BTC-USDT`, `XBTUSDT`; None if it is none of these."""
    upper = name.upper()
    for mark in "/_-":
        base, found, quote = upper.partition(mark)
        if found:
            break
    else:
        quote = next((known for known in _QUOTES if upper.endswith(known) and len(upper) > len(known) + 1), "")
        base = upper.removesuffix(quote)
    if not (quote and base.isalnum() and quote.isalnum()):
        return None
    return f"{_KRAKEN_NAMES.get(base, base)}/{_KRAKEN_NAMES.get(quote, quote)}"


_PAIR = re.compile(r"[A-Za-z]{3,5}[_-][A-Za-z]{3,5}(?![A-Za-z])|[A-Za-z]{6,9}")


def symbol_in_name(path: Path) -> str:
    """BASE/QUOTE in names like `BTC_USDT-1m.json`, `XBTUSDT_60.csv`, `binance_btcusdt_day_2020.csv`."""
    for word in (path.name.split(".")[0], *re.split(r"[^A-Za-z]+", path.name)):
        for found in _PAIR.findall(word):
            symbol = symbol_of(found)
            if symbol and symbol.partition("/")[2] in _QUOTE_ASSETS:
                return symbol
    raise CaptureError(path, "its name does not say which pair it holds: call it BASE_QUOTE, like BTC_USDT-1m.json")


_QUOTE_ASSETS = frozenset({"USDT", "USDC", "USD", "EUR", "GBP", "CHF", "BTC", "ETH"})


def venue_in_name(path: Path) -> str:
    """The venue a file's or folder's name speaks of; kraken where none is named."""
    names = f"{path.parent.name}/{path.name}".lower()
    return "binance" if "binance" in names else "kraken"
