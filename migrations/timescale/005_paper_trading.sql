-- The snapshots as hypertables on the wall time of recording, compressed after three days.
-- Retention is by session, not by chunk: paper_cleanup() rolls up and deletes, a chunk policy would not wait for it.

SELECT create_hypertable('paper_portfolio_snapshots', 'recorded_at',
                         chunk_time_interval => interval '1 day', migrate_data => true);
ALTER TABLE paper_portfolio_snapshots SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'session_id',
    timescaledb.compress_orderby = 'recorded_at, number'
);
SELECT add_compression_policy('paper_portfolio_snapshots', interval '3 days');

SELECT create_hypertable('paper_position_snapshots', 'recorded_at',
                         chunk_time_interval => interval '1 day', migrate_data => true);
ALTER TABLE paper_position_snapshots SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'session_id, position_id',
    timescaledb.compress_orderby = 'recorded_at, number'
);
SELECT add_compression_policy('paper_position_snapshots', interval '3 days');
