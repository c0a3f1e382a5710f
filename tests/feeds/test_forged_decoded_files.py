"""What lies in the folder of decoded captures is taken for what it is, whoever put it there."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard

from triplegain.domain.event_rows import CANDLE, OTHER, SOLD
from triplegain.feeds.captures import decoded_file, event_columns
from triplegain.feeds.captures.decoded_folder import DecodedFolder
from triplegain.feeds.captures.replay import open_replay

_BOOK = "kraken_wsv2_btcusd_book/orderbook-v2.json"


@pytest.fixture
def folder(tmp_path: Path) -> DecodedFolder:
    return DecodedFolder(tmp_path / "decoded", 10**9)


def _written_again(path: Path, change: Callable[[dict[str, Any], list[list[Any]]], None]) -> None:
    """What somebody writes who knows the layout: every checksum is right. `change` has the columns of the first chunk
    with their rows and what stands beside them, and the table of chunks."""
    form = path.read_bytes()
    end = len(form) - decoded_file._END_BYTES
    length = int.from_bytes(form[end + 32 : end + 40], "little")
    table = json.loads(form[end - length : end])
    plain = zstandard.decompress(form[table["chunks"][0][0] :][: table["chunks"][0][1]])
    cut = len(plain) - 8 - int.from_bytes(plain[-8:], "little")
    aside = msgspec.msgpack.decode(plain[cut:-8])
    parts: dict[str, Any] = {"aside": aside}
    place = 0
    for name, dtype in event_columns._COLUMNS.items():
        parts[name] = np.frombuffer(plain, dtype, aside[0], place).copy()
        place += parts[name].nbytes
    parts["rows"] = np.frombuffer(plain, "<i8", 2 * aside[1], place).copy()
    offset, _, plain_size, _, _ = table["chunks"][0]
    change(parts, table["chunks"])
    beside = msgspec.msgpack.encode(parts["aside"])
    columns = [parts[name].tobytes() for name in (*event_columns._COLUMNS, "rows")]
    plain = b"".join((*columns, beside, len(beside).to_bytes(8, "little")))
    packed = zstandard.compress(plain)
    first = table["chunks"][0]
    first[1], first[3] = len(packed), zlib.crc32(packed)
    if first[2] == plain_size:
        first[2] = len(plain)
    text = json.dumps(table).encode()
    proof = hashlib.sha256(text).digest() + len(text).to_bytes(8, "little") + decoded_file._MAGIC
    path.write_bytes(form[:offset] + packed + text + proof)


def _put(name: str, place: int, value: Any) -> Callable[[dict[str, Any], list[list[Any]]], None]:
    def change(parts: dict[str, Any], chunks: list[list[Any]]) -> None:
        (chunks[0] if name == "chunk" else parts[name])[place] = value

    return change


def _other(parts: dict[str, Any], chunks: list[list[Any]]) -> None:
    """A message that is said to stand beside the columns."""
    parts["kinds"][-1], parts["numbers"][-1] = OTHER, 0
    parts["ends"][-1] = parts["ends"][-2]
    parts["aside"][1] = int(parts["ends"][-1])
    parts["rows"] = parts["rows"][: 2 * parts["aside"][1]]


def _strange(kind: str, form: object) -> Callable[[dict[str, Any], list[list[Any]]], None]:
    def change(parts: dict[str, Any], chunks: list[list[Any]]) -> None:
        _other(parts, chunks)
        parts["aside"][3] = [[kind, form]]

    return change


_FORGERIES = [
    _put("kinds", 3, 99), _put("kinds", 3, SOLD), _put("kinds", 3, CANDLE), _other,
    _put("symbols", 3, 7), _put("ends", 3, 0), _put("ends", -1, 2**32 - 1), _put("bids", 3, 2**32 - 1),
    _put("rows", 5, -1), _put("rows", 4, -(2**63)), _put("times", 3, -1), _put("received", 3, -5),
    _strange("Path", {}), _strange("Heartbeat", 7), _put("aside", 0, -1), _put("aside", 1, -1), _put("aside", 2, []),
    _put("aside", 4, [[-1, 0, 0, b"{}"]]), _put("aside", 4, [[2, 0, 0, b"{}"], [1, 0, 0, b"{}"]]),
    _put("aside", 4, [[10**6, 0, 0, b"{}"]]), _put("chunk", 0, -1), _put("chunk", 2, 2**50), _put("chunk", 2, 7),
    _put("chunk", 4, 3),
]  # fmt: skip


def test_a_file_that_was_forged_with_right_checksums_is_made_again(captures: Path, folder: DecodedFolder) -> None:
    whole = list(open_replay(captures / _BOOK, folder).events())
    [path] = sorted(folder.folder.iterdir())
    form = path.read_bytes()
    _written_again(path, lambda parts, chunks: None)
    assert list(open_replay(captures / _BOOK, folder).events()) == whole and path.read_bytes() != form
    for number, change in enumerate(_FORGERIES):
        path.write_bytes(form)
        _written_again(path, change)
        assert list(open_replay(captures / _BOOK, folder).events()) == whole, number
        assert [each.read_bytes() for each in sorted(folder.folder.iterdir())] == [form], number


def test_only_files_of_the_folder_itself_are_read(captures: Path, folder: DecodedFolder, tmp_path: Path) -> None:
    whole = list(open_replay(captures / _BOOK, folder).events())
    [path] = sorted(folder.folder.iterdir())
    elsewhere = path.rename(tmp_path / "elsewhere")
    form = elsewhere.read_bytes()
    puts: list[Callable[[], None]] = [
        lambda: path.symlink_to(elsewhere),
        lambda: os.mkfifo(path),
        lambda: os.mkfifo(f"{path}.part"),
    ]
    for put in puts:
        put()
        assert folder.used()[1] in (0, len(form))
        assert folder.find(path.stem) is None or path.is_file()
        assert list(open_replay(captures / _BOOK, folder).events()) == whole
        assert path.read_bytes() == elsewhere.read_bytes() == form and not path.is_symlink()
        path.unlink()
