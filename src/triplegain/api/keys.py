"""Keys: the owner's, made at the first start and kept in TRIPLEGAIN_HOME, and those of one session. The database has
their hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from triplegain.domain import ids
from triplegain.domain.errors import TripleGainError
from triplegain.private_files import why_not_private

if TYPE_CHECKING:  # commands read the key without loading the database driver
    from triplegain.storage.security_log import SecurityLog

FILE = "admin.key"
_OWNER_ONLY = 0o600


class KeyFileError(TripleGainError):
    """The file with the admin key is missing, empty or out of reach."""

    exit_code = 8


def key_hash(key: str) -> str:
    """SHA-256: a key is 32 random bytes, so that there is nothing to guess."""
    return hashlib.sha256(key.encode()).hexdigest()


async def ensure_admin_key(home: Path, security: SecurityLog) -> str:
    """The key in `home`, made if there is none, and let in by the database. A revoked key is replaced.

    Raises KeyFileError, and StorageError if the database fails.
    """
    path = home / FILE
    key = _read_or_make(path)
    await security.add_api_key(key_hash(key), "admin", FILE)
    if key_hash(key) not in await security.api_keys():
        path.unlink(missing_ok=True)
        key = _read_or_make(path)
        await security.add_api_key(key_hash(key), "admin", FILE)
    return key


async def make_session_key(security: SecurityLog, session: str, role: str, name: str) -> str:
    """A key that reaches this session and no other. Nobody can look it up again. Raises StorageError."""
    key = ids.api_key()
    await security.add_api_key(key_hash(key), role, name, session)
    return key


def read_admin_key(home: Path) -> str:
    """Raises KeyFileError if there is none yet, or others can read it."""
    path = home / FILE
    if reason := why_not_private(path):
        raise KeyFileError(reason)
    try:
        key = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise KeyFileError(f"there is no {path} yet: `./tg paper` makes it when it first starts") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read the admin key from {path}: {error}") from None
    if not key:
        raise KeyFileError(f"{path} is empty: remove it, and the next `./tg paper` makes a new one")
    return key


def _read_or_make(path: Path) -> str:
    if not path.exists():
        _make(path)
    return read_admin_key(path.parent)


def _make(path: Path) -> None:
    """Whole or not at all, and never over another's: written aside, then linked under its name."""
    aside = path.with_name(f"{FILE}.{ids.request_id()}")
    try:
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(ids.api_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError as error:
        # Whoever only reads the key does not load it.
        from triplegain.storage.remedies import remedy

        why = error.strerror or str(error)
        raise KeyFileError(f"cannot write the admin key to {path}: {why}{remedy(why, path.parent)}") from error
    finally:
        aside.unlink(missing_ok=True)
