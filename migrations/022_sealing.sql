-- Old steps are sealed: what they left is counted and hashed as a whole, and their rows in paper_steps go.

ALTER TABLE paper_steps ADD COLUMN recorded_at timestamptz;
COMMENT ON COLUMN paper_steps.recorded_at IS 'NULL: older than all that say it. Under no hash.';
ALTER TABLE paper_seals ADD COLUMN base bigint, ADD COLUMN removed jsonb NOT NULL DEFAULT '{}';
UPDATE paper_seals SET base = step;
ALTER TABLE paper_seals ALTER COLUMN base SET NOT NULL;
COMMENT ON COLUMN paper_seals.step IS 'The last step that is sealed. Its row in paper_steps is there only where it is the base.';
COMMENT ON COLUMN paper_seals.before IS
    'At the base: the hash of the last step before; the first hash after it follows from this and stood. Else: the hash of the step.';
COMMENT ON COLUMN paper_seals.base IS 'The step at which everything was sealed that was there; what came later was sealed by age.';
COMMENT ON COLUMN paper_seals.rows IS 'By kind: how many rows up to this step there were, and SHA-256 over them, one after the other.';
COMMENT ON COLUMN paper_seals.removed IS 'By kind: how many of these, the first ones, retention has removed, and SHA-256 over them.';

-- As paper_sha256, after a hash of what came before.
CREATE FUNCTION paper_next_after(told_so_far bytea, start bytea, told bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sha256(coalesce(told_so_far, start) || told);
CREATE AGGREGATE paper_sha256_after(bytea, bytea) (SFUNC = paper_next_after, STYPE = bytea);

-- What of a kind is stored up to a seal, with what was removed of it: how many rows, and their hash. Rows that no number
-- orders come with those of the base first, then step by step. Acts of no step do not count.
CREATE FUNCTION paper_sealed(kind paper_kinds, seal paper_seals) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    gone jsonb := coalesce(seal.removed -> kind.key, '[0, ""]');
    start bytea := decode(gone ->> 1, 'hex');
    found jsonb;
BEGIN
    EXECUTE format(
        'SELECT jsonb_build_array($4 + count(*), encode(coalesce(paper_sha256_after($5, told ORDER BY %1$s), $5), ''hex'')) '
        'FROM (SELECT %2$s paper_text(t) AS told FROM %3$s t WHERE session_id = $1 AND %4$s) held',
        coalesce(quote_ident(kind.number), 'place, told'),
        coalesce(quote_ident(kind.number), 'CASE WHEN step > $3 THEN step ELSE $3 END AS place') || ',',
        kind.stored,
        CASE kind.key WHEN 'security_events' THEN 'step <= $2' ELSE '(step IS NULL OR step <= $2)' END)
    INTO found USING seal.session_id, seal.step, seal.base, (gone ->> 0)::bigint, start;
    RETURN found;
END $$;

CREATE OR REPLACE FUNCTION paper_seal(session text) RETURNS void LANGUAGE plpgsql
    SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    stored paper_session_state;
    stands bytea;
    before bytea;
    sealed jsonb;
BEGIN
    -- First what whoever seals old steps holds first.
    PERFORM 1 FROM paper_seals WHERE session_id = session FOR UPDATE;
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
    INSERT INTO paper_steps VALUES (session, stored.step, stands, stored.hash, stored.recorded_at);
    SELECT jsonb_object_agg(k.key, paper_sealed(session, k, stored.step)) INTO sealed
    FROM paper_kinds k WHERE paper_is_chained(k.stored);
    INSERT INTO paper_seals (session_id, step, before, rows, sealed_at, base)
    VALUES (session, stored.step, before, sealed, now(), stored.step)
    ON CONFLICT (session_id) DO UPDATE SET
        step = excluded.step, before = excluded.before, rows = excluded.rows, sealed_at = excluded.sealed_at,
        base = excluded.base, removed = '{}';
END $$;

-- Removes the first rows of a kind that are sealed and were recorded before, at most so many; their count and hash stay.
CREATE FUNCTION paper_forget(session text, of_kind text, recorded_before timestamptz, rows_max bigint) RETURNS bigint
    LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    seal paper_seals;
    kind paper_kinds;
    gone jsonb;
    first_kept bigint;
    n bigint;
    hashed bytea;
BEGIN
    SELECT * INTO seal FROM paper_seals WHERE session_id = session FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT * INTO STRICT kind FROM paper_kinds WHERE key = of_kind AND number IS NOT NULL;
    gone := coalesce(seal.removed -> of_kind, '[0, ""]');
    EXECUTE format(
        'SELECT min(number) FROM ((SELECT %1$I AS number FROM %2$s WHERE session_id = $1 AND (step > $2 OR recorded_at >= $3) '
        'ORDER BY 1 LIMIT 1) UNION ALL (SELECT %1$I + 1 FROM %2$s WHERE session_id = $1 ORDER BY 1 DESC LIMIT 1) '
        'UNION ALL (SELECT %1$I FROM %2$s WHERE session_id = $1 ORDER BY 1 OFFSET $4 LIMIT 1)) x', kind.number, kind.stored)
    INTO first_kept USING session, seal.step, recorded_before, rows_max;
    EXECUTE format(
        'WITH gone AS (DELETE FROM %2$s t WHERE session_id = $1 AND %1$I < $2 RETURNING %1$I AS number, paper_text(t) AS told) '
        'SELECT count(*), paper_sha256_after($3, told ORDER BY number) FROM gone', kind.number, kind.stored)
    INTO n, hashed USING session, first_kept, decode(gone ->> 1, 'hex');
    IF n > 0 THEN
        UPDATE paper_seals
        SET removed = removed || jsonb_build_object(
            of_kind, jsonb_build_array((gone ->> 0)::bigint + n, encode(hashed, 'hex')))
        WHERE session_id = session;
    END IF;
    RETURN n;
END $$;

-- As before, with the time at which a step was recorded.
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
    INSERT INTO paper_steps VALUES (session, stored.step, stands, stored.hash, recorded);
    UPDATE paper_session_state SET %s WHERE session_id = session;
END $put$ $body$,
        (SELECT string_agg(paper_storing(k), '' ORDER BY k.place) FROM paper_kinds k),
        (SELECT string_agg(format('%1$I = stored.%1$I', attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = 'paper_session_state'::regclass AND attnum > 0 AND NOT attisdropped
           AND attname <> 'session_id'));
END $build$;
SELECT paper_build();
