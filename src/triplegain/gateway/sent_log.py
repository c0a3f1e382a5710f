"""What the local Kraken sent, written down as the lines of a feed: a client's recording can be compared with it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from triplegain.market.feed import FeedError
from triplegain.venues.kraken.feed_line import FeedLine, write_line


class SentLog:
    """A file of lines, each written when its frame or reply went out. Raises FeedError where it cannot be."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise FeedError(f"{path} cannot be written: {error.strerror}") from error

    def __call__(self, line: FeedLine) -> None:
        self._file.write(write_line(line))

    def __enter__(self) -> SentLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
