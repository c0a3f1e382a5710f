"""Functions, methods and classes of `src` that nothing in `src` or `bench` uses: .venv/bin/python .ci/dead_code.py

Fields are left out: records, answers and settings are read by name, by whoever derives a form from them. A test is no
caller. What stands in ALLOWED has its caller elsewhere, or is kept for the reason given there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vulture import Vulture

from triplegain.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"class", "function", "method", "property"}
DECORATORS = ["@model_validator", "@field_validator", "@*.command", "@app.*"]
ALLOWED = {
    # Called by the words of a command line.
    *(name.split()[-1].replace("-", "_") + suffix for name in COMMANDS for suffix in ("", "_")),
    # Called by a library: html.parser, rich, uvicorn, logging.
    "handle_starttag", "handle_startendtag", "handle_endtag", "handle_data", "handleError", "render",
    "send_400_response",
}  # fmt: skip


def main() -> int:
    found = Vulture(ignore_decorators=DECORATORS)
    found.scavenge([str(ROOT / "src"), str(ROOT / "bench")])
    dead = [
        each
        for each in found.get_unused_code(min_confidence=60)
        if each.typ in KINDS and each.name not in ALLOWED and ROOT / "src" in each.filename.parents
    ]
    for each in dead:
        sys.stdout.write(f"{each.get_report()}\n")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main())
