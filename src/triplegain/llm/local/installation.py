"""Where `./tg --set-up-local-model` has put the local model's interpreter and its weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from triplegain.llm.local.errors import LocalModelError
from triplegain.llm.local.weights import LOCAL_TINY, Weights
from triplegain.resources import checkout_dir

ENVIRONMENT = ".venv-local-model"
SET_UP = "run ./tg --set-up-local-model"
SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True, slots=True)
class Installation:
    """`python` runs `program`, which serves the weights in `file`. Nothing of it is ever imported into this process."""

    python: Path
    file: Path
    program: Path = SERVER


def find_installation(weights: Weights = LOCAL_TINY, checkout: Path | None = None) -> Installation:
    """What is installed in this checkout. Raises LocalModelError in words: no checkout, not installed, incomplete."""
    if sys.platform == "win32":
        raise LocalModelError(f"{weights.name} runs on Linux and macOS only")
    root = checkout or checkout_dir()
    if root is None:
        raise LocalModelError(f"{weights.name} runs from a checkout of TripleGain only: there, {SET_UP}")
    environment = root / ENVIRONMENT
    python = environment / "bin" / "python"
    # The stamp comes last in a set-up: without it what is there may be half of it.
    if not (environment / ".installed").is_file() or not python.exists():
        raise LocalModelError(f"{weights.name} is not installed: {SET_UP}")
    file = next(environment.glob(f"lib/python3*/site-packages/{weights.file}"), None)
    if file is None:
        raise LocalModelError(f"{weights.name} has lost its weights: remove {environment} and {SET_UP}")
    return Installation(python, file)
