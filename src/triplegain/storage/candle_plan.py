"""Which stored candles a longer one is made of: decided from what is known to be whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triplegain.domain.candle_time import MINUTE_NS
from triplegain.domain.span import Span, merged, whole_candles, within, without


@dataclass(frozen=True, slots=True)
class Segment:
    """Complete candles from `span`, made of stored ones of `base_ns`, which are known back to `known_from_ns`."""

    base_ns: int
    span: Span
    known_from_ns: int


def plan_candles(known: Mapping[int, Sequence[Span]], length_ns: int, limits: Span) -> list[Segment]:
    """The segments of complete candles within the limits, oldest first; what is in none of them is not known.

    `known` are the whole spans by the length of the stored candles. Minutes come first, then candles of the very
    length asked for, then the longest shorter ones that divide it; one candle is never made of two kinds.
    """
    shorter = sorted((base for base in known if base < length_ns and length_ns % base == 0), reverse=True)
    order = dict.fromkeys(base for base in (MINUTE_NS, length_ns, *shorter) if base in known)
    segments: list[Segment] = []
    taken: list[Span] = []
    for base in order:
        for span in merged(known[base]):
            for part in without(within(whole_candles([span], length_ns), limits), taken):
                segments.append(Segment(base, part, span.from_ns))
                taken.append(part)
    return sorted(segments, key=lambda segment: segment.span)


def last_run(segments: Sequence[Segment]) -> list[Segment]:
    """The segments at the end that follow each other without a hole."""
    run: list[Segment] = []
    for segment in reversed(segments):
        if run and segment.span.to_ns != run[0].span.from_ns:
            break
        run.insert(0, segment)
    return run
