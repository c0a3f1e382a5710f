"""Which parts of the program a test reaches: a mutant need not be tried by the tests that never come to it.

A part is what runs as a whole: the statements of a function, a branch or a loop, without those of the branches in it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import NamedTuple

from bench.mutation.finding import Mutant, module_name, read
from bench.mutation.installing import functions_of, named_codes
from bench.mutation.operators import Text

_MARKS = "__reached__"


class Part(NamedTuple):
    file: str
    start: int
    end: int


class Parts:
    """Of the functions of some files, numbered."""

    def __init__(self, files: list[str]) -> None:
        self._parts: list[Part] = []
        self._trees = {file: self._marked(file) for file in files}
        self._marks = bytearray(len(self._parts))

    def watch(self) -> None:
        """From now on each part of the imported functions marks that it runs."""
        for file, tree in self._trees.items():
            module = sys.modules[module_name(file)]
            vars(module)[_MARKS] = self._marks
            codes = named_codes(compile(tree, str(module.__file__), "exec", dont_inherit=True))
            for function in functions_of(module):
                function.__code__ = codes[function.__code__.co_qualname, function.__code__.co_firstlineno]

    def reached(self) -> frozenset[int]:
        """Since it was asked last."""
        found = frozenset(number for number, is_reached in enumerate(self._marks) if is_reached)
        self._marks[:] = bytes(len(self._parts))
        return found

    def of(self, mutant: Mutant) -> int | None:
        """The innermost part that it changes; None outside of functions."""
        start = mutant.replacement.start
        around = [
            (part.start, number)
            for number, part in enumerate(self._parts)
            if part.file == mutant.file and part.start <= start < part.end
        ]
        return max(around)[1] if around else None

    def _marked(self, file: str) -> ast.Module:
        text = Text(read(file))
        tree = ast.parse(text.source)
        functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        done: set[int] = set()
        for body in (body for function in functions for body in _bodies(function)):
            if id(body) not in done:
                done.add(id(body))
                mark = ast.parse(f"{_MARKS}[{len(self._parts)}] = 1").body[0]
                self._parts.append(Part(file, text.start(body[0]), text.end(body[-1])))
                for node in ast.walk(mark):
                    if isinstance(node, ast.expr | ast.stmt):
                        ast.copy_location(node, body[0])
                body.insert(0, mark)
        return tree


def _bodies(function: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body:
                yield body
