-- Snapshots become hours in running sessions, too, and what is done by itself is written down.

DROP FUNCTION paper_cleanup(timestamptz, timestamptz);

-- Turns whole hours of market time of one session, the oldest first and at most so many, into hourly rows. An hour is whole
-- when nothing of it was recorded since, and nothing more will be: the session has ended, or its market has gone on.
CREATE FUNCTION paper_roll_up(session text, before timestamptz, hours_max integer, OUT rolled_up bigint, OUT snapshots_deleted bigint)
LANGUAGE plpgsql AS $$
DECLARE
    hour_ns constant bigint := 3600000000000;
    first_ns bigint;
    until_ns bigint;
    deleted bigint;
BEGIN
    rolled_up := 0;
    snapshots_deleted := 0;
    -- One at a time: whoever comes second finds nothing more to do.
    PERFORM pg_advisory_xact_lock(hashtextextended('triplegain housekeeping ' || session, 0));
    -- Compressed chunks limit how many rows one statement may touch; without TimescaleDB this sets nothing.
    PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
    SELECT time_ns INTO first_ns FROM (
        (SELECT time_ns FROM paper_portfolio_snapshots WHERE session_id = session ORDER BY number LIMIT 1)
        UNION ALL
        (SELECT time_ns FROM paper_position_snapshots WHERE session_id = session ORDER BY number LIMIT 1)) s
    ORDER BY time_ns LIMIT 1;
    IF first_ns IS NULL THEN
        RETURN;
    END IF;
    first_ns := first_ns - first_ns % hour_ns;
    -- An ended session has no hour that more can come to.
    SELECT CASE WHEN s.status <> 'ended' THEN t.market_time_ns - t.market_time_ns % hour_ns END
    INTO until_ns FROM paper_sessions s JOIN paper_session_state t USING (session_id) WHERE session_id = session;
    SELECT least(until_ns, first_ns + hours_max * hour_ns, min(time_ns - time_ns % hour_ns)) INTO until_ns
    FROM paper_portfolio_snapshots WHERE session_id = session AND recorded_at >= before;
    IF until_ns <= first_ns THEN
        RETURN;
    END IF;

    INSERT INTO paper_portfolio_hourly
    SELECT session_id, date_trunc('hour', moment(time_ns), 'UTC') AS h, count(*),
           (array_agg(equity ORDER BY number) FILTER (WHERE equity IS NOT NULL))[1], min(equity), max(equity),
           (array_agg(equity ORDER BY number DESC) FILTER (WHERE equity IS NOT NULL))[1],
           (array_agg(buy_and_hold ORDER BY number DESC))[1], (array_agg(realised_usd ORDER BY number DESC))[1],
           (array_agg(unrealised_usd ORDER BY number DESC))[1], (array_agg(fees_usd ORDER BY number DESC))[1],
           (array_agg(open_positions ORDER BY number DESC))[1]
    FROM paper_portfolio_snapshots WHERE session_id = session AND time_ns < until_ns GROUP BY session_id, h;
    GET DIAGNOSTICS rolled_up = ROW_COUNT;

    INSERT INTO paper_position_hourly
    SELECT session_id, position_id, date_trunc('hour', moment(time_ns), 'UTC') AS h, min(symbol), count(*),
           (array_agg(quantity ORDER BY number DESC))[1], (array_agg(mark ORDER BY number DESC))[1],
           (array_agg(unrealised ORDER BY number DESC))[1]
    FROM paper_position_snapshots WHERE session_id = session AND time_ns < until_ns GROUP BY session_id, position_id, h;

    DELETE FROM paper_portfolio_snapshots WHERE session_id = session AND time_ns < until_ns;
    GET DIAGNOSTICS snapshots_deleted = ROW_COUNT;
    DELETE FROM paper_position_snapshots WHERE session_id = session AND time_ns < until_ns;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    snapshots_deleted := snapshots_deleted + deleted;
END $$;

CREATE TABLE housekeeping (
    ran_at  timestamptz PRIMARY KEY,
    removed jsonb NOT NULL
);
COMMENT ON TABLE housekeeping IS 'The last rounds of what removes old rows by itself: when, and how many of what.';
