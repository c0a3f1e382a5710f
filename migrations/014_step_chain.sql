-- Books that prove themselves. What a session only ever adds is held by a chain of hashes over its steps: an edited, lost,
-- added or moved row no longer gives the hash that its step left. What changes is held by digests in the session's state,
-- and the state by the hash of the last step. It shows edits; it is no signature.

-- A row as it is held: its values as text, without what stands empty at the end. A column that is added later, NULL in the
-- rows that are there, so leaves them what they were.
CREATE FUNCTION paper_text(anyelement) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT rtrim(convert_to($1::text, 'UTF8'), ',)'::bytea) $$;
CREATE FUNCTION paper_mark(anyelement) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT hashtextextended(convert_from(paper_text($1), 'UTF8'), 0) $$;

-- The step that stored a row. NULL: it was there before there was a chain, or (of acts) is of no step.
ALTER TABLE paper_order_events ADD COLUMN step bigint;
ALTER TABLE paper_trades ADD COLUMN step bigint;
ALTER TABLE paper_ledger_entries ADD COLUMN step bigint;
ALTER TABLE paper_decisions ADD COLUMN step bigint;
ALTER TABLE paper_analyses ADD COLUMN step bigint;
ALTER TABLE paper_votes ADD COLUMN step bigint;
ALTER TABLE paper_outcomes ADD COLUMN step bigint;
ALTER TABLE paper_risk_history ADD COLUMN step bigint;
ALTER TABLE paper_alerts ADD COLUMN step bigint;
ALTER TABLE paper_hodl ADD COLUMN step bigint;
ALTER TABLE security_events ADD COLUMN step bigint;
-- Those that no number orders.
CREATE INDEX paper_outcomes_by_step ON paper_outcomes (session_id, step);
CREATE INDEX security_events_by_step ON security_events (session_id, step) WHERE step IS NOT NULL;

-- Rows that change carry the mark of what they say, and the mark of the row that they took the place of (0: of none).
-- The marks of all rows that are there, each in the other by XOR, are the digest of the table.
ALTER TABLE paper_orders ADD COLUMN row_mark bigint NOT NULL DEFAULT 0, ADD COLUMN mark_before bigint NOT NULL DEFAULT 0;
ALTER TABLE paper_balances ADD COLUMN row_mark bigint NOT NULL DEFAULT 0, ADD COLUMN mark_before bigint NOT NULL DEFAULT 0;
ALTER TABLE paper_positions ADD COLUMN row_mark bigint NOT NULL DEFAULT 0, ADD COLUMN mark_before bigint NOT NULL DEFAULT 0;
ALTER TABLE paper_session_parts ADD COLUMN row_mark bigint NOT NULL DEFAULT 0, ADD COLUMN mark_before bigint NOT NULL DEFAULT 0;

ALTER TABLE paper_kinds ADD COLUMN digest name;
COMMENT ON COLUMN paper_kinds.digest IS 'The column in paper_session_state with the digest of the rows, where they change.';
UPDATE paper_kinds SET digest = key || '_digest' WHERE replaces;
ALTER TABLE paper_session_state
    ADD COLUMN settings_digest  bigint NOT NULL DEFAULT 0,
    ADD COLUMN parts_digest     bigint NOT NULL DEFAULT 0,
    ADD COLUMN orders_digest    bigint NOT NULL DEFAULT 0,
    ADD COLUMN balances_digest  bigint NOT NULL DEFAULT 0,
    ADD COLUMN positions_digest bigint NOT NULL DEFAULT 0,
    ADD COLUMN hash             bytea NOT NULL DEFAULT '';
COMMENT ON COLUMN paper_session_state.hash IS 'Of the last step, as in paper_steps.';

