"""Candle lengths: `5m` as nanoseconds and back, and the length that suits a stretch of market."""

from __future__ import annotations

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError

CANDLE_LENGTHS: dict[str, int] = {
    "1s": SECOND_NS,
    "5s": 5 * SECOND_NS,
    "15s": 15 * SECOND_NS,
    "1m": 60 * SECOND_NS,
    "5m": 300 * SECOND_NS,
    "15m": 900 * SECOND_NS,
    "1h": 3_600 * SECOND_NS,
    "4h": 14_400 * SECOND_NS,
    "1d": 86_400 * SECOND_NS,
}

_AUTOMATIC = ("1h", "15m", "5m", "1m", "15s", "5s", "1s")
_CANDLES_WANTED = 200


def parse_candle_length(text: str) -> int:
    """Nanoseconds of `1s`, `5s`, `15s`, `1m`, `5m`, `15m`, `1h`, `4h` or `1d`."""
    length = CANDLE_LENGTHS.get(text.strip().lower())
    if length is None:
        raise InvalidValueError(f"a candle length is one of {', '.join(CANDLE_LENGTHS)}; this is {text!r}")
    return length


def candle_length_text(length_ns: int) -> str:
    """`5m` for 300 s; seconds for a length without a name."""
    names = {length: name for name, length in CANDLE_LENGTHS.items()}
    return names.get(length_ns) or f"{length_ns // SECOND_NS}s"


def auto_candle_length(span_ns: int, at_least_ns: int = 0) -> int:
    """The longest of 1s, 5s, 15s, 1m, 5m, 15m, 1h with at least 200 candles in the span, else the shortest.

    `at_least_ns` is the length of the recorded candles where there is nothing finer.
    """
    for name in _AUTOMATIC:
        if span_ns // CANDLE_LENGTHS[name] >= _CANDLES_WANTED:
            return max(CANDLE_LENGTHS[name], at_least_ns)
    return max(SECOND_NS, at_least_ns)
