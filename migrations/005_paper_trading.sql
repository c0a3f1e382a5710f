-- Paper trading. Every row belongs to a session; nothing here is ever read by a live process.
-- Amounts are exact. `*_ns` is market time; `recorded_at` is the wall time of the commit.

CREATE TABLE paper_sessions (
    session_id       text PRIMARY KEY,
    status           session_status NOT NULL,
    feed             text NOT NULL,
    seed             bigint NOT NULL,
    initial_balances jsonb NOT NULL,
    settings         jsonb NOT NULL,
    created_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    CHECK ((status = 'ended') = (ended_at IS NOT NULL))
);
CREATE INDEX paper_sessions_to_resume ON paper_sessions (feed) WHERE status <> 'ended';

-- Where the session stands: the machine's state, and the last number of everything that is numbered.
-- A batch must continue these numbers exactly, so nothing can be stored twice or left out.
CREATE TABLE paper_session_state (
    session_id               text PRIMARY KEY REFERENCES paper_sessions ON DELETE CASCADE,
    state                    jsonb NOT NULL DEFAULT '{}',
    feed_position            bigint NOT NULL DEFAULT 0 CHECK (feed_position >= 0),
    market_time_ns           time_ns NOT NULL DEFAULT 0,
    event_sequence           bigint NOT NULL DEFAULT 0,
    fill_number              bigint NOT NULL DEFAULT 0,
    entry_sequence           bigint NOT NULL DEFAULT 0,
    ledger_transaction       bigint NOT NULL DEFAULT 0,
    decision_number          bigint NOT NULL DEFAULT 0,
    portfolio_number         bigint NOT NULL DEFAULT 0,
    position_snapshot_number bigint NOT NULL DEFAULT 0,
    recorded_at              timestamptz NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE paper_decisions
    ADD FOREIGN KEY (session_id) REFERENCES paper_sessions ON DELETE CASCADE;

-- Orders as the exchange knows them now; how they came to it stands in paper_order_events.
CREATE TABLE paper_orders (
    session_id         text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    order_number       bigint NOT NULL CHECK (order_number > 0),
    order_id           text NOT NULL,
    client_order_id    text NOT NULL,
    symbol             text NOT NULL,
    side               order_side NOT NULL,
    order_type         text NOT NULL,
    terms              jsonb NOT NULL,
    requested_quantity amount NOT NULL,
    time_in_force      time_in_force NOT NULL,
    expires_at_ns      time_ns,
    leverage           integer NOT NULL,
    self_trade         self_trade_prevention NOT NULL,
    position_id        text,
    purpose            text NOT NULL,
    status             order_status NOT NULL,
    quantity           amount NOT NULL,
    price              amount,
    filled_quantity    amount NOT NULL CHECK (filled_quantity >= 0),
    filled_notional    amount NOT NULL CHECK (filled_notional >= 0),
    fees               amount NOT NULL CHECK (fees >= 0),
    code               text,
    reason             text,
    triggered          boolean NOT NULL,
    submitted_at_ns    time_ns NOT NULL,
    updated_at_ns      time_ns NOT NULL,
    recorded_at        timestamptz NOT NULL,
    PRIMARY KEY (session_id, order_number),
    UNIQUE (session_id, client_order_id),
    UNIQUE (session_id, order_id),
    CONSTRAINT rejected_orders_hold_no_fills CHECK (status <> 'rejected' OR filled_quantity = 0),
    CONSTRAINT filled_orders_are_filled CHECK (status <> 'filled' OR filled_quantity = quantity)
);
CREATE INDEX paper_orders_open ON paper_orders (session_id, order_number)
    WHERE status IN ('pending', 'open', 'partially_filled');
CREATE INDEX paper_orders_by_symbol ON paper_orders (session_id, symbol, order_number);

-- What the exchange answered, in its own order. Append-only. A fill's explanation stands in paper_trades alone.
CREATE TABLE paper_order_events (
    session_id    text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    sequence      bigint NOT NULL CHECK (sequence > 0),
    kind          text NOT NULL,
    order_number  bigint,
    time_ns       time_ns NOT NULL,
    visible_at_ns time_ns NOT NULL,
    event         jsonb NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (session_id, sequence)
);
CREATE INDEX paper_order_events_by_order ON paper_order_events (session_id, order_number, sequence);

-- Executions of ours. The API calls them trades.
CREATE TABLE paper_trades (
    session_id          text NOT NULL,
    fill_number         bigint NOT NULL CHECK (fill_number > 0),
    fill_id             text NOT NULL,
    sequence            bigint NOT NULL,
    order_number        bigint NOT NULL,
    client_order_id     text NOT NULL,
    symbol              text NOT NULL,
    side                order_side NOT NULL,
    price               amount NOT NULL CHECK (price > 0),
    quantity            amount NOT NULL CHECK (quantity > 0),
    notional            amount NOT NULL CHECK (notional > 0),
    fee                 amount NOT NULL CHECK (fee >= 0),
    fee_asset           text NOT NULL,
    maker               boolean NOT NULL,
    cumulative_quantity amount NOT NULL,
    status              order_status NOT NULL,
    explanation         jsonb NOT NULL,
    time_ns             time_ns NOT NULL,
    visible_at_ns       time_ns NOT NULL,
    recorded_at         timestamptz NOT NULL,
    PRIMARY KEY (session_id, fill_number),
    FOREIGN KEY (session_id, order_number) REFERENCES paper_orders ON DELETE CASCADE
);
CREATE INDEX paper_trades_by_order ON paper_trades (session_id, order_number);
CREATE INDEX paper_trades_by_symbol ON paper_trades (session_id, symbol, fill_number);

CREATE TABLE paper_ledger_entries (
    session_id         text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    sequence           bigint NOT NULL CHECK (sequence > 0),
    ledger_transaction bigint NOT NULL CHECK (ledger_transaction > 0),
    time_ns            time_ns NOT NULL,
    kind               entry_kind NOT NULL,
    account            ledger_account NOT NULL,
    asset              text NOT NULL,
    amount             amount NOT NULL,
    order_number       bigint NOT NULL,
    fill_number        bigint NOT NULL,
    recorded_at        timestamptz NOT NULL,
    PRIMARY KEY (session_id, sequence)
);

CREATE TABLE paper_balances (
    session_id text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    asset      text NOT NULL,
    total      amount NOT NULL CHECK (total >= 0),
    held       amount NOT NULL CHECK (held >= 0),
    PRIMARY KEY (session_id, asset),
    CONSTRAINT no_more_held_than_there_is CHECK (held <= total)
) WITH (fillfactor = 50);

CREATE TABLE paper_positions (
    session_id         text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    position_id        text NOT NULL,
    symbol             text NOT NULL,
    side               order_side NOT NULL,
    entry_order_number bigint NOT NULL,
    quantity           amount NOT NULL,
    entry_quantity     amount NOT NULL,
    average_entry      amount NOT NULL,
    realised           amount NOT NULL,
    realised_usd       amount,
    fees               amount NOT NULL,
    stop               amount,
    target             amount,
    dust               boolean NOT NULL,
    opened_at_ns       time_ns NOT NULL,
    updated_at_ns      time_ns NOT NULL,
    closed_at_ns       time_ns,
    close_reason       close_reason,
    recorded_at        timestamptz NOT NULL,
    PRIMARY KEY (session_id, position_id)
);
CREATE INDEX paper_positions_open ON paper_positions (session_id, entry_order_number) WHERE closed_at_ns IS NULL;
CREATE INDEX paper_positions_by_entry ON paper_positions (session_id, entry_order_number, position_id);

-- Both snapshot tables become hypertables on recorded_at where TimescaleDB is there, so it is part of the key.
CREATE TABLE paper_portfolio_snapshots (
    session_id     text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    number         bigint NOT NULL CHECK (number > 0),
    recorded_at    timestamptz NOT NULL,
    time_ns        time_ns NOT NULL,
    equity         amount,
    buy_and_hold   amount,
    balances       jsonb NOT NULL,
    realised_usd   amount,
    unrealised_usd amount,
    fees_usd       amount,
    open_positions integer NOT NULL,
    PRIMARY KEY (session_id, number, recorded_at)
);

CREATE TABLE paper_position_snapshots (
    session_id  text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    number      bigint NOT NULL CHECK (number > 0),
    position_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    time_ns     time_ns NOT NULL,
    symbol      text NOT NULL,
    quantity    amount NOT NULL,
    mark        amount,
    unrealised  amount,
    PRIMARY KEY (session_id, number, position_id, recorded_at)
);

-- What stays of the snapshots of an ended session: one row for each hour of market time.
CREATE TABLE paper_portfolio_hourly (
    session_id     text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    hour           timestamptz NOT NULL,
    snapshots      bigint NOT NULL,
    equity_first   amount,
    equity_low     amount,
    equity_high    amount,
    equity_last    amount,
    buy_and_hold   amount,
    realised_usd   amount,
    unrealised_usd amount,
    fees_usd       amount,
    open_positions integer NOT NULL,
    PRIMARY KEY (session_id, hour)
);

CREATE TABLE paper_position_hourly (
    session_id  text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    position_id text NOT NULL,
    hour        timestamptz NOT NULL,
    symbol      text NOT NULL,
    snapshots   bigint NOT NULL,
    quantity    amount NOT NULL,
    mark        amount,
    unrealised  amount,
    PRIMARY KEY (session_id, position_id, hour)
);

-- Each figure is counted where it happened; a session without closed positions has no win rate, not a rate of 0.
CREATE VIEW paper_session_performance AS
SELECT s.session_id, s.status, s.feed, s.created_at, s.ended_at, moment(t.market_time_ns) AS market_time,
       o.orders, o.rejected, f.fills, p.positions, p.closed, p.wins, p.losses,
       p.wins::numeric / nullif(p.wins + p.losses, 0) AS win_rate,
       p.realised_usd, e.equity_first, e.equity_last, e.equity_last - e.equity_first AS profit_usd
FROM paper_sessions s
LEFT JOIN paper_session_state t USING (session_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS orders, count(*) FILTER (WHERE status = 'rejected') AS rejected
    FROM paper_orders WHERE session_id = s.session_id) o
CROSS JOIN LATERAL (
    SELECT count(*) AS fills FROM paper_trades WHERE session_id = s.session_id) f
CROSS JOIN LATERAL (
    SELECT count(*) AS positions, count(closed_at_ns) AS closed,
           count(*) FILTER (WHERE closed_at_ns IS NOT NULL AND realised > 0) AS wins,
           count(*) FILTER (WHERE closed_at_ns IS NOT NULL AND realised < 0) AS losses,
           CASE WHEN count(*) = count(realised_usd) THEN coalesce(sum(realised_usd), 0) END AS realised_usd
    FROM paper_positions WHERE session_id = s.session_id) p
CROSS JOIN LATERAL (
    SELECT (array_agg(equity ORDER BY at, number) FILTER (WHERE equity IS NOT NULL))[1] AS equity_first,
           (array_agg(equity ORDER BY at DESC, number DESC) FILTER (WHERE equity IS NOT NULL))[1] AS equity_last
    FROM (SELECT moment(time_ns) AS at, number, equity FROM paper_portfolio_snapshots WHERE session_id = s.session_id
          UNION ALL
          SELECT hour, 0, equity_first FROM paper_portfolio_hourly WHERE session_id = s.session_id
          UNION ALL
          SELECT hour, 1, equity_last FROM paper_portfolio_hourly WHERE session_id = s.session_id) points) e;

-- Sessions that ended before `snapshots_before` keep an hourly roll-up in place of their snapshots. Sessions that
-- ended before `sessions_before` go altogether; NULL, the default, keeps them: they are the evidence for going live.
CREATE FUNCTION paper_cleanup(
    snapshots_before timestamptz,
    sessions_before timestamptz DEFAULT NULL,
    OUT rolled_up bigint, OUT snapshots_deleted bigint, OUT sessions_deleted bigint
) LANGUAGE plpgsql AS $$
DECLARE
    old text[] := ARRAY(SELECT session_id FROM paper_sessions
                        WHERE status = 'ended' AND ended_at < snapshots_before ORDER BY session_id FOR UPDATE);
    positions_deleted bigint;
BEGIN
    -- Compressed chunks limit how many rows one statement may touch; without TimescaleDB this sets nothing.
    PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);

    INSERT INTO paper_portfolio_hourly
    SELECT session_id, date_trunc('hour', moment(time_ns), 'UTC') AS h, count(*),
           (array_agg(equity ORDER BY number) FILTER (WHERE equity IS NOT NULL))[1], min(equity), max(equity),
           (array_agg(equity ORDER BY number DESC) FILTER (WHERE equity IS NOT NULL))[1],
           (array_agg(buy_and_hold ORDER BY number DESC))[1], (array_agg(realised_usd ORDER BY number DESC))[1],
           (array_agg(unrealised_usd ORDER BY number DESC))[1], (array_agg(fees_usd ORDER BY number DESC))[1],
           (array_agg(open_positions ORDER BY number DESC))[1]
    FROM paper_portfolio_snapshots WHERE session_id = ANY (old) GROUP BY session_id, h;
    GET DIAGNOSTICS rolled_up = ROW_COUNT;

    INSERT INTO paper_position_hourly
    SELECT session_id, position_id, date_trunc('hour', moment(time_ns), 'UTC') AS h, min(symbol), count(*),
           (array_agg(quantity ORDER BY number DESC))[1], (array_agg(mark ORDER BY number DESC))[1],
           (array_agg(unrealised ORDER BY number DESC))[1]
    FROM paper_position_snapshots WHERE session_id = ANY (old) GROUP BY session_id, position_id, h;

    DELETE FROM paper_portfolio_snapshots WHERE session_id = ANY (old);
    GET DIAGNOSTICS snapshots_deleted = ROW_COUNT;
    DELETE FROM paper_position_snapshots WHERE session_id = ANY (old);
    GET DIAGNOSTICS positions_deleted = ROW_COUNT;
    snapshots_deleted := snapshots_deleted + positions_deleted;

    DELETE FROM paper_sessions WHERE status = 'ended' AND ended_at < sessions_before;
    GET DIAGNOSTICS sessions_deleted = ROW_COUNT;
END $$;
