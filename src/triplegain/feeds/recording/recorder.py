"""A live feed's lines as they come, on their way to disk: taken at once, written by a thread of their own."""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from triplegain.domain.clock import HOUR_NS, Clock
from triplegain.feeds.recording.folder import RecordingError, folder_lock
from triplegain.feeds.recording.manifest import Manifest
from triplegain.feeds.recording.recording import ASSET_PAIRS
from triplegain.feeds.recording.settings import MEGABYTE, RecorderSettings
from triplegain.feeds.recording.writer import RecordingWriter
from triplegain.venues.kraken.feed_line import FeedLine, FrameLine, ReplyLine

#: Seconds after which a line is with the operating system, at the latest.
_WRITE_WITHIN_S = 0.5

#: Seconds the disk has for what is still to be written at the end.
_CLOSE_WITHIN_S = 60.0

#: Lines that are worked on in one go: in between the session gets its turn.
_BATCH = 128

#: What a line takes in memory beside its text.
_LINE_BYTES = 200

_WAKE_BYTES = 256_000


@dataclass(frozen=True, slots=True)
class RecorderProgress:
    """How far a recording is. `disk_bytes_left` is what it may still take before old files go."""

    lines: int
    written_bytes: int
    disk_bytes_left: int
    pending_bytes: int
    files_removed: int


class Recorder:
    """One run of a recording in `folder`, from its first line to `close`.

    `take` is called on the event loop and never raises or waits. Where the disk fails, is full or too slow, recording
    ends with the last line that could be written, `problem` says why, and further lines are let go.
    """

    def __init__(self, folder: Path, settings: RecorderSettings, clock: Clock) -> None:
        """Raises RecordingError where the folder cannot be written, is being recorded, or has other instruments."""
        self.folder = folder
        #: Empty while all is well.
        self.problem = ""
        #: Lines that bring a reader up to date who begins with the next file, received at that time.
        self.state_lines: Callable[[int], Sequence[FeedLine]] = lambda received_at_ns: ()
        #: Wrong checksums so far, by instrument, where somebody counts them.
        self.mismatches: Callable[[], Mapping[str, int]] | None = None
        self._settings = settings
        self._lock = ExitStack()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.enter_context(folder_lock(folder))
        except OSError as error:
            raise RecordingError(f"{folder} cannot be written ({error.strerror}): name another folder") from error
        try:
            self._writer = RecordingWriter(folder, settings, clock)
        except BaseException:
            self._lock.close()
            raise
        #: Lines; the preamble of a new file; somebody who waits for all that.
        self._queue: deque[FeedLine | tuple[FeedLine, ...] | threading.Event] = deque()
        self._asset_pairs: ReplyLine | None = None
        self._next_file_ns = 0
        self._taken_bytes = 0
        self._written_bytes = 0
        self._woken_bytes = 0
        self._closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def take(self, line: FeedLine) -> None:
        """The next line of the feed."""
        if self.problem or self._closing:
            return
        if line.received_at_ns >= self._next_file_ns or self._writer.is_full:
            self._begin_file(line)
            if self.problem:
                return
        if type(line) is not FrameLine and isinstance(line, ReplyLine) and line.path.startswith(ASSET_PAIRS):
            self._asset_pairs = line
        self._queue.append(line)
        self._taken_bytes += _size(line)
        pending = self._taken_bytes - self._written_bytes
        if pending > self._settings.pending_bytes_max:
            self._fail(f"the disk of {self.folder} is too slow: {pending // MEGABYTE} MB are waiting for it")
        if self._taken_bytes >= self._woken_bytes + _WAKE_BYTES:
            self._woken_bytes = self._taken_bytes
            self._wake.set()

    def flush(self) -> None:
        """Wait until every line taken so far is with the operating system."""
        done = threading.Event()
        self._queue.append(done)
        self._wake.set()
        while self._thread.is_alive() and not done.wait(_WRITE_WITHIN_S):
            pass

    def close(self) -> Manifest:
        """Write what is left, end the run and let the folder go. The recording as it then is; may be called again."""
        self._closing = True
        self._wake.set()
        self._thread.join(_CLOSE_WITHIN_S)
        if self._thread.is_alive():
            self._fail(f"the disk of {self.folder} did not take the last lines within {_CLOSE_WITHIN_S:.0f} s")
        self._lock.close()
        return self._writer.manifest

    @property
    def progress(self) -> RecorderProgress:
        writer = self._writer
        return RecorderProgress(
            writer.lines,
            writer.closed_bytes + writer.file_bytes,
            writer.disk_bytes_left,
            self._taken_bytes - self._written_bytes,
            len(writer.manifest.removed),
        )

    def _begin_file(self, line: FeedLine) -> None:
        first = not self._next_file_ns
        self._next_file_ns = (line.received_at_ns // HOUR_NS + 1) * HOUR_NS
        self._writer.is_full = False
        preamble: tuple[FeedLine, ...] = ()
        if not first and self._asset_pairs is not None:
            # The session's own code speaks here; whatever it does wrong ends the recording only.
            try:
                preamble = (self._asset_pairs, *self.state_lines(line.received_at_ns))
            except Exception as error:
                self._fail(f"what a new file begins with could not be said ({type(error).__name__}: {error})")
                return
        self._queue.append(preamble)

    def _fail(self, problem: str) -> None:
        if not self.problem:
            self.problem = f"not recorded any more: {problem}"

    # -- on the thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._write_all()
            self._writer.close(self._counted(), self.problem)
        except RecordingError as error:
            self._end(str(error))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            trouble = "is full: free some space, then start again" if full else f"cannot be written ({error.strerror})"
            self._end(f"the disk of {self.folder} {trouble}")
        # The end of a thread: nobody else would hear of it.
        except Exception as error:
            self._end(f"{type(error).__name__}: {error}")
        self._queue.clear()

    def _end(self, problem: str) -> None:
        """What is written stays; if even the manifest cannot be written, it is made from the files when next opened."""
        self._fail(problem)
        self._writer.abandon()
        try:
            self._writer.close(self._counted(), self.problem)
        except (RecordingError, OSError):
            return

    def _write_all(self) -> None:
        while True:
            ending = self._closing or bool(self.problem)
            self._drain()
            if ending:
                return
            self._wake.wait(_WRITE_WITHIN_S)
            self._wake.clear()

    def _drain(self) -> None:
        batch: list[FeedLine] = []
        while self._queue:
            item = self._queue.popleft()
            if not isinstance(item, tuple | threading.Event):
                batch.append(item)
                if len(batch) >= _BATCH:
                    self._write(batch)
                continue
            self._write(batch)
            if isinstance(item, tuple):
                self._writer.begin_file(item)
            else:
                item.set()
        self._write(batch)

    def _write(self, batch: list[FeedLine]) -> None:
        if batch:
            self._writer.write(batch)
            self._written_bytes += sum(map(_size, batch))
            batch.clear()

    def _counted(self) -> Mapping[str, int] | None:
        return self.mismatches() if self.mismatches is not None else None


def _size(line: FeedLine) -> int:
    if type(line) is FrameLine:
        return len(line.frame) + _LINE_BYTES
    return len(line.reply) + _LINE_BYTES if isinstance(line, ReplyLine) else _LINE_BYTES
