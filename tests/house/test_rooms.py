"""The import contracts are the table of docs/architecture.md, and the house rules that a machine can check hold."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "src" / "triplegain"
SOURCES = sorted(PACKAGE.rglob("*.py"))

LINES_MAX = 600
FUNCTION_LINES_MAX = 70
#: Who may ask the machine for the time or for chance.
CLOCK_AND_IDS = {PACKAGE / "domain" / "clock.py", PACKAGE / "domain" / "ids.py"}
TIME_AND_CHANCE = {
    ("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("time", "time"), ("time", "time_ns"),
    ("uuid", "uuid1"), ("uuid", "uuid4"), ("secrets", "token_hex"), ("random", "random"), ("random", "choice"),
    ("random", "randint"), ("random", "uniform"),
}  # fmt: skip


def named_in_the_table() -> dict[str, set[str]]:
    """Room -> rooms it may import, from the table; rooms that may import everything are left out."""
    table: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| `(\w+)/` \|.*\| ([^|]*) \|$", line)
        if row is None:
            continue
        room, words = row.groups()
        allowed = words.split(";")[0]
        table[room] = set(table) if "all above" in allowed else set(re.findall(r"\w+", allowed)) & {*table, "storage"}
    return table


def named_in_the_contracts() -> tuple[dict[str, set[str]], set[str]]:
    """Room -> rooms its contract forbids, and every room that any contract speaks of."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    forbidden = {}
    for section in contracts.sections():
        if section.count(":") == 2:
            above, below = contracts[section]["layers"].strip().splitlines()
            room = re.sub(r"\W|triplegain", "", below)
            forbidden[room] = set(re.findall(r"triplegain\.(\w+)", above))
    rooms = set().union(*forbidden.values(), forbidden)
    return forbidden, rooms


def test_the_contracts_say_what_the_table_says() -> None:
    table = named_in_the_table()
    forbidden, rooms = named_in_the_contracts()
    assert len(table) == 16
    assert {room: rooms - {room} - forbidden[room] for room in forbidden} == table


def test_every_room_stands_under_a_contract_or_may_import_everything() -> None:
    _, rooms = named_in_the_contracts()
    present = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert present - rooms <= {"__init__", "__main__", "__pycache__", "installation", "private_files", "resources"}


def breaches(file: Path) -> list[str]:
    """What a file does against the house rules, each with its place."""
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    found = []
    if text.count("\n") > LINES_MAX:
        found.append(f"{text.count(chr(10))} lines: two nouns in one file?")
    if not ast.get_docstring(tree):
        found.append("a module says what it is")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                found.append(f"line {node.lineno}: {node.name} has {lines} lines")
        if isinstance(node, ast.Attribute) and file not in CLOCK_AND_IDS:
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if (name, node.attr) in TIME_AND_CHANCE:
                found.append(
                    f"line {node.lineno}: {name}.{node.attr}: time comes from domain/clock.py, names from domain/ids.py"
                )
    return [f"{file.relative_to(PACKAGE)}: {breach}" for breach in found]


def test_every_file_keeps_the_house_rules() -> None:
    assert SOURCES
    assert "\n".join(breach for file in SOURCES for breach in breaches(file)) == ""
