-- A step is stored by one function over the list of what can be stored, `paper_kinds`: the fields of a record are the
-- columns of its table. A new kind of record is its table, a row here, and `SELECT paper_build()`.
-- Refusals carry the SQLSTATEs TG001 (no such session, or ended), TG002 (does not continue what is stored),
-- TG003 (ledger or fills do not add up), TG004 (what is final would change).

DROP FUNCTION paper_commit;
DROP FUNCTION paper_store_orders;
DROP FUNCTION paper_store_ledger;
DROP FUNCTION paper_store_positions;
DROP FUNCTION paper_store_mind;

-- The latest change is the last of the history; it was kept twice.
DROP TABLE paper_risk_state;
CREATE VIEW paper_risk_state AS
SELECT h.* FROM paper_session_state s
JOIN paper_risk_history h ON h.session_id = s.session_id AND h.number = s.risk_number;

ALTER TABLE paper_session_state ADD COLUMN step bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN paper_session_state.step IS 'Counts the commits: after a lost answer it says whether the last one is stored.';

-- What of a session no row says, one value per part and key: the queue places, the protections, the open rounds.
CREATE TABLE paper_session_parts (
    session_id text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    part       text NOT NULL,
    key        text NOT NULL,
    state      jsonb NOT NULL,
    PRIMARY KEY (session_id, part, key)
) WITH (fillfactor = 50);

CREATE TABLE paper_kinds (
    place    integer PRIMARY KEY,
    key      text NOT NULL UNIQUE,
    stored   regclass NOT NULL,
    number   name,
    counter  name,
    replaces boolean NOT NULL DEFAULT false,
    unless   text NOT NULL DEFAULT 'false'
);
COMMENT ON TABLE paper_kinds IS 'What a step may hold, in the order in which it is stored. See docs/contributing.md.';
COMMENT ON COLUMN paper_kinds.key IS 'Its name in the batch.';
COMMENT ON COLUMN paper_kinds.number IS 'The column that continues the counter in paper_session_state without a gap.';
COMMENT ON COLUMN paper_kinds.replaces IS 'Whether a row of the same key takes the place of the stored one.';
COMMENT ON COLUMN paper_kinds.unless IS 'Over old and excluded: when it may not, and the step is refused.';

INSERT INTO paper_kinds (place, key, stored, number, counter) VALUES
    (20, 'events', 'paper_order_events', 'sequence', 'event_sequence'),
    (30, 'fills', 'paper_trades', 'fill_number', 'fill_number'),
    (40, 'entries', 'paper_ledger_entries', 'sequence', 'entry_sequence'),
    (70, 'decisions', 'paper_decisions', 'number', 'decision_number'),
    (80, 'analyses', 'paper_analyses', 'number', 'analysis_number'),
    (90, 'votes', 'paper_votes', 'number', 'vote_number'),
    (100, 'outcomes', 'paper_outcomes', NULL, NULL),
    (110, 'risk', 'paper_risk_history', 'number', 'risk_number'),
    (120, 'alerts', 'paper_alerts', 'number', 'alert_number'),
    (130, 'hodl', 'paper_hodl', 'number', 'hodl_number'),
    (140, 'portfolio_snapshots', 'paper_portfolio_snapshots', 'number', 'portfolio_number'),
    (150, 'position_snapshots', 'paper_position_snapshots', 'number', 'position_snapshot_number'),
    (160, 'security_events', 'security_events', NULL, NULL);
