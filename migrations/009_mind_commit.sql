-- The commit takes what the mind leaves behind, under the same rule: numbers continue the stored ones without a gap.

-- Called after the decisions are stored, as votes refer to them. Returns the session's numbers as they are then.
CREATE FUNCTION paper_store_mind(
    session text, recorded timestamptz, batch jsonb, stored paper_session_state
) RETURNS paper_session_state LANGUAGE plpgsql AS $$
DECLARE
    span record;
    put_rows bigint;
BEGIN
    IF batch ? 'analyses' THEN
        WITH put AS (
            INSERT INTO paper_analyses
            SELECT session, a.number, a.time_ns, a.task, a.symbol, a.model, a.abstained, a.confidence, a.answer, a.reason,
                   a.snapshot_hash, a.request_id, a.latency_ns, recorded
            FROM jsonb_to_recordset(batch -> 'analyses') AS a (
                number bigint, time_ns bigint, task text, symbol text, model text, abstained boolean,
                confidence numeric, answer jsonb, reason text, snapshot_hash text, request_id text, latency_ns bigint)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;
        stored.analysis_number := paper_continues('analyses', stored.analysis_number, span.low, span.high, span.n);
    END IF;

    IF batch ? 'votes' THEN
        WITH put AS (
            INSERT INTO paper_votes
            SELECT session, v.number, v.time_ns, v.decision_number, v.symbol, v.model, v.model_id, v.action, v.confidence,
                   v.price, v.stop_bps, v.target_bps, v.reasoning, v.failure, v.snapshot_hash, v.request_id,
                   v.latency_ns, v.tokens_in, v.tokens_out, v.cost_usd, recorded
            FROM jsonb_to_recordset(batch -> 'votes') AS v (
                number bigint, time_ns bigint, decision_number bigint, symbol text, model text, model_id text,
                action text, confidence numeric, price numeric, stop_bps integer, target_bps integer, reasoning text,
                failure text, snapshot_hash text, request_id text, latency_ns bigint, tokens_in bigint,
                tokens_out bigint, cost_usd numeric)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;
        stored.vote_number := paper_continues('votes', stored.vote_number, span.low, span.high, span.n);
    END IF;

    -- Known by vote and horizon instead of a number: the later ones of a vote come hours after it.
    IF batch ? 'outcomes' THEN
        INSERT INTO paper_outcomes
        SELECT session, o.vote_number, o.horizon_ns, o.time_ns, o.price, o.move, o.net, recorded
        FROM jsonb_to_recordset(batch -> 'outcomes') AS o (
            vote_number bigint, horizon_ns bigint, time_ns bigint, price numeric, move numeric, net numeric)
        WHERE o.vote_number <= stored.vote_number
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS put_rows = ROW_COUNT;
        IF put_rows <> jsonb_array_length(batch -> 'outcomes') THEN
            RAISE EXCEPTION 'an outcome is stored already, or is of a vote that is not' USING ERRCODE = 'TG002';
        END IF;
    END IF;

    IF batch ? 'risk' THEN
        WITH put AS (
            INSERT INTO paper_risk_history
            SELECT session, r.number, r.time_ns, r.kind, r.reason, r.state, recorded
            FROM jsonb_to_recordset(batch -> 'risk') AS r (
                number bigint, time_ns bigint, kind text, reason text, state jsonb)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;
        stored.risk_number := paper_continues('risk changes', stored.risk_number, span.low, span.high, span.n);
        INSERT INTO paper_risk_state
        SELECT h.* FROM paper_risk_history h WHERE h.session_id = session AND h.number = stored.risk_number
        ON CONFLICT (session_id) DO UPDATE SET
            number = excluded.number, time_ns = excluded.time_ns, kind = excluded.kind, reason = excluded.reason,
            state = excluded.state, recorded_at = excluded.recorded_at;
    END IF;

    IF batch ? 'alerts' THEN
        WITH put AS (
            INSERT INTO paper_alerts
            SELECT session, a.number, a.time_ns, a.kind, a.symbol, a.position_id, a.message, recorded
            FROM jsonb_to_recordset(batch -> 'alerts') AS a (
                number bigint, time_ns bigint, kind text, symbol text, position_id text, message text)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;
        stored.alert_number := paper_continues('alerts', stored.alert_number, span.low, span.high, span.n);
    END IF;

    IF batch ? 'hodl' THEN
        WITH put AS (
            INSERT INTO paper_hodl
            SELECT session, h.number, h.time_ns, h.kind, h.asset, h.quantity, h.usd, h.position_id, h.client_order_id,
                   h.details, recorded
            FROM jsonb_to_recordset(batch -> 'hodl') AS h (
                number bigint, time_ns bigint, kind text, asset text, quantity numeric, usd numeric, position_id text,
                client_order_id text, details jsonb)
            RETURNING number)
        SELECT min(number) AS low, max(number) AS high, count(*) AS n INTO span FROM put;
        stored.hodl_number := paper_continues('steps of the hodl bag', stored.hodl_number, span.low, span.high, span.n);
    END IF;

    RETURN stored;
END $$;

-- The whole step: 006, and after the decisions what the mind leaves behind.
CREATE OR REPLACE FUNCTION paper_commit(session text, batch jsonb, new_state jsonb) RETURNS void
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

    IF batch ?| ARRAY['analyses', 'votes', 'outcomes', 'risk', 'alerts', 'hodl'] THEN
        stored := paper_store_mind(session, recorded, batch, stored);
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
        portfolio_number = stored.portfolio_number, position_snapshot_number = stored.position_snapshot_number,
        analysis_number = stored.analysis_number, vote_number = stored.vote_number, risk_number = stored.risk_number,
        alert_number = stored.alert_number, hodl_number = stored.hodl_number
    WHERE session_id = session;
END $$;
