"""Everything that is kept: the embedded PostgreSQL, its migrations, the sessions, the candles, the audit."""
