"""Nothing in the tree ties it to one machine or one registry."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: What a plain copy has that is not of the tree.
SKIPPED = {".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines())}

#: Put together here, so that this file does not name them.
HOSTS = [
    ".".join(words)
    for words in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"),
        ("crates", "io"), ("proxy", "golang", "org"), ("deb", "debian", "org"), ("anaconda", "org"),
    )
]  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:root|work|opt|home/\w+|Users/\w+)/\w")


def files_of_the_tree() -> list[Path]:
    """What git knows or would add; in a plain copy everything that is not installed."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [file for file in ROOT.rglob("*") if file.is_file() and not SKIPPED & set(file.relative_to(ROOT).parts)]


def findings() -> list[str]:
    found = []
    for file in files_of_the_tree():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = file.relative_to(ROOT)
        found += [f"{name}: {host}" for host in HOSTS if host in text]
        found += [f"{name}: {match.group()}" for match in MACHINE_PATH.finditer(text)]
    return found


def test_no_registry_and_no_path_of_a_machine_is_in_the_tree() -> None:
    assert findings() == []


def test_the_search_sees_what_it_looks_for() -> None:
    assert MACHINE_PATH.search("see " + "/".join(("", "home", "somebody", "notes")))
    assert not MACHINE_PATH.search("https://example.com/work/x and ../work/x")
    assert len(files_of_the_tree()) > 50
