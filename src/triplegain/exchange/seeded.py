"""Random numbers without hidden state: the n-th draw is a function of seed and n, so a restart needs only n."""

from __future__ import annotations

#: A draw is below 2 to the power of this.
DRAW_BITS = 64
_MASK = (1 << DRAW_BITS) - 1


def draw(seed: int, number: int) -> int:
    """A uniform 64-bit integer (SplitMix64, Steele et al. 2014)."""
    z = (seed * 0x9E3779B97F4A7C15 + (number + 1) * 0xD1342543DE82EF95) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
