-- One step of a session, stored whole in one call or refused whole.
-- Refusals carry the SQLSTATEs TG001 (no such session, or ended), TG002 (does not continue what is stored),
-- TG003 (ledger or fills do not add up), TG004 (a final order would change its status).

CREATE FUNCTION paper_continues(what text, last bigint, low bigint, high bigint, n bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$
BEGIN
    IF n = 0 THEN
        RETURN last;
    END IF;
    IF low <> last + 1 OR high - low + 1 <> n THEN
        RAISE EXCEPTION '% % to % (% of them) do not continue the stored %', what, low, high, n, last
            USING ERRCODE = 'TG002';
    END IF;
    RETURN high;
END $$;
COMMENT ON FUNCTION paper_continues IS 'The new last number, if n numbers from low to high follow last without a gap.';

-- Orders first, as fills refer to them. What an order says is filled must be what its fills add up to.
CREATE FUNCTION paper_store_orders(session text, recorded timestamptz, orders jsonb, fills jsonb) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
    stored bigint;
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

    INSERT INTO paper_orders AS o
    SELECT session, n.order_number, n.order_id, n.client_order_id, n.symbol, n.side, n.order_type, n.terms,
           n.requested_quantity, n.time_in_force, n.expires_at_ns, n.leverage, n.self_trade, n.position_id, n.purpose,
           n.status, n.quantity, n.price, n.filled_quantity, n.filled_notional, n.fees, n.code, n.reason, n.triggered,
           n.submitted_at_ns, n.updated_at_ns, recorded
    FROM jsonb_to_recordset(orders) AS n (
        order_number bigint, order_id text, client_order_id text, symbol text, side order_side, order_type text,
        terms jsonb, requested_quantity numeric, time_in_force time_in_force, expires_at_ns bigint, leverage integer,
        self_trade self_trade_prevention, position_id text, purpose text, status order_status, quantity numeric,
        price numeric, filled_quantity numeric, filled_notional numeric, fees numeric, code text, reason text,
        triggered boolean, submitted_at_ns bigint, updated_at_ns bigint)
    ON CONFLICT (session_id, order_number) DO UPDATE SET
        status = excluded.status, quantity = excluded.quantity, price = excluded.price,
        filled_quantity = excluded.filled_quantity, filled_notional = excluded.filled_notional, fees = excluded.fees,
        code = excluded.code, reason = excluded.reason, triggered = excluded.triggered,
        updated_at_ns = excluded.updated_at_ns, recorded_at = excluded.recorded_at
    WHERE excluded.client_order_id = o.client_order_id AND (o.status = excluded.status OR NOT is_final(o.status));
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> jsonb_array_length(orders) THEN
        RAISE EXCEPTION 'an order that is final would change its status, or its client order id'
            USING ERRCODE = 'TG004';
    END IF;
END $$;

-- Entries balance per transaction and asset; a wallet balance is the one before plus its entries, nothing else.
CREATE FUNCTION paper_store_ledger(
    session text, recorded timestamptz, entries jsonb, balances jsonb, INOUT sequence bigint, INOUT transaction bigint
) LANGUAGE plpgsql AS $$
DECLARE
    span record;
    wrong text;
BEGIN
    WITH posted AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(entries) AS e (
            sequence bigint, transaction bigint, time_ns bigint, kind entry_kind, account ledger_account, asset text,
            amount numeric, order_number bigint, fill_number bigint)
    ), inserted AS (
        INSERT INTO paper_ledger_entries
        SELECT session, e.sequence, e.transaction, e.time_ns, e.kind, e.account, e.asset, e.amount, e.order_number,
               e.fill_number, recorded
        FROM posted e
    )
    SELECT min(e.sequence) AS low, max(e.sequence) AS high, count(*) AS n,
           min(e.transaction) AS first, max(e.transaction) AS last, count(DISTINCT e.transaction) AS transactions,
           (SELECT format('ledger transaction %s is out of balance by %s %s', u.transaction, sum(u.amount), u.asset)
            FROM posted u GROUP BY u.transaction, u.asset HAVING sum(u.amount) <> 0 LIMIT 1) AS unbalanced,
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
    sequence := paper_continues('ledger entries', sequence, span.low, span.high, span.n);
    transaction := paper_continues('ledger transactions', transaction, span.first, span.last, span.transactions);

    INSERT INTO paper_balances SELECT session, b.asset, b.total, b.held
    FROM jsonb_to_recordset(balances) AS b (asset text, total numeric, held numeric)
    ON CONFLICT (session_id, asset) DO UPDATE SET total = excluded.total, held = excluded.held;
