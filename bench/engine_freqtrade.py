"""freqtrade's backtesting without asking an exchange what it lists; its trades are told as one line of JSON at the end.

usage: engine_freqtrade.py PAIR... -- ARGUMENTS OF freqtrade
"""
# mypy: ignore-errors

from __future__ import annotations

import json
import sys

import ccxt
import ccxt.async_support
from freqtrade.main import main
from freqtrade.optimize.backtesting import Backtesting


def listed(pair: str) -> dict:
    base, quote = pair.split("/")
    told = {
        "id": base + quote, "symbol": pair, "base": base, "quote": quote, "baseId": base, "quoteId": quote,
        "active": True, "type": "spot", "spot": True, "taker": 0.004, "maker": 0.0025, "percentage": True,
        "tierBased": True, "precision": {"amount": 1e-8, "price": 1e-5 if base == "XRP" else 0.1}, "info": {},
        "limits": {"amount": {"min": 5e-5}, "price": {}, "cost": {"min": 0.5}, "leverage": {}},
    }  # fmt: skip
    absent = ("settle", "settleId", "linear", "inverse", "contractSize", "expiry", "expiryDatetime", "strike")
    return told | dict.fromkeys(("margin", "swap", "future", "option", "contract"), False) | dict.fromkeys(absent)


def offline(pairs: list[str]) -> None:
    markets = [listed(pair) for pair in pairs]

    async def fetch_markets(self, params=None):
        return markets

    async def fetch_currencies(self, params=None):
        return {}

    ccxt.async_support.kraken.fetch_markets = fetch_markets
    ccxt.async_support.kraken.fetch_currencies = fetch_currencies
    ccxt.kraken.fetch_markets = lambda self, params=None: markets
    ccxt.kraken.fetch_currencies = lambda self, params=None: {}


def telling_trades() -> None:
    backtest = Backtesting.backtest

    def told(self, *positional, **named):
        result = backtest(self, *positional, **named)
        print(json.dumps({"trades": len(result["results"])}), file=sys.stderr)
        return result

    Backtesting.backtest = told


if __name__ == "__main__":
    end = sys.argv.index("--")
    offline(sys.argv[1:end])
    telling_trades()
    main(sys.argv[end + 1 :])
