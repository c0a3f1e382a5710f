"""Texts from outside as one frozen bundle: cleaned, stamped, fenced, the same for everybody who is shown it.

Nothing in it was published or first seen after the cycle's time, so that a replay sees what the session saw.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from triplegain.agents.plain_text import mixed_words, plain_text
from triplegain.domain.clock import iso
from triplegain.domain.errors import InvalidValueError

_SOURCE_MAX = 60


@dataclass(frozen=True, slots=True)
class FoundText:
    """One text as it was found. Times are nanoseconds; `published_at_ns` None: it does not say."""

    source: str
    text: str
    first_seen_at_ns: int
    published_at_ns: int | None = None


class EvidenceSource(Protocol):
    """Where texts of strangers come from. It answers from what it has, at once; the same question has one answer.

    There is no other way into a prompt: what it finds goes through `bundle`, and the prompt is given nothing else.
    """

    def find(self, agent: str, asset: str, as_of_ns: int) -> Iterable[FoundText]:
        """What is known at market time `as_of_ns` for the agent (`social`, `news`) of one asset."""
        ...


class NoEvidence:
    """Nobody collects texts: models search for themselves, with their provider's tools."""

    def find(self, agent: str, asset: str, as_of_ns: int) -> Iterable[FoundText]:
        return ()


@dataclass(frozen=True, slots=True)
class EvidenceLimits:
    """The newest `items_max` texts are kept, each cut to `item_length_max` characters."""

    items_max: int = 20
    item_length_max: int = 600


@dataclass(frozen=True, slots=True)
class Evidence:
    """One cleaned text. `mixed_words` are words of letters that look alike and are of several scripts."""

    source: str
    text: str
    first_seen_at_ns: int
    published_at_ns: int | None
    mixed_words: int


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """What one cycle may know from outside, oldest first. `hash` is the SHA-256 of its canonical JSON."""

    as_of_ns: int
    items: tuple[Evidence, ...]
    #: Left out: later than the cycle, said before, nothing left after cleaning, more than the limit.
    too_late: int
    repeated: int
    empty: int
    over_limit: int

    @property
    def json(self) -> str:
        items = [
            [each.source, each.text, str(each.first_seen_at_ns), _text_or_none(each.published_at_ns), each.mixed_words]
            for each in self.items
        ]
        return json.dumps({"as_of_ns": str(self.as_of_ns), "items": items}, separators=(",", ":"), ensure_ascii=False)

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.json.encode()).hexdigest()

    def fenced(self) -> str:
        """The bundle between two fences named after its hash.

        Every line of the material begins with a bar and the material has no line breaks of its own: no text can write
        a line that looks like a fence, and none can know the hash it is part of.
        """
        fence = f"evidence {self.hash[:16]}"
        lines = [line for each in self.items for line in (f"| [{_stamp(each)}]", f"| {each.text}")]
        return "\n".join((f"=== begin {fence} ===", *(lines or ("| (none)",)), f"=== end {fence} ==="))


def bundle(found: Iterable[FoundText], as_of_ns: int, limits: EvidenceLimits | None = None) -> EvidenceBundle:
    """The bundle of a cycle at market time `as_of_ns`. The order in which texts were found does not matter."""
    limits = limits or EvidenceLimits()
    if as_of_ns < 0:
        raise InvalidValueError(f"a cycle has a time, this is {as_of_ns}")
    known: dict[str, Evidence] = {}
    too_late = repeated = empty = 0
    for each in sorted(found, key=lambda one: (_time_ns(one), one.first_seen_at_ns, one.source, one.text)):
        if max(each.first_seen_at_ns, each.published_at_ns or 0) > as_of_ns:
            too_late += 1
            continue
        text = plain_text(each.text, limits.item_length_max)
        if not text:
            empty += 1
        elif text.casefold() in known:
            repeated += 1
        else:
            source = plain_text(each.source, _SOURCE_MAX).translate(_NO_BRACKETS)
            known[text.casefold()] = Evidence(
                source, text, each.first_seen_at_ns, each.published_at_ns, mixed_words(text)
            )
    items = tuple(known.values())
    kept = items[max(0, len(items) - limits.items_max) :]
    return EvidenceBundle(as_of_ns, kept, too_late, repeated, empty, len(items) - len(kept))


_NO_BRACKETS = str.maketrans("[]", "()")


def _stamp(item: Evidence) -> str:
    published = "not said" if item.published_at_ns is None else _minute(item.published_at_ns)
    mixed = f"; {item.mixed_words} words in letters that imitate others" if item.mixed_words else ""
    return f"{item.source or 'unnamed'}; published {published}; first seen {_minute(item.first_seen_at_ns)}{mixed}"


def _time_ns(found: FoundText | Evidence) -> int:
    return found.first_seen_at_ns if found.published_at_ns is None else found.published_at_ns


def _minute(time_ns: int) -> str:
    return f"{iso(time_ns)[:16]}Z"


def _text_or_none(value: int | None) -> str | None:
    return None if value is None else str(value)
