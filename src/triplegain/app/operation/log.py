"""The log of a running system: a line per notice, in a file for each session and, without a terminal, on its output."""

from __future__ import annotations

import errno
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from triplegain.app.operation.notices import Notice
from triplegain.config.operation import LogFormat, LogSettings
from triplegain.domain.clock import iso
from triplegain.domain.outside import Redactor, tame_tree

#: All of ours write below it; libraries have loggers of their own, which are not listened to.
_ROOT = logging.getLogger("triplegain")
_NOTICES = logging.getLogger("triplegain.session")
FOLDER = "log"


def tell(session_id: str, notice: Notice) -> None:
    """Write a notice into the log of its session."""
    if _NOTICES.isEnabledFor(notice.level):
        _NOTICES.log(notice.level, "%s", notice.words, extra={"notice": notice, "session": session_id})


@contextmanager
def logging_to(
    settings: LogSettings, home: Path, session_id: str, output: TextIO | None, redactor: Redactor
) -> Iterator[None]:
    """While a session runs its lines go to its file, and to `output` where there is one, without the redactor's keys.

    A file that cannot be written is told once and trading goes on: the record of a session is its database.
    """
    handlers: list[logging.Handler] = []
    trouble = ""
    formatter = (_JsonLines if settings.format is LogFormat.JSON else _Words)(redactor)
    if settings.file:
        try:
            folder = home / FOLDER
            folder.mkdir(mode=0o700, exist_ok=True)
            path = folder / f"{session_id}.log"
            if path.is_fifo():
                # To open a pipe would wait for whoever reads it.
                raise FileExistsError(errno.EEXIST, f"{path.name} is no file")
            size, kept = settings.file_bytes_max, settings.kept
            handlers.append(_LogFile(path, "a", size, kept, "utf-8", True, "backslashreplace"))
        except OSError as error:
            trouble = f"the log in {home / FOLDER} cannot be written: {error.strerror}"
    if output is not None:
        handlers.append(logging.StreamHandler(output))
    level, propagates = _ROOT.level, _ROOT.propagate
    _ROOT.setLevel(settings.level.value.upper())
    _ROOT.propagate = False
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(_of_session(session_id))
        _ROOT.addHandler(handler)
    if trouble:
        _ROOT.error(trouble)
    try:
        yield
    finally:
        _ROOT.setLevel(level)
        _ROOT.propagate = propagates
        for handler in handlers:
            _ROOT.removeHandler(handler)
            # What a full disk has not taken is lost; the session does not end over it.
            with suppress(OSError):
                handler.close()


def _of_session(session_id: str) -> Any:
    """Lines of no session in particular are of the one that runs."""

    def add(record: logging.LogRecord) -> bool:
        record.session = getattr(record, "session", session_id)
        return True

    return add


def _fields(record: logging.LogRecord, redactor: Redactor) -> dict[str, Any]:
    """What a line says, safe for whatever shows it: what libraries say of an error may be somebody else's words."""
    notice: Notice | None = getattr(record, "notice", None)
    fields: dict[str, Any] = {
        "time": iso(int(record.created * 1e6) * 1000),
        "level": record.levelname.lower(),
        "kind": record.name.removeprefix("triplegain.") if notice is None else notice.kind,
        "session": getattr(record, "session", ""),
        "message": record.getMessage(),
    }
    if notice is not None:
        fields |= {"market_time": iso(notice.time_ns)} if notice.time_ns else {}
        fields |= {"symbol": notice.symbol} if notice.symbol else {}
        fields |= notice.details
    if record.exc_info:
        fields["exception"] = logging.Formatter().formatException(record.exc_info)
    told: dict[str, Any] = redactor.tree(tame_tree(fields))
    return told


class _LogFile(RotatingFileHandler):
    """What cannot be written is told once, to whoever else listens: a disk that is full must not fill the terminal."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:
        if not self._is_told:
            self._is_told = True
            _ROOT.error("the log in %s cannot be written: %s", self.baseFilename, sys.exc_info()[1])


class _Lines(logging.Formatter):
    """A file asks for a line twice, and whatever else listens once more: it is made once."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._made: tuple[logging.LogRecord | None, str] = None, ""

    def format(self, record: logging.LogRecord) -> str:
        made = self._made
        if made[0] is not record:
            made = self._made = record, self._line(_fields(record, self._redactor))
        return made[1]

    def _line(self, fields: dict[str, Any]) -> str:
        raise NotImplementedError


class _JsonLines(_Lines):
    def _line(self, fields: dict[str, Any]) -> str:
        return json.dumps(fields, ensure_ascii=False, default=str)


class _Words(_Lines):
    """Time, level, kind and what happened; of a failure its trace, each line of it behind a bar."""

    def _line(self, fields: dict[str, Any]) -> str:
        line = f"{fields['time']} {fields['level']:<7} {fields['kind']}: {' '.join(fields['message'].split())}"
        return "\n  | ".join([line, *fields.get("exception", "").splitlines()])
