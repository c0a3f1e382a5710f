"""Where recordings are and what they may take: of sessions, and of the command `record`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from triplegain.config import Config
from triplegain.domain.clock import Clock
from triplegain.feeds.recording.recorder import Recorder
from triplegain.feeds.recording.settings import RecorderSettings


def recordings_dir(home: Path) -> Path:
    """The folder of all recordings that share the room the configuration gives them."""
    return home / "recordings"


def recorder_settings(config: Config, symbols: Sequence[str], root: Path | None) -> RecorderSettings:
    """As configured; `root` is the folder whose recordings share the room, None for one that lies elsewhere."""
    return replace(config.recording, symbols=tuple(symbols), root=root)


def recorder_for_session(
    config: Config, home: Path, session_id: str, clock: Clock, symbols: Sequence[str] | None = None
) -> Recorder:
    """Records a session under its name; taken up again it gets another run. `symbols` in the feed's order.

    Raises RecordingError where that cannot begin.
    """
    root = recordings_dir(home)
    return Recorder(root / session_id, recorder_settings(config, symbols or config.market.symbols, root), clock)
