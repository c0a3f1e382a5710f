"""Random numbers that a recorded session draws again: each is pinned, or an old session would go on differently."""

from __future__ import annotations

import pytest

from triplegain.exchange.seeded import draw

ROOM = 2**64


def spelled_out(seed: int, number: int) -> int:
    """SplitMix64 in plain arithmetic: its three multipliers, shifts as divisions, masks as remainders."""
    z = (seed * 11400714819323198485 + (number + 1) * 15074714826142052245) % ROOM
    z = (z ^ z // 2**30) * 13787848793156543929 % ROOM
    z = (z ^ z // 2**27) * 10723151780598845931 % ROOM
    return z ^ z // 2**31


@pytest.mark.parametrize(
    ("seed", "number", "drawn"),
    [
        (0, 0, 0xAD53D5472392EDEC),
        (0, 1, 0xBDBDF2EC8090B8F0),
        (1, 0, 0xF4A90164C4749E1A),
        (1, 1, 0x61AE7FC1035D593D),
        (42, 7, 0xABA28B96341C6257),
        (2**63, 10**9, 0x9D49CD1CE620A7E0),
    ],
)
def test_a_draw_is_always_the_same(seed: int, number: int, drawn: int) -> None:
    assert draw(seed, number) == spelled_out(seed, number) == drawn
