-- Every run of the cycle: what was decided, what risk said, what was sent, and why nothing was.

CREATE TABLE paper_decisions (
    session_id      text NOT NULL,
    number          bigint NOT NULL CHECK (number > 0),
    time_ns         time_ns NOT NULL,
    symbol          text NOT NULL,
    agent           text NOT NULL,
    action          text NOT NULL,
    confidence      amount NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    outcome         text NOT NULL CHECK (outcome IN ('sent', 'refused', 'held', 'abstained')),
    reasons         text[] NOT NULL,
    client_order_id text,
    details         jsonb NOT NULL,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (session_id, number)
);
COMMENT ON COLUMN paper_decisions.client_order_id IS 'The order that came of it, where one did.';
