"""The chain of hashes over what a session only ever adds: is every row still what its step left?

A step's hash is SHA-256 over the hash before, the hash of where the session stood, and its rows: of each kind in the
order of `paper_kinds` a line feed, its key, a line feed, and the texts of its rows, a line feed between them. The texts
are made by the database, for the commit and for us by one function (`paper_text`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from triplegain.domain.clock import from_datetime, iso
from triplegain.storage.database import PATIENT_S, AnyConnection

#: How far a look at the start goes back: what is before has been looked at by the starts before, and by `db verify`.
STEPS_AT_START = 1_000
#: Of one session; then it is clear enough.
TOLD_MAX = 5
_FETCHED = 2_000
_TURN = 200
_NO_END = 2**63 - 1
_KINDS = "SELECT key, stored::text, number FROM paper_kinds WHERE paper_is_chained(stored) ORDER BY place"
_STEPS = "SELECT step, stood, hash FROM paper_steps WHERE session_id = $1 AND step BETWEEN $2 AND $3 ORDER BY step"
#: The rows after a step. By their numbers they are found from the end on, however many there are before.
_NUMBERED = """
SELECT step, {number} AS number, paper_text(t) AS told FROM {stored} t
WHERE session_id = $1 AND {number} > coalesce((
    SELECT {number} FROM {stored} WHERE session_id = $1 AND (step IS NULL OR step <= $2)
    ORDER BY {number} DESC LIMIT 1), 0)
