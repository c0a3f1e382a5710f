"""Texts from outside as one frozen bundle: cleaned, stamped, fenced, the same for everybody who is shown it.

Nothing in it was published or first seen after the cycle's time, so that a replay sees what the session saw.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Protocol

from triplegain.domain.clock import iso
from triplegain.domain.errors import InvalidValueError

#: More than this of one text is not looked at.
_RAW_MAX = 20_000
#: Each round takes off one layer of escaped markup.
_ROUNDS_MAX = 6
#: Letters and symbols that show nothing, beside those of category Cf: fillers, joiners, selectors, the empty braille.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
#: Format, control, private, unassigned, half a surrogate pair; and the line separators, which are blanks here.
_DROPPED = ("Cf", "Co", "Cn", "Cs")
_BLANK = ("Cc", "Zl", "Zp", "Zs")
#: Begins markup or stands for a letter, and what is written instead of brackets.
_MARKED = re.compile("[<>&`]")
#: No word of prose is so long: keys, hashes, encoded text.
_LONG_WORD = re.compile(r"[!-~]{60,}")
_HIDING = re.compile(
    r"display:none|visibility:(hidden|collapse)|(font-size|opacity|width|height|max-width|max-height):0(?![.]?[1-9])"
    r"|(left|top|text-indent|margin-left):-[0-9]{3,}|clip:rect|color:transparent",
)
#: A tag or comment that never ends: a browser shows nothing of it.
_OPEN_TAG = re.compile(r"\s*<[A-Za-z/!?]")
#: An ampersand escaped any number of times.
_AMPERSANDS = re.compile(r"&((amp|#0*38|#x0*26);)+", re.IGNORECASE)
_UNREAD = frozenset(("head", "iframe", "noscript", "object", "script", "style", "svg", "template", "textarea", "title"))
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")


def plain_text(raw: str, length_max: int) -> str:
    """One line of at most `length_max` characters, in Unicode's compatible composition (NFKC).

    Comments, scripts and elements that a page hides go with all they contain; angle brackets and backticks that are
    left become quotes; words of 60 characters and more go. Doing it again changes nothing.
    """
    text = raw[:_RAW_MAX]
    if text.isascii() and text.isprintable() and not _MARKED.search(text):
        # Nothing of what follows would find anything in it but long words and blanks.
        return _one_line(text, length_max)
    for _ in range(_ROUNDS_MAX):
        seen = _without_markup(_visible(text))
        if seen == text:
            break
        text = seen
    else:
        text = text.replace("&", " ")
    return _one_line(_visible(text).translate(_QUOTES), length_max)


def _one_line(text: str, length_max: int) -> str:
    return " ".join(_LONG_WORD.sub("[long word]", text).split())[:length_max].rstrip()


_QUOTES = str.maketrans({"<": "'", ">": "'", "`": "'"})


def mixed_words(text: str) -> int:
    """How many words are written in letters of several scripts that look alike: `Bitсoin` with a Cyrillic `с`."""
    return sum(len({_script(letter) for letter in word} - {""}) > 1 for word in re.findall(r"\w+", text))


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "").partition(" ")[0]
    return first if first in _SCRIPTS else ""


def _visible(text: str) -> str:
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    kept = []
    for letter in text[:_RAW_MAX]:
        category = unicodedata.category(letter)
        if category not in _DROPPED:
            kept.append(" " if category in _BLANK else letter)
    return unicodedata.normalize("NFKC", "".join(kept))


def _without_markup(text: str) -> str:
    if "<" not in text and "&" not in text:
        return text
    reader = _Reader()
    reader.feed(_AMPERSANDS.sub("&", text))
    if _OPEN_TAG.match(reader.rawdata) is None:
        reader.close()
    return "".join(reader.seen)


class _Reader(HTMLParser):
    """Collects what a browser would show. Where the markup is broken it rather sees too little."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        #: The element that hides what follows, and how many of its name are open; empty: none.
        self._hidden_by = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(" ")
        if tag in _VOID:
            return
        if self._hidden_by:
            self._depth += tag == self._hidden_by
        elif tag in _UNREAD or _hides(attrs):
            self._hidden_by, self._depth = tag, 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(" ")
        if tag == self._hidden_by:
            self._depth -= 1
            if not self._depth:
                self._hidden_by = ""

    def handle_data(self, text: str) -> None:
        if not self._hidden_by:
            self.seen.append(text)


def _hides(attributes: list[tuple[str, str | None]]) -> bool:
    for name, value in attributes:
        if name == "hidden" or (name == "aria-hidden" and value == "true"):
            return True
        if name == "style" and value and _HIDING.search(re.sub(r"/\*.*?\*/|\s", "", value).casefold()):
            return True
    return False


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
    """What one cycle may know from outside, oldest first. `hash` is the SHA-256 of its canonical JSON.

    Left out is what is later than the cycle, was said before, is empty once it is cleaned, or more than the limit.
    """

    as_of_ns: int
    items: tuple[Evidence, ...]

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
    for each in sorted(found, key=lambda one: (_time_ns(one), one.first_seen_at_ns, one.source, one.text)):
        if max(each.first_seen_at_ns, each.published_at_ns or 0) > as_of_ns:
            continue
        text = plain_text(each.text, limits.item_length_max)
        if text and text.casefold() not in known:
            source = plain_text(each.source, _SOURCE_MAX).translate(_NO_BRACKETS)
            known[text.casefold()] = Evidence(
                source, text, each.first_seen_at_ns, each.published_at_ns, mixed_words(text)
            )
    items = tuple(known.values())
    return EvidenceBundle(as_of_ns, items[max(0, len(items) - limits.items_max) :])


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
