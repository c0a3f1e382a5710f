"""Which settings of the exchange may be written, at their bounds, and what they come to inside."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.config.tree import KEYS
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.written import Wrong
from triplegain.exchange.settings import AccountTier, ExchangeSettings, QueueModel

PAPER = ("execution", "paper_trading")


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