ORDER BY {number}
"""
_OTHERS = """
SELECT step, NULL AS number, paper_text(t) AS told FROM {stored} t
WHERE session_id = $1 AND step > $2 AND step <= $3 ORDER BY step, told
"""
_SEALED = "SELECT paper_sealed(k, s) FROM paper_kinds k, paper_seals s WHERE s.session_id = $1 AND k.key = $2"
_SEAL = "SELECT * FROM paper_seals WHERE session_id = $1"

#: Is told what is looked at, how many steps of it are done and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Rows:
    """The rows of one kind after the step `since`, from the earliest step on."""

    key: str
    stored: str
    number: str | None
    cursor: Any = None
    block: list[Any] = field(default_factory=list)
    place: int = 0
    #: The number of the row before.
    last: int | None = None
    #: How many rows there were, and SHA-256 over them, one after the other.
    count: int = 0
    hash: bytes = b""

    async def open(self, connection: AnyConnection, session_id: str, since: int, until: int) -> None:
        if self.number is None:
            self.cursor = await connection.cursor(_OTHERS.format(stored=self.stored), session_id, since, until)
        else:
            # One of no step stands anywhere: the numbers say where, and what comes behind the end is not asked for.
            query = _NUMBERED.format(stored=self.stored, number=self.number)
            self.cursor = await connection.cursor(query, session_id, since)
        await self._fetch()

    async def _fetch(self) -> None:
        self.block = await self.cursor.fetch(_FETCHED, timeout=PATIENT_S)
        self.place = 0

    async def of(self, step: int, told: list[str]) -> list[bytes]:
        """The texts of the rows of a step; what cannot be of any step, and what is gone, is told."""
        texts = []
        while self.block:
            row_step, number, text = self.block[self.place]
            if row_step is not None and row_step > step:
                break
            if number is not None:
                if self.last is not None and number != self.last + 1:
                    told.append(f"{self.stored}: the rows after {self.number} {self.last} and before {number} are gone")
                self.last = number
            if row_step == step:
                texts.append(text)
                self.count, self.hash = self.count + 1, hashlib.sha256(self.hash + text).digest()
            else:
                told.append(f"{self.stored}: a row {self.name(number)} that step {row_step} did not leave there")
            self.place += 1
            if self.place == len(self.block):
                await self._fetch()
        return texts

    def name(self, number: int | None) -> str:
        return "" if number is None else f"of {self.number} {number}"


async def chain_differences(
    connection: AnyConnection, session_id: str, *, whole: bool, progress: Progress = lambda what, done, of: None
) -> list[str]:
    """What of a session's chain does not hold, in words; within a transaction. `whole`: from its seal on, with what is
    under that; else its last steps."""
    seal = await connection.fetchrow(_SEAL, session_id)
    stands = await connection.fetchrow(
        "SELECT s.*, paper_stood(s) AS stood FROM paper_session_state s WHERE session_id = $1", session_id
    )
    if seal is None:
        return ["its row in paper_seals is gone, from which its steps are counted"]
    last, told = stands["step"], []
    since = seal["step"] if whole else max(seal["step"], last - STEPS_AT_START)
    kinds = await chained_kinds(connection)
    if whole:
        if (seal["rows"].keys() | seal["removed"].keys()) - {kind.key for kind in kinds}:
            told.append("paper_seals: the rows that are sealed were changed")
        for kind in kinds:
            progress(f"{session_id}: {kind.stored} up to step {since}", 0, last)
            told += await _sealed(connection, session_id, kind, seal)
    step, stood, found = await follow(
        connection, seal, kinds, since, _NO_END, told, lambda step: progress(f"{session_id}: steps", step, last)
    )
    if len(told) >= TOLD_MAX:
        return told[:TOLD_MAX]
    await _held(kinds, last, told)
    for kind in kinds:
        if kind.block:
            told.append(f"{kind.stored}: there are rows of steps after {last}, which was the last")
    told += _end(step, stood, found, stands)
    return told[:TOLD_MAX]


async def chained_kinds(connection: AnyConnection) -> list[Rows]:
    return [Rows(*kind) for kind in await connection.fetch(_KINDS)]


async def follow(
    connection: AnyConnection,
    seal: Any,
    kinds: list[Rows],
    since: int,
    until: int,
    told: list[str],
    done: Callable[[int], None] = lambda step: None,
) -> tuple[int, bytes, bytes]:
    """Step by step from the one after `since`, which is sealed or looked at by others; what does not hold is told.

    Returns the last step that is there, where the session stood then, and its hash.
    """
    session_id = seal["session_id"]
    for kind in kinds:
        await kind.open(connection, session_id, since, until)
    step, stood, found = since - 1, b"", b""
    if since == seal["step"] != seal["base"]:
        step, found = since, seal["before"]
    async for row in connection.cursor(_STEPS, session_id, since, until, prefetch=_FETCHED, timeout=PATIENT_S):
        before = found
        if row["step"] != step + 1:
            told.append(f"paper_steps: the rows after step {step} and before {row['step']} are gone")
        step, stood, found = row
        if step == since:
            if step == seal["step"] and hashlib.sha256(seal["before"] + stood).digest() != found:
                told.append(f"paper_steps: the row of step {step}, which is sealed, was changed, or the seal was")
            continue
        held, counted = await _held(kinds, step, told)
        if hashlib.sha256(before + stood + held).digest() != found:
            told.append(f"step {step} left {counted}: one of them was changed, added or removed since, or its hash was")
        if len(told) >= TOLD_MAX:
            break
        if step % _TURN == 0:
            done(step)
            # Beside a running session: what is fetched already comes without a pause.
            await asyncio.sleep(0)
    return step, stood, found


async def _held(kinds: list[Rows], step: int, told: list[str]) -> tuple[bytes, str]:
    """What of the rows of a step goes under its hash; and how many of which table they are, in words."""
    held, counted = [], []
    for kind in kinds:
        if texts := await kind.of(step, told):
            held.append(b"\n" + kind.key.encode() + b"\n" + b"\n".join(texts))
            numbers = "" if kind.last is None else f" up to {kind.number} {kind.last}"
            counted.append(f"{len(texts)} of {kind.stored}{numbers}")
    return b"".join(held), ", ".join(counted) or "no rows"


async def _sealed(connection: AnyConnection, session_id: str, kind: Rows, seal: Any) -> list[str]:
    """What of a kind up to the seal is not what was there when it was set."""
    sealed = seal["rows"].get(kind.key, [0, ""])
    found = await connection.fetchval(_SEALED, session_id, kind.key, timeout=PATIENT_S)
    if found == sealed:
        return []
    when, (rows, _), (now, _) = iso(from_datetime(seal["sealed_at"])), sealed, found
    words = f"{now} are there now" if now != rows else "one of them was changed since"
    return [f"{kind.stored}: {rows} rows up to step {seal['step']} were sealed at {when}, {words}"]


def _end(step: int, stood: bytes, found: bytes, stands: Any) -> list[str]:
    """Where the session stands is where its last step left it."""
    if (step, found) != (stands["step"], stands["hash"]):
        return [
            f"paper_session_state stands at step {stands['step']}, and paper_steps ends with step {step} or its hash"
        ]
    if stood != stands["stood"]:
        figures = f"feed_position {stands['feed_position']}, market_time_ns {stands['market_time_ns']}"
        return [f"paper_session_state is not what step {step} left: {figures}, and its numbers and digests"]
    return []