END $$;

CREATE FUNCTION paper_store_positions(session text, recorded timestamptz, positions jsonb) RETURNS void
    LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO paper_positions
    SELECT session, p.position_id, p.symbol, p.side, p.entry_order_number, p.quantity, p.entry_quantity,
           p.average_entry, p.realised, p.realised_usd, p.fees, p.stop, p.target, p.dust, p.opened_at_ns,
           p.updated_at_ns, p.closed_at_ns, p.close_reason, recorded
    FROM jsonb_to_recordset(positions) AS p (
        position_id text, symbol text, side order_side, entry_order_number bigint, quantity numeric,
        entry_quantity numeric, average_entry numeric, realised numeric, realised_usd numeric, fees numeric,
        stop numeric, target numeric, dust boolean, opened_at_ns bigint, updated_at_ns bigint, closed_at_ns bigint,
        close_reason close_reason)
    ON CONFLICT (session_id, position_id) DO UPDATE SET
        quantity = excluded.quantity, entry_quantity = excluded.entry_quantity,
        average_entry = excluded.average_entry, realised = excluded.realised, realised_usd = excluded.realised_usd,
        fees = excluded.fees, stop = excluded.stop, target = excluded.target, dust = excluded.dust,
        updated_at_ns = excluded.updated_at_ns, closed_at_ns = excluded.closed_at_ns,
        close_reason = excluded.close_reason, recorded_at = excluded.recorded_at;
END;

CREATE FUNCTION paper_commit(session text, batch jsonb, new_state jsonb) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    stored paper_session_state;
    current_status session_status;
    recorded timestamptz := moment((batch ->> 'recorded_at_ns')::bigint);
    feed_at bigint := batch ->> 'feed_position';
    market_time bigint := batch ->> 'market_time_ns';
    span record;
