-- Who wanted an order. Of those stored before it was asked for, what they were for tells.
CREATE TYPE order_origin AS ENUM (
    'hand', 'agent', 'strategy', 'hodl', 'rebalance', 'protection', 'gateway', 'mcp'
);
ALTER TABLE paper_orders ADD COLUMN origin order_origin NOT NULL DEFAULT 'hand';
UPDATE paper_orders SET origin = CASE purpose
    WHEN 'entry' THEN 'agent' WHEN 'hodl' THEN 'hodl' WHEN 'rebalance' THEN 'rebalance' ELSE 'protection'
END::order_origin WHERE purpose <> 'manual';
