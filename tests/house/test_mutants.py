"""Which faults `bench/mutants.py` makes, and how it reckons: a change of a program is one that a test could notice."""

from __future__ import annotations

import pytest
from bench.mutants import sample
from bench.mutation.explained import FILE, Place, printed_survivors, reasons, stale
from bench.mutation.finding import Mutant, all_mutants, mutants_of


def changes(program: str) -> list[str]:
    return [mutant.new for mutant in mutants_of("made/up.py", program.encode())]


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = (a) is not (b)", ["x = (a) is (b)"]),
        ("x = a not in b", ["x = a in b"]),
        ("x = a < b < c", ["x = a <= b < c", "x = a < b <= c"]),
        ("x = a + b * c", ["x = a - b * c", "x = a + b // c"]),
        ("x = a and not b", ["x = a or not b", "x = a and b"]),
        ("x = -a", ["x = a"]),
        ("x = not (y := a)", ["x = (y := a)"]),
        ("x = True", ["x = False"]),
        ("x = 5", ["x = 4", "x = 6"]),
        ("x = min(a, b)", ["x = max(a, b)"]),
        ("self.x = a", ["pass"]),
        ("self.x, y[z] = a, b", ["pass"]),
        ("x += a", ["pass", "x -= a"]),
        ("f(a)", ["pass"]),
        ("raise E", ["pass"]),
        ("return", ["pass"]),
        ("return a", ["return None"]),
        ("x = [y for y in z if y.a]", ["x = [y for y in z if not y.a]"]),
        # Of words, types and what a reader is assured of nothing is made.
        ("x = a + 'b'", []),
        ("x = f'{a + 1}'", []),
        ("x: tuple[int, int] = a", []),
        ("x = isinstance(a, A | B)", []),
        ("assert a is not None", []),
        ("assert_never(a)", []),
        ("x = zip(a, b, strict=True)", []),
        ("x = localcontext(prec=40)", []),
        ("x = a", []),
        ("return None", []),
    ],
)
def test_what_is_made_of_a_statement(statement: str, changed: list[str]) -> None:
    assert sorted(changes(f"def f():\n    {statement}\n")) == sorted(changed)


def test_conditions_are_turned_round_and_branches_stay() -> None:
    program = (
        'def f():\n    "words"\n    while a.b:\n        if c:\n            g()\n        elif d():\n            break\n'
    )
    assert changes(program) == ["while not a.b:", "if not c:", "pass", "elif not d():", "pass"]


def test_outside_of_functions_numbers_change_and_types_do_not() -> None:
    program = "__slots__ = (1,)\nPair = tuple[int, int] | None\nLIMIT = 5\n\nclass A(B, frozen=True):\n    x: int = 0\n"
    found = mutants_of("made/up.py", program.encode())
    assert [(each.function, each.first_line, each.line, each.new) for each in found] == [
        ("", 0, 3, "LIMIT = 4"), ("", 0, 3, "LIMIT = 6"), ("A", 0, 6, "x: int = -1"), ("A", 0, 6, "x: int = 1"),
    ]  # fmt: skip


def test_a_mutant_knows_its_function_with_decorators_and_the_lines_below_stay_where_they_are() -> None:
    program = "class A:\n    @property\n    def x(self):\n        return (\n self.a,\n 'ä',\n )\n"
    [found] = mutants_of("made/up.py", program.encode())
    assert (found.function, found.first_line, found.old) == ("A.x", 2, "return ( self.a, 'ä', )")


def test_every_mutant_is_a_program_and_keeps_the_number_of_its_lines() -> None:
    everything = all_mutants()
    assert len(everything) > 2000
    for mutant in everything:
        assert mutant.source.count(b"\n") == mutant.before.count(b"\n"), mutant
    for mutant in sample(everything, 50, seed=1):
        compile(mutant.source, mutant.file, "exec", dont_inherit=True)
        assert mutant.old != mutant.new


def test_a_sample_is_drawn_by_what_mutants_are_not_by_where_they_stand() -> None:
    first = mutants_of("a.py", b"def f():\n    x = a < b\n    y = c + d\n    return x and y\n")
    moved = mutants_of("a.py", b"\n\ndef f():\n    x = a < b\n    z = 0\n    y = c + d\n    return x and y\n")

    def drawn(mutants: list[Mutant], seed: int) -> set[Place]:
        return {Place.of(each) for each in sample(mutants, 2, seed)}

    assert drawn(first, 1) == drawn(first, 1)
    assert len({frozenset(drawn(first, seed)) for seed in range(8)}) > 1
    assert sum(len(drawn(first, seed) & drawn(moved, seed)) for seed in range(20)) > 20


def test_an_explanation_is_out_of_date_once_its_mutant_is_gone_or_killed() -> None:
    alive, killed = mutants_of("a.py", b"def f():\n    x = a < b\n    y = c + d\n")
    gone = Place("a.py", "f", "z = 1", "z = 2")
    explained = [Place.of(alive), Place.of(killed), gone]
    assert stale(explained, [alive, killed], [killed]) == [Place.of(killed), gone]
    # Of two that look alike one may be left.
    assert stale(explained, [alive, killed, killed], [killed]) == [gone]


@pytest.mark.parametrize("why", ['""', '"twice"'])
def test_an_explanation_says_why_and_once(why: str) -> None:
    entry = f'[[survivor]]\nfile = "a.py"\nfunction = "f"\nold = "x"\nnew = "y"\nwhy = {why}\n'
    with pytest.raises(ValueError, match="explained twice, or not at all"):
        reasons(entry * 2)


def test_an_explanation_may_be_one_of_several_changes_of_a_line() -> None:
    entry = '[[survivor]]\nfile = "a.py"\nfunction = "f"\nold = "x"\nnew = ["y", "z"]\nwhy = "both"\n'
    assert reasons(entry) == {Place("a.py", "f", "x", "y"): "both", Place("a.py", "f", "x", "z"): "both"}


def test_what_a_run_has_printed_can_be_tried_again() -> None:
    program = b"LIMIT = 5\n\ndef f():\n    x = a < b\n    y = c + d\n"
    mutants = mutants_of("exchange/a.py", program)
    by = ("", "", ", no test reaches it", "")
    printed = "50 of 60, 10 s\n" + "".join(f"survived{b}: {m}\n" for b, m in zip(by, mutants, strict=True))
    assert list(printed_survivors(printed)) == [Place.of(each) for each in mutants]


def test_what_is_explained_is_a_mutant_of_the_program() -> None:
    assert stale(reasons(FILE.read_text()), all_mutants(), []) == []
