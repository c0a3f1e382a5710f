"""The tests against mutants. Tests are imported once; each mutant gets a fork of that process.

What is inside a function is put into the functions that are there already. What is outside of any (constants, defaults
of fields) is imported anew, in a process that has not imported the program yet.
"""

from __future__ import annotations

import contextlib
import io
import resource
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from bench.mutation.finding import Mutant
from bench.mutation.installing import import_changed, put_in_place
from bench.mutation.processes import Ended, forked, in_parallel
from bench.mutation.reaching import Parts

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = (
    "tests/exchange", "tests/ledger",
    "tests/execution/test_protection_on_paper_exchange.py", "tests/config/test_reference.py",
)  # fmt: skip
#: Ten seconds a test, for little that the others do not find; so do the random streams of the exchange.
LEFT_OUT = ("test_oracle.py",)
#: Seconds each, for what the streams of the same file find in less.
LONG = ("test_on_recorded_markets_with_depth_and_tape_told_against_each_other",)
#: Of a random test the first seeds do: more of them cost a second each.
SEEDS = range(2)
OPTIONS = (
    "-s", "--assert=plain", "--tb=no",
    "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0",
    *(f"--ignore-glob=*/{name}" for name in LEFT_OUT),
)  # fmt: skip
#: A test may take so many times as long as without a mutant, and a second more.
_PATIENCE = 10
_MEMORY = 2**31


class Outcome(Enum):
    KILLED = "killed"
    #: A test took ten times as long as without it, or waited for what did not come: that is noticed, too.
    ENDLESS = "endless"
    SURVIVED = "survived"


class Judged(NamedTuple):
    """`by` is the test that failed, "" where there is none to name; of a survivor that no test reaches it."""

    mutant: Mutant
    outcome: Outcome
    by: str


def judge(mutants: list[Mutant], jobs: int, tell: Callable[[Judged], None]) -> None:
    """Tell of every mutant what became of it, as soon as that is known.

    Raises RuntimeError where a test fails without any mutant.
    """
    quick = hypothesis.settings(
        derandomize=True, database=None, deadline=None, phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate)
    )
    hypothesis.settings.register_profile("mutants", quick)
    hypothesis.settings.load_profile("mutants")
    parts = Parts(sorted({mutant.file for mutant in mutants}))
    tried = Tried(parts, forked(partial(_measured, parts)))
    in_functions = [mutant for mutant in mutants if mutant.first_line]
    elsewhere = [mutant for mutant in mutants if not mutant.first_line]

    def inside(items: list[pytest.Item]) -> str | None:
        works = ((mutant, partial(_fails_in_place, mutant, items, tried)) for mutant in in_functions)
        for mutant, ended in in_parallel(works, jobs):
            tell(tried.noted(mutant, ended))
        return None

    works = ((mutant, partial(_fails_imported, mutant, tried)) for mutant in elsewhere)
    for mutant, ended in in_parallel(works, jobs):
        tell(tried.noted(mutant, ended))
    if failed := _with_tests(inside):
        raise RuntimeError(failed)


class Measured(NamedTuple):
    """Of a test without any mutant: seconds of processor time, and numbers of the parts that it reaches."""

    seconds: float
    reached: frozenset[int]


_UNKNOWN = Measured(1.0, frozenset())


class Tried:
    """Which tests try a mutant, and in which order: first those that have killed others of its file in little time."""

    def __init__(self, parts: Parts, tests: dict[str, Measured]) -> None:
        self._parts = parts
        self._tests = tests
        self._kills: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def noted(self, mutant: Mutant, ended: Ended) -> Judged:
        if ended.signal in (signal.SIGVTALRM, signal.SIGALRM):
            return Judged(mutant, Outcome.ENDLESS, "")
        if ended.signal is not None:
            return Judged(mutant, Outcome.KILLED, f"signal {ended.signal}")
        if ended.answer is None:
            return Judged(mutant, Outcome.SURVIVED, "" if self._is_reached(mutant) else ", no test reaches it")
        self._kills[mutant.file][ended.answer] += 1
        return Judged(mutant, Outcome.KILLED, ended.answer)

    def _is_reached(self, mutant: Mutant) -> bool:
        part = self._parts.of(mutant)
        return part is None or any(part in test.reached for test in self._tests.values())

    def by(self, mutant: Mutant, items: list[pytest.Item]) -> list[pytest.Item]:
        part, kills = self._parts.of(mutant), self._kills[mutant.file]
        return sorted(
            (each for each in items if part is None or part in self._of(each).reached),
            key=lambda each: (kills[each.nodeid] + 0.1) / (self.seconds(each) + 0.01),
            reverse=True,
        )

    def seconds(self, item: pytest.Item) -> float:
        return self._of(item).seconds

    def _of(self, item: pytest.Item) -> Measured:
        # Names of cases may hang on a constant that the mutant has changed.
        return self._tests.get(item.nodeid, _UNKNOWN)


def _measured(parts: Parts) -> dict[str, Measured]:
    """Every test by its name."""
    tests: dict[str, Measured] = {}

    def measure(items: list[pytest.Item]) -> str | None:
        parts.watch()
        for item, following in _with_following(items):
            began = time.process_time()
            if _is_failure(item, following):
                return item.nodeid
            tests[item.nodeid] = Measured(time.process_time() - began, parts.reached())
        return None

    if failed := _with_tests(measure):
        raise RuntimeError(f"fails without any mutant: {failed}")
    return tests


def _fails_imported(mutant: Mutant, tried: Tried) -> str | None:
    import_changed(mutant)
    return _with_tests(lambda items: _first_failure(tried.by(mutant, items), tried))


def _fails_in_place(mutant: Mutant, items: list[pytest.Item], tried: Tried) -> str | None:
    put_in_place(mutant)
    return _first_failure(tried.by(mutant, items), tried)


def _first_failure(items: list[pytest.Item], tried: Tried) -> str | None:
    _limit_memory()
    for item, following in _with_following(items):
        patience = _PATIENCE * tried.seconds(item) + 1
        # Unhandled, they end the process, whatever it is doing.
        signal.setitimer(signal.ITIMER_VIRTUAL, patience)
        signal.setitimer(signal.ITIMER_REAL, 60 + 10 * patience)
        if _is_failure(item, following):
            return item.nodeid
    return None


def _with_following(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=False)


def _is_failure(item: pytest.Item, following: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _limit_memory() -> None:
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = in_use + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


class _Instead:
    """pytest up to where tests are known; what is done with them then is another's."""

    def __init__(self, work: Callable[[list[pytest.Item]], str | None]) -> None:
        self._work = work
        self.answer: str | None = "the tests cannot be imported"
        self.error: Exception | None = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.testsfailed:
            try:
                self.answer = self._work([item for item in session.items if _is_tried(item)])
            except Exception as error:
                self.error = error
        return True


def _is_tried(item: pytest.Item) -> bool:
    case = getattr(item, "callspec", None)
    if item.path.parent.name == "exchange" and getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        return False
    if getattr(item, "originalname", "") in LONG:
        return False
    return case is None or case.params.get("seed", 0) in SEEDS


def _with_tests(work: Callable[[list[pytest.Item]], str | None]) -> str | None:
    instead = _Instead(work)
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*OPTIONS, f"--rootdir={ROOT}", *(str(ROOT / each) for each in TESTS)], plugins=[instead])
    if instead.error is not None:
        raise instead.error
    return instead.answer
