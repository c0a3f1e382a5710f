from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.injection_corpus import Attack, corpus

from triplegain.agents.evidence import mixed_words, plain_text


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("  BTC \n\n rose\tby 3 %  ", "BTC rose by 3 %"),
        ("<p>BTC <b>rose</b></p><p>XRP fell</p>", "BTC rose XRP fell"),
        ("fees 3 &lt; 5 &amp; 7 &gt; 6", "fees 3 ' 5 & 7 ' 6"),
        ("<div style='color:red'>seen</div><div hidden>not</div>after", "seen after"),
        ("<div style='opacity:0.5'>half seen</div>", "half seen"),
        ("<br hidden>seen", "seen"),
        ("ﬁne Ａ １", "fine A 1"),
        ("日本語のニュース", "日本語のニュース"),
        ("naïve café", "naïve café"),
        ("", ""),
        ("<!-- only this -->", ""),
    ],
)
def test_what_a_reader_sees_is_kept_and_the_rest_is_not(raw: str, plain: str) -> None:
    assert plain_text(raw, 100) == plain


def test_length_is_capped_after_everything_else() -> None:
    assert plain_text("ab " * 1000, 10) == "ab ab ab a"
    assert len(plain_text("\ufdfa" * 20_000, 50)) <= 50  # each is 18 letters when composed


def test_words_of_mixed_letters_are_counted_and_foreign_ones_are_not() -> None:
    assert mixed_words("Bitс\u043ein and BTC") == 1  # Cyrillic es and o
    assert mixed_words("биткоин Bitcoin ビットコイン βeta") == 1  # only the last: Greek beta, Latin eta


@pytest.mark.parametrize("attack", corpus(), ids=lambda attack: f"{attack.kind}: {attack.name}")
def test_of_no_attack_anything_hidden_is_left(attack: Attack) -> None:
    plain = plain_text(attack.text, 600)
    assert [word for word in attack.hidden if word in plain] == []
    clean(plain, 600)


def clean(text: str, length_max: int) -> None:
    assert len(text) <= length_max
    assert not {"<", ">", "`", "\n", "\r"} & set(text)
    assert {unicodedata.category(letter) for letter in text} & {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"} == set()
    assert text == unicodedata.normalize("NFKC", text)


PIECES = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(("<div hidden>", "</div>", "<!--", "-->", "&lt;", "&amp;", "<script>", "&#8203;", "<", "&gt")),
    ),
    max_size=30,
).map("".join)


@given(PIECES, st.integers(1, 300))
def test_whatever_comes_the_result_is_clean_and_cleaning_it_again_changes_nothing(raw: str, length_max: int) -> None:
    plain = plain_text(raw, length_max)
    clean(plain, length_max)
    assert plain_text(plain, length_max) == plain
