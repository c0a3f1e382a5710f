-- How the queue in front of each resting order went, in at most two hundred points an order. Append-only. Sessions of
-- before have none.
CREATE TABLE paper_queue_points (
    session_id   text NOT NULL,
    order_number bigint NOT NULL,
    point        integer NOT NULL CHECK (point BETWEEN 1 AND 200),
    time_ns      time_ns NOT NULL,
    ahead        amount CHECK (ahead >= 0),
    traded       amount NOT NULL CHECK (traded >= 0),
    why          text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    step         bigint,
    PRIMARY KEY (session_id, order_number, point),
    FOREIGN KEY (session_id, order_number) REFERENCES paper_orders ON DELETE CASCADE
);
COMMENT ON COLUMN paper_queue_points.ahead IS 'Base asset that stands in front; NULL: nobody knows.';
COMMENT ON COLUMN paper_queue_points.traded IS 'What of those in front has been traded since the order first took a place.';
CREATE INDEX paper_queue_points_by_step ON paper_queue_points (session_id, step);
INSERT INTO paper_kinds (place, key, stored) VALUES (35, 'queue_points', 'paper_queue_points');
SELECT paper_build();
