"""What PostgreSQL says when it cannot be made or started, and what the user is told to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from triplegain.storage.remedies import essence, remedy

#: As it was said by initdb and postgres 18.6.
_SHM = """selecting dynamic shared memory implementation ... posix
running bootstrap script ... 2026-11-30 01:12:57.093 UTC [772] FATAL:  could not resize shared memory segment \
"/PostgreSQL.2760624102" to 1048576 bytes: No space left on device
Aborted
child process exited with exit code 134
initdb: removing contents of data directory "/h/postgres/data.partial-mn12kvrf"
"""
_DISK = """selecting dynamic shared memory implementation ... posix
running bootstrap script ... 2026-11-30 01:13:05.243 UTC [993] FATAL:  could not write to file \
"pg_wal/xlogtemp.993": No space left on device
child process exited with exit code 1
"""
_OWNER = 'FATAL:  data directory "/h/postgres/data" has wrong ownership\n'


@pytest.mark.parametrize(
    ("said", "told"),
    [(_SHM, "--shm-size"), (_DISK, "free some space"), (_OWNER, "chown -R"), ("something new", "")],
    ids=["small /dev/shm", "full disk", "another owner", "unknown"],
)
def test_what_is_said_has_its_remedy(tmp_path: Path, said: str, told: str) -> None:
    found = remedy(said, tmp_path)
    assert told in found and bool(found) == bool(told)


def test_a_server_that_could_not_even_write_why_is_told_by_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**5))
    assert "free some space" in remedy("", tmp_path)


def test_only_the_lines_that_say_why_are_told() -> None:
    assert essence(_SHM).startswith("running bootstrap script") and "initdb: removing" not in essence(_SHM)
    assert essence("one\ntwo\nthree\nfour") == "two three four"
