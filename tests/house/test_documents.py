"""What README and docs say exists does exist, and what exists is said."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from triplegain.agents.registry import AGENTS
from triplegain.api.routes import ROUTES
from triplegain.cli import COMMANDS
from triplegain.config.tree import Config
from triplegain.domain.configured import Each, Part

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "src" / "triplegain"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def fields_of(settings: type[Any]) -> Iterator[str]:
    """The names of all configured fields, those of the parts below included."""
    for each in fields(settings):
        spec = each.metadata.get("configured")
        if spec is None:
            continue
        yield each.name
        for inner in spec.members.values() if isinstance(spec, Each) else (spec,):
            if isinstance(inner, Part):
                yield from fields_of(inner.settings)


def anchors(page: Path) -> set[str]:
    """Headings as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_key_is_read_by_somebody() -> None:
    # Parts and tasks are looked up by the names of the agents, budgets of requests by those of the routes.
    read = {agent.name for agent in AGENTS} | {route.budget.value for route in ROUTES}
    for file in PACKAGE.rglob("*.py"):
        if file.parent != PACKAGE / "config":
            tree = ast.parse(file.read_text(encoding="utf-8"))
            read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert [name for name in fields_of(Config) if name not in read] == []


def test_every_command_is_documented() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert "paper" in COMMANDS
    assert [command for command in COMMANDS if not re.search(rf"tg {command}\b", text)] == []
