"""Mutants that no test can kill, each with the reason: bench/mutation/explained.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.mutation.finding import Mutant

FILE = Path(__file__).with_name("explained.toml")


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
    """Raises KeyError where an entry lacks something, ValueError where one is there twice or gives no reason."""
    found: dict[Place, str] = {}
    for each in tomllib.loads(text).get("survivor", []):
        place = Place(each["file"], each["function"], each["old"], each["new"])
        if place in found or not each["why"]:
            raise ValueError(f"explained twice, or not at all: {place}")
        found[place] = each["why"]
    return found


def stale(explained: Iterable[Place], mutants: list[Mutant], killed: list[Mutant]) -> list[Place]:
    """Those that are no mutants of the program any more, or that a test has killed."""
    there, dead = {Place.of(each) for each in mutants}, {Place.of(each) for each in killed}
    return [place for place in explained if place not in there or place in dead]
