"""Whether the home is still where it was: a session whose folder somebody moves or removes says so, and ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from triplegain.storage.errors import StorageError
from triplegain.storage.held_folders import in_place

_LOOK_S = 1.0


@dataclass(eq=False)
class HomeWatch:
    """`_places` are the home and what of it never changes while a session runs. `_tell` is given a sentence when one
    is gone, and `_stop` is called, once."""

    _places: Sequence[Path]
    _tell: Callable[[str], None]
    _stop: Callable[[], None]
    #: What happened, in words; empty while all is in its place.
    words: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._statuses = [place.stat() for place in self._places]

    def look(self) -> None:
        if self.words:
            return
        gone = [
            place for place, status in zip(self._places, self._statuses, strict=True) if not in_place(place, status)
        ]
        if gone:
            self.words = (
                f"{gone[0]} was moved or removed while the session ran: the session and its database end here. Start "
                "it again with TRIPLEGAIN_HOME at where its folder is now; everything acknowledged is stored in it"
            )
            self._tell(self.words)
            self._stop()

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Whatever ends for it ends in these words. Raises StorageError."""
        try:
            yield
        except StorageError as error:
            self.look()
            if self.words:
                raise StorageError(self.words) from error
            raise
        if self.words:
            raise StorageError(self.words)
