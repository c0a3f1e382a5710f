"""Feeds whose events can be had at once: `--feed demo` and `--feed replay:PATH`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from triplegain.domain.clock import SECOND_NS, UNITS_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.market.feed import MarkedFeed

if TYPE_CHECKING:
    from triplegain.feeds.captures.decoded_folder import DecodedFolder

#: How the feed of a recorded market is named: this, and its path.
REPLAY = "replay:"

#: The demo market begins here, whenever it is started: the same seed is the same market, to the nanosecond.
DEMO_START_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00 UTC


def open_feed(spec: str, seed: int, decoded: DecodedFolder | None = None) -> MarkedFeed:
    """`decoded` is where recorded markets are kept that were decoded once.

    Raises FeedError for a feed that is not there, CaptureError for a recording that cannot be read.
    """
    # Each feed loads what it is made of.
    if spec == "demo":
        from triplegain.feeds.demo.demo import DemoMarket

        return DemoMarket(seed, DEMO_START_NS)
    if spec.startswith(REPLAY):
        from triplegain.feeds.captures.replay import open_replay

        path = spec.removeprefix(REPLAY)
        if not path:
            raise InvalidValueError("name the recording: --feed replay:PATH")
        return open_replay(Path(path).expanduser().resolve(), decoded)
    raise InvalidValueError(f"unknown feed {spec!r}: use live, demo, replay:PATH or history:PAIRS:FROM..TO")


def parse_speed(word: str | None) -> float | None:
    """Market seconds per wall second; None is as fast as possible. Default: 1, the speed of the recording."""
    if word is None:
        return 1.0
    if word.strip().lower() == "max":
        return None
    try:
        speed = float(word)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e9:
        raise InvalidValueError(f"--speed is a number above 0, or max; this is {word!r}")
    return speed


def parse_duration_ns(word: str | None) -> int | None:
    """`90`, `60s`, `5m`, `2h`, `1d` of market time in nanoseconds."""
    if word is None:
        return None
    text = word.strip().lower()
    number, unit = (text[:-1], UNITS_NS[text[-1]]) if text[-1:] in UNITS_NS else (text, SECOND_NS)
    if not number.isascii() or not number.isdigit() or int(number) == 0:
        raise InvalidValueError(f"--duration is a whole number with s, m, h or d, like 60s; this is {word!r}")
    return int(number) * unit
