-- What the mind leaves behind: analyses, votes and how they turned out, the risk state, alerts, the hodl bag.
-- All belong to a session and are numbered by it, like its orders and decisions.

ALTER TYPE ledger_account ADD VALUE 'hodl';
ALTER TYPE entry_kind ADD VALUE 'transfer';

ALTER TABLE paper_session_state
    ADD COLUMN analysis_number bigint NOT NULL DEFAULT 0,
    ADD COLUMN vote_number     bigint NOT NULL DEFAULT 0,
    ADD COLUMN risk_number     bigint NOT NULL DEFAULT 0,
    ADD COLUMN alert_number    bigint NOT NULL DEFAULT 0,
    ADD COLUMN hodl_number     bigint NOT NULL DEFAULT 0;

CREATE TABLE paper_analyses (
    session_id    text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    number        bigint NOT NULL CHECK (number > 0),
    time_ns       time_ns NOT NULL,
    task          text NOT NULL,
    symbol        text NOT NULL,
    model         text,
    abstained     boolean NOT NULL,
    confidence    amount CHECK (confidence BETWEEN 0 AND 1),
    answer        jsonb NOT NULL,
    reason        text NOT NULL,
    snapshot_hash text NOT NULL,
    request_id    text NOT NULL,
    latency_ns    bigint NOT NULL CHECK (latency_ns >= 0),
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (session_id, number)
);
COMMENT ON COLUMN paper_analyses.symbol IS 'A symbol or, for sentiment, an asset.';
COMMENT ON COLUMN paper_analyses.model IS 'The configured name of the model that was asked; NULL: rules.';
CREATE INDEX paper_analyses_by_task ON paper_analyses (session_id, task, symbol, number);

CREATE TABLE paper_votes (
    session_id      text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    number          bigint NOT NULL CHECK (number > 0),
    time_ns         time_ns NOT NULL,
    decision_number bigint,
    symbol          text NOT NULL,
    model           text NOT NULL,
    model_id        text NOT NULL,
    action          text NOT NULL,
    confidence      amount CHECK (confidence BETWEEN 0 AND 1),
    price           amount NOT NULL CHECK (price > 0),
    stop_bps        integer,
    target_bps      integer,
    reasoning       text NOT NULL,
    failure         text NOT NULL,
    snapshot_hash   text NOT NULL,
    request_id      text NOT NULL,
    latency_ns      bigint NOT NULL CHECK (latency_ns >= 0),
    tokens_in       bigint NOT NULL CHECK (tokens_in >= 0),
    tokens_out      bigint NOT NULL CHECK (tokens_out >= 0),
    cost_usd        amount NOT NULL CHECK (cost_usd >= 0),
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (session_id, number),
    FOREIGN KEY (session_id, decision_number) REFERENCES paper_decisions ON DELETE CASCADE,
    CONSTRAINT a_failure_is_no_opinion CHECK (failure = '' OR action = 'abstain')
);
COMMENT ON COLUMN paper_votes.decision_number IS 'The decision it counted for; NULL: it came too late to count.';
COMMENT ON COLUMN paper_votes.price IS 'The mark of the snapshot the model saw; stop and target are basis points of it.';
CREATE INDEX paper_votes_by_decision ON paper_votes (session_id, decision_number, number);
CREATE INDEX paper_votes_by_model ON paper_votes (session_id, model, number);

CREATE TABLE paper_outcomes (
    session_id  text NOT NULL,
    vote_number bigint NOT NULL,
    horizon_ns  bigint NOT NULL CHECK (horizon_ns > 0),
    time_ns     time_ns NOT NULL,
    price       amount CHECK (price > 0),
    move        amount,
    net         amount,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, vote_number, horizon_ns),
    FOREIGN KEY (session_id, vote_number) REFERENCES paper_votes ON DELETE CASCADE,
    CONSTRAINT without_a_price_nothing_is_known CHECK (price IS NOT NULL OR (move IS NULL AND net IS NULL))
);
COMMENT ON TABLE paper_outcomes IS 'What came of a vote after horizon_ns, as fractions of its price. Stored once.';

-- The whole state after each change; the latest again in a row of its own, which every start reads.
CREATE TABLE paper_risk_history (
    session_id  text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    number      bigint NOT NULL CHECK (number > 0),
    time_ns     time_ns NOT NULL,
    kind        text NOT NULL,
    reason      text NOT NULL,
    state       jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, number)
);
COMMENT ON TABLE paper_risk_history IS 'Append-only.';
CREATE TABLE paper_risk_state (
    session_id  text PRIMARY KEY REFERENCES paper_sessions ON DELETE CASCADE,
    number      bigint NOT NULL CHECK (number > 0),
    time_ns     time_ns NOT NULL,
    kind        text NOT NULL,
    reason      text NOT NULL,
    state       jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE paper_risk_state IS 'A session that has changed its risk state and has no row here is damaged: halt.';

CREATE TABLE paper_alerts (
    session_id  text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    number      bigint NOT NULL CHECK (number > 0),
    time_ns     time_ns NOT NULL,
    kind        text NOT NULL,
    symbol      text NOT NULL,
    position_id text NOT NULL,
    message     text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, number)
);

CREATE TABLE paper_hodl (
    session_id      text NOT NULL REFERENCES paper_sessions ON DELETE CASCADE,
    number          bigint NOT NULL CHECK (number > 0),
    time_ns         time_ns NOT NULL,
    kind            text NOT NULL,
    asset           text NOT NULL,
    quantity        amount NOT NULL,
    usd             amount,
    position_id     text NOT NULL,
    client_order_id text NOT NULL,
    details         jsonb NOT NULL,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (session_id, number)
);
COMMENT ON TABLE paper_hodl IS 'The steps of the hodl bag; what is in it says the ledger, in the account hodl.';
CREATE INDEX paper_hodl_by_asset ON paper_hodl (session_id, asset, number);
