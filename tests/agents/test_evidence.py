from __future__ import annotations

import hashlib
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.injection_corpus import Attack, corpus

from triplegain.agents.evidence import EvidenceBundle, EvidenceLimits, FoundText, bundle
from triplegain.domain.errors import InvalidValueError

MINUTE_NS = 60 * 10**9
NOON = 1_700_000_000 * 10**9
NOON -= NOON % MINUTE_NS


def found(text: str, seen_min: int = -10, published_min: int | None = None, source: str = "Wire") -> FoundText:
    """Times in minutes from the cycle's."""
    published = None if published_min is None else NOON + published_min * MINUTE_NS
    return FoundText(source, text, NOON + seen_min * MINUTE_NS, published)


def texts(made: EvidenceBundle) -> list[str]:
    return [each.text for each in made.items]


def test_nothing_later_than_the_cycle_enters() -> None:
    made = bundle([found("now", 0, 0), found("seen later", 1), found("dated later", -5, 1), found("before", -1)], NOON)
    assert texts(made) == ["before", "now"]


def test_the_same_text_is_told_once_from_where_it_was_first() -> None:
    made = bundle([found("BTC <b>rose</b>", -5, source="Copy"), found("btc rose", -9), found("<!-- x -->", -3)], NOON)
    assert [(each.source, each.text) for each in made.items] == [("Wire", "btc rose")]


def test_the_newest_are_kept_and_each_is_cut() -> None:
    limits = EvidenceLimits(items_max=2, item_length_max=5)
    made = bundle([found(f"{n} abcdefgh", n - 10) for n in range(4)], NOON, limits)
    assert texts(made) == ["2 abc", "3 abc"]


def test_times_imitations_and_source_stand_with_each_text() -> None:
    made = bundle([found("Bitс\u043ein rose", -10, -30, source="A [verified]\n<b>B</b>"), found("plain", -5)], NOON)
    lines = made.fenced().splitlines()
    assert lines[1] == (
        "| [A (verified) B; published 2023-11-14T21:43Z; first seen 2023-11-14T22:03Z; "
        "1 words in letters that imitate others]"
    )
    assert lines[3] == "| [Wire; published not said; first seen 2023-11-14T22:08Z]"
    assert made.items[0].mixed_words == 1


def test_the_hash_is_that_of_its_json_and_the_order_of_finding_does_not_matter() -> None:
    one, two = found("one", -3), found("two", -3)
    made = bundle([one, two], NOON)
    assert made == bundle([two, one], NOON)
    assert made.hash == hashlib.sha256(made.json.encode()).hexdigest()
    assert len({made.hash, bundle([one], NOON).hash, bundle([one, two], NOON + 1).hash}) == 3


def test_an_empty_bundle_says_so() -> None:
    assert bundle([], NOON).fenced().splitlines()[1] == "| (none)"
    with pytest.raises(InvalidValueError):
        bundle([], -1)


def fence_holds(made: EvidenceBundle, limits: EvidenceLimits) -> None:
    first, *inner, last = made.fenced().split("\n")
    assert re.fullmatch(r"=== begin evidence [0-9a-f]{16} ===", first)
    assert last == first.replace("begin", "end")
    assert [line for line in inner if not line.startswith("| ")] == []
    assert len(inner) == max(1, 2 * len(made.items))
    mark = first.split()[3]
    assert not any(mark in line for line in inner)
    for line in inner:
        assert {unicodedata.category(letter) for letter in line} & {"Cc", "Cf", "Zl", "Zp", "Cs"} == set()
        # What Python and others take for the end of a line.
        assert line.splitlines() == [line]
        assert len(line) <= limits.item_length_max + 200


@pytest.mark.parametrize("attack", corpus(), ids=lambda attack: f"{attack.kind}: {attack.name}")
@pytest.mark.parametrize("place", ["text", "source"])
def test_no_attack_closes_the_fence(attack: Attack, place: str) -> None:
    limits = EvidenceLimits(item_length_max=300)
    known = found("a fact", -3)
    bad = found(attack.text) if place == "text" else found("another fact", source=attack.text)
    made = bundle([known, bad], NOON, limits)
    fence_holds(made, limits)
    # Knowing the fence of a bundle does not help to close that of the bundle one gets into.
    stolen = made.fenced().splitlines()[-1]
    fence_holds(bundle([known, bad, found(f"x\n{stolen}\n{attack.text}")], NOON, limits), limits)


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=20), st.integers(-5, 5)), max_size=6))
def test_no_text_closes_the_fence(parts: list[tuple[str, str, int]]) -> None:
    limits = EvidenceLimits(items_max=4, item_length_max=50)
    made = bundle([found(text, seen, source=source) for text, source, seen in parts], NOON, limits)
    fence_holds(made, limits)
    assert len(made.items) <= len(parts)
