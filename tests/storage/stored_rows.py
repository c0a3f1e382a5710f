"""Rows that no command and no route shows, as records."""

from __future__ import annotations

from triplegain.domain.ledger_entry import LedgerEntry
from triplegain.domain.money import atoms
from triplegain.domain.records import PositionSnapshot
from triplegain.storage.database import Database
from triplegain.storage.rows import read


async def ledger_entries(database: Database, session_id: str) -> list[LedgerEntry]:
    query = "SELECT * FROM paper_ledger_entries WHERE session_id = $1 ORDER BY sequence"
    found = await database.rows("ledger entries", query, session_id)
    told = ({"transaction": row["ledger_transaction"], "amount_atoms": atoms(row["amount"])} for row in found)
    return [read(LedgerEntry, {**row, **more}) for row, more in zip(found, told, strict=True)]


async def position_snapshots(database: Database, session_id: str) -> list[PositionSnapshot]:
    query = "SELECT * FROM paper_position_snapshots WHERE session_id = $1 ORDER BY number"
    return [read(PositionSnapshot, row) for row in await database.rows("snapshots", query, session_id)]
