"""Text from outside, brought down to what a reader sees: no markup, nothing invisible, no control characters.

What is left may still say anything. It is material, and `evidence.py` fences it as such.
"""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

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
    for _ in range(_ROUNDS_MAX):
        seen = _without_markup(_visible(text))
        if seen == text:
            break
        text = seen
    else:
        text = text.replace("&", " ")
    text = _visible(text).translate(_QUOTES)
    text = _LONG_WORD.sub("[long word]", text)
    return " ".join(text.split())[:length_max].rstrip()


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
