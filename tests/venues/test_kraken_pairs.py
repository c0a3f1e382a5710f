from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from tests.feeds.small_exchange import pair_row

from triplegain.domain.fees import KRAKEN_SPOT_FEES, FeeTier
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.pairs import CACHE_NAME, fee_schedule, instruments_of, kept_pairs, save_pairs


def _reply(**rows: dict[str, object]) -> bytes:
    return json.dumps({"error": [], "result": rows}).encode()


def test_the_recorded_pair_becomes_its_instrument(captures: Path) -> None:
    reply = (captures / "kraken_api_messages" / "http_asset_pairs.json").read_bytes()
    (one,) = instruments_of(reply, ("BTC/USDT",)).values()
    assert (one.symbol, one.tick, one.lot) == ("BTC/USDT", Decimal("0.1"), Decimal("1e-8"))
    assert (one.quantity_min, one.cost_min, one.cost_decimals) == (Decimal("0.00005"), Decimal("0.5"), 5)
    assert one.fees == KRAKEN_SPOT_FEES


def test_the_recorded_tokenized_pair_pays_its_makers(captures: Path) -> None:
    reply = (captures / "kraken_api_messages" / "http_asset_pairs_tokenized.json").read_bytes()
    with pytest.raises(FeedError, match="AAPLX/USD"):
        instruments_of(reply, ("AAPLX/USD",))


def test_every_rule_comes_from_the_reply() -> None:
    (one,) = instruments_of(_reply(X=pair_row("BTC/USD", tick="0.01")), ("BTC/USD",)).values()
    assert one.tick == Decimal("0.01") and one.fees.tier(10_000) == FeeTier(10_000, 2000, 3500)


def test_a_pair_without_a_tick_has_that_of_its_decimals() -> None:
    row = pair_row("BTC/USD")
    del row["tick_size"]
    assert instruments_of(_reply(X=row), ("BTC/USD",))["BTC/USD"].tick == Decimal("0.1")


def test_tables_of_different_volumes_become_one() -> None:
    from triplegain.venues.kraken.wire.rest import FeeRow

    def rows(*table: tuple[int, str]) -> list[FeeRow]:
        return [FeeRow(Decimal(volume), Decimal(percent)) for volume, percent in table]

    schedule = fee_schedule(rows((0, "0.4"), (100, "0.3")), rows((0, "0.2"), (50, "0.1"), (200, "0")))
    assert schedule.tiers == (
        FeeTier(0, 2000, 4000),
        FeeTier(50, 1000, 4000),
        FeeTier(100, 1000, 3000),
        FeeTier(200, 0, 3000),
    )
    assert fee_schedule(rows((0, "0.4")), []).tiers == (FeeTier(0, 4000, 4000),)
    assert fee_schedule([], []) == KRAKEN_SPOT_FEES


def test_unknown_instruments_are_named() -> None:
    with pytest.raises(FeedError, match=r"Kraken does not list DOGE/USD, XRP/USD: check `instruments`"):
        instruments_of(_reply(X=pair_row("BTC/USD")), ("BTC/USD", "DOGE/USD", "XRP/USD"))


@pytest.mark.parametrize("reply", [b"", b"<html>", b'{"error":[],"result":[]}', b'{"error":["E"]}'])
def test_a_reply_that_is_none_is_refused(reply: bytes) -> None:
    with pytest.raises(FeedError, match="cannot be read"):
        instruments_of(reply, ("BTC/USD",))


def test_kept_pairs_of_several_starts_are_there_together(tmp_path: Path) -> None:
    folder = tmp_path / "kraken"
    assert kept_pairs(folder, ("BTC/USD",)) is None
    save_pairs(folder, _reply(X=pair_row("BTC/USD"), Y=pair_row("ETH/USD")))
    save_pairs(folder, _reply(X=pair_row("BTC/USD", tick="0.01")))
    reply = kept_pairs(folder, ("ETH/USD", "BTC/USD"))
    assert reply is not None
    kept = instruments_of(reply, ("ETH/USD", "BTC/USD"))
    assert (kept["BTC/USD"].tick, kept["ETH/USD"].tick) == (Decimal("0.01"), Decimal("0.1"))
    assert kept_pairs(folder, ("BTC/USD", "XRP/USD")) is None
    assert [path.name for path in folder.iterdir()] == [CACHE_NAME]


def test_a_damaged_file_is_as_good_as_none_and_is_replaced(tmp_path: Path) -> None:
    save_pairs(tmp_path, _reply(X=pair_row("BTC/USD")))
    (tmp_path / CACHE_NAME).write_bytes(b'{"error":[],"resu')
    assert kept_pairs(tmp_path, ("BTC/USD",)) is None
    save_pairs(tmp_path, _reply(X=pair_row("BTC/USD")))
    assert kept_pairs(tmp_path, ("BTC/USD",)) is not None