BEGIN
    SELECT * INTO stored FROM paper_session_state WHERE session_id = session FOR UPDATE;
    SELECT status INTO current_status FROM paper_sessions WHERE session_id = session;
    IF NOT FOUND OR current_status = 'ended' THEN
        RAISE EXCEPTION 'the session % %', session, CASE WHEN FOUND THEN 'has ended' ELSE 'does not exist' END
            USING ERRCODE = 'TG001';
    END IF;
    IF feed_at < stored.feed_position OR market_time < stored.market_time_ns THEN
        RAISE EXCEPTION 'message % at % lies before the stored message % at %',
            feed_at, market_time, stored.feed_position, stored.market_time_ns USING ERRCODE = 'TG002';
    END IF;

    IF batch ? 'orders' OR batch ? 'fills' THEN
        PERFORM paper_store_orders(session, recorded, coalesce(batch -> 'orders', '[]'),
                                   coalesce(batch -> 'fills', '[]'));
    END IF;

    IF batch ? 'events' THEN
        WITH put AS (
            INSERT INTO paper_order_events
            SELECT session, e.sequence, e.kind, e.order_number, e.time_ns, e.visible_at_ns, e.event, recorded
            FROM jsonb_to_recordset(batch -> 'events') AS e (
                sequence bigint, kind text, order_number bigint, time_ns bigint, visible_at_ns bigint, event jsonb)
            RETURNING sequence)
        SELECT min(sequence) AS low, max(sequence) AS high, count(*) AS n INTO span FROM put;
        stored.event_sequence := paper_continues('order events', stored.event_sequence, span.low, span.high, span.n);
    END IF;

    IF batch ? 'fills' THEN
        WITH put AS (
            INSERT INTO paper_trades
            SELECT session, f.fill_number, f.fill_id, f.sequence, f.order_number, f.client_order_id, f.symbol, f.side,
                   f.price, f.quantity, f.notional, f.fee, f.fee_asset, f.maker, f.cumulative_quantity, f.status,
                   f.explanation, f.time_ns, f.visible_at_ns, recorded
            FROM jsonb_to_recordset(batch -> 'fills') AS f (
                fill_number bigint, fill_id text, sequence bigint, order_number bigint, client_order_id text,
                symbol text, side order_side, price numeric, quantity numeric, notional numeric, fee numeric,
                fee_asset text, maker boolean, cumulative_quantity numeric, status order_status, explanation jsonb,
                time_ns bigint, visible_at_ns bigint)
            RETURNING fill_number)
        SELECT min(fill_number) AS low, max(fill_number) AS high, count(*) AS n INTO span FROM put;
        stored.fill_number := paper_continues('fills', stored.fill_number, span.low, span.high, span.n);
    END IF;

    IF batch ? 'entries' OR batch ? 'balances' THEN
        SELECT * INTO stored.entry_sequence, stored.ledger_transaction
        FROM paper_store_ledger(session, recorded, coalesce(batch -> 'entries', '[]'),
                                coalesce(batch -> 'balances', '[]'), stored.entry_sequence, stored.ledger_transaction);
    END IF;

    IF batch ? 'positions' THEN
        PERFORM paper_store_positions(session, recorded, batch -> 'positions');
    END IF;

    IF batch ? 'decisions' THEN
        WITH put AS (
            INSERT INTO paper_decisions
            SELECT session, d.number, d.time_ns, d.symbol, d.agent, d.action, d.confidence, d.outcome, d.reasons,
                   d.client_order_id, d.details, recorded
            FROM jsonb_to_recordset(batch -> 'decisions') AS d (
                number bigint, time_ns bigint, symbol text, agent text, action text, confidence numeric, outcome text,
                reasons text[], client_order_id text, details jsonb)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;
        stored.decision_number := paper_continues('decisions', stored.decision_number, span.low, span.high, span.n);
    END IF;

    IF batch ? 'portfolio_snapshots' THEN
        WITH put AS (
            INSERT INTO paper_portfolio_snapshots
            SELECT session, p.number, recorded, p.time_ns, p.equity, p.buy_and_hold, p.balances, p.realised_usd,
                   p.unrealised_usd, p.fees_usd, p.open_positions
            FROM jsonb_to_recordset(batch -> 'portfolio_snapshots') AS p (
                number bigint, time_ns bigint, equity numeric, buy_and_hold numeric, balances jsonb,
                realised_usd numeric, unrealised_usd numeric, fees_usd numeric, open_positions integer)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;
        stored.portfolio_number :=
            paper_continues('portfolio snapshots', stored.portfolio_number, span.low, span.high, span.n);
    END IF;

    -- All positions of one moment may carry one number, so these only have to rise.
    IF batch ? 'position_snapshots' THEN
        WITH put AS (
            INSERT INTO paper_position_snapshots
            SELECT session, p.number, p.position_id, recorded, p.time_ns, p.symbol, p.quantity, p.mark, p.unrealised
            FROM jsonb_to_recordset(batch -> 'position_snapshots') AS p (
                number bigint, time_ns bigint, position_id text, symbol text, quantity numeric, mark numeric,
                unrealised numeric)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high INTO span FROM put;
        IF span.low <= stored.position_snapshot_number THEN
            RAISE EXCEPTION 'position snapshot % does not come after the stored %', span.low,
                stored.position_snapshot_number USING ERRCODE = 'TG002';
        END IF;
        stored.position_snapshot_number := span.high;
    END IF;

    IF batch ? 'security_events' THEN
        INSERT INTO security_events (recorded_at, kind, actor, address, request_id, session_id, details)
        SELECT moment(s.recorded_at_ns), s.kind, s.actor, s.address, s.request_id, session, s.details
        FROM jsonb_to_recordset(batch -> 'security_events') AS s (
            kind text, actor text, address text, request_id text, recorded_at_ns bigint, details jsonb);
    END IF;

    UPDATE paper_session_state SET
        state = new_state, feed_position = feed_at, market_time_ns = market_time, recorded_at = recorded,
        event_sequence = stored.event_sequence, fill_number = stored.fill_number, entry_sequence = stored.entry_sequence,
        ledger_transaction = stored.ledger_transaction, decision_number = stored.decision_number,
        portfolio_number = stored.portfolio_number, position_snapshot_number = stored.position_snapshot_number
    WHERE session_id = session;
END $$;
