"""Mutants that no test can kill, each with the reason: bench/mutation/explained.toml.

Also which mutants a run has printed as survivors.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.mutation.finding import Mutant

FILE = Path(__file__).with_name("explained.toml")
#: As a mutant is printed.
_PRINTED = re.compile(r"^survived.*: src/triplegain/(\S+):\d+ (.*)\n {4}- (.*)\n {4}\+ (.*)$", re.MULTILINE)


class Place(NamedTuple):
    """Lines change their numbers, so a mutant is known by its function, its text and what became of it."""

    file: str
    function: str
    old: str
    new: str

    @classmethod
    def of(cls, mutant: Mutant) -> Place:
        return cls(mutant.file, mutant.function, mutant.old, mutant.new)


def reasons(text: str) -> dict[Place, str]:
    """By place. An entry with several `new` gives one reason for all of them.

    Raises KeyError where an entry lacks something, ValueError where one is there twice or gives no reason.
    """
    found: dict[Place, str] = {}
    for each in tomllib.loads(text).get("survivor", []):
        for new in _several(each["new"]):
            place = Place(each["file"], each["function"], each["old"], new)
            if place in found or not each["why"]:
                raise ValueError(f"explained twice, or not at all: {place}")
            found[place] = each["why"]
    return found


def _several(new: str | list[str]) -> list[str]:
    return [new] if isinstance(new, str) else new


def printed_survivors(text: str) -> Iterator[Place]:
    """Of what an earlier run has printed."""
    return (Place(*each) for each in _PRINTED.findall(text))


def stale(explained: Iterable[Place], mutants: list[Mutant], killed: list[Mutant]) -> list[Place]:
    """Those that are no mutants of the program any more, or that a test has killed: all that look like it, where the
    same line stands in a function twice."""
    there, dead = Counter(Place.of(each) for each in mutants), Counter(Place.of(each) for each in killed)
    return [place for place in explained if there[place] == dead[place]]
