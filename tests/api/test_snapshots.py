"""What agents see, over HTTP: the bytes as they are hashed, or the reason why there is nothing."""

from __future__ import annotations

import pytest
from tests.api.conftest import Bench


@pytest.mark.parametrize("pair", ["BTC-USDT", "btc_usdt"])
async def test_the_snapshot_arrives_byte_for_byte_with_its_hash(bench: Bench, pair: str) -> None:
    async with bench.client("viewer") as viewer:
        shown = await viewer.get(f"/api/v1/snapshot/{pair}")
        brief = await viewer.get(f"/api/v1/snapshot/{pair}", params={"compact": "true"})
    assert (shown.text, shown.headers["etag"]) == ('{"a":"1.0","symbol":"BTC/USDT"}', '"abc"')
    assert shown.headers["content-type"] == "application/json"
    assert brief.text == '{"symbol":"BTC/USDT"}'


async def test_a_market_without_one_says_why(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        none = await viewer.get("/api/v1/snapshot/XRP-BTC")
        wrong = await viewer.get("/api/v1/snapshot/BTCUSDT")
    assert (none.status_code, none.json()["error_code"]) == (409, "no_snapshot")
    assert "no closed candle yet" in none.json()["error_message"]
    assert wrong.status_code == 422
