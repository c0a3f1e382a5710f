"""The cells of the matrix of deaths: who or what is struck, in which phase of a run, under which user."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TypeVar

from tests.app.other_user import STRANGER, why_not
from tests.crash.surroundings import why_no_clock, why_no_disk

_Kind = TypeVar("_Kind", bound=StrEnum)


class Victim(StrEnum):
    """What is killed; the disk of the home is filled up, and the wall clock is set."""

    PROCESS = "process"
    GROUP = "group"
    POSTMASTER = "postmaster"
    BACKEND = "backend"
    CHECKPOINTER = "checkpointer"
    DISK = "disk"
    CLOCK = "clock"


class Phase(StrEnum):
    START = "start"
    MIGRATION = "migration"
    RUNNING = "running"
    STOPPING = "stopping"
    RECOVERY = "recovery"


class Who(StrEnum):
    """ROOT_AT_A_USERS: root gives the commands, on a user's home. BLOCKED_ROOT: root without user namespaces."""

    USER = "user"
    ROOT = "root"
    ROOT_AT_A_USERS = "root-at-a-users"
    BLOCKED_ROOT = "blocked-root"


@dataclass(frozen=True, slots=True)
class Cell:
    victim: Victim
    phase: Phase
    who: Who

    def __str__(self) -> str:
        return f"{self.victim}-{self.phase}-{self.who}"

    @property
    def owner(self) -> int:
        return STRANGER if self.who in (Who.USER, Who.ROOT_AT_A_USERS) else 0

    @property
    def caller(self) -> int:
        return STRANGER if self.who is Who.USER else 0

    @property
    def why_not(self) -> str:
        """Why it cannot be looked at here; empty if it can."""
        match self.victim:
            case Victim.DISK:
                return why_no_disk() or why_not(self.owner)
            case Victim.CLOCK:
                return why_no_clock() or why_not(self.owner)
            case Victim.PROCESS | Victim.GROUP | Victim.POSTMASTER | Victim.BACKEND | Victim.CHECKPOINTER:
                return why_not(self.owner)


def all_cells() -> list[Cell]:
    return [Cell(*each) for each in product(Victim, Phase, Who)]


def sample(seed: int) -> list[Cell]:
    """One cell for each victim; of phases and users as many as there are."""
    chance = random.Random(seed)
    return [Cell(*each) for each in zip(Victim, _drawn(Phase, chance), _drawn(Who, chance), strict=False)]


def _drawn(of: type[_Kind], chance: random.Random) -> list[_Kind]:
    """As many as there are victims, each at least once."""
    every = list(of)
    drawn = every + [chance.choice(every) for _ in range(len(Victim) - len(every))]
    chance.shuffle(drawn)
    return drawn
