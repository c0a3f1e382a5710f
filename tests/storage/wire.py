"""A line to the database that can be cut at any word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_SOCKET = ".s.PGSQL.5432"


class Wire:
    """Between us and the server. `cut` is what happens to the next thing we say, or the one `after` so many more: it
    goes on as always, is lost on its way, or is heard and its answer lost. `closed` lets nobody in any more, and
    `closes` begins with the cut."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self.cut = ""
        self.after = 0
        self.closed = self.closes = False

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        if self.closed:
            answers.close()
            return
        heard, server = await asyncio.open_unix_connection(self._server)
        told = asyncio.create_task(self._answer(heard, answers))
        while said := await client.read(2**16):
            cut = self._next_cut()
            if cut == "request":
                break
            if cut == "answer":
                told.cancel()
                await asyncio.wait([told])
                server.write(said)
                await heard.read(2**16)
                break
            server.write(said)
        told.cancel()
        with suppress(OSError):
            server.close()
            answers.close()

    def _next_cut(self) -> str:
        if self.cut and self.after:
            self.after -= 1
            return ""
        cut, self.cut = self.cut, ""
        self.closed = self.closed or bool(cut and self.closes)
        return cut

    async def _answer(self, heard: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        while said := await heard.read(2**16):
            answers.write(said)
        answers.close()


@asynccontextmanager
async def wired(database_url: str, folder: Path) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to a database, and the URL that leads over it; its socket stands in `folder`."""
    [server_folder] = parse_qs(urlsplit(database_url).query)["host"]
    wire = Wire(Path(server_folder) / _SOCKET)
    server = await asyncio.start_unix_server(wire.serve, folder / _SOCKET)
    yield wire, database_url.replace(server_folder, str(folder))
    server.close()
