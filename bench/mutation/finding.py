"""All mutants of a program: each changes one place, and none of them is about words, types or declarations."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from bench.mutation.operators import ASSURANCES, Replacement, Text, of_condition, of_expression, of_statement

SOURCES = Path(__file__).resolve().parent.parent.parent / "src" / "triplegain"
ROOMS = ("exchange", "ledger")


@dataclass(frozen=True)
class Mutant:
    """`function` is the qualified name of where it is, "" for the module; `first_line` that of the outermost function
    around it, decorators included, 0 where there is none."""

    file: str
    line: int
    function: str
    first_line: int
    replacement: Replacement
    before: bytes = field(repr=False)

    @property
    def module(self) -> str:
        return module_name(self.file)

    @cached_property
    def source(self) -> bytes:
        """The whole program with the change in it."""
        start, end, new = self.replacement
        return self.before[:start] + new + self.before[end:]

    @cached_property
    def old(self) -> str:
        """The lines that change, on one line."""
        return self._lines(self.before, self.replacement.end)

    @cached_property
    def new(self) -> str:
        """The same, changed."""
        return self._lines(self.source, self.replacement.start + len(self.replacement.new))

    def _lines(self, source: bytes, end: int) -> str:
        begins = source.rfind(b"\n", 0, self.replacement.start) + 1
        ends = source.find(b"\n", end)
        return " ".join(source[begins:ends].decode().split())

    def __str__(self) -> str:
        return f"src/triplegain/{self.file}:{self.line} {self.function}\n    - {self.old}\n    + {self.new}"


def all_mutants() -> list[Mutant]:
    """In the order of files and lines, always the same for the same program."""
    files = sorted(str(path.relative_to(SOURCES)) for room in ROOMS for path in (SOURCES / room).rglob("*.py"))
    return [mutant for file in files for mutant in mutants_of(file, read(file))]


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    found = [
        Mutant(file, source.count(b"\n", 0, change.start) + 1, function, first_line, change, source)
        for change, function, first_line in _Search(Text(source)).module(ast.parse(source))
    ]
    return sorted(found, key=lambda mutant: mutant.replacement)


@lru_cache(maxsize=256)
def read(file: str) -> bytes:
    return (SOURCES / file).read_bytes()


def module_name(file: str) -> str:
    return ".".join(("triplegain", *Path(file).with_suffix("").parts))


Found = Iterator[tuple[Replacement, str, int]]


class _Search:
    def __init__(self, text: Text) -> None:
        self._text = text
        self._names: list[str] = []
        self._functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []

    def module(self, tree: ast.Module) -> Found:
        yield from self._visit_all(tree.body)

    def _visit_all(self, nodes: list[ast.stmt]) -> Found:
        for node in nodes:
            yield from self._visit(node)

    def _visit(self, node: ast.AST) -> Found:
        match node:
            case ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
                return
            case ast.keyword(arg=name) if name in ASSURANCES:
                return
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                return
            case ast.ClassDef():
                self._names.append(node.name)
                yield from self._visit_all(node.body)
                self._names.pop()
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(node)
            case ast.AnnAssign():
                if node.value is not None:
                    yield from self._visit(node.value)
            case ast.Assign() if not self._functions and self._is_declaration(node):
                return
            case _:
                yield from self._of(node)
                for child in ast.iter_child_nodes(node):
                    yield from self._visit(child)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Found:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                yield from self._visit(default)
        self._names.append(node.name)
        self._functions.append(node)
        yield from self._visit_all(node.body)
        self._functions.pop()
        self._names.pop()

    def _of(self, node: ast.AST) -> Found:
        changes: list[Replacement] = []
        if isinstance(node, ast.expr):
            changes += of_expression(node, self._text)
        if isinstance(node, ast.stmt):
            changes += of_statement(node, self._text, self._functions[-1].name if self._functions else "")
        for test in _tests(node):
            changes += of_condition(test, self._text)
        outer = self._functions[0] if self._functions else None
        first = min([outer.lineno, *(each.lineno for each in outer.decorator_list)]) if outer else 0
        for change in changes:
            yield change, ".".join(self._names), first

    def _is_declaration(self, node: ast.Assign) -> bool:
        """Of slots, of exported names, or of a type."""
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        is_type = isinstance(node.value, ast.Subscript) or (
            isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        )
        return is_type or bool(names & {"__slots__", "__all__"})


def _tests(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            return [node.test]
        case ast.comprehension():
            return node.ifs
        case ast.match_case(guard=ast.expr() as guard):
            return [guard]
        case _:
            return []
