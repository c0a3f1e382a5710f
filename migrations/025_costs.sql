-- What is sold for less than the smallest step of a cost brings nothing.
ALTER TABLE paper_trades DROP CONSTRAINT paper_trades_notional_check, ADD CHECK (notional >= 0);

-- Costs are told in it as well as fees.
ALTER TABLE market_instruments RENAME COLUMN fee_decimals TO cost_decimals;
