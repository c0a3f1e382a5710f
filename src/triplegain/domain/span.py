"""Stretches of time [from_ns, to_ns), and what is left of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from triplegain.domain.candle_time import candle_open_ns


class Span(NamedTuple):
    """From a moment up to, not including, another; nanoseconds."""

    from_ns: int
    to_ns: int


def merged(spans: Iterable[Span]) -> list[Span]:
    """In order, those that touch or overlap as one; empty ones are left out."""
    found: list[Span] = []
    for span in sorted(span for span in spans if span.from_ns < span.to_ns):
        if found and span.from_ns <= found[-1].to_ns:
            found[-1] = Span(found[-1].from_ns, max(found[-1].to_ns, span.to_ns))
        else:
            found.append(Span(*span))
    return found


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What of the spans is in none of those taken."""
    rest: list[Span] = []
    gone = merged(taken)
    for span in merged(spans):
        start = span.from_ns
        for hole in gone:
            if hole.to_ns <= start:
                continue
            if hole.from_ns >= span.to_ns:
                break
            if hole.from_ns > start:
                rest.append(Span(start, hole.from_ns))
            start = hole.to_ns
        if start < span.to_ns:
            rest.append(Span(start, span.to_ns))
    return rest


def within(spans: Iterable[Span], limits: Span) -> list[Span]:
    """What of the spans lies inside the limits."""
    cut = (Span(max(span.from_ns, limits.from_ns), min(span.to_ns, limits.to_ns)) for span in spans)
    return merged(cut)


def whole_candles(spans: Iterable[Span], length_ns: int) -> list[Span]:
    """Of each span the part that consists of whole candles."""
    return merged(
        Span(candle_open_ns(span.from_ns + length_ns - 1, length_ns), candle_open_ns(span.to_ns, length_ns))
        for span in merged(spans)
    )
