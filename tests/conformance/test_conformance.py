"""Clients of Kraken not written here hold the book that the local Kraken serves, by their own checksum checks."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from triplegain.feeds.captures.replay import open_replay
from triplegain.gateway.faults import FaultKind, WireFault
from triplegain.gateway.local_kraken import LocalKraken
from triplegain.gateway.pacing import ServingSettings
from triplegain.gateway.venue import Venue

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-conformance" / "bin" / "python"

BINANCE = "binance_spot_l2_trades_btcusdt_2024-08"
KRAKEN_USD = "kraken_wsv2_btcusd_book/orderbook-v2.json"
KRAKEN_GBP = "kraken_wsv2_minagbp_book/kraken_minagbp_d25_20260816.ndjson"
KRAKEN_TAPE = "kraken_trades_btcusdt_2023-11/BTC_USDT-trades.feather"


@dataclass(frozen=True)
class Held:
    """Book updates sent, and the ten best levels at the end, as numbers."""

    updates: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


@pytest.fixture
def clients() -> None:
    """Skips where the clients are not installed, except in CI, where they must be."""
    if not PYTHON.exists():
        message = "the clients are not there: ./tg --set-up-conformance"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@cache
def _expected(path: Path, symbol: str, depth: int) -> Held:
    venue = Venue(open_replay(path))
    market = venue.markets[symbol]
    market.listen(("book", symbol, depth))
    updates = 0
    while venue.next_ns is not None:
        updates += sum(topic == ("book", symbol, depth) for topic, _ in venue.step())
    text = market.writer
    bids, asks = (
        [(float(text.price(price)), float(text.quantity(size))) for price, size in side.top(10)]
        for side in (market.book.bids, market.book.asks)
    )
    return Held(updates, bids, asks)


async def _held(
    script: str, path: Path, symbol: str, depth: int, updates: int, fault: WireFault | None = None
) -> dict[str, Any]:
    async with LocalKraken(path, ServingSettings()) as server:
        if fault is not None:
            server.faults.order(fault)
        client = await asyncio.create_subprocess_exec(
            PYTHON,
            ROOT / "tests" / "conformance" / script,
            *map(str, (server.port, symbol, depth, updates)),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            answer, _ = await asyncio.wait_for(client.communicate(), 300)
        finally:
            if client.returncode is None:
                client.kill()
    assert client.returncode == 0
    found: dict[str, Any] = json.loads(answer)
    return found


def _numbers(levels: list[list[Any]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


@pytest.mark.parametrize("script", ["sdk_client.py", "ccxt_client.py"])
@pytest.mark.parametrize(
    ("file", "symbol", "depth"),
    [
        (BINANCE, "BTC/USDT", 10),
        (BINANCE, "BTC/USDT", 100),
        (BINANCE, "XRP/BTC", 10),
        (KRAKEN_USD, "BTC/USD", 10),
        (KRAKEN_GBP, "MINA/GBP", 25),
        (KRAKEN_TAPE, "BTC/USDT", 10),
    ],
)
async def test_a_client_not_written_here_holds_the_same_book(
    captures: Path, clients: None, script: str, file: str, symbol: str, depth: int
) -> None:
    expected = _expected(captures / file, symbol, depth)
    assert expected.updates > 20
    held = await _held(script, captures / file, symbol, depth, expected.updates)
    assert (held["updates"], held["mismatches"]) == (expected.updates, 0)
    assert (_numbers(held["bids"]), _numbers(held["asks"])) == (expected.bids, expected.asks)


@pytest.mark.parametrize("script", ["sdk_client.py", "ccxt_client.py"])
async def test_their_checks_do_see_a_wrong_checksum(captures: Path, clients: None, script: str) -> None:
    fault = WireFault(FaultKind.BAD_CHECKSUM, times=1)
    held = await _held(script, captures / KRAKEN_USD, "BTC/USD", 10, 509, fault)
    assert held["mismatches"] == 1
