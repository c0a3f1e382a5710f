"""`snapshot`: what agents see of a recorded market."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Tg

_TRADES = "kraken_trades_btcusdt_2023-11"
_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
_AT = "2023-11-18 13:00:30"


def test_tables_show_price_indicators_and_what_is_missing(tg: Tg, captures: Path) -> None:
    ran = tg("snapshot", "BTC/USDT", "--feed", f"replay:{captures / _TRADES}", "--at", _AT)
    assert ran.code == 0, ran.err
    for words in ("BTC/USDT at 2023-11-18 13:00:30 UTC", "1h *", "macd_histogram", "no_book", "few:1h:36/220"):
        assert words in ran.out


def test_json_is_the_text_that_is_hashed(tg: Tg, captures: Path) -> None:
    place = ("snapshot", "btc/usdt", "--feed", f"replay:{captures / _TRADES}", "--at", _AT)
    full, brief = tg(*place, "--json"), tg(*place, "--compact", "--tokens", "4000")
    assert full.json["timeframes"]["1m"]["history"]["candles"] > 2000
    assert json.loads(brief.out)["snapshot"] == hashlib.sha256(full.out.rstrip("\n").encode()).hexdigest()
    assert tg(*place, "--json").out == full.out


def test_a_book_is_shown_with_its_depth(tg: Tg, captures: Path) -> None:
    ran = tg("snapshot", "BTC/USDT", "--feed", f"replay:{captures / _L2}", "--at", "3m", "--json")
    book = ran.json["book"]
    assert ran.code == 0 and ran.json["price"]["bid"] == book["bid"] < book["ask"]
    assert book["spread_bps"] < 1 and float(book["bid_depth"]["2"]) > float(book["bid_depth"]["0.5"]) > 0
    assert ran.json["price"]["time"] <= ran.json["time"]


def test_the_demo_market_says_that_it_is_none(tg: Tg) -> None:
    ran = tg("snapshot", "XRP/BTC", "--feed", "demo", "--at", "90s", "--compact")
    assert json.loads(ran.out)["flags"][0] == "synthetic"
    endless = tg("snapshot", "XRP/BTC", "--feed", "demo")
    assert (endless.code, "--at 15m" in endless.err) == (2, True)


@pytest.mark.parametrize(
    ("symbol", "at", "code", "says"),
    [
        ("BTC/USDT", "2023-11-01 00:00", 6, "no snapshot of BTC/USDT"),
        ("BTC/USDT", "5s", 6, "no candle of BTC/USDT has closed yet"),
        ("BTC/USDT", "yesterday", 2, "is not a time"),
        ("DOGE/USDT", _AT, 2, "not DOGE/USDT"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    tg: Tg, captures: Path, symbol: str, at: str, code: int, says: str
) -> None:
    ran = tg("snapshot", symbol, "--feed", f"replay:{captures / _TRADES}", "--at", at)
    assert (ran.code, says in ran.err, ran.out) == (code, True, "")
