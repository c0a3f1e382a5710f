"""A live session under every fault: it pauses what it must, says why, trades again soon, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.live_faults import FaultCase, FaultRun, fault_cases, run_fault
from tests.yardstick import slowness

#: The capture that is served.
_CAPTURE = "binance_spot_l2_trades_btcusdt_2024-08"

#: Seconds of silence after which a market is stale, and after which its connection is given up.
_STALE_S, _RECONNECT_S = 0.8, 1.6

#: These few stand for the others in the quick tests.
_QUICK = ("connection reset", "wrong checksum", "one instrument cancel only")

#: Seconds from the end of a fault to the first order accepted; from its beginning where it has none.
_WITHIN_S = 3.0
_LONGER_S = {
    # Silence is noticed up to a quarter late, the history is asked for, and after a refusal Kraken is left alone.
    "half-open connection": 1.25 * _RECONNECT_S + 3.0,
    "half-open, REST rate limit": 1.25 * _RECONNECT_S + 6.0,
    "half-open, REST HTTP 429": 1.25 * _RECONNECT_S + 6.0,
    # Five seconds from the refusal on.
    "reset, HTTP 429 at connect": 7.0,
}

CASES = [
    pytest.param(case, id=case.name, marks=() if case.name in _QUICK else pytest.mark.slow)
    for case in fault_cases(lasting_s=1.5, silence_s=1.2)
]


@pytest.mark.parametrize("case", CASES)
async def test_a_session_gets_over_the_fault_without_losing_anything(case: FaultCase, captures: Path) -> None:
    run = await run_fault(case, captures / _CAPTURE, stale_after_s=_STALE_S, reconnect_after_s=_RECONNECT_S)
    assert set(run.happened) >= {fault.kind for fault in case.faults}
    # Every trade was told once, the book is the exchange's, money adds up, and a replay of the lines is the same.
    assert not run.wrong
    assert run.declared == 0
    # Only whom it concerns was paused, for the reason that was given.
    assert run.touched() == case.concerned
    assert case.words in "; ".join(run.conditions())
    for symbol, attempts in run.attempts.items():
        may_refuse = case.away_s or symbol in case.concerned
        assert {one.code for one in run.refused(symbol)} <= ({case.code} if may_refuse else set())
        assert all(one.words for one in attempts if one.code)
    _assert_soon(case, run)
    if case.away_s and run.ended_s is not None:
        assert any(run.refused(symbol) for symbol in run.attempts)
        for attempts in run.attempts.values():
            accepted = [one.answered_s for one in attempts if one.is_accepted and one.sent_s >= run.ended_s]
            assert min(accepted) - run.ended_s <= _WITHIN_S * slowness()


def _assert_soon(case: FaultCase, run: FaultRun) -> None:
    since_s = run.began_s if run.ended_s is None else run.ended_s
    for symbol in case.concerned:
        again_s = run.traded_again_s(symbol)
        assert again_s is not None
        assert again_s - since_s <= _LONGER_S.get(case.name, _WITHIN_S) * slowness()
