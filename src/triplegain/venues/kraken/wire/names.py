"""Kraken's names for assets and pairs, and ours."""

from __future__ import annotations

#: REST and WebSocket v1 say XBT and XDG; WebSocket v2 and we say BTC and DOGE.
_TO_OURS = {"XBT": "BTC", "XDG": "DOGE", "XXBT": "BTC", "XXRP": "XRP", "XETH": "ETH", "ZUSD": "USD", "ZEUR": "EUR"}
_TO_KRAKEN = {"BTC": "XBT", "DOGE": "XDG"}

#: Assets of the first years have four letters inside Kraken.
_ASSET_IDS = {
    **{name: f"X{name}" for name in ("ETC", "ETH", "LTC", "MLN", "REP", "XLM", "XMR", "XRP", "ZEC")},
    **{name: f"Z{name}" for name in ("AUD", "CAD", "EUR", "GBP", "JPY", "USD")},
    "BTC": "XXBT",
    "DOGE": "XXDG",
}


def our_asset(name: str) -> str:
    """`XXBT` and `XBT` are BTC."""
    return _TO_OURS.get(name, name)


def our_symbol(wsname: str) -> str:
    """The symbol of an AssetPairs `wsname`: XBT/USDT is BTC/USDT."""
    base, _, quote = wsname.partition("/")
    return f"{our_asset(base)}/{our_asset(quote)}"


def kraken_symbol(symbol: str) -> str:
    """The `wsname` of our symbol: BTC/USDT is XBT/USDT."""
    base, _, quote = symbol.partition("/")
    return f"{_TO_KRAKEN.get(base, base)}/{_TO_KRAKEN.get(quote, quote)}"


def kraken_altname(symbol: str) -> str:
    """The `altname` of our symbol: BTC/USDT is XBTUSDT."""
    return kraken_symbol(symbol).replace("/", "")


def asset_id(asset: str) -> str:
    """REST's name of our asset: BTC is XXBT, USD is ZUSD, USDT is USDT."""
    return _ASSET_IDS.get(asset, asset)


def pair_id(symbol: str) -> str:
    """REST's key of our symbol: XRP/BTC is XXRPXXBT; the altname where one side is of later years, BTC/USDT XBTUSDT."""
    base, _, quote = symbol.partition("/")
    if base in _ASSET_IDS and quote in _ASSET_IDS:
        return _ASSET_IDS[base] + _ASSET_IDS[quote]
    return kraken_altname(symbol)
