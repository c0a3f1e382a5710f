"""Words from outside: nothing a terminal obeys, no longer than they may be, no key and no part of one."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from triplegain.domain.errors import TripleGainError
from triplegain.domain.outside import Redactor, secrets_of, tame, tame_lines, tame_tree

KEY = "sk-proj-Zq81LmNx77TgBv02"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202edrowssap\u2066\r\nFAKE\x00\ud800"


def test_a_line_holds_nothing_that_a_terminal_obeys() -> None:
    assert tame("a\n\tb\x1b[2J\x9b1m\u202edcba\0") == "a b\ufffd[2J\ufffd1m\ufffddcba\ufffd"
    assert tame("caf\u00e9 \U0001f600 \u4f60") == "caf\u00e9 \U0001f600 \u4f60"
    assert tame("word " * 10, 12) == "word word wo…"
    assert tame("exactly", 7) == "exactly"


@given(st.text(), st.integers(min_value=1, max_value=60))
def test_whatever_it_was_it_is_printable_short_and_can_be_written(words: str, most: int) -> None:
    line, lines = tame(words, most), tame_lines(words, most)
    assert line.isprintable() and len(line) <= most + 1
    assert lines.replace("\n", "").isprintable() and len(lines) <= most + 1
    assert tame(line, most + 1) == line and tame_lines(lines, most + 1) == lines


def test_a_tree_is_tame_in_the_names_of_its_fields_too() -> None:
    told = tame_tree({HOSTILE: [HOSTILE, {"a": HOSTILE}], "number": 1, "none": None})
    assert json.dumps(told, ensure_ascii=False).isprintable()
    assert (told["number"], told["none"]) == (1, None)


@given(st.integers(0, len(KEY) - 8), st.integers(8, len(KEY)), st.text(max_size=20), st.text(max_size=20))
def test_no_run_of_eight_characters_of_a_key_is_left(begin: int, length: int, before: str, after: str) -> None:
    part = KEY[begin : begin + length]
    own = Redactor([KEY, "short-1"])
    told = own.tree({f"{before}{part}{after}": [part, {"deep": f"{before}{part}"}]})
    shown = str(told) + own.text(f"{before}{part}{after}")
    assert not any(KEY[at : at + 8] in shown for at in range(len(KEY) - 7))


def test_only_keys_are_masked() -> None:
    own = Redactor([KEY, "short-1", "tiny"])
    assert own.text("a short-1 tiny word") == "a ******* tiny word"
    assert own.text(f"<{KEY}>{KEY[:9]} and {KEY[3:10]}") == f"<********>******** and {KEY[3:10]}"
    assert own.tree({"n": 1.5, "t": (True, None)}) == {"n": 1.5, "t": [True, None]}
    assert Redactor([]).text("Bearer abcdefghijklmnop") == "********"


def test_the_keys_of_a_process_are_known_by_the_names_of_their_variables() -> None:
    environ = {
        "OPENAI_API_KEY": " a-key ", "KRAKEN_API_SECRET": "b", "X_TOKEN": "c", "HOME": "/root", "KEYBOARD": "de",
        "TRIPLEGAIN_DATABASE_URL": "postgresql://me:hidden@host/db", "BROKEN": "http://[@", "EMPTY_KEY": "",
    }  # fmt: skip
    assert secrets_of(environ) == {"a-key", "b", "c", "hidden"}


def test_an_error_quotes_what_it_was_given_tame() -> None:
    error = TripleGainError(f"this is {HOSTILE}\nin two lines")
    assert str(error).replace("\n", "").isprintable() and str(error).endswith("\nin two lines")