CREATE TABLE paper_steps (
    session_id text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    step       bigint NOT NULL CHECK (step >= 0),
    stood      bytea NOT NULL,
    hash       bytea NOT NULL,
    PRIMARY KEY (session_id, step)
);
COMMENT ON TABLE paper_steps IS 'The chain. Append-only.';
COMMENT ON COLUMN paper_steps.stood IS 'SHA-256 of where the session stood after the step.';
COMMENT ON COLUMN paper_steps.hash IS 'SHA-256 of the hash before, of stood, and of the rows of the step.';

CREATE TABLE paper_seals (
    session_id text PRIMARY KEY REFERENCES paper_sessions ON DELETE CASCADE,
    step       bigint NOT NULL,
    before     bytea NOT NULL,
    rows       jsonb NOT NULL,
    sealed_at  timestamptz NOT NULL
);
COMMENT ON TABLE paper_seals IS
    'Where the chain of a session begins, if not with its first step: after an upgrade, or where rows were removed.';
COMMENT ON COLUMN paper_seals.before IS 'The hash of the last step before; the first hash after it follows from this and stood.';
COMMENT ON COLUMN paper_seals.rows IS 'By kind: how many rows up to this step there are, and SHA-256 over them.';

CREATE TABLE paper_verifications (
    session_id  text PRIMARY KEY REFERENCES paper_sessions ON DELETE CASCADE,
    step        bigint NOT NULL,
    verified_at timestamptz NOT NULL
);
COMMENT ON TABLE paper_verifications IS 'When all of a session was last verified and found whole, up to which step.';

-- Counters that are 0 at the end are left out: a later migration may add one. When the row was stored is no part of it.
CREATE FUNCTION paper_stood(s paper_session_state) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
BEGIN
    s.recorded_at := NULL;
    s.hash := NULL;
    RETURN sha256(convert_to(regexp_replace(s::text, '(,0?)*\)$', ''), 'UTF8'));
END $$;

