"""The admin key's file."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from pathlib import Path

import pytest
from tests.api.conftest import Bench
from tests.storage.revoked import revoke_api_key

from triplegain.api.keys import KeyFileError, ensure_admin_key, key_hash, read_admin_key


async def test_the_key_is_made_once_for_its_owner_alone_and_let_in(bench: Bench, tmp_path: Path) -> None:
    keys = await asyncio.gather(*(ensure_admin_key(tmp_path, bench.security) for _ in range(3)))
    assert set(keys) == {read_admin_key(tmp_path)}
    # 32 bytes in base64 without padding.
    assert len(keys[0]) == 43
    assert stat.S_IMODE((tmp_path / "admin.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["admin.key"]
    assert (await bench.security.api_keys())[key_hash(keys[0])] == ("admin", None)


async def test_a_key_that_others_can_read_is_refused_with_what_mends_it(bench: Bench, tmp_path: Path) -> None:
    first = await ensure_admin_key(tmp_path, bench.security)
    (tmp_path / "admin.key").chmod(0o644)
    with pytest.raises(KeyFileError, match=r"chmod go-rw .*admin\.key"):
        await ensure_admin_key(tmp_path, bench.security)
    (tmp_path / "admin.key").chmod(0o600)
    assert await ensure_admin_key(tmp_path, bench.security) == first


async def test_a_revoked_key_is_replaced(bench: Bench, tmp_path: Path) -> None:
    first = await ensure_admin_key(tmp_path, bench.security)
    await revoke_api_key(bench.security, key_hash(first))
    assert await ensure_admin_key(tmp_path, bench.security) != first


def test_a_missing_or_empty_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"\./tg paper"):
        read_admin_key(tmp_path)
    (tmp_path / "admin.key").write_text("\n")
    with pytest.raises(KeyFileError, match="empty"):
        read_admin_key(tmp_path)


async def test_a_full_disk_is_said_with_what_to_do(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match=f"free some space where {tmp_path} lies"):
        await ensure_admin_key(tmp_path, bench.security)
    assert not list(tmp_path.iterdir())
