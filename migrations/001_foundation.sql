-- Words every later table uses, who may come in, and who did what.

-- An exact finite number. NUMERIC alone would also hold NaN and infinities.
CREATE DOMAIN amount AS numeric CHECK (VALUE > '-Infinity' AND VALUE < 'Infinity');

-- Market time: nanoseconds since 1970, UTC, as the feed gave it. Wall times are timestamptz.
CREATE DOMAIN time_ns AS bigint CHECK (VALUE >= 0);

CREATE FUNCTION moment(time_ns) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN timestamptz '1970-01-01 00:00:00+00' + ($1 / 1000) * interval '1 microsecond';
COMMENT ON FUNCTION moment IS 'A market time as timestamptz, cut to microseconds.';

CREATE TABLE api_keys (
    key_hash   text PRIMARY KEY,
    name       text NOT NULL,
    role       text NOT NULL CHECK (role IN ('viewer', 'trader', 'admin')),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
COMMENT ON TABLE api_keys IS 'Bearer keys by hash; the key itself is never stored.';

CREATE TABLE security_events (
    event_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at  timestamptz NOT NULL,
    kind         text NOT NULL,
    actor        text NOT NULL,
    address      text NOT NULL,
    request_id   text NOT NULL,
    session_id   text,
    details      jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE security_events IS 'Who did what, when, from where. Append-only; session_id where the act was on a session.';
CREATE INDEX security_events_by_time ON security_events (recorded_at);
