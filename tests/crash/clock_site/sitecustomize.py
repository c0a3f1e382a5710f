"""Hands the clock of a test on to every program that is started, also where its environment is made anew."""

from __future__ import annotations

import os
import subprocess
from typing import Any

_OURS = {
    name: value
    for name, value in os.environ.items()
    if name in ("LD_PRELOAD", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT") or name.startswith("FAKETIME_")
}
_begin = subprocess.Popen.__init__


def _begin_on_our_clock(self: Any, *words: Any, **options: Any) -> None:
    if options.get("env") is not None:
        options["env"] = {**options["env"], **_OURS}
    _begin(self, *words, **options)


subprocess.Popen.__init__ = _begin_on_our_clock  # type: ignore[method-assign]
