-- What was asked for with a client order id, stop and target included: looked up when the id comes again.

CREATE INDEX security_events_by_order ON security_events (session_id, (details ->> 'client_order_id'))
    WHERE kind = 'paper_trade';
