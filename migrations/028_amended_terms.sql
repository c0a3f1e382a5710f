-- Terms of an order as amended, where more than its quantity and price has changed: NULL where nothing has, as in all
-- rows that are there. What was asked for stays beside it.
ALTER TABLE paper_orders ADD COLUMN amended_terms jsonb;
SELECT paper_build();
