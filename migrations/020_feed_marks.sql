-- How the market of a session stood at a step, so that its next start need not play it from the beginning. Only the
-- latest; rows are written by the program and read by nobody else. Key '' is everything but the candles, which stand in
-- pages. Not part of the record, and gone when the session ends.
CREATE TABLE paper_feed_marks (
    session_id text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    key        text NOT NULL,
    state      bytea NOT NULL,
    PRIMARY KEY (session_id, key)
) WITH (fillfactor = 50);
COMMENT ON TABLE paper_feed_marks IS 'Where the feed of a session can go on. Deleted rows cost one long start.';

-- In the statement that stores the step it belongs to.
CREATE FUNCTION paper_keep_mark(session text, keys text[], states bytea[], gone text[], is_first boolean) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM paper_feed_marks WHERE session_id = session AND (key = ANY (gone) OR (is_first AND key <> ALL (keys)));
    INSERT INTO paper_feed_marks SELECT session, n.key, n.state FROM unnest(keys, states) AS n (key, state)
    ON CONFLICT (session_id, key) DO UPDATE SET state = excluded.state;
END $$;
