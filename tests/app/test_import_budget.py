"""What a command loads: how many modules, and which heavy packages. Loading them is most of the time until a start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.app.paper_process import NO_KRAKEN

#: A module or two more is nothing; a library that nobody asked for is a hundred.
BUDGET = {"--version": 95, "session": 575, "report": 580, "paper": 885}
#: Packages of which a command may load those that are named; the first costs as much as the rest of `paper`.
HEAVY = {
    "fastapi", "starlette", "uvicorn", "aiohttp", "httpx", "httpx2", "pydantic_ai", "openai", "anthropic", "numpy",
    "talib", "asyncpg", "pydantic", "rich", "nanoarrow",
}  # fmt: skip
MAY_LOAD: dict[str, set[str]] = {
    "--version": set(),
    # The configuration's schema comes from the agents' own files, which know the figures of a market.
    "session": {"asyncpg", "pydantic", "rich", "numpy", "talib"},
    "report": {"asyncpg", "pydantic", "rich", "numpy", "talib"},
    "paper": {"asyncpg", "pydantic", "rich", "numpy", "talib"},
}
_PAPER = "paper --feed demo --duration 1s --speed max --json"
_RUN = """
import json, sys
from triplegain.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded_by(environ: dict[str, str], *words: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _RUN, *words], env=environ, capture_output=True, text=True, timeout=120, check=True
    )
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0, ran.stderr
    return set(modules)


@pytest.mark.parametrize(
    "commands", [("--version", _PAPER), pytest.param((_PAPER, "session list", "report"), marks=pytest.mark.slow)]
)
def test_a_command_loads_no_more_than_it_uses(commands: tuple[str, ...], database_url: str, tmp_path: Path) -> None:
    environ = os.environ | NO_KRAKEN | {"TRIPLEGAIN_HOME": str(tmp_path), "TRIPLEGAIN_DATABASE_URL": database_url}
    for words in map(str.split, commands):
        modules = loaded_by(environ, *words)
        heavy = HEAVY & {name.partition(".")[0] for name in modules}
        assert heavy <= MAY_LOAD[words[0]], f"{words[0]} loads {heavy - MAY_LOAD[words[0]]}"
        assert len(modules) <= BUDGET[words[0]], f"{words[0]} loads {len(modules)} modules"
