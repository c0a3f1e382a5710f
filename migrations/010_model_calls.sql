-- What models were asked and what it cost. Of no session: the budget is the owner's, whoever spends it, and a call
-- stays as evidence when its session goes. No clean-up touches these tables.

-- Money set aside before a call leaves. One that was never settled counts in full for ever: it may have been spent.
CREATE TABLE model_spending (
    call_id      text PRIMARY KEY,
    day          date NOT NULL,
    session_id   text NOT NULL,
    round        text NOT NULL,
    model        text NOT NULL,
    reserved_usd amount NOT NULL CHECK (reserved_usd >= 0),
    cost_usd     amount CHECK (cost_usd >= 0)
);
COMMENT ON COLUMN model_spending.day IS 'UTC, by the wall time at which the call was begun.';
COMMENT ON COLUMN model_spending.round IS 'The questions of one decision: the request id before its last slash.';
COMMENT ON COLUMN model_spending.cost_usd IS 'NULL: not settled, and reserved_usd counts.';
CREATE INDEX model_spending_by_day ON model_spending (day, model) INCLUDE (reserved_usd, cost_usd);
CREATE INDEX model_spending_by_round ON model_spending (session_id, round) INCLUDE (reserved_usd, cost_usd);

CREATE TABLE model_calls (
    call_id      text PRIMARY KEY,
    session_id   text NOT NULL,
    request_id   text NOT NULL,
    agent        text NOT NULL,
    provider     text NOT NULL,
    model        text NOT NULL,
    model_id     text NOT NULL,
    status       text NOT NULL,
    reason       text NOT NULL,
    prompt_hash  text NOT NULL,
    request      jsonb NOT NULL,
    response     text NOT NULL,
    latency_ns   bigint NOT NULL CHECK (latency_ns >= 0),
    tokens_in    bigint NOT NULL CHECK (tokens_in >= 0),
    tokens_out   bigint NOT NULL CHECK (tokens_out >= 0),
    reserved_usd amount NOT NULL CHECK (reserved_usd >= 0),
    cost_usd     amount NOT NULL CHECK (cost_usd >= 0),
    attempts     integer NOT NULL CHECK (attempts >= 0),
    asked_at_ns  time_ns NOT NULL,
    started_at   timestamptz NOT NULL
);
COMMENT ON TABLE model_calls IS 'Calls that are over, with prompt and answer, without secrets. asked_at_ns is market time.';
CREATE INDEX model_calls_by_request ON model_calls (session_id, request_id);
CREATE INDEX model_calls_by_time ON model_calls (started_at);
