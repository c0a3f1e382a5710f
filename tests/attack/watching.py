"""What an attack does to a process: its memory, its event loop, and what it says to terminal, log, API and rows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.app.paper_process import SOURCES, PaperHome, Running
from tests.app.stored_record import ask, database_of

#: What nobody may get out of the process: an escape sequence for the title, one that clears the screen, C1, bidi.
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202edrowssap\u2066"


@dataclass(slots=True)
class Watched:
    """A command that runs under the watch; `begin` is called when it is as warm as it will be."""

    running: Running
    file: Path
    _before_kb: int = 0

    def begin(self) -> None:
        process = Path(f"/proc/{self.running.process.pid}")
        # The high-water mark of its memory begins anew.
        (process / "clear_refs").write_text("5")
        self._before_kb = self._status("VmRSS")
        self.file.with_suffix(".begun").touch()

    @property
    def growth_mb(self) -> float:
        return (self._status("VmHWM") - self._before_kb) / 1024

    @property
    def worst_ms(self) -> float:
        """Of a callback of its event loop, on the processor."""
        return 1000 * float(self.told["worst_s"])

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {"worst_s": 0}
        return found

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.running.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def ended(running: Running) -> tuple[int, float]:
    """The exit code of a command, waited for, and the most megabytes it had at once.

    What the system counts at its end begins with the memory of whoever started it.
    """
    status, most_kb = Path(f"/proc/{running.process.pid}/status"), 0
    while (code := running.process.poll()) is None:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                most_kb = int(line.split()[1])
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(0.02)
    return code, most_kb / 1024


@contextmanager
def watched(home: PaperHome, *words: str, environ: Mapping[str, str]) -> Iterator[Watched]:
    """A command of the product, gone at the end."""
    file = home.path.parent / "watched.json"
    path = f"{SOURCES}:{SOURCES.parent}"
    given = {"PYTHONPATH": path, "WATCHED_FILE": str(file), **environ}
    running = home.start(*words, module="tests.attack.watched", environ=given)
    try:
        yield Watched(running, file)
    finally:
        if not running.is_over:
            running.kill()


def assert_tame(words: str, where: str) -> None:
    """Lines of printable characters."""
    wild = [line for line in words.split("\n") if not line.isprintable()]
    assert not wild, f"{where}: {[ascii(line[:300]) for line in wild[:3]]}"


def assert_tame_json(value: Any, where: str) -> None:
    match value:
        case str():
            assert_tame(value, where)
        case dict():
            for name, each in value.items():
                assert_tame_json(name, where)
                assert_tame_json(each, f"{where}.{name}")
        case list():
            for each in value:
                assert_tame_json(each, where)


def stored_texts(home: PaperHome) -> dict[str, list[str]]:
    """Every text of every row, by table and column; JSON as its own texts."""
    found: dict[str, list[str]] = {}
    with database_of(home) as url:
        columns = ask(
            url,
            "SELECT table_name AS t, column_name AS c, data_type AS d FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type IN ('text', 'jsonb', 'json', 'character varying')",
        )
        for row in columns:
            texts = [each["x"] for each in ask(url, f'SELECT "{row["c"]}"::text AS x FROM "{row["t"]}"') if each["x"]]
            found[f"{row['t']}.{row['c']}"] = texts
            if row["d"] in ("jsonb", "json"):
                for text in texts:
                    assert_tame_json(json.loads(text), f"{row['t']}.{row['c']}")
    return found


def assert_rows_tame(home: PaperHome) -> dict[str, list[str]]:
    found = stored_texts(home)
    for column, texts in found.items():
        for text in texts:
            assert_tame(text, column)
    return found
