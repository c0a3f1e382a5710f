-- A key of one session, and of no other; one without is the owner's. It goes with its session.
ALTER TABLE api_keys ADD COLUMN session_id text REFERENCES paper_sessions ON DELETE CASCADE;
CREATE INDEX api_keys_by_session ON api_keys (session_id) WHERE session_id IS NOT NULL;
