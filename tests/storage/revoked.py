"""A key that was revoked by whoever keeps the database."""

from __future__ import annotations

from triplegain.storage.security_log import SecurityLog


async def revoke_api_key(log: SecurityLog, key_hash: str) -> None:
    async with log._database.transaction("revoking an API key") as connection:
        await connection.execute("UPDATE api_keys SET revoked_at = now() WHERE key_hash = $1", key_hash)