INSERT INTO paper_kinds (place, key, stored, replaces, unless) VALUES
    (10, 'orders', 'paper_orders', true,
     '(excluded.client_order_id, excluded.order_id, excluded.symbol, excluded.side, excluded.submitted_at_ns)
      <> (old.client_order_id, old.order_id, old.symbol, old.side, old.submitted_at_ns)
      OR (is_final(old.status) AND excluded.status <> old.status)'),
    (50, 'balances', 'paper_balances', true, 'false'),
    (60, 'positions', 'paper_positions', true,
     '(excluded.symbol, excluded.side, excluded.entry_order_number) <> (old.symbol, old.side, old.entry_order_number)');

-- The statements that store one kind. `session_id` and `recorded_at` are the step's, where a row does not say.
CREATE FUNCTION paper_storing(kind paper_kinds) RETURNS text LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH columns AS (
        SELECT a.attname, a.attnum = ANY (i.indkey) AS is_key, a.attnum
        FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = kind.stored AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = ''
    ), lists AS (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names,
               string_agg(CASE attname WHEN 'session_id' THEN 'session'
                                       WHEN 'recorded_at' THEN 'coalesce(n.recorded_at, recorded)'
                                       ELSE 'n.' || quote_ident(attname) END, ', ' ORDER BY attnum) AS given,
               string_agg(quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE is_key) AS keys,
               string_agg(format('%1$I = excluded.%1$I', attname), ', ' ORDER BY attnum)
                   FILTER (WHERE NOT is_key) AS changes
        FROM columns
    )
    SELECT format($block$
    IF batch ? %1$L THEN
        WITH put AS (
            INSERT INTO %2$s AS old (%3$s)
            SELECT %4$s FROM jsonb_populate_recordset(NULL::%2$s, batch -> %1$L) n%5$s
            RETURNING %6$s AS number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;%7$s
    END IF;$block$,
        kind.key, kind.stored, names, given,
        CASE WHEN kind.replaces
             THEN format(' ON CONFLICT (%s) DO UPDATE SET %s WHERE (%s) IS NOT true', keys, changes, kind.unless) END,
        coalesce(quote_ident(kind.number), 'NULL::bigint'),
        CASE WHEN kind.counter IS NOT NULL
             THEN format('
        stored.%1$I := paper_continues(%2$L, stored.%1$I, span.low, span.high, span.n);',
                         kind.counter, replace(kind.key, '_', ' '))
             WHEN kind.replaces
             THEN format('
        IF span.n <> jsonb_array_length(batch -> %1$L) THEN
            RAISE EXCEPTION USING ERRCODE = ''TG004'', MESSAGE = ''one of the %1$s would change what is final'';
        END IF;', kind.key) END)
    FROM lists;
END;

-- Writes `paper_put`, which stores all records of a step and where the session stands after them, from `paper_kinds`.
CREATE FUNCTION paper_build() RETURNS void LANGUAGE plpgsql AS $build$
BEGIN
    EXECUTE format($body$
CREATE OR REPLACE FUNCTION paper_put(session text, recorded timestamptz, batch jsonb, stored paper_session_state)
    RETURNS void LANGUAGE plpgsql AS $put$
DECLARE
    span record;
BEGIN%s
    UPDATE paper_session_state SET %s WHERE session_id = session;
END $put$ $body$,
        (SELECT string_agg(paper_storing(k), '' ORDER BY k.place) FROM paper_kinds k),
        (SELECT string_agg(format('%1$I = stored.%1$I', attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = 'paper_session_state'::regclass AND attnum > 0 AND NOT attisdropped
           AND attname <> 'session_id'));
END $build$;
SELECT paper_build();

-- What an order says is filled must be what its fills add up to.
CREATE FUNCTION paper_check_fills(session text, orders jsonb, fills jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT coalesce(n.order_number, f.order_number) INTO wrong
    FROM jsonb_to_recordset(orders) AS n (order_number bigint, filled_quantity numeric, filled_notional numeric)
    FULL JOIN (SELECT order_number, sum(quantity) AS quantity, sum(notional) AS notional
               FROM jsonb_to_recordset(fills) AS x (order_number bigint, quantity numeric, notional numeric)
               GROUP BY order_number) f USING (order_number)
    -- LATERAL with LIMIT: always one look into the index, whatever the planner believes of the sizes.
    LEFT JOIN LATERAL (
        SELECT * FROM paper_orders
        WHERE session_id = session AND order_number = coalesce(n.order_number, f.order_number) LIMIT 1) o ON true
    WHERE n.filled_quantity IS DISTINCT FROM coalesce(o.filled_quantity, 0) + coalesce(f.quantity, 0)
       OR n.filled_notional IS DISTINCT FROM coalesce(o.filled_notional, 0) + coalesce(f.notional, 0)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'what order % says is filled is not the sum of its fills', wrong USING ERRCODE = 'TG003';
    END IF;
END $$;

-- Entries balance per transaction and asset; a wallet balance is the one before plus its entries, nothing else.
-- Returns the number of the last transaction.
CREATE FUNCTION paper_check_ledger(session text, last bigint, entries jsonb, balances jsonb) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    span record;
    wrong text;
BEGIN
    WITH posted AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(entries) AS e (
            ledger_transaction bigint, account ledger_account, asset text, amount numeric)
    )
    SELECT min(e.ledger_transaction) AS low, max(e.ledger_transaction) AS high,
           count(DISTINCT e.ledger_transaction) AS n,
           (SELECT format('ledger transaction %s is out of balance by %s %s', u.ledger_transaction, sum(u.amount), u.asset)
            FROM posted u GROUP BY u.ledger_transaction, u.asset HAVING sum(u.amount) <> 0 LIMIT 1) AS unbalanced,
           (SELECT format('the balance of %s is not the stored %s plus its entries',
                          coalesce(b.asset, m.asset), coalesce(o.total, 0))
            FROM jsonb_to_recordset(balances) AS b (asset text, total numeric)
            FULL JOIN (SELECT w.asset, sum(w.amount) AS moved FROM posted w
                       WHERE w.account = 'wallet' GROUP BY w.asset) m ON m.asset = b.asset
            LEFT JOIN LATERAL (
                SELECT p.total FROM paper_balances p
                WHERE p.session_id = session AND p.asset = coalesce(b.asset, m.asset) LIMIT 1) o ON true
            WHERE b.total IS DISTINCT FROM coalesce(o.total, 0) + coalesce(m.moved, 0) LIMIT 1) AS unexplained
    INTO span FROM posted e;
    wrong := coalesce(span.unbalanced, span.unexplained);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'TG003';
    END IF;
    RETURN paper_continues('ledger transactions', last, span.low, span.high, span.n);
END $$;

-- One step of a session, stored whole in one call or refused whole. `parts` holds those to `put` and those `gone`.
CREATE FUNCTION paper_commit(session text, batch jsonb, parts jsonb) RETURNS void LANGUAGE plpgsql AS $$
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
    stored.state := batch -> 'state';
    stored.step := this_step;
    stored.feed_position := feed_at;
    stored.market_time_ns := market_time;
    stored.recorded_at := recorded;
    PERFORM paper_put(session, recorded, batch, stored);

    IF parts ? 'gone' THEN
        DELETE FROM paper_session_parts p
        USING jsonb_to_recordset(parts -> 'gone') AS n (part text, key text)
        WHERE p.session_id = session AND p.part = n.part AND p.key = n.key;
    END IF;
    IF parts ? 'put' THEN
        INSERT INTO paper_session_parts
        SELECT session, n.part, n.key, n.state
        FROM jsonb_to_recordset(parts -> 'put') AS n (part text, key text, state jsonb)
        ON CONFLICT (session_id, part, key) DO UPDATE SET state = excluded.state;
    END IF;
END $$;
