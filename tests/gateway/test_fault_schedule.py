from __future__ import annotations

import asyncio
from itertools import islice

import pytest
from tests.gateway.small_market import SmallFeed, changes, client_of

from triplegain.gateway.fault_desk import FaultSchedule
from triplegain.gateway.faults import FaultKind, WireFault
from triplegain.gateway.local_kraken import LocalKraken
from triplegain.gateway.pacing import ServingSettings

SYMBOLS = ("BTC/USDT", "XRP/USDT")


def _drawn(seed: int, count: int = 400, every_s: float = 5.0) -> list[tuple[float, WireFault]]:
    return list(islice(FaultSchedule(seed, SYMBOLS, every_s), count))


def test_a_seed_always_draws_the_same_and_another_draws_others() -> None:
    assert _drawn(1) == _drawn(1)
    assert _drawn(1) != _drawn(2)


@pytest.mark.parametrize("seed", range(3))
def test_every_kind_comes_and_the_waits_have_their_mean(seed: int) -> None:
    drawn = _drawn(seed)
    assert {fault.kind for _, fault in drawn} == set(FaultKind)
    mean = sum(wait for wait, _ in drawn) / len(drawn)
    # An exponential cut at five means has a mean of 0.993; of 400 draws the standard error is a twentieth of it.
    assert 4.2 < mean < 5.8
    assert all(0 <= wait <= 25 for wait, _ in drawn)
    assert all(fault.symbol in ("", *SYMBOLS) for _, fault in drawn)


def test_only_the_kinds_asked_for_are_drawn() -> None:
    kinds = (FaultKind.GAP, FaultKind.DISCONNECT)
    assert {fault.kind for _, fault in islice(FaultSchedule(1, SYMBOLS, 5.0, kinds), 50)} == set(kinds)


async def test_a_server_with_a_seed_lets_things_go_wrong_by_itself() -> None:
    settings = ServingSettings(start_after=None, fault_seed=3, fault_every_s=0.002)
    async with LocalKraken(SmallFeed(changes(10)), settings) as server:
        for _ in range(200):
            await asyncio.sleep(0.005)
            if len(server.faults.armed.in_force) + sum(server.faults.armed.hits.values()) > 10:
                break
        else:
            pytest.fail("nothing went wrong")
    async with LocalKraken(SmallFeed(changes(10)), ServingSettings(start_after=None)) as quiet, client_of(quiet):
        await asyncio.sleep(0.01)
        assert quiet.faults.armed.in_force == [] and quiet.faults.armed.hits == {}
