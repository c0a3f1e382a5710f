-- What is only ever added and is of no step is held by a chain of its own: who came in and who was refused for want of a
-- role, and the calls of models. Each row is a link: SHA-256 over the hash of the link before and what the row says.

ALTER TABLE security_events ADD COLUMN link bigint, ADD COLUMN hash bytea;
ALTER TABLE model_calls ADD COLUMN link bigint, ADD COLUMN hash bytea;
CREATE UNIQUE INDEX security_events_by_link ON security_events (link) WHERE link IS NOT NULL;
CREATE UNIQUE INDEX model_calls_by_link ON model_calls (link) WHERE link IS NOT NULL;

CREATE TABLE links (
    stored      name PRIMARY KEY,
    rows_before bigint NOT NULL DEFAULT 0,
    hash_before bytea NOT NULL DEFAULT '',
    last        bigint NOT NULL DEFAULT 0,
    hash        bytea NOT NULL DEFAULT ''
);
COMMENT ON TABLE links IS 'Where the chain of a table ends whose rows are of no step.';
COMMENT ON COLUMN links.rows_before IS 'How many rows there were before the first link.';
COMMENT ON COLUMN links.hash_before IS 'SHA-256 over these.';

-- How many rows of a table should be links and are none, and their hash. What a step has stored is in its session's chain;
-- counts of strangers come and go.
CREATE FUNCTION unlinked(of_table name, OUT n bigint, OUT hash bytea) LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
BEGIN
    CASE of_table
    WHEN 'security_events' THEN
        SELECT count(*), paper_sha256(paper_text(e) ORDER BY event_number) INTO n, hash
        FROM security_events e
        WHERE link IS NULL AND step IS NULL AND (kind <> 'auth_failure' OR session_id IS NOT NULL);
    WHEN 'model_calls' THEN
        SELECT count(*), paper_sha256(paper_text(c) ORDER BY call_id) INTO n, hash
        FROM model_calls c WHERE link IS NULL;
    END CASE;
END $$;
INSERT INTO links (stored, rows_before, hash_before)
SELECT stored, n, hash FROM unnest(ARRAY['security_events', 'model_calls']::name[]) AS stored, unlinked(stored) WHERE n > 0;

-- The row that `key` names, just added, becomes the next link. Whoever else adds one waits until this transaction is over.
CREATE FUNCTION link_row(of_table name, key name, named text) RETURNS void LANGUAGE plpgsql
    SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    chain links;
    told bytea;
BEGIN
    INSERT INTO links (stored) VALUES (of_table) ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT chain FROM links WHERE stored = of_table FOR UPDATE;
    EXECUTE format('SELECT paper_text(t) FROM %I t WHERE %I = %L', of_table, key, named) INTO STRICT told;
    UPDATE links SET last = last + 1, hash = sha256(chain.hash || told) WHERE stored = of_table RETURNING * INTO chain;
    EXECUTE format('UPDATE %I SET link = $1, hash = $2 WHERE %I = %L', of_table, key, named)
    USING chain.last, chain.hash;
END $$;
