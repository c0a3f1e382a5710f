"""What a file's name says: many recordings name their pair and venue nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

from triplegain.feeds.captures.instruments import symbol_of
from triplegain.market.feed import CaptureError

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
