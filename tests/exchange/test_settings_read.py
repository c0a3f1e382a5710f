"""Which settings of the exchange may be written, at their bounds, and what they come to inside."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
from tests.exchange.margin_bench import btc

from triplegain.config.tree import KEYS
from triplegain.domain.configured import AtOddsError
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.orders import Side
from triplegain.domain.written import Wrong
from triplegain.exchange.margin.settings import MarginSettings
from triplegain.exchange.settings import AccountTier, ExchangeSettings, QueueModel

PAPER, MARGIN = ("execution", "paper_trading"), ("execution", "margin")


def test_what_counts_where_nothing_is_written() -> None:
    usual = ExchangeSettings()
    assert (usual.place_delay_ns, usual.cancel_delay_ns, usual.response_delay_ns, usual.jitter_ns) == (
        100_000_000, 100_000_000, 100_000_000, 0,
    )  # fmt: skip
    assert (usual.queue_model, usual.account_tier) == (QueueModel.BACK_OF_QUEUE, AccountTier.INTERMEDIATE)
    assert (usual.slippage_ppm, usual.partial_fills, usual.fee_volume_30d_usd) == (1000, False, Decimal(0))
    assert (usual.seed, usual.candle_volume_pct) == (0, 10)
    assert (usual.queue_power, usual.recorded_delays_ns) == (2, ())


@pytest.mark.parametrize(
    ("written", "ppm"),
    [("0", 0), ("0.1", 1000), ("0.0001", 1), ("50", RATE_UNIT // 2), ("99.99", 999_900), ("100", None), ("-0.1", None)],
)
def test_slippage_is_less_than_the_whole_price(written: str, ppm: int | None) -> None:
    kind = KEYS[(*PAPER, "simulated_slippage_pct")][0].kind
    if ppm is None:
        with pytest.raises(Wrong):
            kind.read(written)
    else:
        assert kind.convert(kind.read(written)) == ppm


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("12.5\n3\n\n1000.000001\n", (3_000_000, 12_500_000, 1_000_000_001)),
        ("delay_ms\n7\n", (7_000_000,)),
        ("\ufeffround trips halved\r\n7\r\n5\r\n", (5_000_000, 7_000_000)),
        ("\ufeff9\n5\n", (5_000_000, 9_000_000)),
        ("time,delay_ms,order\n1700000000.5,12.5,a1\n1700000001,3,a2\n", (3_000_000, 12_500_000)),
        ("0.0000009\n", (0,)),  # whole nanoseconds, rounded down
        ("600000\n", (600_000_000_000,)),
        ("600000.1\n", "line 1: a delay is written as 12 or 12.5, from 0 to 600000 ms, not '600000.1'"),
        ("1\n-1\n", "line 2: a delay"),
        ("1\nfast\n", "line 2: a delay"),
        ("1\nnan\n", "line 2: a delay"),
        ("1\n1e3\n", "line 2: a delay"),
        # No headings: they would be delays that are left out.
        ("nan\n1\n", "line 1: a delay"),
        ("-inf\n1\n", "line 1: a delay"),
        ("12ms\n1\n", "line 1: a delay"),
        ("12;5\n1\n", "line 1: a delay"),
        ("-\n1\n", "line 1: a delay"),
        ("12,5\n1\n", "line 1: 2 cells instead of 1; a fraction has a point"),
        ("time,delay_ms\n1,2\n3\n", "line 3: 1 cells instead of 2"),
        ("time,latency\n1,2\n", "of several columns one is called delay_ms"),
        ("delay_ms\n\n", "a file of delays has 1 to 100000 of them, this one 0"),
        ("1\n" * 100_001, "a file of delays has 1 to 100000 of them, this one 100001"),
        ("1" * (8 << 20) + "1", "larger than 8 MB"),
    ],
)
def test_measured_delays_are_read_from_a_file(tmp_path: Path, text: str, told: tuple[int, ...] | str) -> None:
    kind, file = KEYS[(*PAPER, "recorded_latency_ms")][0].kind, tmp_path / "delays.csv"
    file.write_text(text)
    if isinstance(told, str):
        with pytest.raises(Wrong, match=re.escape(told)):
            kind.read(str(file))
    else:
        assert kind.convert(kind.read(str(file))) == told


def test_measured_delays_are_kept_by_value_and_of_many_every_half_percent(tmp_path: Path) -> None:
    kind, file = KEYS[(*PAPER, "recorded_latency_ms")][0].kind, tmp_path / "delays"
    file.write_text("\n".join(str(delay) for delay in reversed(range(1001))))
    # 1,001 delays of 0 to 1,000 ms: every fifth of them.
    assert (many := kind.read(str(file))) == tuple(Decimal(delay) for delay in range(0, 1001, 5))
    file.write_text("\n".join(str(delay) for delay in range(202)))
    # 202 delays of 0 to 201 ms: steps of 201 / 200 ms.
    assert kind.read(str(file)) == tuple(Decimal(201 * place) / 200 for place in range(201))
    assert kind.read([str(delay) for delay in many]) == many
    assert kind.read(["3", 1, Decimal(2)]) == (1, 2, 3)
    assert (kind.read(""), kind.read([]), kind.nearest(["700000", "1"])) == ((), (), [600_000, "1"])
    os.mkfifo(tmp_path / "pipe")
    for missing, why in (
        ("delays", "whole path"), (f"{tmp_path}", "no regular file"), (f"{tmp_path}/pipe", "no regular file"),
        (f"{tmp_path}/none", "No such file"), ("~nobody-here/x", "home directory"), ("/a\0b", "null"),
    ):  # fmt: skip
        with pytest.raises(Wrong, match=f"the file of delays cannot be read: .*{why}"):
            kind.read(missing)


def test_measured_delays_need_no_jitter() -> None:
    with pytest.raises(AtOddsError, match="latency_jitter_ms must be 0"):
        ExchangeSettings(jitter_ns=1, recorded_delays_ns=(1,))


@pytest.mark.parametrize("name", ["call_pct", "liquidation_pct", "restored_pct"])
@pytest.mark.parametrize(("written", "level"), [("0.99", None), ("1", Decimal("0.01")), ("1.5", Decimal("0.015"))])
def test_a_margin_level_is_a_percent_at_least(name: str, written: str, level: Decimal | None) -> None:
    kind = KEYS[(*MARGIN, name)][0].kind
    if level is None:
        with pytest.raises(Wrong):
            kind.read(written)
    else:
        assert kind.convert(kind.read(written)) == level


@pytest.mark.parametrize(("most", "offered"), [(1, ()), (2, (2,)), (4, (2, 3, 4))])
def test_every_leverage_from_two_on_is_offered(most: int, offered: tuple[int, ...]) -> None:
    settings = MarginSettings(leverage_buy={"BTC/USDT": most}, leverage_sell={})
    assert (settings.leverages(btc(), Side.BUY), settings.leverages(btc(), Side.SELL)) == (offered, ())