CREATE FUNCTION paper_hash(before bytea, stood bytea, rows bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sha256(before || stood || rows);

CREATE FUNCTION paper_settings_digest(session text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT paper_mark(row(feed, seed, initial_balances, settings, created_at)) FROM paper_sessions WHERE session_id = session
$$;

CREATE FUNCTION paper_is_chained(stored regclass) RETURNS boolean LANGUAGE sql STABLE
    RETURN EXISTS (SELECT FROM pg_attribute WHERE attrelid = stored AND attname = 'step' AND NOT attisdropped);

-- How the rows of a kind that belong to one step are ordered under their hash.
CREATE FUNCTION paper_order(kind paper_kinds) RETURNS text LANGUAGE sql STABLE
    RETURN coalesce(quote_ident(kind.number), 'told');

-- The column of a stored row as the statements that store it write it.
CREATE FUNCTION paper_given(attname name) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN CASE attname WHEN 'session_id' THEN 'session' WHEN 'step' THEN 'stored.step'
                        WHEN 'recorded_at' THEN 'coalesce(n.recorded_at, recorded)' WHEN 'mark_before' THEN '0'
                        ELSE 'n.' || quote_ident(attname) END;

-- The mark of a row: of its columns as they are, or as they are given where it is stored.
CREATE FUNCTION paper_marked(stored regclass, given boolean) RETURNS text LANGUAGE sql STABLE
    RETURN (SELECT format('paper_mark(ROW(%s))',
                          string_agg(CASE WHEN given THEN paper_given(attname) ELSE quote_ident(attname) END, ', '
                                     ORDER BY attnum))
            FROM pg_attribute WHERE attrelid = stored AND attnum > 0 AND NOT attisdropped
              AND attname NOT IN ('row_mark', 'mark_before'));

-- The statements that store one kind. `session_id`, `step` and `recorded_at` are the step's, where a row does not say.
CREATE OR REPLACE FUNCTION paper_storing(kind paper_kinds) RETURNS text LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH columns AS (
        SELECT a.attname, a.attnum = ANY (i.indkey) AS is_key, a.attnum
        FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = kind.stored AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = ''
    ), lists AS (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names,
               string_agg(CASE attname WHEN 'row_mark' THEN paper_marked(kind.stored, true) ELSE paper_given(attname) END,
                          ', ' ORDER BY attnum) AS given,
               string_agg(quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE is_key) AS keys,
               string_agg(format(CASE attname WHEN 'mark_before' THEN 'mark_before = old.row_mark' ELSE '%1$I = excluded.%1$I' END,
                                 attname), ', ' ORDER BY attnum) FILTER (WHERE NOT is_key) AS changes
        FROM columns
    ), held AS (
        -- What of the rows goes into the chain or the digest: what is returned, what is gathered, what is done with it.
        SELECT CASE WHEN paper_is_chained(kind.stored) THEN ', paper_text(old) AS told'
                    WHEN kind.digest IS NOT NULL THEN ', row_mark # mark_before AS mark' END AS returned,
               -- Numbered rows come in the order of their numbers.
               CASE WHEN paper_is_chained(kind.stored) AND kind.number IS NOT NULL
                    THEN ', string_agg(told, E''\n''::bytea) AS rows'
                    WHEN paper_is_chained(kind.stored)
                    THEN ', string_agg(told, E''\n''::bytea ORDER BY told) AS rows'
                    WHEN kind.digest IS NOT NULL THEN ', coalesce(bit_xor(mark), 0) AS digest' END AS gathered,
               CASE WHEN paper_is_chained(kind.stored)
                    THEN format('
        rows := rows || %L || span.rows;', E'\n' || kind.key || E'\n')
                    WHEN kind.digest IS NOT NULL
                    THEN format('
        stored.%1$I := stored.%1$I # span.digest;', kind.digest) END AS done
    )
    SELECT format($block$
    IF batch ? %1$L THEN
        WITH put AS (
            INSERT INTO %2$s AS old (%3$s)
            SELECT %4$s FROM jsonb_populate_recordset(NULL::%2$s, batch -> %1$L) n%5$s
            RETURNING %6$s AS number%7$s)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n%8$s INTO span FROM put;%9$s%10$s
    END IF;$block$,
        kind.key, kind.stored, names, given,
        CASE WHEN kind.replaces
             THEN format(' ON CONFLICT (%s) DO UPDATE SET %s WHERE (%s) IS NOT true', keys, changes, kind.unless) END,
        coalesce(quote_ident(kind.number), 'NULL::bigint'), returned, gathered,
        CASE WHEN kind.counter IS NOT NULL
             THEN format('
        stored.%1$I := paper_continues(%2$L, stored.%1$I, span.low, span.high, span.n);',
                         kind.counter, replace(kind.key, '_', ' '))
             WHEN kind.replaces
             THEN format('
        IF span.n <> jsonb_array_length(batch -> %1$L) THEN
            RAISE EXCEPTION USING ERRCODE = ''TG004'', MESSAGE = ''one of the %1$s would change what is final'';
        END IF;', kind.key) END,
        done)
    FROM lists, held;
END;

-- Writes `paper_put`, which stores all records of a step and where the session stands after them, and the view of what
-- the chain holds, both from `paper_kinds`.
CREATE OR REPLACE FUNCTION paper_build() RETURNS void LANGUAGE plpgsql AS $build$
BEGIN
    EXECUTE format($body$
CREATE OR REPLACE FUNCTION paper_put(session text, recorded timestamptz, batch jsonb, stored paper_session_state)
    RETURNS void LANGUAGE plpgsql AS $put$
DECLARE
    span record;
    rows bytea := '';
    stands bytea;
BEGIN%s
    stands := paper_stood(stored);
    stored.hash := paper_hash(stored.hash, stands, rows);
    INSERT INTO paper_steps VALUES (session, stored.step, stands, stored.hash);
    UPDATE paper_session_state SET %s WHERE session_id = session;
END $put$ $body$,
        (SELECT string_agg(paper_storing(k), '' ORDER BY k.place) FROM paper_kinds k),
        (SELECT string_agg(format('%1$I = stored.%1$I', attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = 'paper_session_state'::regclass AND attnum > 0 AND NOT attisdropped
           AND attname <> 'session_id'));
END $build$;
SELECT paper_build();

-- Marks all rows of a table that change as they are now; their digest.
CREATE FUNCTION paper_remark(session text, stored regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    EXECUTE format('WITH marked AS (UPDATE %1$s SET row_mark = %2$s, mark_before = 0 WHERE session_id = $1 RETURNING row_mark) '
                   'SELECT coalesce(bit_xor(row_mark), 0) FROM marked', stored, paper_marked(stored, false))
    INTO found USING session;
    RETURN found;
END $$;

-- Of a table that changes: the digest of its rows, how many there are, and the keys of some that do not say what was
-- stored of them, looked at only where `every`.
CREATE FUNCTION paper_held(session text, stored regclass, every boolean, OUT digest bigint, OUT n bigint, OUT edited text[])
    LANGUAGE plpgsql STABLE SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
BEGIN
    EXECUTE format(
        'SELECT coalesce(bit_xor(row_mark), 0), count(*), '
        '(array_agg(%2$s) FILTER (WHERE $2 AND row_mark <> %3$s))[1:5] FROM %1$s WHERE session_id = $1',
        stored,
        (SELECT 'concat_ws('' '', ' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
         FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
         WHERE a.attrelid = stored AND a.attnum = ANY (i.indkey) AND a.attname <> 'session_id'),
        paper_marked(stored, false))
    INTO digest, n, edited USING session, every;
END $$;

-- SHA-256 over texts in order, each with the hash of those before: however many there are.
CREATE FUNCTION paper_next(before bytea, told bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sha256(before || told);
CREATE AGGREGATE paper_sha256(bytea) (SFUNC = paper_next, STYPE = bytea, INITCOND = '');

-- What of a kind is stored up to a step: how many rows, and their hash. Acts of no step do not count.
CREATE FUNCTION paper_sealed(session text, kind paper_kinds, upto bigint) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    found jsonb;
BEGIN
    EXECUTE format(
        'SELECT jsonb_build_array(count(*), encode(paper_sha256(told ORDER BY %1$s), ''hex'')) '
        'FROM (SELECT %2$s paper_text(t) AS told FROM %3$s t WHERE session_id = $1 AND %4$s) held',
        paper_order(kind), coalesce(quote_ident(kind.number) || ',', ''), kind.stored,
        CASE kind.key WHEN 'security_events' THEN 'step <= $2' ELSE '(step IS NULL OR step <= $2)' END)
    INTO found USING session, upto;
    RETURN found;
END $$;

-- The chain of a session begins, or goes on, with what is stored of it now: for a new session, for one of before there was
-- a chain, and after rows that belong to it were removed.
CREATE FUNCTION paper_seal(session text) RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    stored paper_session_state;
    stands bytea;
    before bytea;
    sealed jsonb;
BEGIN
    SELECT * INTO stored FROM paper_session_state WHERE session_id = session FOR UPDATE;
    stored.settings_digest := paper_settings_digest(session);
    stored.parts_digest := paper_remark(session, 'paper_session_parts');
    stored.orders_digest := paper_remark(session, 'paper_orders');
    stored.balances_digest := paper_remark(session, 'paper_balances');
    stored.positions_digest := paper_remark(session, 'paper_positions');
    UPDATE paper_session_state SET
        settings_digest = stored.settings_digest, parts_digest = stored.parts_digest, orders_digest = stored.orders_digest,
        balances_digest = stored.balances_digest, positions_digest = stored.positions_digest
    WHERE session_id = session;
    stands := paper_stood(stored);
    before := stored.hash;
    stored.hash := paper_hash(before, stands, '');
    UPDATE paper_session_state SET hash = stored.hash WHERE session_id = session;
    DELETE FROM paper_steps WHERE session_id = session;
    INSERT INTO paper_steps VALUES (session, stored.step, stands, stored.hash);
    SELECT jsonb_object_agg(k.key, paper_sealed(session, k, stored.step)) INTO sealed
    FROM paper_kinds k WHERE paper_is_chained(k.stored);
    INSERT INTO paper_seals VALUES (session, stored.step, before, sealed, now())
    ON CONFLICT (session_id) DO UPDATE SET
        step = excluded.step, before = excluded.before, rows = excluded.rows, sealed_at = excluded.sealed_at;
END $$;
SELECT paper_seal(session_id) FROM paper_session_state;

-- One step of a session, stored whole in one call or refused whole. `parts` holds those to `put` and those `gone`.
CREATE OR REPLACE FUNCTION paper_commit(session text, batch jsonb, parts jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stored paper_session_state;
    current_status session_status;
    recorded timestamptz := moment((batch ->> 'recorded_at_ns')::bigint);
    feed_at bigint := batch ->> 'feed_position';
    market_time bigint := batch ->> 'market_time_ns';
    this_step bigint := batch ->> 'step';
BEGIN
    SELECT * INTO stored FROM paper_session_state WHERE session_id = session FOR UPDATE;
    SELECT status INTO current_status FROM paper_sessions WHERE session_id = session;
    IF NOT FOUND OR current_status = 'ended' THEN
        RAISE EXCEPTION 'the session % %', session, CASE WHEN FOUND THEN 'has ended' ELSE 'does not exist' END
            USING ERRCODE = 'TG001';
    END IF;
    IF this_step <> stored.step + 1 THEN
        RAISE EXCEPTION 'step % does not follow the stored step %', this_step, stored.step USING ERRCODE = 'TG002';
    END IF;
    IF feed_at < stored.feed_position OR market_time < stored.market_time_ns THEN
        RAISE EXCEPTION 'message % at % lies before the stored message % at %',
            feed_at, market_time, stored.feed_position, stored.market_time_ns USING ERRCODE = 'TG002';
    END IF;

    IF batch ?| ARRAY['orders', 'fills'] THEN
        PERFORM paper_check_fills(session, coalesce(batch -> 'orders', '[]'), coalesce(batch -> 'fills', '[]'));
    END IF;
    IF batch ?| ARRAY['entries', 'balances'] THEN
        stored.ledger_transaction := paper_check_ledger(
            session, stored.ledger_transaction, coalesce(batch -> 'entries', '[]'), coalesce(batch -> 'balances', '[]'));
    END IF;
    IF parts ? 'gone' THEN
        WITH gone AS (
            DELETE FROM paper_session_parts p
            USING jsonb_to_recordset(parts -> 'gone') AS n (part text, key text)
            WHERE p.session_id = session AND p.part = n.part AND p.key = n.key
            RETURNING p.row_mark AS mark)
        SELECT stored.parts_digest # coalesce(bit_xor(mark), 0) INTO stored.parts_digest FROM gone;
    END IF;
    IF parts ? 'put' THEN
        WITH put AS (
            INSERT INTO paper_session_parts AS old
            SELECT session, n.part, n.key, n.state, paper_mark(ROW(session, n.part, n.key, n.state)), 0
            FROM jsonb_to_recordset(parts -> 'put') AS n (part text, key text, state jsonb)
            ON CONFLICT (session_id, part, key) DO UPDATE
            SET state = excluded.state, row_mark = excluded.row_mark, mark_before = old.row_mark
            RETURNING row_mark # mark_before AS mark)
        SELECT stored.parts_digest # coalesce(bit_xor(mark), 0) INTO stored.parts_digest FROM put;
    END IF;
    IF batch ? 'settings' THEN
        UPDATE paper_sessions SET settings = batch -> 'settings' WHERE session_id = session;
        stored.settings_digest := paper_settings_digest(session);
    END IF;
    stored.state := batch -> 'state';
    stored.step := this_step;
    stored.feed_position := feed_at;
    stored.market_time_ns := market_time;
    stored.recorded_at := recorded;
    PERFORM paper_put(session, recorded, batch, stored);
END $$;
