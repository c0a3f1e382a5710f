"""Which settings of the exchange may be written, at their bounds, and what they come to inside."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.exchange.margin_bench import btc

from triplegain.config.tree import KEYS
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
